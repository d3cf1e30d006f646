"""Broken and hostile files: refused in words that name the file, before memory is taken for what is not there."""

import io
import json
import re
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Values, saved
from fastscape.results.formats import apart
from fuzzing import limited, memory

LINE = {"x": np.arange(3.0), "values": np.ones((1, 3))}


def refused(path: Path, message: str = "is no landscape") -> str:
    """What is said of a file, in little time and memory."""
    with pytest.raises(ValueError, match=message) as error, limited(5), memory() as taken:
        Landscape.load(path)
    assert taken[0] < 4 * path.stat().st_size + (32 << 20)
    said = str(error.value)
    assert said.startswith(str(path))
    assert len(said) < len(str(path)) + 450
    return said


def npz(path: Path, header: object = None, save=np.savez, **arrays: np.ndarray) -> Path:
    known = {"format": "fastscape-landscape", "version": 1, "axes": ["x"], "measures": ["loss"], "report": {}}
    text = header if isinstance(header, str) else json.dumps({**known, **(header or {})})
    save(path, header=np.array(text), **{**LINE, **arrays})
    return path


# ---------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"values": np.zeros((1, 10**7))},
            r"is no landscape that this version can read \(values must have shape \(1, 3\), got shape",
        ),
        ({"x": np.zeros(10**7)}, "x declares 80000128 bytes, packed into"),
        (
            {"standard_error": np.zeros(10**7)},
            r"is no landscape that this version can read \(standard_error must have shape \(3,\), got",
        ),
        (
            {"evaluated": np.zeros(10**8, bool)},
            r"is no landscape that this version can read \(evaluated must have shape \(3,\), got shape",
        ),
        ({"more": np.zeros(10**7)}, "it holds 'more', which no landscape has"),
    ],
)
def test_an_archive_that_unpacks_to_more_than_the_axes_say(arrays, message, tmp_path):
    refused(npz(tmp_path / "a.npz", save=np.savez_compressed, **arrays), message)


def test_a_header_that_unpacks_to_much(tmp_path):
    refused(npz(tmp_path / "a.npz", " " * 10**7, save=np.savez_compressed), "header declares 40000")


@pytest.mark.parametrize("shape", ["(400000000,)", "(1, 3000000000)", "(-3,)", "(1, 3, 1)", "(10**9,)"])
def test_an_array_that_declares_more_than_is_there(shape, tmp_path):
    whole = npz(tmp_path / "a.npz")
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:10] + header + content[128:] if name == "values.npy" else content)
    refused(tmp_path / "b.npz")


def test_a_directory_that_says_other_sizes(tmp_path):
    content = bytearray(npz(tmp_path / "a.npz").read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (2**31).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(content)
    refused(tmp_path / "a.npz", "values declares 2147483648 bytes, and 152 are there")


@pytest.mark.parametrize("old", [False, True])
def test_a_directory_that_has_lost_a_part(old, tmp_path):
    """Which points were evaluated: without it all would have been."""
    axis = np.arange(3.0)
    path = Landscape(axis, None, axis, None, None, axis, [True, False, True]).save(tmp_path / "a.npz")
    if old:  # as version 0.1 wrote it, whose header has no list of the parts
        with np.load(path) as file:
            arrays = {name: file[name] for name in file}
        header = json.loads(str(arrays.pop("header")))
        del header["parts"]
        np.savez(path, header=np.array(json.dumps(header)), **arrays)
    assert Landscape.load(path).evaluated.tolist() == [True, False, True]
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))
    content[at + 32 : at + 34] = b"\xff\x7f"  # the length of the comment of the last part but one
    path.write_bytes(content)
    refused(path, "standard_error has a comment, as no .npz file has")
    if not old:
        with np.load(Landscape(axis, None, axis, None, None, axis, [True, False, True]).save(path)) as file:
            np.savez(path, **{name: file[name] for name in file if name != "evaluated"})
        refused(path, "its parts are not those that were written: evaluated")


