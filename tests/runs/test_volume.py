"""volume(): landscapes of any number of axes, against plain loops over copies of the model."""

import copy
import sys
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import fastscape
import stored_runs
from cases import CASES, Case
from fastscape import Landscape, Plan, reference
from fastscape.engine import Engine
from fastscape.results import axis_names
from fastscape.weights import direction_random, layout_of
from processes import one_thread, several
from tolerance import assert_close

AXES = [[-0.7, 0.0, 0.4], (-0.5, 1.0, 2), (0.0, 1.0, 3), [0.25]]


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model


GENERATOR = torch.Generator().manual_seed(1)
DATA = torch.randn(30, 4, generator=GENERATOR), torch.randint(3, (30,), generator=GENERATOR)


def coordinates(spec: object) -> list[float]:
    return np.linspace(*spec).tolist() if isinstance(spec, tuple) else list(spec)


def truth(case: Case, axes: list, seed: int = 0) -> np.ndarray:
    """The losses by fresh copies of the model, along directions that the reference has normalised."""
    layout, whole = layout_of(case.model), copy.deepcopy(case.model).double()
    raw = (layout.unflatten(direction_random(layout, seed, k)) for k in range(len(axes)))
    directions = [reference.filter_normalised(direction, whole) for direction in raw]
    inputs, targets = (t.double() if t.is_floating_point() else t for t in (case.inputs, case.targets))
    found = []
    for point in product(*map(coordinates, axes)):
        moved = copy.deepcopy(whole).eval()
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                for step, direction in zip(point, directions, strict=True):
                    if name in direction:
                        parameter += step * direction[name]
            found.append(case.loss(moved(inputs), targets).item())
    return np.array(found).reshape([len(coordinates(spec)) for spec in axes])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["mlp", "resnet8"])
def test_values_are_those_of_a_loop_over_copies(name, count):
    case, axes = CASES[name](), AXES[:count]
    made = fastscape.volume(
        case.model, (case.inputs, case.targets), axes=axes, loss=case.loss, precision="float64", progress=False
    )
    assert list(made.axes) == list(axis_names(count))
    for axis, spec in zip(made.axes.values(), axes, strict=True):
        np.testing.assert_allclose(axis, coordinates(spec), rtol=1e-15)
    assert_close(made.loss, truth(case, axes))
    assert (made.report["scheme"], made.report["normalize"]) == ("plane", "filter")
    assert made.marks == {"the model": (0.0,) * count}
    assert list(made.labels.values())[-1] == ("the direction" if count == 1 else f"direction {count}")


SPEC = st.one_of(
    st.tuples(st.floats(-1, -0.1), st.floats(0, 1), st.integers(2, 4)),
    st.lists(st.floats(-1, 1), min_size=1, max_size=4, unique=True).map(sorted),
    st.just(("auto", 3)),
)


@settings(max_examples=6, deadline=None)
@given(SPEC, SPEC, st.sampled_from(["auto", Plan(), Plan("loop", chunk=3)]))
def test_a_volume_of_two_axes_is_the_surface(a, b, plan):
    options = {"metrics": {"accuracy": fastscape.accuracy}, "seed": 4, "plan": plan, "progress": False}
    plane = fastscape.surface(network(), DATA, x=a, y=b, **options)
    made = fastscape.volume(network(), DATA, axes=[a, b], **options)
    assert list(made.measures) == list(plane.measures)
    for name, grid in plane.measures.items():
        np.testing.assert_allclose(made.measures[name], grid, rtol=1e-6)  # "auto" measures plans, which differ then
        if plan != "auto":
            assert made.measures[name].tobytes() == grid.tobytes()
    for name, axis in plane.axes.items():
        assert made.axes[name].tobytes() == axis.tobytes()
    varying = {"seconds", "peak_megabytes", "plan", "plans_measured", "fallback"}
    assert {k: v for k, v in made.report.items() if k not in varying} == {
        k: v for k, v in plane.report.items() if k not in varying
    }


def test_a_tolerance_chooses_points_of_two_axes_as_in_a_surface():
    axes = [(-1, 1, 24), (-1, 1, 24)]
    options = {"tolerance": 0.05, "plan": Plan("loop", chunk=8), "progress": False}
    plane = fastscape.surface(network(), DATA, x=axes[0], y=axes[1], **options)
    made = fastscape.volume(network(), DATA, axes=axes, **options)
    np.testing.assert_array_equal(made.evaluated, plane.evaluated)
    assert not made.evaluated.all()
    assert made.loss.tobytes() == plane.loss.tobytes()


