"""Kills a recorder again and again at random moments, takes its folder up each time, and looks at what is there.

    python tests/recorded.py             # 50 kills of every kind of recorder, in some minutes
    python tests/recorded.py --kills 5

The weights and the measure of a record say its step, so that whatever is read is known to be right or wrong. The
process that records notes every record that was made; after a kill
- all of these are there, but for one that a thread may have had in hand, and one that waited for it;
- there is at most one more, which was made but not noted;
- nothing that is there is half written, or of another step than the index says;
- the next recorder goes on behind it, and leaves nothing in the folder that is no record.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file
from torch import nn

from fastscape import Recorder
from fastscape.weights import INDEX, Row, rows_of
from stored_runs import started

SIZE = 300  # a layer has so many inputs and outputs: writing it takes longer than all else

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "on a thread": {"background": True},
    "at most 9": {"most": 9},
    "at most 9, on a thread": {"most": 9, "background": True},
    "by distance": {"distance": 2.5 * SIZE},
}


def model_at(step: int) -> nn.Linear:
    """A model that says a step."""
    model = nn.Linear(SIZE, SIZE, bias=False)
    return to_step(model, step)


def to_step(model: nn.Linear, step: int) -> nn.Linear:
    """Makes a model say a step."""
    with torch.no_grad():
        model.weight.fill_(step)
    return model


def train(folder: Path, noted: Path, options: dict[str, Any]) -> None:
    """Goes on behind the last record, and on and on."""
    torch.set_num_threads(1)
    rows = rows_of(folder) if (folder / INDEX).exists() else []
    model = model_at(0)
    with noted.open("a") as notes, Recorder(folder, **options) as recorder:
        for step in itertools.count(rows[-1].step + 1 if rows else 0):
            if recorder.record(to_step(model, step), step, value=step):
                print(step, file=notes, flush=True)


def refused(folder: Path, answer: Any) -> None:
    """Says why another process cannot record into a folder that a recorder has."""
    with mock.patch("fastscape.training.folder.PATIENCE", 0.1):
        try:
            Recorder(folder).record(model_at(0), 0)
        except ValueError as error:
            answer.send(str(error))


def right_rows(folder: Path) -> list[Row]:
    """The records of a folder, once all of them were seen to be right."""
    rows = rows_of(folder) if (folder / INDEX).exists() else []
    for row in rows:
        (weight,) = load_file(folder / row.file).values()
        assert (folder / row.file).stat().st_size == row.bytes
        assert bool((weight == row.step).all()), f"{row.file} has other weights than those of step {row.step}"
        assert row.measures == {"value": row.step}
    return rows


def only_records(folder: Path) -> bool:
    """Whether there is nothing in a folder but an index, a lock, and the files that the index names."""
    return {path.name for path in folder.iterdir()} - {INDEX, ".lock"} == {row.file for row in rows_of(folder)}


def killed(kind: str, kills: int, seed: int = 0, seconds: float = 0.3) -> Iterator[tuple[int, int]]:
    """Kills one recorder after the other.

    Args:
        kind: Of recorder.
        kills: How often.
        seed: Of the moments.
        seconds: How long one lives at most, after its first record.

    Yields:
        After each kill how many records are there, and how many are lost that were in hand.
    """
    moments, options = random.Random(seed), KINDS[kind]
    with tempfile.TemporaryDirectory() as place:
        folder, noted = Path(place) / "run", Path(place) / "noted"
        noted.touch()
        for _ in range(kills):
            before = noted.stat().st_size
            process = started(train, folder, noted, options)
            _wait_for(process, noted, before)
            time.sleep(moments.uniform(0, seconds))
            process.kill()
            process.join()
            rows, notes = right_rows(folder), [int(line) for line in noted.read_text().split()]
            lost = [step for step in notes if step > rows[-1].step]
            # One is written and one waits; without a thread what was noted is there.
            assert len(lost) <= (2 if options.get("background") else 0), f"{lost} are lost"
            assert rows[0].step == 0, "the first record is gone"
            assert [row.step for row in rows if row.step > notes[-1]][1:] == [], "there is more than was made"
            if "most" in options:
                assert len(rows) <= options["most"] + 1  # which were not thinned yet
            else:
                assert {row.step for row in rows} >= set(notes) - set(lost), "records are gone"
            noted.write_text("".join(f"{step}\n" for step in notes if step not in lost))
            yield len(rows), len(lost)
        taken_up = Recorder(folder, **options)
        assert taken_up.record(model_at(10**6), 10**6, value=10**6)
        taken_up.close()
        assert right_rows(folder)[-1].step == 10**6
        assert only_records(folder)


def _wait_for(process: multiprocessing.process.BaseProcess, noted: Path, size: int) -> None:
    ended = time.monotonic() + 60
    while noted.stat().st_size == size:
        assert process.is_alive(), "the recorder has ended by itself"
        assert time.monotonic() < ended, "nothing is recorded"
        time.sleep(0.002)


def wrapped(kind: str) -> nn.Module:
    """The model of a process, which all of them have alike."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    if kind == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    if kind == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        return fully_shard(model, mesh=init_device_mesh("cpu", (int(os.environ["WORLD_SIZE"]),)))
    return model


def rank(environment: dict[str, str], folder: Path, kind: str) -> None:
    """What one of several processes does: it trains with the others, records, and notes what came of it."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    if kind != "torchrun":
        torch.distributed.init_process_group("gloo")
    model = wrapped(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    made, wanted = [], {}
    with Recorder(folder / "run", every=2) as recorder:
        for step in range(5):
            made.append(recorder.record(model, step))
            wanted[step] = {name: _whole(tensor) for name, tensor in model.state_dict().items()}
            model(inputs).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    other = None
    try:  # of another model: the first process refuses it, and the others do not wait for it for ever
        Recorder(folder / "run").record({"weight": model[0].weight if kind == "fsdp" else torch.ones(2)}, 9)
    except ValueError as error:
        other = str(error)
    torch.save({"made": made, "wanted": wanted, "other": other}, folder / f"{environment['RANK']}.pt")
    if kind != "torchrun":
        torch.distributed.destroy_process_group()


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).clone()


def main() -> None:
    """Kills recorders of all kinds, and says what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="of each kind (default 50)")
    kills = parser.parse_args().kills
    for number, kind in enumerate(KINDS):
        began, found = time.monotonic(), []
        for start in range(0, kills, 10):  # thinning leaves longer and longer ways from one record to the next
            found += killed(kind, min(10, kills - start), seed=1000 * number + start)
        print(f"{kind:24}{len(found):4} kills, {max(records for records, _ in found):5} records at most,", end=" ")
        print(f"{sum(lost for _, lost in found)} in hand were lost, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
