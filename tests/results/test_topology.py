"""A topology as plain values: its file, what is refused, and what it says of itself."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastscape
from fastscape import Landscape, Topology
from fastscape.results import Values

GRID = np.array([
    [3.0, 1.0, 4.0, np.nan, 5.0], [9.0, 2.0, 6.0, 5.0, 3.0], [5.0, 8.0, 9.0, 7.0, np.inf], [3.5, 2.5, 8.5, 2.0, 0.5]
])  # fmt: skip
X, Y = np.array([0.0, 1.0, 3.0, 4.0]), np.linspace(0, 1, 5)
REPORT = {"marks": {"a": [0.0, 0.5]}, "model": "Net", "samples": 9}


def plane() -> Landscape:
    return Landscape(X, Y, GRID, {"accuracy": GRID / 10}, REPORT, np.full(GRID.shape, 0.01))


def found_of(**options) -> Topology:
    return plane().topology(**{"dimensions": (0, 1), "threshold": 0.0, "log": False, **options})


def test_a_landscape_is_named_by_its_basins():
    found = found_of()
    assert isinstance(found, Topology)
    assert repr(found) == "Topology(loss, 4 x 5 points, 4 basins, 4 of them certain)"
    assert repr(plane().topology()) == "Topology(log10 loss, 4 x 5 points, 4 basins, 4 of them certain)"
    assert found.marks == {"a": (0.0, 0.5)}
    assert found.report["topology"] == {"threshold": 0.0, "confidence": 0.95, "log": False, "dimensions": [0, 1]}
    assert found.basins[0].measures == {"loss": 0.5, "accuracy": 0.05}
    assert [basin.at_edge for basin in found.basins] == [True] * 4
    assert plane().topology(measure="accuracy", threshold=0).scale == "linear"
    assert Landscape(X, None, GRID[:, 0]).topology().marks == {"the model": (0.0,)}


def test_pairs_basins_and_labels_of_a_small_grid():
    found = found_of()
    assert [(b.at, b.minimum, b.saddle_at, b.saddle, b.joins, b.points) for b in found.basins] == [
        ((3, 4), 0.5, None, np.inf, None, 4),
        ((0, 1), 1.0, (2, 3), 7.0, 0, 8),
        ((3, 1), 2.5, (2, 1), 8.0, 0, 3),
        ((1, 4), 3.0, (1, 2), 6.0, 1, 3),
    ]
    assert found.labels.tolist() == [[1, 1, 1, -1, 3], [1, 1, 1, 3, 3], [2, 1, 1, 0, -1], [2, 2, 0, 0, 0]]
    assert found.diagram(0).tolist()[0] == [0.5, np.inf]
    with pytest.raises(ValueError, match=r"dimension=2 came, and the pairs are of 0, 1; compute them with dimensions"):
        found.diagram(2)
    with pytest.raises(ValueError, match=r"level must be a height.*, got 'low'"):
        found.volume("low")


def test_heights_are_those_of_pictures_but_for_what_is_not_finite():
    loss = np.array([0.0, 10.0, np.inf, 100.0, np.nan])
    found = fastscape.topology(Landscape(np.arange(5.0), None, loss), threshold=0)
    np.testing.assert_array_equal(found.heights, [1, 1, np.nan, 2, np.nan])  # 0 stands at the smallest positive one
    assert (found.scale, found.measure, [b.at for b in found.basins]) == ("log10", "loss", [(0,), (3,)])
    assert not found.heights.flags.writeable
    assert not found.labels.flags.writeable


def test_heights_near_the_limits_of_float64(tmp_path):
    most = np.finfo(float).max
    loss = np.array([[most, -most, most], [0.0, most, -most], [most, most, most / 2]])
    for threshold in (0.0, 0.05, 1.0):
        found = Landscape(np.array([-most, 0.0, most]), X[:3], loss).topology(threshold=threshold, dimensions=(0, 1))
        assert found.basins[0].minimum == -most
        assert np.isfinite(found.threshold)
        assert "basins of loss" in str(found)
        assert Topology.load(found.save(tmp_path / "a.npz")).as_dict() == found.as_dict()


def test_what_is_saved_is_read_again(tmp_path):
    for found in (found_of(), found_of(error=0.4), found_of(dimensions=()), found_of(measure="accuracy")):
        path = found.save(tmp_path / "new" / "topology.npz")
        again = Topology.load(path)
        assert again.as_dict() == found.as_dict()
        assert again.pairs == found.pairs
        assert again.basins == found.basins
        assert again.heights.tobytes() == found.heights.tobytes()
        assert (again.volume(4.0) == found.volume(4.0)).all()
        assert again.dimensions == found.dimensions
    json.dumps(found.as_dict(), allow_nan=False)


def test_grids_of_other_dimensions_are_saved_too(tmp_path):
    draw = np.random.default_rng(0)
    for shape in ((9,), (4, 3, 5), (3, 2, 3, 2)):
        axes = {f"axis {k}": np.arange(float(n)) for k, n in enumerate(shape)}
        found = fastscape.topology(Values(axes, {"loss": draw.random(shape)}), dimensions=range(len(shape)))
        assert Topology.load(found.save(tmp_path / "a.npz")).as_dict() == found.as_dict()


def members(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


def spoiled(path: Path, **changes) -> Path:
    """The file with other arrays, or with another header."""
    arrays = members(path)
    header = json.loads(str(arrays.pop("header")))
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value(arrays[name].copy()) if callable(value) else value
        else:
            header[name] = value
    with path.with_name("spoiled.npz").open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **{k: v for k, v in arrays.items() if v is not None})
    return path.with_name("spoiled.npz")


def put(at, value):
    def change(array):
        array[at] = value
        return array

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"format": "fastscape-landscape"},
            "its header says 'fastscape-landscape', version 1, which Landscape",
        ),
        ({"version": 2}, "version 2"),
        ({"scale": "log"}, "scale must be 'log10' or 'linear'.*, got 'log'"),
        ({"axes": ["x"]}, "its parts are not those that were written"),
        ({"axes": ["x", "x"]}, "x"),
        (
            {"axes": ["x", 3]},
            r"is no topology that this version can read \(a name must be text, got 3\); give a \.npz file that",
        ),
        ({"shape": [4, 6]}, "its axes have the lengths"),
        (
            {"report": 3},
            r"is no topology that this version can read \(its report must be facts by name, got 3\); give a",
        ),
        (
            {"report": {"marks": {"a": 3}, "topology": {"dimensions": [0]}}},
            r"is no topology that this version can read \(the marks of its report must be 2 numbers by name,",
        ),
        ({"report": {"topology": {"dimensions": [0, 7]}}}, "its report has the dimensions"),
        ({"report": {"topology": {"dimensions": [0]}}}, "a pair is of a dimension that was not asked for"),
        (
            {"counts": [3, -1]},
            r"is no topology that this version can read \(a count must be a whole number, got -1\); give a",
        ),
        ({"counts": [10, 21]}, "pairs and basins, more than the grid can have"),
        ({"counts": [81, 4]}, "pairs and basins, more than the grid can have"),
        ({"counts": [3]}, "not enough values"),
        (
            {"errors": {"samples": "much"}},
            r"is no topology that this version can read \(a height must be a number, got 'much'\); give a \.npz",
        ),
        (
            {"errors": {"samples": -1.0}},
            r"is no topology that this version can read \(errors and threshold must be finite numbers of at",
        ),
        (
            {"threshold": True},
            r"is no topology that this version can read \(a height must be a number, got True\); give a \.npz",
        ),
        (
            {"measures": ["loss"]},
            r"is no topology that this version can read \(measures must have shape \(2, 4\), got shape",
        ),
        ({"labels": put((0, 3), 0)}, "its labels are not those of its heights"),
        ({"labels": put((0, 0), -1)}, "its labels are not those of its heights"),
        ({"labels": put((0, 0), 4)}, "its labels name basins that it does not have"),
        ({"heights": put((0, 3), np.inf)}, "its labels are not those of its heights"),
        (
            {"axis_0": put(1, 0.0)},
            r"is no topology that this version can read \(the axis x must have each coordinate once\); give a",
        ),
        ({"axis_0": put(1, np.nan)}, "not finite"),
        ({"pairs": put((0, 1), 20)}, "a pair is of points that the grid does not have"),
        ({"pairs": put((1, 2), int(np.ravel_multi_index((3, 4), (4, 5))))}, "a pair ends before it begins"),
        ({"basins": put((0, 0), -1)}, "a basin is of points that the grid does not have"),
        ({"basins": put((1, 0), 0)}, "a basin lies above its saddle|below one that comes before it|another one"),
        ({"basins": put((1, 2), 2)}, "the number of a basin, or of the basin that it joins, is wrong"),
        ({"basins": put((1, 1), -1)}, "a basin lies above its saddle"),
        (
            {"heights": lambda a: a.astype(np.float32)[:2]},
            r"is no topology that this version can read \(heights must have shape \(4, 5\), got shape \(2,",
        ),
        (
            {"extents": lambda a: a[:, :1]},
            r"is no topology that this version can read \(extents must have shape \(4, 4\), got shape \(4,",
        ),
        ({"pairs": None}, "its parts are not those that were written"),
    ],
)
def test_damaged_files_are_refused_in_words_that_name_them(changes, said, tmp_path):
    path = spoiled(found_of().save(tmp_path / "a.npz"), **changes)
    with pytest.raises(ValueError, match=said) as error:
        Topology.load(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 400


def test_other_files_are_refused(tmp_path):
    path = plane().save(tmp_path / "landscape.npz")
    with pytest.raises(ValueError, match=re.escape(f"{path} is no topology")):
        Topology.load(path)
    with pytest.raises(ValueError, match="is no landscape"):
        Landscape.load(found_of().save(tmp_path / "topology.npz"))
    (tmp_path / "text.npz").write_text("nothing")
    with pytest.raises(ValueError, match="is no topology"):
        Topology.load(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        Topology.load(tmp_path / "missing.npz")
    with pytest.raises(ValueError, match=r"the name of a topology's file must end in \.npz, got 'a\.json'"):
        found_of().save(tmp_path / "a.json")


def test_every_byte_is_checked(tmp_path):
    """A file in which a byte is another one is refused, or reads as what it was."""
    found = found_of()
    content = found.save(tmp_path / "a.npz").read_bytes()
    wanted, draw = found.as_dict(), np.random.default_rng(0)
    for at in draw.choice(len(content), 150, replace=False).tolist():
        changed = bytearray(content)
        changed[at] ^= 1 << int(draw.integers(8))
        (tmp_path / "b.npz").write_bytes(changed)
        try:
            again = Topology.load(tmp_path / "b.npz")
        except ValueError:
            continue
        assert again.as_dict() == wanted
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"measure": "speed"}, "measure='speed' is unknown; this landscape has loss, accuracy"),
        ({"threshold": -0.1}, "threshold must be a fraction of the range, from 0 to 1.*, got -0.1"),
        (
            {"threshold": 5},
            "threshold must be a fraction of the range, from 0 to 1, for example.*, got 5",
        ),
        ({"log": "no"}, "log must be True, False or None.*, got 'no'"),
        ({"threshold": "small"}, "threshold must be .*, got 'small'"),
        ({"threshold": np.nan}, "threshold must be .*, got nan"),
        ({"confidence": 1}, "confidence must be a number between 0 and 1.*, got 1"),
        ({"confidence": 0}, "confidence must be .*, got 0"),
        ({"error": -1.0}, "error must be .*, got -1.0"),
        ({"error": np.inf}, "error must be .*, got inf"),
        ({"dimensions": (2,)}, r"dimensions must be whole numbers below 2, the number of axes.*, got \(2,\)"),
        (
            {"dimensions": "01"},
            r"dimensions must be whole numbers below 2, the number of axes, got '01'; for example \(0, 1\)",
        ),
        (
            {"dimensions": 1},
            r"dimensions must be whole numbers below 2, the number of axes, got 1; for example \(0, 1\)",
        ),
        (
            {"dimensions": (True,)},
            r"dimensions must be whole numbers below 2, the number of axes, got \(True,\); for example \(0, 1\)",
        ),
    ],
)
def test_options_that_cannot_be_used(options, said):
    with pytest.raises(ValueError, match=said):
        plane().topology(**options)


@pytest.mark.parametrize("at", [0, (0,), (0, 0, 0)])
def test_the_coordinates_of_what_is_no_point_are_refused(at):
    with pytest.raises(TypeError, match=r"at must be the grid index of a point, a number for each of x, y.*, got .*"):
        found_of().coordinates(at)


def test_what_has_no_topology():
    with pytest.raises(ValueError, match="loss is finite at no point"):
        fastscape.topology(Landscape(X, None, np.full(4, np.nan)))
    with pytest.raises(
        TypeError, match=r"landscape must be a landscape, as fastscape\.surface returns it, got ndarray"
    ):
        fastscape.topology(GRID)
    with pytest.raises(TypeError, match="topology has no option 'treshold'; write threshold="):
        plane().topology(treshold=0.1)
    with pytest.raises(ValueError, match="write log=False"):
        fastscape.topology(Landscape(X, None, np.array([-1.0, 1, 2, 3])), log=True)


def test_values_that_do_not_fit_are_refused():
    fields = vars(found_of())
    with pytest.raises(
        ValueError,
        match=r"heights and labels must have shape \(4, 5\), the lengths of the axes, got \(4, 5\) and \(5,",
    ):
        Topology(**{**fields, "labels": fields["labels"].T})
    with pytest.raises(
        ValueError, match=r"errors and threshold must be finite numbers of at least 0, got \[nan, 0\.0\]"
    ):
        Topology(**{**fields, "errors": {"given": np.nan}})


def test_without_gudhi_basins_are_found_and_loops_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gudhi", None)
    found = found_of(dimensions=(0,))
    assert len(found.basins) == 4
    with pytest.raises(ImportError, match=r"gudhi is not installed .*pip install 'torch-fastscape\[topology\]'"):
        found_of(dimensions=(1,))
    with pytest.raises(ImportError, match="gudhi is not installed"):
        found.distance(found)
