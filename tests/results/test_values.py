"""Plain values: named axes of any number, frozen arrays, and what their report says of pictures."""

import pickle

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Trajectory, Values, loaded, saved

AXES = {"x": np.arange(3.0), "y": np.arange(2.0), "z": np.arange(4.0)}
LOSS = np.arange(24.0).reshape(3, 2, 4)


def volume(**report) -> Values:
    return Values(AXES, {"loss": LOSS, "accuracy": LOSS / 24}, report)


def test_three_axes_are_as_good_as_two(tmp_path):
    one = volume(seed=3)
    assert one.shape == (3, 2, 4)
    assert repr(one) == "Values(3 x 2 x 4 points, loss 0 to 23, metrics: accuracy)"
    assert one.labels == {"x": "direction 1", "y": "direction 2", "z": "direction 3"}
    assert one.marks == {"the model": (0.0, 0.0, 0.0)}
    back = loaded(saved(one, tmp_path / "a.npz"))
    assert list(back.axes) == ["x", "y", "z"]
    for name, grid in one.measures.items():
        assert back.measures[name].tobytes() == grid.tobytes()
    assert dict(back.report) == {"seed": 3}


def test_axes_have_any_names(tmp_path):
    one = Values({"lr": np.arange(2.0)}, {"loss": np.ones(2)})
    assert list(loaded(saved(one, tmp_path / "a.npz")).axes) == ["lr"]
    assert one.labels == {"lr": "the direction"}


def test_nothing_can_be_changed():
    for name, array in {"axis": AXES["x"], "loss": LOSS}.items():
        own = array.copy()
        one = Values({**AXES, "x": own} if name == "axis" else AXES, {"loss": own if name == "loss" else LOSS})
        own[0] = 99.0
        kept = one.axes["x"] if name == "axis" else one.loss
        assert kept.flat[0] == 0.0
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1.0
    with pytest.raises(TypeError):
        volume().measures["loss"] = LOSS


def test_a_view_of_what_can_be_changed_is_copied():
    base = np.arange(3.0)
    view = base[:]
    view.setflags(write=False)
    one = Values({"x": view}, {"loss": np.ones(3)})
    base[0] = 9.0
    assert one.axes["x"][0] == 0.0


def test_another_report_keeps_the_class_and_the_arrays():
    landscape = Landscape([0.0, 1.0], None, [1.0, 2.0])
    other = landscape.with_report({"seed": 1})
    assert type(other) is Landscape
    assert other.loss is landscape.loss
    assert (dict(landscape.report), dict(other.report)) == ({}, {"seed": 1})
    assert type(pickle.loads(pickle.dumps(volume()))) is Values


def test_labels_marks_and_paths_are_those_of_the_report():
    paths = [{"name": "sgd", "points": [[0, 0, 0], [1, 1, 2]]}, {"name": "none", "points": []}]
    one = volume(labels=["a", "b", "c"], marks={"end": [1, 1, 2]}, paths=paths)
    assert one.labels == {"x": "a", "y": "b", "z": "c"}
    assert one.marks == {"end": (1, 1, 2)}
    assert [path.name for path in one.paths] == ["sgd", "none"]
    assert isinstance(one.paths[0], Trajectory)
    assert one.paths[0].points.dtype == np.float64
    assert [path.points.shape for path in one.paths] == [(2, 3), (0, 3)]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"measures": {"loss": LOSS[0]}}, r"loss must have shape \(3, 2, 4\).*, got \(2, 4\)"),
        ({"evaluated": np.ones(3)}, r"evaluated must have shape \(3, 2, 4\), the lengths of the axes, got \(3,\)"),
        (
            {"standard_error": np.ones((3, 2))},
            r"standard_error must have shape \(3, 2, 4\), the lengths of the axes, got \(3, 2\)",
        ),
    ],
)
def test_other_shapes_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Values(**{"axes": AXES, "measures": {"loss": LOSS}, **parts})


def test_nobody_writes_to_values_from_outside():
    axis, loss = np.arange(3.0), np.ones(3)
    loss.setflags(write=False)
    made = Landscape(axis, None, loss, {"accuracy": loss})
    loss.setflags(write=True)
    loss[0] = 9
    assert made.loss.tolist() == [1, 1, 1]
    assert made.metrics["accuracy"].tolist() == [1, 1, 1]
    with pytest.raises(TypeError):
        made.metrics["other"] = loss
