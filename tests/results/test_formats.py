"""Landscapes in the formats of other programs: out, and back where that is possible."""

import csv
import json

import h5py
import numpy as np
import pytest

from fastscape import Landscape

X, Y = np.array([-1.0, 0.1, 0.5]), np.array([0.0, 0.25])
LOSS = np.array([[1.0, np.nan], [np.inf, 1 / 3], [-1.0, 1e-300]])  # -1 is a loss like others


def surface() -> Landscape:
    accuracy = np.linspace(0, 1, 6).reshape(3, 2)
    return Landscape(X, Y, LOSS, {"accuracy": accuracy, "margin": -accuracy}, {"seed": 3}, np.abs(accuracy) / 7)


def line() -> Landscape:
    return Landscape(X, None, LOSS[:, 1], {"accuracy": np.array([0.0, 0.5, 1.0])}, {"seed": 3})


@pytest.mark.parametrize("ending", ["csv", "h5", "hdf5", "CSV"])
@pytest.mark.parametrize("make", [surface, line])
def test_what_is_exported_is_loaded_again(make, ending, tmp_path):
    made = make()
    path = made.export(tmp_path / "new" / f"landscape.{ending}")
    again = Landscape.load(path)
    np.testing.assert_array_equal(again.x, made.x)
    np.testing.assert_array_equal(again.loss, made.loss)
    assert (again.y is None) == (made.y is None)
    for name, grid in made.metrics.items():
        np.testing.assert_allclose(again.metrics[name], grid, rtol=1e-15)
    assert (again.standard_error is None) == (made.standard_error is None)
    if made.standard_error is not None:
        np.testing.assert_array_equal(again.standard_error, made.standard_error)
    assert again.report["imported"] == path.name


@pytest.mark.parametrize(
    ("name", "ending"),
    [("train_loss", "h5"), ("train_acc", "hdf5"), ("xcoordinates", "h5"), ("x", "csv"), ("y", "h5")],
)
def test_a_metric_may_not_take_a_name_of_the_file(name, ending, tmp_path):
    taken = Landscape(X, Y, LOSS, {name: LOSS})
    with pytest.raises(ValueError, match=f"a metric is named '{name}', as a part of what is written; give it another"):
        taken.export(tmp_path / f"a.{ending}")
    assert not list(tmp_path.iterdir())


def test_csv_has_a_row_for_each_point(tmp_path):
    rows = list(csv.DictReader(surface().export(tmp_path / "a.csv").read_text().splitlines()))
    assert len(rows) == 6
    accuracy = float(surface().metrics["accuracy"][1, 1])
    assert {name: float(cell) for name, cell in rows[3].items()} == {
        "x": 0.1, "y": 0.25, "loss": 1 / 3, "accuracy": accuracy, "margin": -accuracy, "standard_error": accuracy / 7,
    }  # fmt: skip
    shuffled = tmp_path / "b.csv"
    lines = (tmp_path / "a.csv").read_text().splitlines()
    shuffled.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    again = Landscape.load(shuffled)
    np.testing.assert_array_equal(again.loss, LOSS)
    np.testing.assert_array_equal(again.standard_error, surface().standard_error)


def test_hdf5_has_the_layout_of_li_et_al(tmp_path):
    """Their plots draw `train_loss` over meshgrid(xcoordinates, ycoordinates): one row for each y."""
    with h5py.File(surface().export(tmp_path / "a.h5")) as file:
        np.testing.assert_array_equal(file["xcoordinates"][:], X)
        np.testing.assert_array_equal(file["ycoordinates"][:], Y)
        np.testing.assert_array_equal(file["train_loss"][:], LOSS.T)
        np.testing.assert_allclose(file["train_acc"][:], [[0, 40, 80], [20, 60, 100]])
        assert json.loads(file.attrs["report"]) == {"seed": 3}


def test_files_of_the_reference_code_are_read(tmp_path):
    """Also one that is not square, which it fills as rows of y, and one that was not finished."""
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["xcoordinates"], file["ycoordinates"] = X, Y
        values = np.array([[10.0, 11.0, 12.0], [20.0, -1.0, 22.0]])  # [y, x]
        file["train_loss"] = values.ravel().reshape(3, 2)
        file["train_acc"] = np.where(values == -1, -1.0, 25.0).ravel().reshape(3, 2)
        file["test_acc"] = np.array([[-1.0, 50.0, 50.0], [50.0, -1.0, 50.0]]).ravel().reshape(3, 2)
        file["test_loss"] = values
        file["dir_file"] = "directions.h5"
        file.create_group("more")
    found = Landscape.load(tmp_path / "theirs.h5")
    np.testing.assert_array_equal(found.loss, [[10.0, 20.0], [11.0, np.nan], [12.0, 22.0]])
    np.testing.assert_array_equal(found.metrics["accuracy"], [[0.25, 0.25], [0.25, np.nan], [0.25, 0.25]])
    np.testing.assert_array_equal(found.metrics["test_accuracy"], [[np.nan, 0.5], [0.5, np.nan], [0.5, 0.5]])
    np.testing.assert_array_equal(found.metrics["test_loss"], found.loss)
    assert found.report["not_computed"] == 1


