"""Paths as results: their columns, and the files that hold them."""

import csv
import json

import h5py
import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Trajectory

PATH = Trajectory(
    "SGD", [[0.5, 1.0], [0.1, 0.25], [0.0, 0.0]], steps=[0, 10, 30], off_plane=[2.0, 1 / 3, 0.0],
    loss=[1.5, np.nan, 0.25], height=[1.25, np.nan, 0.25], measures={"epoch": [0, 1, 3], "loss": [1.75, 1.0, 0.5]},
)  # fmt: skip
EXPLAINED = [0.75, 0.125]
AXIS = np.linspace(-1, 1, 3)
PLANE = Landscape(
    AXIS, AXIS, np.arange(9.0).reshape(3, 3) + 1,
    report={"paths": [PATH.as_plain()], "plane": {"orthonormal": True, "explained": EXPLAINED}},
)  # fmt: skip


def same(found, wanted) -> None:
    assert found.name == wanted.name
    np.testing.assert_array_equal(found.points, wanted.points)
    assert found.columns.keys() == wanted.columns.keys()
    for name, column in wanted.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)


@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_a_landscape_keeps_its_paths_and_its_plane(name, tmp_path):
    path = PLANE.save(tmp_path / name) if name.endswith("npz") else PLANE.export(tmp_path / name)
    found = Landscape.load(path)
    assert len(found.paths) == 1
    same(found.paths[0], PATH)
    assert found.orthonormal
    assert found.report["plane"]["explained"] == EXPLAINED
    np.testing.assert_array_equal(found.loss, PLANE.loss)
    assert found.metrics == {}


def test_the_variance_has_the_name_of_the_reference_code(tmp_path):
    """Its `plot_2D.py` reads it from the file of the directions; as many components as points are no measure."""
    with h5py.File(PLANE.export(tmp_path / "a.h5")) as file:
        assert file["explained_variance_ratio_"][:].tolist() == EXPLAINED
    line = Landscape(AXIS, None, AXIS + 2, report={"plane": {"explained": [0.5, 0.25, 0.125]}})
    assert Landscape.load(line.export(tmp_path / "b.h5")).metrics == {}
    with pytest.raises(ValueError, match="a metric is named 'explained_variance_ratio_'"):
        Landscape(AXIS, None, AXIS, {"explained_variance_ratio_": AXIS}).export(tmp_path / "c.h5")


@pytest.mark.parametrize("plane", [3, {}, {"explained": "all"}, {"explained": ["most"]}, {"explained": None}])
def test_without_known_variance_there_is_none(plane, tmp_path):
    with h5py.File(PLANE.with_report({"plane": plane}).export(tmp_path / "a.h5")) as file:
        assert "explained_variance_ratio_" not in file


def test_csv_has_a_row_for_each_point(tmp_path):
    file = PATH.export(str(tmp_path / "new" / "path.CSV"))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert list(rows[0]) == ["step", "x", "y", "off_plane", "loss", "height", "measure:epoch", "measure:loss"]
    assert [float(cell) for cell in rows[1].values()] == pytest.approx(
        [10, 0.1, 0.25, 1 / 3, np.nan, np.nan, 1, 1], nan_ok=True, abs=0
    )
    assert len(rows) == 3
    bare = Trajectory("a", [[0.0], [1.0]]).export(tmp_path / "bare.csv")
    assert bare.read_text().split() == ["x", "0.0", "1.0"]
    many = Trajectory("a", np.zeros((1, 4))).export(tmp_path / "many.csv")
    assert many.read_text().split()[0] == "x1,x2,x3,x4"


def test_hdf5_has_the_names_of_the_reference_code(tmp_path):
    with h5py.File(PATH.export(tmp_path / "path.h5")) as file:
        assert file["proj_xcoord"][:].tolist() == [0.5, 0.1, 0.0]
        assert file["proj_ycoord"][:].tolist() == [1.0, 0.25, 0.0]
        assert file["step"][:].tolist() == [0, 10, 30]
        np.testing.assert_array_equal(file["loss"][:], PATH.loss)
        assert file["measures/loss"][:].tolist() == [1.75, 1.0, 0.5]
        assert file["measures/epoch"][:].tolist() == [0, 1, 3]
        assert file.attrs["name"] == "SGD"


def test_measures_of_other_names(tmp_path):
    """Those with a slash, as Lightning gives them, lie in groups; what HDF5 cannot hold is refused by name."""
    path = Trajectory("a", [[0.0]], measures={"val/loss": [3.0], "x": [1.0]})
    with h5py.File(path.export(tmp_path / "a.h5")) as file:
        assert file["measures/val/loss"][:].tolist() == [3.0]
        assert file["measures/x"][:].tolist() == [1.0]
    for names in (["val/loss", "val"], ["."], [""], ["a\0b"]):
        odd = Trajectory("a", [[0.0]], measures={name: [3.0] for name in names})
        with pytest.raises(ValueError, match=r"HDF5 can have no measure of the name .*; give it another one"):
            odd.export(tmp_path / "b.h5")
        assert odd.export(tmp_path / "b.csv").exists()
    assert not (tmp_path / "b.h5").exists()


@pytest.mark.parametrize("name", ["a.npz", "a", "a.txt"])
def test_other_endings_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=rf"must end in \.csv, \.h5, \.hdf5, got '{name}'"):
        PATH.export(tmp_path / name)


def test_xarray():
    xarray = pytest.importorskip("xarray")
    found = PATH.to_xarray()
    assert isinstance(found, xarray.Dataset)
    assert found["loss"].dims == ("point",)
    assert found.coords["step"].values.tolist() == [0, 10, 30]
    np.testing.assert_array_equal(found["off_plane"].values, PATH.off_plane)
    assert found["measure:epoch"].values.tolist() == [0, 1, 3]
    assert found.attrs == {"name": "SGD"}
    carried = json.loads(PLANE.to_xarray().attrs["report"])["paths"][0]
    same(Trajectory.of_plain(carried, 2), PATH)
