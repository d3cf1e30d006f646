"""Ranges that are chosen: where the loss has risen tenfold, along an axis whose rise is known in closed form."""

import copy
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import lived_in
from commands import fails, run
from fastscape import Landscape, Plan
from fastscape.runs import axes
from fastscape.runs.axes import chosen_axes
from fastscape.runs.backing import Backing
from fastscape.sampling.auto_range import reach_of
from fastscape.weights.grid import Auto, wanted_axis
from fastscape.weights.schemes import SURFACES
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import save_checkpoint
from processes import one_of

SAMPLE = torch.ones(1, 1), torch.ones(1)
AXES = {"directions": [{"weight": torch.tensor([[1.0], [0.0]])}, {"weight": torch.tensor([[0.0], [1.0]])}]}
LADDER = [2 ** (k / 2) for k in range(-12, 13)]


class Place(nn.Module):
    """Returns its two weights, which are the coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.weight.flatten().expand(len(inputs), -1)


def over(loss, data=SAMPLE, **options) -> Landscape:
    """The landscape of a function of x and y."""
    options = {"x": "auto", "y": (-1, 1, 3), "precision": "float64", "progress": False, **AXES, **options}
    return fastscape.surface(Place(), data, loss=lambda o, t: loss(o[:, 0], o[:, 1]) * t, **options)


def first(rise: float) -> float:
    """The smallest reach on the ladder that is not below a number."""
    return min(r for r in LADDER if r >= rise)


@pytest.mark.parametrize("curvature", [1e-2, 1.0, 4.4, 8.9, 9.0, 9.1, 100.0, 1e4])
def test_the_reach_of_a_parabola_is_known(curvature):
    found = over(lambda x, y: 1 + curvature * x**2)
    end = first(math.sqrt((10 * max(1, 0.001 * (1 + curvature)) - 1) / curvature))
    assert found.x.tolist() == wanted_axis("x", (-end, end, 51)).tolist()
    assert found.report["reach"].keys() == {"x"}
    said = found.report["reach"]["x"]
    assert said == {"reach": end, "centre": 1.0, "ends": said["ends"], "factor": 10, "found": True}
    assert said["ends"] == pytest.approx([1 + curvature * end**2] * 2, rel=1e-12)
    assert not found.report["warnings"]


@pytest.mark.parametrize(("up", "end"), [(18.0, 1.0), (17.0, 2**0.5)])
def test_the_mean_of_both_ends_counts(up, end):
    found = over(lambda x, y: 1 + up * x.clamp(min=0) ** 2)
    assert found.report["reach"]["x"]["reach"] == end
    assert found.report["reach"]["x"]["ends"] == pytest.approx([1.0, 1 + up * end**2])


def test_every_axis_has_its_own_reach_and_the_other_coordinate_is_0():
    found = over(lambda x, y: 1 + x**2 + 100 * y**2 + 1000 * (x * y) ** 2, x=("auto", 4), y=("auto", 7))
    assert found.shape == (4, 7)
    assert (found.x[0], found.x[-1], found.y[0], found.y[-1]) == (-4, 4, -(2**-1.5), 2**-1.5)
    np.testing.assert_array_equal(found.x, -found.x[::-1])
    assert found.report["reach"]["x"]["ends"] == pytest.approx([found.loss[0, 3], found.loss[-1, 3]])


def test_one_axis_is_given_and_needs_no_0():
    found = over(lambda x, y: 1 + x**2 + 100 * (y - 1) ** 2, x=[2.0, 3.0], y=("auto", 5))
    assert found.x.tolist() == [2.0, 3.0]
    assert found.report["reach"].keys() == {"y"}
    centre = 101.0
    end = first(math.sqrt(9 * centre / 100))  # the mean of both ends is 101 + 100 r^2
    assert (found.y[-1], found.report["reach"]["y"]["centre"]) == (end, centre)
    assert over(lambda x, y: 1 + x**2, x=(-1, 1, 3)).report["reach"] is None


@pytest.mark.parametrize("centre", [0.0, 1e-9, 1e-3])
@pytest.mark.parametrize("curvature", [1e-3, 1.0, 1e3])
def test_a_centre_near_0_counts_as_a_thousandth_of_the_mean_at_1(centre, curvature):
    found = over(lambda x, y: curvature * (centre + x**2))
    assert found.report["reach"]["x"]["reach"] == first(math.sqrt(0.01))


def test_where_the_loss_is_0_all_around_any_rise_counts():
    assert over(lambda x, y: (x.abs() - 3).clamp(min=0)).x[-1] == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("edge", "end"), [(5.0, 2**2.5), (0.3, 2**-1.5)])
@pytest.mark.parametrize("centre", [0.0, 2.0])
def test_what_is_not_finite_has_risen(bad, edge, end, centre):
    found = over(lambda x, y: torch.where(x > edge, bad, centre + 1e-4 * y**2))
    assert found.report["reach"]["x"]["reach"] == end
    assert found.report["reach"]["x"]["found"]


@pytest.mark.parametrize("centre", [0.0, 2.0])
def test_what_is_finite_nowhere_has_risen_everywhere(centre):
    with pytest.warns(UserWarning, match="along x the loss has risen to at least 10 times"):
        found = over(lambda x, y: torch.where(x == 0, centre, math.nan))
    assert found.x[-1] == 2**-6


def test_without_a_mean_at_1_that_of_the_largest_reach_below_is_taken():
    found = over(lambda x, y: torch.where(x > 0.6, math.inf, 7 * x**2))
    assert found.x[-1] == first(math.sqrt(0.01 * 0.5**2))


@pytest.mark.parametrize("loss", [lambda x, y: 3 + y**2, lambda x, y: y**2])  # and ten times 0 is reached at once
def test_a_loss_that_never_rises_has_the_largest_reach_and_a_warning(loss):
    message = "along x the loss has not risen to 10 times that at the centre up to 64, where the axis ends"
    with pytest.warns(UserWarning, match=message) as caught:
        found = over(loss)
    assert found.x[-1] == 64
    assert found.report["reach"]["x"]["found"] is False
    assert [str(warning.message) for warning in caught] == found.report["warnings"]
    assert len(caught) == 1


@pytest.mark.filterwarnings("ignore:the loss is the same at every point")
def test_a_constant_loss():
    with pytest.warns(UserWarning, match="along x the loss has not risen"):
        found = over(lambda x, y: 3 + 0 * x)
    assert (found.x[-1], len(found.report["warnings"])) == (64, 2)  # and that it is constant


def test_the_ends_of_the_ladder():
    assert over(lambda x, y: 1 + 9 / 4096 * x**2).report["reach"]["x"] == {
        "reach": 64, "centre": 1, "ends": [10, 10], "factor": 10, "found": True,
    }  # fmt: skip
    assert over(lambda x, y: 1 + 71.9 * x.abs() ** 0.5).x[-1] == 2**-5.5
    with pytest.warns(UserWarning, match=r"has risen to at least 10 times .* already at 0\.015625, where"):
        found = over(lambda x, y: 1 + 72 * x.abs() ** 0.5)
    assert (found.x[-1], len(found.report["warnings"])) == (2**-6, 1)
    assert found.report["reach"]["x"]["found"] is False


@pytest.mark.parametrize("loss", [lambda x, y: x**2 - 5, lambda x, y: 1 - x**2, lambda x, y: -3 - x**2])
def test_a_loss_below_0_is_refused(loss):
    with pytest.raises(
        ValueError, match=r"needs losses of at least 0, and the loss at x=.* is -.*; write the range of x"
    ):
        over(loss)


def test_a_loss_that_rounding_has_brought_below_0_is_not_refused():
    assert over(lambda x, y: x**2 - 1e-7).x[-1] == first(math.sqrt(0.01))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_centre_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=rf"ten times the loss at the centre, which is {bad}; write the"):
        over(lambda x, y: torch.where(x == 0, bad, 1 + x**2))


def walked(loss) -> tuple[float, list[float]]:
    """The reach, and those that were tried."""
    tried = []

    def loss_at(at: float) -> float:
        tried.append(at)
        return loss(at)

    found = reach_of(loss_at, "x")
    assert tried[0] == 0
    assert tried[1::2] == [-r for r in tried[2::2]]
    return found.reach, tried[2::2]


def test_the_walk_goes_one_way_and_stops_at_the_first():
    assert walked(lambda x: 1 + x**2) == (4, [1, 2**0.5, 2, 2**1.5, 4])
    assert walked(lambda x: 1 + 50 * x**2) == (0.5, [1, 2**-0.5, 0.5, 2**-1.5])
    assert walked(lambda x: 20 if abs(x) in (1, 0.5) else 1) == (1, [1, 2**-0.5])  # 0.5 is not looked at
    assert walked(lambda x: 20 if abs(x) == 2 else 1) == (2, [1, 2**0.5, 2])
    assert walked(lambda x: 1)[1] == LADDER[12:]
    assert walked(lambda x: 1 if x == 0 else 20)[1] == LADDER[12::-1]


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("automatic", TypeError, "x must be .* 'auto' or 'path'.*, got 'automatic'"),
        (("auto", 1), ValueError, r"x must have at least 2 grid points, got count 1; for example \('auto', 51\)"),
        (("auto", -3), ValueError, "count -3"),
        (("auto", 5.0), TypeError, r"x must be \('auto', count\), got \('auto', 5\.0\); for example \('auto', 51\)"),
        (("auto", True), TypeError, r"must be \('auto', count\)"),
        (("auto",), TypeError, r"must be \('auto', count\)"),
        (("auto", 5, 6), TypeError, r"must be \('auto', count\)"),
        ((5, "auto"), TypeError, r"must be \('auto', count\)"),
        (("auto", "auto"), TypeError, r"must be \('auto', count\)"),
        (
            ("wide", 5),
            TypeError,
            r"x must be a tuple of 3 numbers, got a tuple of 2; write \(start, stop, count\), for example",
        ),
        (["auto", 5], TypeError, r"x must be \(start, stop, count\) or a sequence of numbers, got \['auto', 5\]"),
        (
            (),
            TypeError,
            r"x must be a tuple of 3 numbers, got a tuple of 0; write \(start, stop, count\), for example",
        ),
    ],
)
def test_mistakes_in_an_axis(spec, error, message):
    with pytest.raises(error, match=message):
        over(lambda x, y: 1 + x**2, x=spec)


def test_counts_of_points():
    assert wanted_axis("x", "auto") == Auto(51)
    assert wanted_axis("x", ("auto", np.int64(7))) == Auto(7)
    assert wanted_axis("x", (0, 1, 3)).tolist() == [0, 0.5, 1]


def classifier(seed: int = 0) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """A network with all that has modes, and its samples."""
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = torch.rand(12, 1, 4, 4, generator=generator), torch.arange(12) % 3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 3)
        return lived_in(nn.Sequential(*layers), inputs), (inputs, targets)


def assert_of_the_grid(found: Landscape, name: str, rtol: float) -> None:
    """The losses by which a reach was chosen are those of the landscape."""
    said = found.report["reach"][name]
    line = found.loss if found.y is None else found.loss[:, 1] if name == "x" else found.loss[1]
    axis = getattr(found, name)
    assert axis.tolist() == [-said["reach"], 0.0, said["reach"]]
    np.testing.assert_allclose([said["ends"][0], said["centre"], said["ends"][1]], line, rtol=rtol)


@pytest.mark.filterwarnings("ignore:the values depend on", "ignore:along")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"low_memory": True},
        {"batchnorm": "batch"},
        {"batchnorm": "recalibrate"},
        {"train_mode": True},
        {"precision": "float64"},
        {"precision": "bfloat16"},
        {"perturb": "all", "normalize": "layer", "distribution": "rademacher"},
        {"plan": Plan("vmap", 5, 4)},
        {"plan": Plan("loop", 2, 5, memory_format="channels_last", workers=2)},
        {
            "objective": lambda call, batch: {
                "loss": F.cross_entropy(call(batch[0]), batch[1]),
                "other": torch.ones(()),
            }
        },
        {"tolerance": 0.0},
        *({"scheme": scheme} for scheme in SURFACES),
    ],
    ids=lambda options: "-".join(options) or "defaults",
)
def test_reaches_are_measured_as_the_grid_is(options):
    model, data = classifier()
    found = fastscape.surface(model, data, x=("auto", 3), y=("auto", 3), progress=False, **options)
    for name in "xy":
        assert_of_the_grid(found, name, 2e-2 if options.get("precision") == "bfloat16" else 1e-5)


@pytest.mark.filterwarnings("ignore:along")
def test_lines():
    model, data = classifier()
    for options in ({}, {"to": classifier(1)[0]}, {"scheme": "plane", "precision": "float64"}):
        assert_of_the_grid(fastscape.line(model, data, x=("auto", 3), **options), "x", 1e-5)
    assert len(fastscape.line(model, data, x="auto").x) == 51


@pytest.mark.filterwarnings("ignore:the values depend on", "ignore:along")
def test_the_model_and_random_numbers_are_left_alone():
    model, data = classifier()
    model.train()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    fastscape.surface(model, data, x=("auto", 3), y=("auto", 3), train_mode=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert model.training


def test_of_data_in_parts_the_first_one_counts():
    data = torch.ones(6, 1), torch.tensor([1.0, 1.0, 1.0, 50.0, 50.0, 50.0])

    def surface(**options):
        directions = AXES["directions"]
        return fastscape.surface(
            Place(), data, loss=lambda o, t: 1 + t * o[:, 0] ** 2, x=("auto", 5), y=(0, 0, 1), directions=directions,
            precision="float64", **options,
        )  # fmt: skip

    assert surface(stream_samples=3).x[-1] == first(3)
    assert surface().x[-1] == first(3 / math.sqrt(25.5))
    assert surface(stream_samples=3).loss[-1, 0] == pytest.approx(1 + 25.5 * 16)


def test_a_tolerance_refines_the_range_that_was_chosen():
    found = over(lambda x, y: 1 + x**2 + 4 * y**2, x=("auto", 41), y=("auto", 41), tolerance=0.01)
    assert (found.x[-1], found.y[-1]) == (4, 2)
    assert not found.evaluated.all()
    truth = 1 + found.x[:, None] ** 2 + 4 * found.y**2
    assert np.sqrt(np.mean((np.log10(found.loss) - np.log10(truth)) ** 2)) < 0.01 * np.ptp(np.log10(truth))


def test_a_landscape_with_a_reach_is_saved_and_reproduced(tmp_path):
    model, data = classifier()
    found = fastscape.surface(model, data, x=("auto", 5), y=("auto", 4), plan=Plan("loop", 4))
    loaded = Landscape.load(found.save(tmp_path / "a.npz"))
    assert loaded.report["reach"] == found.report["reach"] == json.loads(json.dumps(found.report["reach"]))
    again = loaded.reproduce(model, data)
    np.testing.assert_array_equal(again.loss, found.loss)
    np.testing.assert_array_equal(again.x, found.x)


def forbidden(*arguments):
    raise AssertionError("nothing is to be measured here")


@pytest.fixture
def stored(tmp_path):
    """A run that was ended when some of its blocks were stored, and the call."""
    pytest.importorskip("zarr")
    path = tmp_path / "run.zarr"

    def call(**options):
        model, data = classifier()
        options = {"x": ("auto", 4), "y": ("auto", 5), "plan": Plan("loop", 5), "store": path, **options}
        return fastscape.surface(model, data, progress=False, **options)

    whole = call()
    (path / "sums" / "c" / "1" / "0").unlink()
    return call, whole


def test_a_run_that_goes_on_takes_the_reaches_that_it_was_begun_with(stored, monkeypatch):
    call, whole = stored
    monkeypatch.setattr(axes, "reach_of", forbidden)
    again = call()
    assert again.report["points_before"] == 15
    assert again.report["reach"] == whole.report["reach"]
    np.testing.assert_array_equal(again.loss, whole.loss)
    assert call(x=whole.x, y=whole.y).report["points_before"] == 20  # and in numbers they are the same


def test_a_store_of_other_axes_is_refused(stored, tmp_path):
    call, _ = stored
    with pytest.raises(ValueError, match=r"run\.zarr has another axis x; give the same one"):
        call(x=("auto", 5))
    with pytest.raises(ValueError, match=r"run\.zarr was begun with seed"):
        call(seed=1)
    other = tmp_path / "other.zarr"
    call(x=(-0.3, 0.3, 4), store=other)
    with pytest.raises(ValueError, match=r"other\.zarr has another axis x; give the same one"):
        call(store=other)
    (other / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"other\.zarr is damaged"):
        call(store=other)


def test_a_store_that_was_ended_before_it_had_begun_is_begun(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    model, data = classifier()
    (tmp_path / "new.zarr").mkdir()
    found = fastscape.line(model, data, x=("auto", 3), store=tmp_path / "new.zarr", progress=False)
    assert found.report["reach"]["x"]["found"]


def test_of_several_processes_the_first_chooses_for_all(monkeypatch):
    shared = torch.distributed.HashStore()
    ranks = [one_of(2, k, torch.distributed.PrefixStore("a", shared)) for k in range(2)]
    wanted, rest = {"x": np.arange(3.0), "y": Auto(5)}, (None,) * 3
    monkeypatch.setattr(axes, "_losses", lambda *problem: lambda point: 1 + point[0] + 100 * point[1] ** 2)
    grid, found, _ = chosen_axes(wanted, *rest, Backing(ranks=ranks[0]))
    monkeypatch.setattr(axes, "_losses", forbidden)
    same, told, _ = chosen_axes(wanted, *rest, Backing(ranks=ranks[1]))
    assert told == found
    assert found["y"]["reach"] == 2**-1.5
    for name in wanted:
        np.testing.assert_array_equal(grid.axes[name], same.axes[name])
    ranks = [one_of(2, k, torch.distributed.PrefixStore("b", shared)) for k in range(2)]
    chosen_axes({"x": np.arange(3.0), "y": np.arange(2.0)}, *rest, Backing(ranks=ranks[0]))
    with pytest.raises(ValueError, match="process 1 of 2 has another x or y than process 0, 'auto' or not; give all"):
        chosen_axes(wanted, *rest, Backing(ranks=ranks[1]))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    sizes = datasets.describe(datasets.load("digits"))._asdict()
    files = [folder / f"{name}.safetensors" for name in ("a", "b")]
    for seed, file in enumerate(files):
        network = models.build("mlp", seed=seed, **sizes)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1 + seed)
        save_checkpoint(network, file, model_name="mlp", dataset_name="digits")
    return files


def test_the_command_line(checkpoints, tmp_path):
    one, few = checkpoints[0], ("--samples", 8, "--no-pictures", "--out", tmp_path / "a.npz")

    def computed(*arguments):
        run(arguments[0], one, *arguments[1:], *few)
        return Landscape.load(tmp_path / "a.npz")

    found = computed("surface", "--reach", "auto", "--points", 3)
    for name in "xy":
        assert_of_the_grid(found, name, 1e-5)
    assert "factor" in run("info", "--all", tmp_path / "a.npz")
    found = computed("surface", "--reach", "auto", "--points", 4, "--y", 0, 1, 2)
    assert found.y.tolist() == [0, 1]
    assert (len(found.x), list(found.report["reach"])) == (4, ["x"])
    found = computed("surface", "--reach", 0.25, "--points", 2)
    assert (found.x.tolist(), found.y.tolist()) == ([-0.25, 0.25], [-0.25, 0.25])
    assert computed("line", "--points", 3).x.tolist() == [-1, 0, 1]
    found = computed("line", "--reach", "auto")
    assert (len(found.x), found.x[-1]) == (51, found.report["reach"]["x"]["reach"])


def test_several_checkpoints_have_the_range_of_the_first(checkpoints, tmp_path):
    few = "--samples", 8, "--no-pictures", "--out", tmp_path, "--reach", "auto", "--points", 3
    run("surface", *checkpoints, *few)
    first, second = (Landscape.load(tmp_path / f"{file.stem}.npz") for file in checkpoints)
    assert first.report["reach"].keys() == {"x", "y"}
    assert second.report["reach"] is None
    assert (first.x.tolist(), first.y.tolist()) == (second.x.tolist(), second.y.tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("surface", "--reach", "far"), "--reach must be auto or a number above 0, got far; write for example 0.5"),
        (("surface", "--reach", -1), "--reach must be auto or a number above 0, got -1"),
        (("surface", "--reach", "nan"), "--reach must be auto or a number above 0, got nan"),
        (("line", "--reach", "auto", "--points", 1), "--points must be at least 2 with --reach auto, got 1"),
        (("line", "--x", 0, 1, 2, "--points", 5), "--reach and --points are for axes not given, got --x too"),
        (("surface", "--x", 0, 1, 2, "--y", 0, 1, 2, "--reach", "auto"), "got --x and --y too; leave out one or the"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, checkpoints, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command, *options = arguments
    assert message in fails(capsys, monkeypatch, command, checkpoints[0], *options)