def test_an_array_of_a_later_version_and_a_name_twice(tmp_path):
    npy = io.BytesIO()
    np.lib.format.write_array(npy, LINE["x"], version=(2, 0))
    npz(tmp_path / "a.npz", {"axes": ["y"]})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("y.npy", npy.getvalue())
    refused(tmp_path / "a.npz", "it holds 'x', which no landscape has")
    npz(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", npy.getvalue())
    refused(tmp_path / "b.npz", "two measures named 'x'")


@pytest.mark.parametrize("packed", [{}, {"compression": "gzip", "chunks": (100_000,)}])
def test_data_sets_of_other_sizes_are_not_looked_at(packed, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"], file["train_loss"] = np.arange(7.0), np.ones(7)
        file.create_dataset("other", shape=(400_000_000,), dtype="f8", **packed)
    with memory() as taken, limited(5):
        assert Landscape.load(tmp_path / "a.h5").metrics == {}
    assert taken[0] < 32 << 20


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("train_loss", {"shape": (7,)}, "train_loss declares 56 bytes, of which 0 are there"),
        ("train_loss", {"shape": (7,), "chunks": (4,)}, "train_loss declares 2 parts, of which 0 are there"),
        ("train_loss", {"shape": (10**9,), "chunks": (4,)}, "train_loss has 1000000000 values for 7 points"),
        ("xcoordinates", {"shape": (10**9,)}, "xcoordinates has the shape .*, of which 0 bytes are stored"),
        (
            "train_loss",
            {"shape": (7,), "chunks": (10**7,), "maxshape": (None,)},
            "has parts of 80000000 bytes, and 56",
        ),
        (
            "train_loss",
            {"shape": (7,), "external": [("/dev/zero", 0, 56)]},
            "train_loss is stored in a different file",
        ),
        ("train_loss", {"shape": (7,), "dtype": "S5"}, "it has no xcoordinates or no train_loss"),
    ],
)
def test_data_sets_that_are_declared_and_not_there(name, options, message, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for known in {"xcoordinates", "train_loss"} - {name}:
            file[known] = np.arange(7.0)
        file.create_dataset(name, **{"dtype": "f8", **options})
    refused(tmp_path / "a.h5", message)


def test_a_part_that_unpacks_to_more_than_it_is_of(tmp_path):
    import zlib

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"] = np.arange(7.0)
        data = file.create_dataset("train_loss", shape=(7,), dtype="f8", chunks=(7,), compression="gzip")
        data.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 29), 9))
    refused(tmp_path / "a.h5")


def test_links_into_other_files_are_not_followed(tmp_path):
    Landscape(np.arange(3.0), None, np.ones(3)).export(tmp_path / "other.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"] = np.arange(3.0)
        file["train_loss"] = h5py.ExternalLink("other.h5", "train_loss")
    refused(tmp_path / "a.h5", "it has no xcoordinates or no train_loss")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_constant_landscapes_may_be_small(save, tmp_path):
    axis = np.linspace(-1, 1, 300)
    names = ["loss", *(f"m{k}" for k in range(9))]
    made = Landscape(axis, axis, np.full((300, 300), 0.5), dict.fromkeys(names[1:], np.zeros((300, 300))))
    header = {"axes": ["x", "y"], "measures": names, "report": {}}
    npz(tmp_path / "a.npz", header, save=save, x=axis, y=axis, values=np.stack(list(made.values.values())))
    found = Landscape.load(tmp_path / "a.npz")
    assert (found.loss == 0.5).all()
    assert list(found.values) == names
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"] = file["ycoordinates"] = axis
        for name in ("train_loss", *names[1:]):
            file.create_dataset(name, data=made.loss, compression="gzip")
    assert (Landscape.load(tmp_path / "a.h5").metrics["m3"] == 0.5).all()


def test_values_are_read_without_copies(tmp_path):
    axis = np.linspace(-1, 1, 1000)
    path = Landscape(axis, axis, np.ones((1000, 1000)), {"a": np.ones((1000, 1000))}).save(tmp_path / "a.npz")
    with memory() as taken:
        Landscape.load(path)
    assert taken[0] < 1.6 * 16e6 + 16e6