def test_in_files_of_our_own_minus_one_is_a_value(tmp_path):
    made = Landscape(X, Y, np.full((3, 2), -1.0), {"accuracy": np.full((3, 2), -0.01)})
    found = Landscape.load(made.export(tmp_path / "ours.h5"))
    np.testing.assert_array_equal(found.loss, made.loss)
    np.testing.assert_array_equal(found.metrics["accuracy"], made.metrics["accuracy"])


def test_xarray():
    xarray = pytest.importorskip("xarray")
    found = surface().to_xarray()
    assert isinstance(found, xarray.Dataset)
    assert found["loss"].dims == ("x", "y")
    assert float(found["loss"].sel(x=0.1, y=0.25)) == 1 / 3
    np.testing.assert_array_equal(found["standard_error"].values, surface().standard_error)
    assert json.loads(found.attrs["report"]) == {"seed": 3}
    assert line().to_xarray()["accuracy"].dims == ("x",)


@pytest.mark.parametrize("ending", ["vts", "vtp"])
def test_paraview(ending, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    path = surface().export(tmp_path / f"a.{ending}")
    read = pyvista.read(path)
    assert read.n_points == 6
    at = {tuple(np.round(point[:2], 6)): k for k, point in enumerate(read.points)}
    k = at[0.5, 0.25]
    assert read.point_data["accuracy"][k] == 1.0
    assert read.point_data["loss"][k] == 1e-300
    with pytest.raises(ValueError, match="a line has no surface"):
        line().export(tmp_path / f"b.{ending}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv is no landscape"),
        ("a.csv", b"x,y,loss\n1,2,3,4\n", "a.csv is no landscape"),
        ("a.csv", b"x,y,loss\n0,0,1\n0,1,1\n1,0,1\n", "no whole grid"),
        ("a.csv", b"x,y,loss\n0,0,1\n0,0,1\n", "no whole grid"),
        (
            "a.csv",
            b"a,b,c\n0,0,1\n",
            r"is no landscape \(its columns must be x, y, loss, \.\.\., got a, b, c\); give a file that",
        ),
        ("a.csv", b"x,y,loss\n0,0,high\n", "could not convert"),
        ("a.csv", b"x,loss,loss\n0,1,2\n", "it holds two measures named 'loss', rename one of them"),
        ("a.csv", bytes(range(256)), "a.csv is no landscape"),
        ("a.h5", b"no HDF5", "a.h5 is no landscape in the layout of Li et al."),
        (
            "a.h5",
            b"",
            r"is no landscape in the layout of Li et al\. \(OSError: Unable to synchronously open file \(file",
        ),
    ],
)
def test_other_files_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Landscape.load(tmp_path / name)


def test_an_hdf5_file_of_something_else(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"], file["ycoordinates"], file["train_loss"] = X, Y, np.zeros(5)
    with pytest.raises(ValueError, match="train_loss has 5 values for 3 x 2 points"):
        Landscape.load(tmp_path / "a.h5")
    whole = surface().export(tmp_path / "b.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"b\.h5 is no landscape"):
        Landscape.load(tmp_path / "b.h5")


def test_other_endings_and_missing_packages(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError,
        match=r"the name of a landscape's file must end in \.csv, \.h5, \.hdf5, \.vts, \.vtp, \.vti, \.vtr,",
    ):
        surface().export(tmp_path / "a.xlsx")
    monkeypatch.setattr(
        "importlib.import_module", lambda name: (_ for _ in ()).throw(ImportError(f"No module named {name!r}"))
    )
    for export in (lambda: surface().export(tmp_path / "a.h5"), surface().to_xarray):
        with pytest.raises(ImportError, match=r"is not installed .*pip install 'torch-fastscape\["):
            export()
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize("name", ["x", "y", "evaluated", "standard_error"])
def test_a_metric_with_the_name_of_something_else_is_refused(tmp_path, name):
    axis = np.linspace(-1, 1, 3)
    landscape = Landscape(axis, axis, np.ones((3, 3)), {name: np.zeros((3, 3))})
    message = f"a metric is named '{name}', as a part of what is written; give it another name"
    with pytest.raises(ValueError, match=message):
        landscape.export(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=message):
        landscape.to_xarray()
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("theirs", "name"), [("loss", "loss"), ("accuracy", "accuracy"), ("test_accuracy", "test_accuracy")]
)
def test_two_measures_of_one_name_in_hdf5_are_refused(theirs, name, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"], file["ycoordinates"] = X, Y
        for known in ("train_loss", "train_acc", "test_acc"):
            file[known] = np.ones((2, 3))
        file[theirs] = np.zeros((2, 3))
    with pytest.raises(ValueError, match=f"it holds two measures named '{name}', rename one of them"):
        Landscape.load(tmp_path / "a.h5")


def test_a_file_of_our_own_with_a_name_twice_is_refused(tmp_path):
    header = {"format": "fastscape-landscape", "version": 1, "axes": ["x"], "measures": ["loss", "loss"], "report": {}}
    np.savez(tmp_path / "a.npz", header=np.array(json.dumps(header)), x=X, values=np.arange(6.0).reshape(2, 3))
    with pytest.raises(ValueError, match="it holds two measures named 'loss'"):
        Landscape.load(tmp_path / "a.npz")