def test_a_slice_through_the_model_is_the_surface():
    axes = [(-1, 1, 5), (-1, 1, 3), (-1, 1, 3)]
    made = fastscape.volume(network(), DATA, axes=axes, precision="float64", progress=False)
    plane = fastscape.surface(network(), DATA, x=axes[0], y=axes[1], precision="float64", progress=False)
    part = made.slice(z=0.0)
    assert_close(part.loss, plane.loss)
    assert part.marks == plane.marks
    assert made.project("z").loss.min() == made.loss.min()


def test_a_number_of_axes_and_the_usual_one():
    made = fastscape.volume(network(), DATA, axes=2, progress=False)
    assert made.shape == (21, 21)
    np.testing.assert_array_equal(made.x, np.arange(-10, 11) / 10)
    assert fastscape.volume(network(), (DATA[0][:2], DATA[1][:2]), progress=False).shape == (21, 21, 21)


def test_models_lie_at_one_of_each_axis():
    others = [copy.deepcopy(network()) for _ in range(3)]
    for k, other in enumerate(others):
        for parameter in other.parameters():
            parameter.data += 0.1 * (k + 1)
    made = fastscape.volume(
        network(), DATA, axes=[(0, 1, 2)] * 3, directions=others, precision="float64", progress=False
    )
    for k, other in enumerate(others):
        at = tuple(int(k == axis) for axis in range(3))
        wanted = cross_entropy(copy.deepcopy(other).double()(DATA[0].double()), DATA[1]).item()
        assert made.loss[at] == pytest.approx(wanted, rel=1e-10)
    assert made.report["marks"]["model D"] == [0.0, 0.0, 1.0]
    assert set(made.slice(z=1.0).marks) == {"model D"}


def test_a_path_in_three_axes():
    steps = [copy.deepcopy(network()) for _ in range(5)]
    for step in steps[:-1]:
        for parameter in step.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=GENERATOR)
    source = fastscape.pca(steps)
    made = fastscape.volume(network(), DATA, axes=[("path", 4), "path", [0.0, 1.0]], directions=source, progress=False)
    assert made.shape == (4, 51, 2)
    (path,) = made.paths
    assert path.points.shape == (5, 3)
    assert made.axes["y"][0] < path.points[:, 1].min() < path.points[:, 1].max() < made.axes["y"][-1]
    along = fastscape.volume(network(), DATA, axes=3, directions=source, progress=False)
    assert along.shape == (21, 21, 21)
    assert along.z[0] < along.paths[0].points[:, 2].min()
    part = made.slice(z=0.0)
    two = fastscape.surface(network(), DATA, x=("path", 4), y=("path", 4), directions=source, progress=False)
    np.testing.assert_allclose(part.paths[0].points, two.paths[0].points, atol=1e-5)
    np.testing.assert_allclose(part.paths[0].off_plane, two.paths[0].off_plane, atol=1e-4)


