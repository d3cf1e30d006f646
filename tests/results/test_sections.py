"""Slices and projections: which values they hold, and what of the report stays true."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fastscape
from fastscape import Landscape
from fastscape.results import Values, binomial_error, projection_of, slice_of

X, Y, Z = np.array([-1.0, 0.0, 0.5]), np.array([0.0, 1.0]), np.array([-2.0, -1.0, 1.0, 3.0])
RNG = np.random.default_rng(0)


def volume(loss: np.ndarray | None = None, report: dict | None = None, **more) -> Landscape:
    loss = RNG.random((3, 2, 4)) if loss is None else loss
    measures = {"loss": loss, "accuracy": RNG.random(loss.shape)}
    return Landscape.of(Values({"x": X, "y": Y, "z": Z}, measures, report or {}, **more))


def test_a_slice_is_at_the_nearest_grid_coordinate():
    whole = volume(standard_error=RNG.random((3, 2, 4)), evaluated=RNG.random((3, 2, 4)) > 0.5)
    part = whole.slice(z=-0.9)
    assert isinstance(part, Landscape)
    assert list(part.axes) == ["x", "y"]
    for name in ("loss", "accuracy"):
        np.testing.assert_array_equal(part.measures[name], whole.measures[name][:, :, 1])
    np.testing.assert_array_equal(part.standard_error, whole.standard_error[:, :, 1])
    np.testing.assert_array_equal(part.evaluated, whole.evaluated[:, :, 1])
    said = part.report["sections"][-1]
    assert (said["kind"], said["at"], said["asked"]) == ("slice", {"z": -1.0}, {"z": -0.9})
    assert "sections" not in whole.report


def test_a_slice_keeps_the_names_of_its_axes():
    part = volume().slice(y=1.0)
    assert list(part.axes) == ["x", "z"]
    assert part.y is None
    np.testing.assert_array_equal(part.z, Z)
    assert part.labels == {"x": "direction 1", "z": "direction 3"}
    line = part.slice(x=0.0)
    assert (list(line.axes), line.x, line.labels) == (["z"], None, {"z": "direction 3"})
    assert [one["at"] for one in line.report["sections"]] == [{"y": 1.0}, {"x": 0.0}]
    both = volume().slice(x=0.0, y=1.0)
    assert list(both.axes) == ["z"]


def test_nan_and_infinite_values_stay_in_a_slice():
    loss = np.ones((3, 2, 4))
    loss[0, 0, 2], loss[1, 1, 2] = np.nan, np.inf
    np.testing.assert_array_equal(volume(loss).slice(z=1.0).loss, [[np.nan, 1], [1, np.inf], [1, 1]])


@pytest.mark.parametrize(
    ("at", "error", "said"),
    [
        (
            {},
            ValueError,
            r"one axis is needed, got none; write one of x, y, z, for example landscape\.slice\(z=0\.0\)",
        ),
        ({"w": 0.0}, ValueError, "there is no axis 'w'; this landscape has x, y, z"),
        ({"z": 3.1}, ValueError, "z=3.1 lies beyond the axis z, which goes from -2 to 3"),
        ({"z": float("nan")}, ValueError, "z=nan lies beyond"),
        ({"z": "0"}, TypeError, "z must be a coordinate.*, got '0'"),
        ({"z": True}, TypeError, "z must be .*, got True"),
        ({"x": 0.0, "y": 0.0, "z": 0.0}, ValueError, "all axes came, x, y, z, and none would be left"),
    ],
)
def test_what_is_no_slice_is_refused(at, error, said):
    with pytest.raises(error, match=said):
        volume().slice(**at)


@pytest.mark.parametrize(
    ("along", "how", "said"),
    [
        ((), "min", r"one axis is needed, got none; write one of x, y, z, for example landscape\.project\(.z.\)"),
        (("w",), "min", "there is no axis 'w'"),
        (("z", "z"), "min", "an axis came twice in z, z"),
        (("x", "y", "z"), "min", r"all axes came, x, y, z, and none would be left; write landscape.loss.min\(\)"),
        (("z",), "max", "how must be 'min' or 'mean'.*, got 'max'"),
    ],
)
def test_what_is_no_projection_is_refused(along, how, said):
    with pytest.raises(ValueError, match=said):
        volume().project(*along, how=how)


def test_a_list_of_axes_is_refused():
    with pytest.raises(
        TypeError,
        match=r"an axis must be one of x, y, z, got \['y', 'z'\]; for example landscape\.project\(.z.\); write",
    ):
        volume().project(["y", "z"])


@pytest.mark.parametrize("along", [("z",), ("x",), ("x", "z"), ("z", "x")])
def test_the_smallest_loss_brings_all_that_is_known_of_its_point(along):
    """Every value is that of one point, found by a plain loop."""
    shape = (3, 2, 4)
    stacks = {"loss": RNG.random((5, *shape)), "accuracy": RNG.random((5, *shape))}
    measures = {name: stack.mean(0) for name, stack in stacks.items()}
    measures["spread of loss"] = stacks["loss"].std(0, ddof=1)
    whole = Landscape.of(
        Values(
            {"x": X, "y": Y, "z": Z}, measures, {}, RNG.random(shape), RNG.random(shape) > 0.5, stacks
        )
    )  # fmt: skip
    part = whole.project(*along)
    kept = [k for k, name in enumerate("xyz") if name not in along]
    for place in np.ndindex(*part.shape):
        best, at = np.inf, None
        for point in np.ndindex(*shape):
            if tuple(point[k] for k in kept) == place and whole.loss[point] < best:
                best, at = whole.loss[point], point
        assert {name: grid[place] for name, grid in part.measures.items()} == {
            name: grid[at] for name, grid in whole.measures.items()
        }
        assert part.standard_error[place] == whole.standard_error[at]
        assert part.evaluated[place] == whole.evaluated[at]
        for name, stack in whole.repeats.items():
            np.testing.assert_array_equal(part.repeats[name][(slice(None), *place)], stack[(slice(None), *at)])
    assert part.report["sections"][-1]["along"] == list(along)


def test_a_minimum_is_over_finite_values():
    nan, inf = np.nan, np.inf
    loss = np.array(
        [[[3.0, nan, 2.0, inf]] * 2, [[nan] * 4, [inf, nan, nan, inf]], [[-inf, 5.0, 4.0, 6.0], [nan, inf, -inf, nan]]]
    )
    part = volume(loss).project("z")
    np.testing.assert_array_equal(part.loss, [[2.0, 2.0], [nan, inf], [4.0, -inf]])
    assert part.report["sections"][-1]["not_finite"] == 2 + 2 + 1  # beside a finite one


def test_a_mean_is_over_the_range_of_the_axis():
    whole = volume(standard_error=np.ones((3, 2, 4)), report={"shares": {"accuracy": 10}})
    part = whole.project("z", how="mean")
    for name in ("loss", "accuracy"):
        grid = whole.measures[name]
        between = sum((Z[k + 1] - Z[k]) * (grid[:, :, k] + grid[:, :, k + 1]) / 2 for k in range(len(Z) - 1))
        np.testing.assert_allclose(part.measures[name], between / 5.0, rtol=1e-14)
    assert part.standard_error is None
    with pytest.raises(ValueError, match="no share of samples"):
        binomial_error(part)
    assert binomial_error(whole.project("z")).shape == (3, 2)
    both = whole.project("x", "z", how="mean")
    np.testing.assert_allclose(both.loss, part.project("x", how="mean").loss, rtol=1e-14)


def test_a_mean_over_an_axis_in_any_order_is_the_same():
    order = [2, 0, 3, 1]
    whole = volume()
    mixed = Values({"x": X, "y": Y, "z": Z[order]}, {"loss": whole.loss[:, :, order]})
    np.testing.assert_allclose(projection_of(mixed, ["z"], "mean").loss, whole.project("z", how="mean").loss)


def test_nan_and_infinite_values_stay_in_a_mean():
    loss = np.ones((3, 2, 4))
    loss[0, 0, 1], loss[1, 1, 0] = np.nan, np.inf
    np.testing.assert_array_equal(volume(loss).project("z", how="mean").loss, [[np.nan, 1], [1, np.inf], [1, 1]])


def test_a_mean_counts_as_evaluated_where_all_were_and_has_its_own_spread():
    shape = (3, 2, 4)
    known = np.ones(shape, dtype=bool)
    known[0, 1, 3] = False
    stack = RNG.random((3, *shape))
    measures = {"loss": stack.mean(0), "spread of loss": stack.std(0, ddof=1)}
    whole = Landscape.of(
        Values({"x": X, "y": Y, "z": Z}, measures, {"direction_error": None}, None, known, {"loss": stack})
    )
    part = whole.project("z", how="mean")
    np.testing.assert_array_equal(part.evaluated, [[True, False], [True, True], [True, True]])
    np.testing.assert_allclose(part.loss, part.repeats["loss"].mean(0), rtol=1e-14)
    np.testing.assert_allclose(part.measures["spread of loss"], part.spread(), rtol=1e-14)
    assert part.report["direction_error"]["largest"] == pytest.approx(part.direction_error().max(), rel=1e-14)


def test_over_one_point_a_mean_is_that_point():
    error = RNG.random((3, 1))
    one = Values({"x": X, "y": Y[:1]}, {"loss": RNG.random((3, 1))}, {"shares": {"accuracy": 3}}, error)
    part = projection_of(one, ["y"], "mean")
    np.testing.assert_array_equal(part.loss, one.loss[:, 0])
    np.testing.assert_array_equal(part.standard_error, error[:, 0])
    assert "shares" in part.report


REPORT = {
    "labels": ["one", "two", "three"],
    "marks": {"the model": [0.0, 0.0, 0.0], "B": [1.0, 1.0, 1.0]},
    "plane": {"kind": "pca", "orthonormal": True, "explained": [0.5, 0.3, 0.1, 0.05]},
    "paths": [
        {"name": "SGD", "points": [[0.0, 1.0, 3.0], [0.5, 0.0, 1.0]], "off_plane": [4.0, 0.0], "height": [1.0, 2.0]},
        {"name": "within", "points": [[0.0, 1.0, 1.0], [0.5, 0.0, 1.0]], "height": [1.0, 2.0]},
    ],
    "not_finite": {"loss": {"nan": 7, "inf": 0}},
    "standard_error": {"median": 9.0, "largest": 9.0, "met": True},
    "refinement": {"rms": 0.1},
}


def test_the_report_of_a_slice_is_true_of_it():
    part = volume(report=REPORT, standard_error=np.full((3, 2, 4), 0.5)).slice(z=1.0)
    assert part.marks == {"B": (1.0, 1.0)}
    assert part.labels == {"x": "one", "y": "two"}
    assert part.report["plane"] == {"kind": "pca", "orthonormal": True, "explained": [0.5, 0.3]}
    far, within = part.paths
    np.testing.assert_array_equal(far.points, [[0.0, 1.0], [0.5, 0.0]])
    np.testing.assert_allclose(far.off_plane, [np.hypot(4.0, 2.0), 0.0])
    assert far.height is None
    np.testing.assert_array_equal(within.height, [1.0, 2.0])
    assert part.report["not_finite"]["loss"] == {"nan": 0, "inf": 0}
    assert part.report["standard_error"] == {"median": 0.5, "largest": 0.5, "met": True}
    said = part.report["sections"][-1]
    assert said["left_out"] == ["the model"]
    assert said["refinement"] == {"rms": 0.1}
    assert "refinement" not in part.report
    assert part.slice(y=0.0).marks == {}


def test_a_path_whose_distance_is_unknown_is_no_path_of_a_slice():
    oblique = {**REPORT, "plane": {"orthonormal": False}}
    part = volume(report=oblique).slice(z=3.0)
    assert part.paths == []
    assert part.report["sections"][-1]["left_out"] == ["the model", "B", "SGD", "within"]


def test_marks_and_paths_of_a_projection_are_shadows():
    part = volume(report=REPORT).project("y")
    assert part.marks == {"the model": (0.0, 0.0), "B": (1.0, 1.0)}
    np.testing.assert_array_equal(part.paths[0].points, [[0.0, 3.0], [0.5, 1.0]])
    np.testing.assert_array_equal(part.paths[0].off_plane, [4.0, 0.0])
    assert part.paths[0].height is None
    assert part.report["plane"]["explained"] == [0.5, 0.1]


@pytest.mark.parametrize("ending", ["npz", "csv", "h5"])
@pytest.mark.parametrize("at", [{"x": 0.0}, {"y": 0.0}, {"x": 0.0, "y": 1.0}])
def test_files_of_slices_keep_the_names_of_their_axes(tmp_path, ending, at):
    if ending == "h5":
        pytest.importorskip("h5py")
    part = volume().slice(**at)
    path = tmp_path / f"part.{ending}"
    back = Landscape.load(part.save(path) if ending == "npz" else part.export(path))
    assert list(back.axes) == list(part.axes)
    np.testing.assert_array_equal(back.loss, part.loss)
    np.testing.assert_allclose(back.measures["accuracy"], part.measures["accuracy"], rtol=1e-15)  # percent in HDF5


@pytest.mark.parametrize("ending", ["npz", "csv"])
def test_files_of_volumes(tmp_path, ending):
    whole = volume(evaluated=RNG.random((3, 2, 4)) > 0.5, report={"seed": 1})
    path = tmp_path / f"whole.{ending}"
    back = Landscape.load(whole.save(path) if ending == "npz" else whole.export(path))
    assert list(back.axes) == ["x", "y", "z"]
    for name, grid in whole.measures.items():
        np.testing.assert_array_equal(back.measures[name], grid)
    np.testing.assert_array_equal(back.evaluated, whole.evaluated)


def test_an_older_file_of_one_axis_named_otherwise_is_refused(tmp_path):
    odd = Landscape.of(Values({"z": Z, "x": X}, {"loss": np.ones((4, 3))}))
    with pytest.raises(
        ValueError, match=r"holds no landscape \(its axes must be x, or x and y, or some of x, y, z, or x1, x2, x3"
    ):
        Landscape.load(odd.save(tmp_path / "odd.npz"))


def test_pictures_of_slices(tmp_path):
    part = volume().slice(y=0.0)
    ax = part.contour()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (along direction 1)", "z (along direction 3)")
    assert part.slice(x=0.0).plot().get_xlabel() == "z (along direction 3)"
    assert part.to_html(tmp_path / "page.html").exists()
    assert "<img" in part._repr_html_()


def test_volumes_say_how_they_can_be_drawn(tmp_path):
    whole = volume()
    for draw in (whole.contour, whole.surface3d):
        with pytest.raises(ValueError, match=r"of 3 axes \(x, y, z\) has no surface to .*landscape.slice\(z=0.0\)"):
            draw()
    assert len(whole.plot()) == 6
    assert whole.to_html(tmp_path / "a.html").stat().st_size > 1_000_000
    assert repr(whole).startswith("Landscape(3 x 2 x 4 points, loss ")


def test_a_slice_is_not_reproduced():
    model, data = torch.nn.Linear(3, 2), (torch.rand(8, 3), torch.arange(8) % 2)
    made = fastscape.surface(model, data, x=(-1, 1, 3), y=(-1, 1, 3), progress=False)
    with pytest.raises(ValueError, match="is a slice or a projection of another one; reproduce that one"):
        made.slice(y=0.0).reproduce(model, data)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data(), st.sampled_from(["min", "mean"]))
def test_a_projection_along_several_axes_is_one_after_the_other(shape, data, how):
    """Any order gives the same smallest loss, and the same mean to rounding; a slice of it is that of the part."""
    loss = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape)
    names = [f"x{k}" for k in range(1, len(shape) + 1)]
    whole = Values({name: np.arange(float(n)) ** 2 for name, n in zip(names, shape, strict=True)}, {"loss": loss})
    along = data.draw(st.permutations(names))[: data.draw(st.integers(1, len(names) - 1))]
    at_once, one_by_one = projection_of(whole, along, how), whole
    for name in along:
        one_by_one = projection_of(one_by_one, [name], how)
    np.testing.assert_allclose(at_once.loss, one_by_one.loss, rtol=1e-12, atol=1e-12)
    if len(at_once.axes) > 1:
        name = next(iter(at_once.axes))
        first = slice_of(projection_of(whole, along, how), {name: 0.0})
        last = projection_of(slice_of(whole, {name: 0.0}), along, how)
        np.testing.assert_array_equal(first.loss, last.loss)