def test_scattered_points_make_no_mesh(tmp_path):
    rows = "".join(f"{k},{k},1\r\n" for k in range(10_000))
    (tmp_path / "a.csv").write_text(f"x,y,loss\r\n{rows}")
    refused(tmp_path / "a.csv", "its 10000 rows are no whole grid of 10000 x 10000 points")
    (tmp_path / "a.csv").write_text("x,loss," + "a" * (1 << 20))
    refused(tmp_path / "a.csv", "a line of more than 1048576 letters")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,0,1\n0,0,2\n1,1,3\n1,0,4\n", "one point occurs twice, and a different point is missing"),
        ("0,nan,1\n0,0,2\n1,nan,3\n1,0,4\n", "the axis y has coordinates that are not finite"),
        ("0,0,1\n0,inf,2\n", "the axis y has coordinates that are not finite"),
        ("0,0,1,2\n", "its rows have 4 cells for 3 columns"),
        ("", r"is no landscape \(the axis x must be coordinates along a line, got the shape \(0,\)\); give"),
    ],
)
def test_rows_that_are_no_grid(rows, message, tmp_path):
    (tmp_path / "a.csv").write_text(f"x,y,loss\n{rows}")
    refused(tmp_path / "a.csv", message)


def test_files_of_spreadsheets_are_read(tmp_path):
    """With a mark of the order of bytes, and an empty line at the end."""
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfx,loss\r\n1,5\r\n0,4\r\n\r\n")
    assert Landscape.load(tmp_path / "a.csv").loss.tolist() == [4, 5]
    (tmp_path / "a.csv").write_text("x,loss,evaluated\n0,1,1\n1,2,0.5\n")
    refused(tmp_path / "a.csv", "its column evaluated has other entries than 0 and 1")


# ---------------------------------------------------------------------------------------- kinds

DEEP = json.loads("[" * 200 + "]" * 200)
REPORTS = [
    (3, r"its report must be facts by name, got 3\);"),
    (["a"], r"its report must be facts by name, got"),
    (
        {"marks": {"a": [10**400]}},
        r"the marks of its report must be 1 numbers",
    ),
    ({"marks": 3}, r"the marks of its report must be 1 numbers"),
    (
        {"marks": {"a": [1, 2]}},
        r"the marks of its report must be 1 numbers",
    ),
    (
        {"marks": {"a": ["1"]}},
        r"the marks of its report must be 1 numbers",
    ),
    ({"labels": "ab"}, r"the labels of its report must be a text for"),
    ({"labels": [None]}, r"the labels of its report must be a text for"),
    (
        {"paths": [{"name": 3, "points": []}]},
        r"each path of its report must have a name,",
    ),
    (
        {"paths": [{"name": "a", "points": [[0, 0]]}]},
        r"each path of its report must have a name,",
    ),
    ({"a": DEEP}, "it is nested more than 100 levels deep"),
    (
        {"a": {"b": "c" * 10_000}, "marks": "d" * 10_000},
        r"the marks of its report must be 1 numbers",
    ),
]


@pytest.mark.parametrize(("report", "message"), REPORTS)
def test_reports_of_other_kinds(report, message, tmp_path):
    refused(npz(tmp_path / "a.npz", {"report": report}), message)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"], file["train_loss"] = np.arange(3.0), np.ones(3)
        file.attrs["report"] = json.dumps(report)
    refused(tmp_path / "a.h5", message)
    if isinstance(report, dict):  # what would not be read is not written
        for write in (Landscape.save, Landscape.export):
            with pytest.raises(ValueError, match=message):
                write(Landscape(np.arange(3.0), None, np.ones(3), report=report), tmp_path / "new" / "b.npz")
            assert not (tmp_path / "new").exists()
            break


