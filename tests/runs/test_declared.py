"""A store of which an array declares more than it holds is refused before memory is taken for it."""

import json
import shutil
from pathlib import Path

import pytest

from fastscape import Landscape
from fuzzing import limited, memory

pytest.importorskip("zarr")

OLD = Path(__file__).parent.parent / "written_by_0_1"


@pytest.fixture(params=["blocks", "finished", "parts", "rounds"])
def store(request, tmp_path):
    return Path(shutil.copytree(OLD / f"{request.param}.zarr", tmp_path / "run.zarr"))


def declare(store: Path, name: str, shape: list[int], chunks: list[int] | None = None, **others: str) -> None:
    header = store / name / "zarr.json"
    found = {**json.loads(header.read_text()), "shape": shape, **others}
    found["chunk_grid"]["configuration"]["chunk_shape"] = chunks or shape
    header.write_text(json.dumps(found))


def refused(store: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error, memory() as taken, limited(5):
        Landscape.load(store)
    assert taken[0] < 32 << 20
    assert str(store) in str(error.value)
    assert len(str(error.value)) < 2 * len(str(store)) + 450


def test_a_store_as_it_was_is_read(store):
    assert Landscape.load(store).loss.size > 1


@pytest.mark.parametrize("length", [300_000_000, 10**12])
def test_an_axis(store, length):
    declare(store, "x", [length])
    refused(store, r"x declares the shape \(\d+,\), and \d+ bytes are there")


def test_an_axis_in_a_file_of_a_size_that_nothing_needs(store):
    declare(store, "x", [4], [10**9])
    refused(store, "declares files of 8000000000 bytes, which is more than there can be in them")


def test_an_axis_of_text(store):
    declare(store, "x", [4], data_type="complex128", fill_value=[0, 0])
    refused(store, r"is damaged \(ValueError:")


@pytest.mark.parametrize("shape", [[10**12, 2], [30_000, 10**6]])
def test_sums(store, shape):
    declare(store, "sums", shape, [7, 2])
    refused(store, r"sums declares the shape .* for \d+ points")


@pytest.mark.parametrize("name", ["loss", "accuracy", "standard_error"])
def test_a_grid(tmp_path, name):
    shutil.copytree(OLD / "finished.zarr", tmp_path / "run.zarr")
    declare(tmp_path / "run.zarr", name, [30_000, 20_000], [100, 100])
    refused(tmp_path / "run.zarr", rf"{name} must declare the shape .*, got \(30000, 20000\)")


def test_marks_of_other_kinds(tmp_path):
    store = Path(shutil.copytree(OLD / "finished.zarr", tmp_path / "run.zarr"))
    header = json.loads((store / "zarr.json").read_text())
    header["attributes"]["report"]["marks"] = {"the model": [[[]]]}
    (store / "zarr.json").write_text(json.dumps(header))
    refused(store, r"holds no landscape \(the marks of its report must be 2 numbers by name, got \{'the")
