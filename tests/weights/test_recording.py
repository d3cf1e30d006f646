"""The folder of a recording: which rows count, and what is read of their files."""

import json
import math

import numpy as np
import pytest
import torch

from fastscape.weights import FORMAT, INDEX, VERSION, Recording, Row, rows_of
from trainings import record

HEAD = {"format": FORMAT, "version": VERSION}


def row(step, file=None, **more):
    file = f"step-{int(step):012d}.safetensors" if file is None else file
    return {"step": step, "file": file, "bytes": 8, "measures": {}} | more


def index(folder, *lines, end="\n"):
    """Writes an index; a text stays as it is."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / INDEX).write_text(text + end)
    return folder


def steps(folder):
    return [one.step for one in rows_of(folder)]


class TestRows:
    def test_a_row_is_what_a_line_says(self, tmp_path):
        index(tmp_path, HEAD, row(3, measures={"loss": 0.5, "epoch": None, "lr": math.inf}), row(9))
        assert rows_of(tmp_path) == [
            Row(3, "step-000000000003.safetensors", 8, {"loss": 0.5, "lr": math.inf}),
            Row(9, "step-000000000009.safetensors", 8),
        ]
        assert rows_of(str(tmp_path)) == rows_of(tmp_path)
        assert rows_of(index(tmp_path, HEAD)) == []

    @pytest.mark.parametrize("cut", ['{"step": 20, "file": "a', "\x00\x00\x00", ""])
    def test_a_last_line_that_was_cut_off_is_no_record(self, tmp_path, cut):
        assert steps(index(tmp_path, HEAD, row(0), row(10), cut, end="")) == [0, 10]
        assert steps(index(tmp_path, HEAD, row(0), row(10), cut or "{", end="\n")) == [0, 10]
        whole = json.dumps(row(20))
        assert steps(index(tmp_path, HEAD, row(0), whole, end="")) == [
            0
        ]  # whole, but not ended: its writer was killed

    def test_at_whatever_byte_a_writer_was_killed_the_rows_before_are_there(self, tmp_path):
        index(tmp_path, HEAD, row(0), row(10), row(20))
        whole = (tmp_path / INDEX).read_bytes()
        ends = np.cumsum([len(line) + 1 for line in whole.split(b"\n")[:-1]])
        for stop in range(ends[0], len(whole) + 1):
            (tmp_path / INDEX).write_bytes(whole[:stop])
            assert len(rows_of(tmp_path)) == (ends <= stop).sum() - 1

    def test_a_training_that_went_back_goes_on_from_there(self, tmp_path):
        again = row(10, "step-000000000010-2.safetensors")
        found = rows_of(index(tmp_path, HEAD, row(0), row(10), row(20), row(30), again, row(15)))
        assert [one.step for one in found] == [0, 10, 15]
        assert found[1].file == again["file"]
        assert steps(index(tmp_path, HEAD, row(5), row(6), row(0))) == [0]

    @pytest.mark.parametrize(
        "line",
        [
            "{", "[]", '"a"', row(-1), row(1.5), row(True), row(1, "../secret"), row(1, "a/b"), row(1, ""),
            row(1, measures=[1]), row(1, measures={"loss": "low"}), row(1, bytes=None), {"step": 1}, "[" * 100_000,
        ],
    )  # fmt: skip
    def test_a_damaged_line_is_named(self, tmp_path, line):
        with pytest.raises(ValueError, match=r"line 3 of .*index\.jsonl' is damaged: b'"):
            rows_of(index(tmp_path, HEAD, row(0), line, row(20)))

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([], r"is no recording: its index\.jsonl does not begin with the format 'fastscape-recording'"),
            (["nothing"], "does not begin with the format"),
            ([{"format": "other", "version": 1}], "does not begin with the format"),
            ([{"format": FORMAT, "version": 2}], "must have version 1, got 2: update fastscape"),
            ([{"format": FORMAT}], "must have version 1, got None: update fastscape"),
        ],
    )
    def test_what_is_no_recording(self, tmp_path, lines, message):
        with pytest.raises(ValueError, match=message):
            rows_of(index(tmp_path, *lines))

    def test_a_folder_without_an_index(self, tmp_path):
        (tmp_path / "file").write_text("")
        for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
            with pytest.raises(
                ValueError, match=r"is no recording: it has no index\.jsonl; give the folder that a Rec"
            ):
                rows_of(folder)


class TestRecording:
    def test_steps_measures_and_tensors(self, tmp_path):
        kept = [
            {"w": torch.randn(2, 3), "z": torch.randn(3, dtype=torch.complex64), "half": torch.randn(4).bfloat16()}
            for _ in range(3)
        ]
        record(tmp_path, kept, [{"loss": 1.0}, {"loss": 0.5, "epoch": 2.0}, {}], [0, 5, 70])
        found = Recording(tmp_path)
        assert len(found) == 3
        assert found.steps.tolist() == [0, 5, 70]
        np.testing.assert_array_equal(found.measures["loss"], [1.0, 0.5, math.nan])
        np.testing.assert_array_equal(found.measures["epoch"], [math.nan, 2.0, math.nan])
        assert repr(found).endswith("3 records, steps 0 to 70)")
        for k, one in enumerate(kept):
            tensors = found.tensors(k)
            assert tensors.keys() == one.keys()
            assert all(torch.equal(tensors[name], t) and tensors[name].dtype == t.dtype for name, t in one.items())

    def test_slices_are_those_of_the_tensors(self, tmp_path):
        kept = {"w": torch.randn(7, 5), "z": torch.randn(2, 3, dtype=torch.complex64), "h": torch.randn(9).bfloat16()}
        file = Recording(record(tmp_path, [kept])).file(0)
        for name, tensor in kept.items():
            numbers = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).reshape(-1)
            for start, stop in ((0, len(numbers)), (1, 2), (3, len(numbers) - 1)):
                assert torch.equal(file.numbers(name, start, stop), numbers[start:stop])
        assert file.kept["z"].shape == (2, 3)
        assert file.kept["z"].complex

    def test_what_is_missing_or_another_file_is_named(self, tmp_path):
        with pytest.raises(ValueError, match="must have at least one record, got none"):
            Recording(index(tmp_path, HEAD))
        record(tmp_path, [{"w": torch.ones(3)}, {"w": torch.zeros(3)}])
        found = Recording(tmp_path)
        file = tmp_path / found.rows[1].file
        file.write_bytes(file.read_bytes() + b"more")
        with pytest.raises(ValueError, match=r"step 10 of a recording, has \d+ bytes; its index says \d+"):
            found.tensors(1)
        file.unlink()
        with pytest.raises(ValueError, match=r"has no file step-000000000010.safetensors, that of step 10"):
            found.tensors(1)

    @pytest.mark.parametrize("damage", ["short", "long header", "no header", "offsets", "no json", "cut", "dtype"])
    def test_a_damaged_file_is_named(self, tmp_path, damage):
        record(tmp_path, [{"w": torch.ones(3)}])
        path = tmp_path / Recording(tmp_path).rows[0].file
        whole = path.read_bytes()
        length = int.from_bytes(whole[:8], "little")
        header = whole[8 : 8 + length]
        content = {
            "short": whole[:4],
            "long header": (1 << 60).to_bytes(8, "little") + whole[8:],
            "no header": bytes(len(whole)),
            "offsets": whole.replace(b"[0,12]", b"[0,11]"),
            "no json": whole[:8] + b"x" * length + whole[8 + length :],
            "cut": whole[:-1],
            "dtype": whole[:8] + header.replace(b'"shape":[3]', b'"shape":[4]') + whole[8 + length :],
        }[damage]
        path.write_bytes(content)
        lines = (tmp_path / INDEX).read_text().replace(f'"bytes": {len(whole)}', f'"bytes": {len(content)}')
        (tmp_path / INDEX).write_text(lines)
        with pytest.raises(ValueError, match="is no whole safetensors file"):
            Recording(tmp_path).file(0)
