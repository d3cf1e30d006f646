"""Random directions that are drawn several times: every repeat is a single call, and the values are their means."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
import stored_runs
from cases import ZOO
from fastscape import Landscape, Plan
from fastscape.engine import Engine
from fastscape.runs.store import writing
from fastscape.weights import Random, seeds_of
from fastscape.weights.basis import basis_redrawn
from processes import one_thread

MODEL, DATA = stored_runs.problem()
LINE = {"x": (-1, 1, 7), "progress": False, "metrics": {"accuracy": fastscape.accuracy}}
PLANE = {**LINE, "y": (-0.5, 1, 4)}
LOOP = Plan("loop", chunk=5, microbatch=7)


def singles(call, landscape, **options):
    """The same call once for the seed of every repeat."""
    return [call(MODEL, DATA, seed=seed, **options) for seed in landscape.report["seeds"]]


def assert_each_is(landscape, found, *, exactly):
    """Every repeat has the values of a single call, and the landscape is their mean."""
    assert landscape.repeated == len(found)
    for r, one in enumerate(found):
        for name, grid in one.measures.items():
            if exactly:
                assert landscape.repeats[name][r].tobytes() == grid.tobytes()
            else:
                np.testing.assert_allclose(landscape.repeats[name][r], grid, rtol=2e-5, atol=1e-6)
    np.testing.assert_array_equal(landscape.loss, landscape.repeats["loss"].mean(0))
    errors = np.stack([one.standard_error for one in found])
    np.testing.assert_allclose(landscape.standard_error, errors.mean(0), rtol=1e-6 if exactly else 1e-3)
    assert landscape.evaluated.all()


@pytest.mark.parametrize("seed", [0, 3, 2**64 - 1])
@pytest.mark.parametrize("scheme", ["line", "plane"])
def test_every_repeat_of_a_line_is_the_single_call_with_its_seed(scheme, seed):
    options = {**LINE, "scheme": scheme, "plan": LOOP}
    landscape = fastscape.line(MODEL, DATA, repeats=4, seed=seed, **options)
    assert landscape.report["seeds"][0] == landscape.report["seed"] == seed
    assert_each_is(landscape, singles(fastscape.line, landscape, **options), exactly=True)


@pytest.mark.parametrize("scheme", ["plane", "bilinear", "linear2x", "barycentric"])
def test_so_is_that_of_a_plane(scheme):
    options = {**PLANE, "scheme": scheme, "plan": LOOP}
    landscape = fastscape.surface(MODEL, DATA, repeats=3, **options)
    assert landscape.shape == (7, 4)
    assert landscape.repeats["accuracy"].shape == (3, 7, 4)
    assert_each_is(landscape, singles(fastscape.surface, landscape, **options), exactly=True)


@pytest.mark.parametrize("normalize", ["filter", "filter-input", "layer", "weight", "dfilter", "none"])
@pytest.mark.parametrize("low_memory", [False, True])
def test_every_norm_also_of_directions_that_take_no_memory(normalize, low_memory):
    options = {**PLANE, "normalize": normalize, "low_memory": low_memory, "distribution": "rademacher", "plan": LOOP}
    landscape = fastscape.surface(MODEL, DATA, repeats=3, **options)
    assert_each_is(landscape, singles(fastscape.surface, landscape, **options), exactly=True)


@pytest.mark.parametrize(
    "plan", ["auto", Plan("vmap", 5, 7), Plan("vmap", 20, 64, hoist=True), Plan("loop", 3, workers=2)]
)
def test_every_plan(plan):
    landscape = fastscape.surface(MODEL, DATA, repeats=3, plan=plan, **PLANE)
    assert_each_is(landscape, singles(fastscape.surface, landscape, plan=LOOP, **PLANE), exactly=False)


@pytest.mark.parametrize("name", ["mnist-cnn", "resnet8"])
def test_convolutions_with_their_channels_last(name):
    case = ZOO[name]()
    options = {"x": (-0.5, 0.5, 3), "plan": Plan("loop", 2, memory_format="channels_last"), "progress": False}
    landscape = fastscape.line(case.model, (case.inputs, case.targets), repeats=3, scheme="plane", **options)
    for stack, seed in zip(landscape.repeats["loss"], landscape.report["seeds"], strict=True):
        one = fastscape.line(case.model, (case.inputs, case.targets), seed=seed, scheme="plane", **options)
        np.testing.assert_allclose(stack, one.loss, rtol=1e-4)


def test_one_repeat_is_none():
    plain = fastscape.line(MODEL, DATA, plan=LOOP, **LINE)
    one = fastscape.line(MODEL, DATA, plan=LOOP, repeats=1, **LINE)
    assert plain.loss.tobytes() == one.loss.tobytes()
    assert not one.repeats
    assert one.repeated == plain.report["repeats"] == 1
    assert "seeds" not in plain.report
    with pytest.raises(ValueError, match="along one direction"):
        one.spread()


def test_the_model_is_as_it_was():
    before = copy.deepcopy(MODEL.state_dict())
    fastscape.line(MODEL, DATA, repeats=3, **LINE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in MODEL.state_dict().items())


def test_seeds_belong_to_a_run():
    assert seeds_of(5, 1) == [5]
    many = [seed for start in range(100) for seed in seeds_of(start, 32)]
    assert len(set(many)) == len(many)
    assert all(seed < 2**53 for seed in many)
    assert seeds_of(0, 3) == [0, 2383740928328724, 8033538764449424]  # files name them


def test_directions_are_drawn_again_without_a_change_of_those_before():
    layout = fastscape.weights.layout_of(MODEL)
    theta = dict(MODEL.named_parameters())
    place = fastscape.weights.Place(torch.device("cpu"), fastscape.weights.PRECISIONS["float64"])
    made = [
        fastscape.weights.basis_of(theta, layout, Random(seed).directions(layout, theta, 2).writers, "filter", place)
        for seed in (0, 9)
    ]
    kept = made[0].vectors.clone()
    again = basis_redrawn(made[0], Random(9), "filter", "auto")
    assert torch.equal(made[0].vectors, kept)
    assert torch.equal(again.vectors, made[1].vectors)
    assert torch.equal(again.gram, made[1].gram)


def test_only_one_pair_of_directions_is_in_memory(monkeypatch):
    drawn = []
    real = Engine.sums

    def watched(self, points):
        found = real(self, points)
        drawn.append(self._points.space.basis.vectors.data_ptr())
        assert self._points.space.basis.vectors.shape[0] == 3
        return found

    monkeypatch.setattr(Engine, "sums", watched)
    fastscape.surface(MODEL, DATA, repeats=6, plan=LOOP, **PLANE)
    assert len(set(drawn)) <= 7


def test_quantiles_and_errors_are_those_of_numpy():
    landscape = fastscape.surface(MODEL, DATA, repeats=5, **PLANE)
    for name in ("loss", "accuracy"):
        stack = landscape.repeats[name]
        np.testing.assert_array_equal(landscape.quantiles([0.1, 0.5], name), np.quantile(stack, [0.1, 0.5], axis=0))
        np.testing.assert_array_equal(landscape.quantiles(0.9, name), np.quantile(stack, 0.9, axis=0))
        np.testing.assert_allclose(landscape.spread(name), stack.std(0, ddof=1), rtol=1e-12)
        np.testing.assert_allclose(landscape.direction_error(name), stack.std(0, ddof=1) / 5**0.5, rtol=1e-12)
        np.testing.assert_array_equal(landscape.metrics[f"spread of {name}"], landscape.spread(name))
    error = landscape.direction_error()
    assert landscape.report["direction_error"] == {"median": np.median(error), "largest": error.max()}
    with pytest.raises(ValueError, match="metric='spread of loss' is unknown; each direction has loss, accuracy"):
        landscape.quantiles(0.5, "spread of loss")


def test_the_standard_error_over_samples_is_an_upper_bound_of_that_of_the_mean():
    """Of the mean over the directions it would be that of the mean losses of the samples."""
    repeats = 4
    landscape = fastscape.line(MODEL, DATA, repeats=repeats, scheme="plane", precision="float64", **LINE)
    each = np.stack(
        [
            [
                fastscape.line(MODEL, (DATA[0][k : k + 1], DATA[1][k : k + 1]), seed=seed, scheme="plane",
                               precision="float64", **LINE).loss
                for k in range(len(DATA[1]))
            ]
            for seed in landscape.report["seeds"]
        ]
    )  # fmt: skip
    np.testing.assert_allclose(each.mean(1), landscape.repeats["loss"], rtol=1e-9)
    true = each.mean(0).std(0, ddof=1) / len(DATA[1]) ** 0.5
    assert (true <= landscape.standard_error * (1 + 1e-9)).all()
    assert true[3] == pytest.approx(landscape.standard_error[3])  # at the model the directions are one point


class Fragile(nn.Module):
    """Has no loss once its first weight has become large."""

    def __init__(self, value):
        super().__init__()
        self.linear, self.value = nn.Linear(3, 2), value

    def forward(self, inputs):
        return self.linear(inputs) + torch.where(self.linear.weight[0, 0] > 0.6, self.value, 0.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_repeat_that_is_not_finite_is_counted_and_said(value):
    model = Fragile(value)
    with torch.no_grad():
        model.linear.weight.fill_(0.5)
    options = {"x": (-1, 1, 5), "repeats": 6, "progress": False, "scheme": "plane"}
    with pytest.warns(UserWarning, match="not finite along some of the 6 random directions"):
        landscape = fastscape.line(model, DATA, **options)
    finite = np.isfinite(landscape.repeats["loss"])
    assert finite[:, 2].all()
    assert 0 < (~finite[:, -1]).sum() < 6
    assert not np.isfinite(landscape.loss[-1])
    assert np.isnan(landscape.spread()[-1])
    assert np.isfinite(landscape.direction_error()[2])
    assert sum(landscape.report["not_finite"]["loss"].values()) == (~finite).sum()
    assert any("random directions" in said for said in landscape.report["warnings"])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"repeats": 0}, ValueError, "repeats must be an integer of at least 1.*, got 0"),
        ({"repeats": -3}, ValueError, "repeats must be an integer of at least 1, got -3; for example 32"),
        ({"repeats": True}, TypeError, "repeats must be an integer of at least 1, got True; for example 32"),
        ({"repeats": 4.0}, TypeError, r"repeats must be an integer of at least 1, got 4\.0; for example 32"),
        ({"repeats": "4"}, TypeError, "repeats must be an integer of at least 1, got '4'; for example 32"),
        ({"repeats": 2, "tolerance": 0.01}, ValueError, "repeats=2 are several; leave out one"),
        ({"repeats": 2, "directions": [MODEL, MODEL]}, ValueError, "directions were given; leave out one"),
    ],
)
def test_what_cannot_be_repeated_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        fastscape.surface(MODEL, DATA, **{**PLANE, **options})


def test_a_line_to_another_model_has_one_direction():
    with pytest.raises(
        ValueError, match="repeats=2 draws random directions again, and to gives a direction; leave out"
    ):
        fastscape.line(MODEL, DATA, to=copy.deepcopy(MODEL), repeats=2, **LINE)


def test_an_axis_goes_as_far_as_that_of_the_first_repeat():
    one = fastscape.line(MODEL, DATA, x=("auto", 5), progress=False)
    several = fastscape.line(MODEL, DATA, x=("auto", 5), repeats=3, progress=False)
    assert several.x.tobytes() == one.x.tobytes()
    assert several.report["reach"] == one.report["reach"]


@pytest.mark.parametrize("options", [{}, {"stream_samples": 6}, {"target_standard_error": 0.001}])
def test_it_is_computed_again_from_its_report(options):
    landscape = fastscape.surface(MODEL, DATA, repeats=3, plan=LOOP, seed=4, **{**PLANE, **options})
    again = landscape.reproduce(MODEL, DATA, progress=False)
    assert again.repeats["loss"].tobytes() == landscape.repeats["loss"].tobytes()
    assert again.report["seeds"] == landscape.report["seeds"]
    with pytest.raises(ValueError, match="the report says 2 repeats, and the landscape has 3"):
        landscape.with_report({**landscape.report, "repeats": 2}).reproduce(MODEL, DATA)


def test_it_is_refused_where_it_is_of_another_loss():
    landscape = fastscape.line(MODEL, DATA, repeats=3, plan=LOOP, x=(-1, 1, 3), loss=scaled(1.0), progress=False)
    with pytest.raises(ValueError, match="this is another problem"):
        landscape.reproduce(MODEL, DATA, loss=scaled(2.0), progress=False)


def scaled(factor):
    def loss(outputs, targets):
        return factor * nn.functional.cross_entropy(outputs, targets, reduction="none")

    return loss


@pytest.mark.parametrize("options", [{}, {"stream_samples": 6}])
def test_a_store_goes_on_in_the_middle_of_the_repeats(tmp_path, monkeypatch, options):
    wanted = {"repeats": 4, "plan": LOOP, **PLANE, **options}
    whole = fastscape.surface(MODEL, DATA, **wanted)
    keep, left = writing.Store.keep, [8]

    def ended(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return keep(self, *arguments)

    over, parts = writing.Store.part_kept, [1]

    def ended_in_parts(self, *arguments):
        over(self, *arguments)
        parts[0] -= 1
        if parts[0] < 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing.Store, "keep", ended)
        patch.setattr(writing.Store, "part_kept", ended_in_parts)
        with pytest.raises(KeyboardInterrupt):
            fastscape.surface(MODEL, DATA, store=tmp_path / "run.zarr", **wanted)
    begun = Landscape.load(tmp_path / "run.zarr")
    assert begun.shape == (7, 4)
    if not options:
        assert np.isfinite(begun.repeats["loss"][0]).all()
        assert np.isnan(begun.repeats["loss"][3]).all()
        assert begun.report["progress"]["points"] == 40
    with pytest.raises(ValueError, match=r"was begun with repeats 4 \(now 3\)"):
        fastscape.surface(MODEL, DATA, store=tmp_path / "run.zarr", **{**wanted, "repeats": 3})
    found = fastscape.surface(MODEL, DATA, store=tmp_path / "run.zarr", **wanted)
    assert found.report["points_before"] > 0
    stored = Landscape.load(tmp_path / "run.zarr")
    for one in (found, stored):
        for name, stack in whole.repeats.items():
            assert one.repeats[name].tobytes() == stack.tobytes()
        assert one.loss.tobytes() == whole.loss.tobytes()
        assert one.standard_error.tobytes() == whole.standard_error.tobytes()
        assert one.report["direction_error"] == whole.report["direction_error"]


def test_a_store_of_one_repeat_from_before_goes_on(tmp_path):
    """Settings of older stores say nothing of repeats."""
    from fastscape.runs.store.header import header_of, write_header

    path = tmp_path / "run.zarr"
    before = fastscape.line(MODEL, DATA, plan=LOOP, store=path, **LINE)
    header = header_of(path)
    del header["settings"]["repeats"]
    write_header(path, header)
    again = fastscape.line(MODEL, DATA, plan=LOOP, store=path, **LINE)
    assert again.loss.tobytes() == before.loss.tobytes()
    with pytest.raises(ValueError, match=r"was begun with repeats 1 \(now 2\)"):
        fastscape.line(MODEL, DATA, plan=LOOP, store=path, repeats=2, **LINE)


def test_a_user_may_give_the_directions_of_a_repeat():
    landscape = fastscape.surface(MODEL, DATA, repeats=3, plan=LOOP, **PLANE)
    directions = fastscape.random_directions(MODEL, seed=landscape.report["seeds"][2])
    alone = fastscape.surface(MODEL, DATA, directions=directions, plan=LOOP, **PLANE)
    np.testing.assert_allclose(alone.loss, landscape.repeats["loss"][2], rtol=1e-5)


def test_the_mean_is_nearer_to_that_of_many_than_single_ones_are():
    with one_thread():
        many = fastscape.line(MODEL, DATA, repeats=256, seed=1, scheme="plane", x=(0.5, 0.5, 1), progress=False)
    stack, truth = many.repeats["loss"][:, 0], many.loss[0]
    groups = stack.reshape(16, 16).mean(1)
    assert groups.std(ddof=1) == pytest.approx(stack.std(ddof=1) / 4, rel=0.5)
    assert abs(groups - truth).max() < abs(stack - truth).max()
