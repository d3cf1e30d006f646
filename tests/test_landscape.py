"""Landscape: frozen values, files without pickle, and files that are no landscapes."""

import copy
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results.formats.npz import VERSION

X, Y = np.array([-1.0, 0.0, 0.5]), np.array([0.0, 1.0])
LOSS = np.array([[1.0, np.nan], [np.inf, -np.inf], [0.1 + 0.2, 5e-324]])
REPORT = {"seed": 3, "plan": {"chunk": 4}, "fallback": None, "untouched": ["a", "b"]}


def landscape() -> Landscape:
    return Landscape(X, Y, LOSS, {"top/1 accuracy": LOSS + 1, "zwei": LOSS * 2}, REPORT)


def test_a_file_holds_everything_bit_for_bit(tmp_path):
    path = landscape().save(tmp_path / "new" / "a.npz")
    back = Landscape.load(path)
    for name in ("x", "y", "loss"):
        assert getattr(back, name).tobytes() == getattr(landscape(), name).tobytes()
    assert list(back.metrics) == ["top/1 accuracy", "zwei"]
    for name, values in landscape().metrics.items():
        assert back.metrics[name].tobytes() == values.tobytes()
    assert dict(back.report) == REPORT


def test_a_landscape_cannot_be_changed():
    one = landscape()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.loss = LOSS  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        one.loss[0, 0] = 0
    with pytest.raises(ValueError, match="read-only"):
        one.metrics["zwei"][0, 0] = 0
    with pytest.raises(TypeError):
        one.report["seed"] = 4  # type: ignore[index]


def test_it_keeps_its_own_copy_of_the_values():
    values = LOSS.copy()
    one = Landscape(X, Y, values)
    values[0, 0] = 99
    assert one.loss[0, 0] == 1


def test_repr_names_the_range_of_finite_values():
    assert repr(landscape()) == "Landscape(3 x 2 points, loss 4.941e-324 to 1, metrics: top/1 accuracy, zwei)"
    assert "nowhere finite" in repr(Landscape(X, Y, np.full((3, 2), np.nan)))


def test_values_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"loss must have shape \(3, 2\).*, got \(2, 3\)"):
        Landscape(X, Y, LOSS.T)


def test_a_metric_cannot_take_the_name_of_the_loss():
    with pytest.raises(ValueError, match="a metric is named 'loss'"):
        Landscape(X, Y, LOSS, {"loss": LOSS})


def test_copies_and_pickles_are_equal_and_frozen():
    for back in (copy.deepcopy(landscape()), pickle.loads(pickle.dumps(landscape()))):
        assert back.loss.tobytes() == LOSS.tobytes()
        assert not back.loss.flags.writeable
        assert dict(back.report) == REPORT


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the name of a landscape's file must end in \.npz, got 'a\.zarr'"):
        landscape().save(tmp_path / "a.zarr")


def test_a_failed_save_leaves_the_older_file(tmp_path, monkeypatch):
    path = landscape().save(tmp_path / "a.npz")
    before = path.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Landscape(X, Y, LOSS * 7).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class TestForeignFiles:
    def refused(self, path: Path, reason: str = "") -> None:
        with pytest.raises(ValueError, match=f"is no landscape that this version can read.*{reason}"):
            Landscape.load(path)

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            Landscape.load(tmp_path / "missing.npz")

    def test_a_folder(self, tmp_path):
        pytest.importorskip("zarr")
        with pytest.raises(ValueError, match="is no store that fastscape has written; give the folder of a store"):
            Landscape.load(tmp_path)

    @pytest.mark.parametrize("size", [0, 1, 10, 100, 400, 1000])
    def test_a_truncated_file(self, tmp_path, size):
        path = landscape().save(tmp_path / "a.npz")
        path.write_bytes(path.read_bytes()[:size])
        self.refused(path)

    def test_every_flipped_byte_is_noticed_or_harmless(self, tmp_path):
        path = landscape().save(tmp_path / "a.npz")
        whole = path.read_bytes()
        for position in range(0, len(whole), 41):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
            try:
                back = Landscape.load(path)
            except ValueError:
                continue
            assert back.loss.tobytes() == LOSS.tobytes()

    def test_a_pickle_is_not_executed(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "exploded",))

        path = tmp_path / "a.npz"
        path.write_bytes(pickle.dumps(Bomb()))
        self.refused(path)
        np.savez(path, header=np.array(Bomb(), dtype=object))
        self.refused(path)
        assert not (tmp_path / "exploded").exists()

    @pytest.mark.parametrize(
        "header",
        [
            {"format": "other", "version": VERSION},
            {"format": "fastscape-landscape", "version": VERSION + 1},
            {"format": "fastscape-landscape", "version": VERSION, "measures": ["accuracy"], "report": {}},
            {"format": "fastscape-landscape", "version": VERSION, "measures": ["loss", "more"], "report": {}},
            {"format": "fastscape-landscape", "version": VERSION, "measures": ["loss"], "report": 5},
            {},
            [],
        ],
    )
    def test_another_header(self, tmp_path, header):
        path = tmp_path / "a.npz"
        np.savez(path, header=np.array(json.dumps(header)), x=X, y=Y, values=LOSS[None])
        self.refused(path)

    def test_another_archive(self, tmp_path):
        np.savez(tmp_path / "a.npz", weights=X)
        self.refused(tmp_path / "a.npz")


def test_without_a_first_axis_there_is_no_landscape():
    with pytest.raises(ValueError, match=r"x must be the coordinates.*, got None"):
        Landscape(None, None, 5.0)


def test_another_report_makes_another_landscape():
    landscape = Landscape(np.arange(3.0), None, np.ones(3), report={"seed": 0})
    other = landscape.with_report({"seed": 1})
    assert isinstance(other, Landscape)
    assert (landscape.report["seed"], other.report["seed"]) == (0, 1)
    assert other.loss is landscape.loss