def test_a_scheme_gets_a_coordinate_for_each_axis():
    def squared(gram: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return torch.stack([torch.ones_like(a), a, b, c**2], dim=-1)[:, None, :]

    axes = [(-1, 1, 3), (-1, 1, 3), [0.5, 2.0]]
    made = fastscape.volume(network(), DATA, axes=axes, scheme=squared, precision="float64", progress=False)
    plain = fastscape.volume(network(), DATA, axes=[*axes[:2], [0.25, 4.0]], precision="float64", progress=False)
    assert_close(made.loss, plain.loss)


def test_derivatives_along_three_axes_are_those_of_autograd():
    model, options = network(), {"loss": mse_loss, "precision": "float64", "progress": False}
    data = DATA[0], torch.randn(30, 3, generator=GENERATOR)
    made = fastscape.volume(model, data, axes=[[-0.5, 0.2], [0.1], [0.3, 0.9]], curvature="plane", **options)
    layout, whole = layout_of(model), copy.deepcopy(model).double()
    raw = (layout.unflatten(direction_random(layout, 0, k)) for k in range(3))
    directions = [reference.filter_normalised(direction, whole) for direction in raw]

    def loss(point: Tensor) -> Tensor:
        weights = {
            name: p.detach() + sum(step * d[name] for step, d in zip(point, directions, strict=True) if name in d)
            for name, p in whole.named_parameters()
        }
        return mse_loss(torch.func.functional_call(whole, weights, (data[0].double(),)), data[1].double())

    gradients, hessians = made.gradient(), made.hessian()
    for i, j in product(range(2), range(2)):
        point = torch.tensor([made.x[i], 0.1, made.z[j]], dtype=torch.float64)
        np.testing.assert_allclose(gradients[i, 0, j], torch.func.jacrev(loss)(point), rtol=1e-8)
        np.testing.assert_allclose(hessians[i, 0, j], torch.func.hessian(loss)(point), rtol=1e-7, atol=1e-10)
    assert list(made.slice(y=0.1).with_curvature().metrics)[-1] == "larger_eigenvalue"
    np.testing.assert_array_equal(made.slice(y=0.1).hessian()[..., 1, 1], hessians[:, 0, :, 2, 2])


def test_repeats_are_runs_with_the_seeds_of_each():
    options = {
        "axes": AXES[:3],
        "precision": "float64",
        "progress": False,
        "metrics": {"accuracy": fastscape.accuracy},
    }
    made = fastscape.volume(network(), DATA, repeats=3, **options)
    assert made.repeats["loss"].shape == (3, 3, 2, 3)
    for r, seed in enumerate(made.report["seeds"]):
        assert_close(made.repeats["loss"][r], fastscape.volume(network(), DATA, seed=seed, **options).loss)
    np.testing.assert_allclose(made.loss, made.repeats["loss"].mean(0), rtol=1e-14)
    again = made.reproduce(network(), DATA, progress=False)
    assert_close(again.repeats["loss"], made.repeats["loss"])


@pytest.mark.parametrize(
    "options",
    [
        {"low_memory": True},
        {"lend": True},
        {"lend": True, "low_memory": True},
        {"stream_samples": 7},
        {"plan": Plan("loop", chunk=5, microbatch=7)},
        {"curvature": "ratio"},
    ],
    ids=str,
)
def test_ways_to_compute_give_the_same_values(options):
    axes = AXES[:3]
    plain = fastscape.volume(network().double(), DATA_DOUBLE, axes=axes, progress=False)
    made = fastscape.volume(network().double(), DATA_DOUBLE, axes=axes, progress=False, **options)
    assert_close(made.loss, plain.loss)


DATA_DOUBLE = DATA[0].double(), DATA[1]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_report_reproduces_it_also_from_a_file(tmp_path, count):
    made = fastscape.volume(
        network(), DATA, axes=AXES[:count], metrics={"accuracy": fastscape.accuracy}, progress=False
    )
    loaded = Landscape.load(made.save(tmp_path / "volume.npz"))
    assert loaded.loss.tobytes() == made.loss.tobytes()
    again = loaded.reproduce(network(), DATA, progress=False)
    np.testing.assert_allclose(again.loss, made.loss, rtol=1e-6)
    with pytest.raises(ValueError, match="other weights"):
        loaded.reproduce(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), DATA)


def test_other_models_are_not_along_a_volume():
    made = fastscape.volume(network(), DATA, axes=AXES[:3], progress=False)
    with pytest.raises(ValueError, match="to and along are of a line, and this is a landscape of 3 axes"):
        made.reproduce(network(), DATA, to=network())


def test_a_store_goes_on_where_a_run_was_interrupted(tmp_path, monkeypatch):
    store, whole = tmp_path / "run.zarr", stored_runs.volume(None)
    sums, seen = Engine.sums, []

    def stopping(self: Engine, points: Tensor) -> Tensor:
        seen.append(len(points))
        if len(seen) == 5:
            raise KeyboardInterrupt
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", stopping)
    with pytest.raises(KeyboardInterrupt):
        stored_runs.volume(store)
    half = Landscape.load(store)
    assert list(half.axes) == ["x1", "x2", "x3", "x4"]
    assert half.report["progress"]["points"] == np.isfinite(half.loss).sum() > 0
    seen[:] = [0] * 9
    assert stored_runs.volume(store).loss.tobytes() == whole.loss.tobytes()
    assert sum(seen) < whole.loss.size
    np.testing.assert_array_equal(half.loss[np.isfinite(half.loss)], whole.loss[np.isfinite(half.loss)])
    assert Landscape.load(store).loss.tobytes() == whole.loss.tobytes()


def test_a_store_of_repeats(tmp_path):
    store = tmp_path / "run.zarr"
    made = stored_runs.volume(store, repeats=2)
    back = Landscape.load(store)
    assert list(back.axes) == ["x1", "x2", "x3", "x4"]
    assert back.repeats["loss"].tobytes() == made.repeats["loss"].tobytes()


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_processes_share_the_points(tmp_path):
    with one_thread():
        whole = stored_runs.volume(None)
    done = several(tmp_path, "volume", 2)
    assert done.returncodes == [0, 0], done.stderr
    points = [int((tmp_path / f"points-{rank}").read_text()) for rank in range(2)]
    assert sum(points) == whole.loss.size
    for rank in range(2):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == whole.loss.tobytes()