@pytest.mark.parametrize(
    ("header", "arrays", "message"),
    [
        ("[" * 100_000, {}, "it is nested more than 100 levels deep"),
        (
            {"measures": ["loss", None]},
            {"values": np.ones((2, 3))},
            r"is no landscape that this version can read \(a name must be text, got None\); give a \.npz file",
        ),
        ({"measures": ["accuracy"]}, {}, "it has no loss, only accuracy"),
        ({"measures": "loss"}, {}, r"must have shape \(4, 3\)"),
        (
            {},
            {"x": np.ones((3, 2))},
            r"is no landscape that this version can read \(x must be a line, got shape \(3, 2\) and entries",
        ),
        ({}, {"x": np.array([0, np.nan, -1.0])}, "the axis x has coordinates that are not finite"),
        ({}, {"x": np.array([0, np.inf, -1.0])}, "the axis x has coordinates that are not finite"),
        (
            {},
            {"x": np.array([0, 1.0, 0])},
            r"is no landscape that this version can read \(the axis x must have each coordinate once\); give a",
        ),
        (
            {},
            {"x": np.array(["a", "b", "c"])},
            r"is no landscape that this version can read \(x must be a line, got shape \(3,\) and entries",
        ),
        ({}, {"values": np.ones((1, 3), complex)}, "entries of kind complex128"),
        ({"axes": []}, {"values": np.ones(1)}, "it holds 'x', which no landscape has"),
        ({"axes": ["x", "x"]}, {"values": np.ones((1, 3))}, "two measures named 'x'"),
        ({"measures": ["loss", "loss"]}, {"values": np.ones((2, 3))}, "two measures named 'loss'"),
    ],
)
def test_headers_and_arrays_of_other_kinds(header, arrays, message, tmp_path):
    refused(npz(tmp_path / "a.npz", header, **arrays), message)


def test_truth_is_0_or_1(tmp_path):
    known = np.array([1, 2, 0], np.uint8).view(bool)
    refused(npz(tmp_path / "a.npz", evaluated=known), "evaluated has entries that are neither true nor false")


@pytest.mark.parametrize("axis", [[0.0, np.nan], [0.0, np.inf], [1.0, 1.0], [], [[1.0], [2.0]]])
def test_what_would_not_be_read_again_is_not_written(axis, tmp_path):
    made = Landscape(np.array(axis), None, np.ones(len(axis)))
    for name in ("a.csv", "a.h5"):
        with pytest.raises(ValueError, match=r"the axis x (must|has)"):
            made.export(tmp_path / name)
    with pytest.raises(ValueError, match=r"the axis x (must|has)"):
        made.save(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_axes_of_other_names_are_no_landscape(tmp_path):
    path = saved(Values({"lr": np.arange(2.0)}, {"loss": np.ones(2)}), tmp_path / "a.npz")
    refused(path, r"holds no landscape \(its axes must be x, or x and y, or some of x, y, z, or x1, x2, x3")


# ---------------------------------------------------------------------------------------- HDF5 in a process of its own


@pytest.fixture
def exported(tmp_path):
    return Landscape(np.arange(3.0), None, np.arange(3.0), report={"seed": 3}).export(tmp_path / "a.h5")


def test_a_file_that_hdf5_runs_in_circles_on(exported):
    content = bytearray(exported.read_bytes())
    at = content.index(b"GCOL") + 24  # how long the first text is: minus what a step of the loop adds
    content[at : at + 8] = (2**64 - 16).to_bytes(8, "little")
    exported.write_bytes(content)
    refused(exported, "HDF5 runs in circles on it, dies of it, or asks for more memory than it can need")


@pytest.mark.parametrize(
    "program",
    ["import os; os.abort()", "print('[\"xcoordinates\", [3]]')", "import sys; sys.stdout.write('[')"],
)
def test_a_process_that_dies_is_no_landscape(program, exported, tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(apart, "PROGRAM", str(tmp_path / "program.py"))
    refused(exported, "is no landscape")


def test_where_there_are_no_processes_it_is_read_here(exported, tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text("raise ImportError")
    with monkeypatch.context() as patch:
        patch.setattr(apart, "PROGRAM", str(tmp_path / "program.py"))
        assert Landscape.load(exported).loss.tolist() == [0, 1, 2]
    for executable in ("", None, "/nowhere/python"):
        monkeypatch.setattr(sys, "executable", executable)
        assert Landscape.load(exported).report["seed"] == 3


def test_every_bit_of_an_archive_has_a_checksum(tmp_path):
    known = np.array([True, False, True])
    made = Landscape(np.arange(3.0), None, np.arange(3.0), {"a": np.ones(3)}, {"seed": 1}, np.ones(3), known)
    path = made.save(tmp_path / "a.npz")
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with suppress(ValueError):
            found = Landscape.load(path)
            assert re.sub(r"\s", "", repr(found)) == re.sub(r"\s", "", repr(made))
            assert dict(found.report) == dict(made.report)
            assert found.standard_error is not None
            assert found.evaluated.tolist() == known.tolist()