def test_a_standard_error_can_be_a_target():
    made = fastscape.volume(
        network(),
        (DATA[0].repeat(40, 1), DATA[1].repeat(40)),
        axes=AXES[:3],
        target_standard_error=0.2,
        progress=False,
    )
    assert made.report["standard_error"]["met"]
    assert made.standard_error.shape == made.shape
    part = made.project("z")
    assert part.report["standard_error"]["largest"] == part.standard_error.max()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"axes": 0}, ValueError, "the number of axes must be 1 to 30, got 0"),
        ({"axes": 31}, ValueError, "the number of axes must be 1 to 30, got 31"),
        ({"axes": []}, ValueError, "the number of axes must be 1 to 30, got 0"),
        ({"axes": (-1, 1, 5)}, TypeError, r"axes cannot be read, got \(-1, 1, 5\), which looks like a single axis;"),
        ({"axes": "auto"}, TypeError, "axes cannot be read, got str; give the number of axes, or a list with one"),
        ({"axes": True}, TypeError, "axes cannot be read, got bool; give the number of axes, or a list with one"),
        ({"axes": [(-1, 1, 3)] * 3 + [(1, -1, 3)]}, ValueError, "x4 does not increase"),
        ({"axes": [(-1, 1, 3), (-1, 1), (-1, 1, 3)]}, TypeError, r"y must be a tuple of 3 numbers, got a tuple of 2;"),
        ({"axes": 3, "scheme": "bilinear"}, ValueError, "scheme='bilinear' takes two coordinates, got 3 axes; write"),
        ({"axes": 3, "scheme": "line"}, ValueError, "scheme='line' takes one coordinate, got 3 axes; write"),
        ({"axes": 3, "scheme": "other"}, ValueError, "scheme must be one of 'plane'.*, got 'other'"),
        ({"axes": 2, "x": (-1, 1, 3)}, TypeError, "volume has no option 'x'; write axes="),
        ({"axes": 3, "progress": "live"}, ValueError, "progress"),
        ({"axes": 3, "directions": [{}, {}]}, ValueError, "directions must be 3, one per axis, got 2"),
        ({"axes": [(-1, 1, 2001)] * 3}, ValueError, r"a grid must have at most 1,000,000,000 points: the grid has"),
    ],
)  # fmt: skip
def test_what_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        fastscape.volume(network(), DATA, **options)


def test_a_large_grid_is_warned_of_before_anything_is_evaluated(monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastscape.api.volumes.computed", stop)
    said = r"the grid has 51 x 51 x 51 x 100 points, 13,265,100 in all, each of .* axes=\[\(-1.0, 1.0, 21\)\] \* 4"
    with pytest.warns(UserWarning, match=said), pytest.raises(KeyboardInterrupt):
        fastscape.volume(network(), DATA, axes=[(-1, 1, 51)] * 3 + [(-1, 1, 100)])
    with pytest.raises(KeyboardInterrupt):  # without a word
        fastscape.volume(network(), DATA, axes=[(-1, 1, 51)] * 4)


def test_a_list_that_reads_as_a_range_is_warned_of_on_every_axis():
    with pytest.warns(UserWarning, match=r"z is a list, which means three coordinates, -1, 1 and 21"):
        fastscape.volume(network(), DATA, axes=[[0.0], [0.0], [-1, 1, 21]], progress=False)


def test_an_automatic_range_of_a_third_axis_reaches_as_far_as_its_loss_says():
    made = fastscape.volume(network(), DATA, axes=[[0.0], [0.0], ("auto", 3)], progress=False)
    reach = made.report["reach"]["z"]["reach"]
    np.testing.assert_array_equal(made.z, [-reach, 0.0, reach])


def test_files(tmp_path):
    made = fastscape.volume(network(), DATA, axes=AXES, metrics={"accuracy": fastscape.accuracy}, progress=False)
    back = Landscape.load(made.export(tmp_path / "a.csv"))
    assert list(back.axes) == ["x1", "x2", "x3", "x4"]
    assert back.loss.tobytes() == made.loss.tobytes()
    xarray = pytest.importorskip("xarray")
    assert made.to_xarray()["accuracy"].dims == ("x1", "x2", "x3", "x4")
    assert isinstance(made.to_xarray(), xarray.Dataset)
    with pytest.raises(ValueError, match=r"holds lines and planes, and the landscape has 4 axes; export it as \.csv"):
        made.export(tmp_path / "a.h5")
    for ending, said in {
        "vti": "three axes, and the landscape has 4",
        "vts": "4 axes is no surface",
    }.items():
        with pytest.raises(ValueError, match=said):
            made.export(tmp_path / f"a.{ending}")
