"""Kills a run with a store at every change that it makes to its folder, takes it up again, and compares.

    python tests/crashes.py            # every place of every mode, in some minutes
    python tests/crashes.py plain      # of one mode

An audit hook (`sys.addaudithook`) counts what a process changes in the folder of its store: files that are opened for
writing, renamed, linked or deleted, folders that are made or deleted. In front of the n-th change the process kills
itself, for every n. Nothing else changes the folder but what is written into open files; those are named as leftovers
are (which is asserted) until they are renamed, so in front of a rename the process is also killed with its file cut.

After each kill
- `Landscape.load` gives the values that are known so far and NaN elsewhere, or a finished landscape, that before the
  call or that after it; or it says that nothing was begun, where no block was finished;
- the same call gives the bits of a run that nobody has killed, and so does `Landscape.load` after it;
- no point is evaluated again whose value was there, and all attempts together evaluate at most what was in flight
  more than an undisturbed run: a block in each process, with parts of the data a part;
- nothing is left over in the folder.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fastscape
import stored_runs
from fastscape import Landscape
from fastscape.engine import Engine
from fastscape.runs.schedules import Streaming
from fastscape.runs.store.folder import is_leftover

CHUNK, SIDE, PART = 3, 3, 7
PLAN = fastscape.Plan("loop", chunk=CHUNK, microbatch=7)
SMALL: dict[str, Any] = {"x": (-1, 1, SIDE), "y": (-1, 1, SIDE), "plan": PLAN}
# Of these points two rounds evaluate some, so that there are some to predict.
ROUNDS: dict[str, Any] = {"x": (-1, 1, 17), "y": (-1, 1, 17), "plan": fastscape.Plan("loop", chunk=64, microbatch=20)}
# Of these parts a target of 0.2 needs 3, and one of 0.15 needs 4.
PARTS: dict[str, Any] = {**SMALL, "plan": fastscape.Plan("loop", chunk=CHUNK, microbatch=50)}
PARTS |= {"samples": 400, "stream_samples": 50}


@dataclass(frozen=True)
class Mode:
    """A way to compute a landscape.

    Args:
        call: The options of the call that is killed.
        flight: How many points are evaluated again at most: those of a block, or of a part.
        before: Those of a call that has ended before. Default: there was none.
        old: Whether what that call has left is as version 0.1 wrote it. Default False.
        ranks: How many processes there are. Default 1.
    """

    call: dict[str, Any]
    flight: int = CHUNK
    before: dict[str, Any] = field(default_factory=dict)
    old: bool = False
    ranks: int = 1


MODES = {
    "plain": Mode(SMALL),
    "metrics": Mode({**SMALL, "metrics": {"accuracy": fastscape.accuracy}}),
    "tolerance": Mode({**ROUNDS, "tolerance": 0.2}, 64),
    "stream": Mode({**SMALL, "stream_samples": PART}, SIDE**2),
    "standard error": Mode({**PARTS, "target_standard_error": 0.2}, SIDE**2),
    "given directions": Mode({**SMALL, "directions": "given"}),
    "two processes": Mode(SMALL, 2 * CHUNK, ranks=2),
    "two processes, stream": Mode({**SMALL, "stream_samples": PART}, SIDE**2, ranks=2),
    "two processes, tolerance": Mode({**ROUNDS, "tolerance": 0.2}, 128, ranks=2),
    "the same again": Mode(SMALL, 0, before=SMALL),
    "the same again, of 0.1": Mode(SMALL, 0, before=SMALL, old=True),
    "a finer tolerance": Mode({**ROUNDS, "tolerance": 0}, 64, before={**ROUNDS, "tolerance": 0.2}),
    "a finer standard error": Mode(
        {**PARTS, "target_standard_error": 0.15}, SIDE**2, before={**PARTS, "target_standard_error": 0.2}
    ),
}


def surface(store: Path | None, **options: Any) -> Landscape:
    """The landscape of a mode."""
    if options.get("directions") == "given":
        options = {**options, "directions": [_other(0.5), _other(-1.5)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return stored_runs.surface(store, **options)


def _other(scale: float) -> torch.nn.Module:
    model = stored_runs.problem()[0]
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.mul_(scale).add_(0.1 * scale**number)
    return model


@dataclass
class Found:
    """What came of one mode."""

    name: str
    kills: int = 0
    again: int = 0  # points in flight that were evaluated again, in all
    wrong: list[str] = field(default_factory=list)


@dataclass
class Undisturbed:
    """What a run gives that nobody has killed."""

    landscape: Landscape
    before: Landscape | None
    points: int
    over_parts: dict[int, np.ndarray]


class Harness:
    """One mode.

    Args:
        name: Of the mode.
        folder: For its files.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.mode, self.found = MODES[name], Found(name)
        self.store, self.template, self.log = (folder / part / "s.zarr" for part in ("run", "template", "log"))
        for path in (self.store, self.template, self.log):
            path.parent.mkdir()
        before = surface(self.template, **self.mode.before) if self.mode.before else None
        if self.mode.old:
            _as_of_0_1(self.template)
        self.renew()
        over_parts: dict[int, np.ndarray] = {}
        with _noted_parts(over_parts):
            landscape = surface(self.store, **self.mode.call)
        self.renew()
        self.attempt(None)
        self.kinds = self.log.with_suffix(".changes").read_text().split()
        self.whole = Undisturbed(landscape, before, self.evaluated(), over_parts)

    def renew(self) -> None:
        """Puts the store back to what it was before the call."""
        shutil.rmtree(self.store, ignore_errors=True)
        if self.mode.before:
            shutil.copytree(self.template, self.store)
        for file in self.log.parent.iterdir():
            file.unlink()

    def evaluated(self) -> int:
        """How many points were evaluated since the last look."""
        return sum(map(len, self.chunks()))

    def chunks(self) -> list[list[list[float]]]:
        """The points of all chunks that were evaluated since the last look."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return [json.loads(line) for line in lines]

    def attempt(self, at: int | None, cut: float | None = None, rank: int = 0) -> bool:
        """Makes the call in processes of its own, of which one kills itself.

        Args:
            at: In front of which change; None for none.
            cut: To which part of its size the file is cut that would be renamed. Default: it is left as it is.
            rank: Which of several processes.

        Returns:
            Whether it was killed.
        """
        address = _address(self.mode.ranks)
        children = {}
        for k in range(self.mode.ranks):
            pid = os.fork()
            if not pid:
                self._child(k, address, (at, cut) if k == rank else (None, None))
            children[pid] = k
        killed = False
        while children:
            pid, status = os.wait()
            if pid not in children:
                continue
            k = children.pop(pid)
            if os.WIFSIGNALED(status) and k == rank and at is not None:
                killed = True
                for other in children:  # as torchrun ends the others
                    os.kill(other, signal.SIGKILL)
            elif status and not killed:
                self.found.wrong.append(f"process {k} has ended with {status}: {self._said(k)}")
        return killed

    def _said(self, rank: int) -> str:
        file = self.log.with_suffix(f".error{rank}")
        return file.read_text()[-400:] if file.exists() else ""

    def _child(self, rank: int, address: dict[str, str], kill: tuple[int | None, float | None]) -> None:
        code = 1
        try:
            os.environ.update(address, RANK=str(rank))
            _note_points(self.log)
            changes = _Changes(self.store, *kill)
            landscape = surface(self.store, **self.mode.call)
            if rank == 0:
                self.log.with_suffix(".changes").write_text(" ".join(changes.kinds))
                landscape.save(self.log.with_suffix(".npz"))
            if changes.bare:
                self.log.with_suffix(f".error{rank}").write_text(f"written under its own name: {changes.bare[:3]}")
            code = int(bool(changes.bare))
        except BaseException as error:
            self.log.with_suffix(f".error{rank}").write_text(f"{type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def killed_at(self, at: int, cut: float | None, rank: int) -> None:
        """Kills the call once, and looks at what is left and what comes of it."""
        self.renew()
        if not self.attempt(at, cut, rank):
            return
        self.found.kills += 1
        place = f"{self.found.name}: change {at}, cut {cut}, process {rank}"
        computed = self.evaluated()
        try:
            known = self._loaded(computed)
            self.attempt(None)
            chunks = self.chunks()
            points = [tuple(point) for chunk in chunks for point in chunk]
            if not known.isdisjoint(points):
                self._say(place, f"{len(known.intersection(points))} points are evaluated whose values were there")
            again = computed + len(points) - self.whole.points
            self.found.again += max(again, 0)
            if again > self.mode.flight:
                self._say(place, f"{again} points are evaluated again")
            for path in (self.log.with_suffix(".npz"), self.store):
                if not same(Landscape.load(path), self.whole.landscape):
                    self._say(place, f"{path.name} is not what a run gives that nobody has killed")
            left = [file for file in self.store.rglob("*") if is_leftover(file.name) or "anew" in file.name]
            if left:
                self._say(place, f"{left} are left over")
        except Exception as error:
            self._say(place, f"{type(error).__name__}: {error}")

    def _say(self, place: str, what: str) -> None:
        self.found.wrong.append(f"{place}: {what}")

    def _loaded(self, computed: int) -> set[tuple[float, ...]]:
        """The points whose values are known after a kill, once what is loaded is right."""
        if not self.store.exists():
            assert computed <= self.mode.flight
            return set()
        with contextlib.suppress(_NotBegun):
            return self._right(_loaded(self.store))
        assert self.whole.before is None, "a finished landscape is gone"
        assert computed <= self.mode.flight, "finished points are gone"
        return set()

    def _right(self, found: Landscape) -> set[tuple[float, ...]]:
        """The points whose values are known, once all of what was loaded is right."""
        final, old = self.whole.landscape, self.whole.before
        assert np.array_equal(found.x, final.x)
        assert np.array_equal(found.y, final.y)
        if "progress" not in found.report:
            assert same(found, final) or (old is not None and same(found, old)), "a finished landscape is another one"
            return set()
        assert old is None, "a finished landscape is gone"
        if "parts" in found.report["progress"]:
            parts = found.report["progress"]["parts"]
            wanted = self.whole.over_parts.get(parts, np.full(found.loss.shape, np.nan))
            assert np.array_equal(found.loss.ravel(), wanted.ravel(), equal_nan=True), "wrong means over parts"
            return set()
        known = ~np.isnan(found.loss)
        for name, values in found.values.items():
            assert np.array_equal(values[known], final.values[name][known]), f"wrong values of {name}"
        assert final.evaluated[known].all(), "points are known that nobody evaluates"
        return {(float(found.x[i]), float(found.y[j])) for i, j in np.argwhere(known)}


class _NotBegun(Exception):
    """A store says that nothing is in it yet."""


def _loaded(store: Path) -> Landscape:
    try:
        return Landscape.load(store)
    except ValueError as error:
        if "was ended before it had begun" in str(error) or not any(store.iterdir()):
            raise _NotBegun from error
        raise


class _Changes:
    """Counts the changes that this process makes to a folder, and kills it in front of one of them."""

    def __init__(self, folder: Path, at: int | None, cut: float | None) -> None:
        self.folder, self.at, self.cut = f"{folder}{os.sep}", at, cut
        self.kinds, self.bare = list[str](), list[str]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not isinstance(arguments[0], str | os.PathLike):
            return
        path = _whole_name(os.fspath(arguments[0]), arguments[-1] if event in _RELATIVE else -1)
        if not f"{path}{os.sep}".startswith(self.folder) or not _EVENTS[event](path, arguments):
            return
        if event == "open" and not is_leftover(Path(path).name):
            self.bare.append(path)
        self.kinds.append(event)
        if len(self.kinds) == self.at and (self.cut is None or event in _RENAMES):
            if self.cut is not None:
                size = int(Path(path).stat().st_size * self.cut)
                self.folder = "\0"  # what comes now is not counted
                os.truncate(path, size)
            os.kill(os.getpid(), signal.SIGKILL)


_RENAMES = "os.rename", "os.link"
_RELATIVE = "os.remove", "os.mkdir", "os.rmdir"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What is a change of each event: not a folder that is there already, nor a file that is not.
_EVENTS: dict[str, Callable[[str, tuple[Any, ...]], bool]] = {
    "open": lambda _, arguments: bool(arguments[2] & _WRITES),
    "os.rename": lambda *_: True,
    "os.link": lambda _, arguments: not os.path.lexists(arguments[1]),
    "os.remove": lambda path, _: os.path.lexists(path),
    "os.mkdir": lambda path, _: not os.path.lexists(path),
    "os.rmdir": lambda path, _: os.path.lexists(path),
    "os.truncate": lambda *_: True,
}


def _whole_name(path: str, folder: int) -> str:
    """The path of what may be named by an open folder and a name in it, as rmtree does."""
    return path if folder == -1 else str(Path(f"/proc/self/fd/{folder}").readlink() / path)


def _note_points(log: Path) -> None:
    """From now on the points of all chunks are noted, once they are evaluated."""
    sums = Engine.sums

    def noted(self: Engine, points: torch.Tensor) -> torch.Tensor:
        made = sums(self, points)
        with log.open("a") as file:
            file.write(f"{points.tolist()}\n")
        return made

    Engine.sums = noted


class _noted_parts:
    """Notes the means of the loss over the first parts of the data, as they are in memory."""

    def __init__(self, means: dict[int, np.ndarray]) -> None:
        self.means, self.before = means, Streaming.part_done

    def __enter__(self) -> None:
        def noted(schedule: Streaming, samples: int, counts: torch.Tensor) -> None:
            self.before(schedule, samples, counts)
            self.means[schedule.parts] = (schedule.sums[:, 0] / samples).numpy()

        Streaming.part_done = noted

    def __exit__(self, *error: object) -> None:
        Streaming.part_done = self.before


_masters: list[Any] = []  # the stores of the processes, of which the last one is in use


def _address(ranks: int) -> dict[str, str]:
    """What torchrun tells its processes."""
    if ranks == 1:
        return {}
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    _masters[:] = [store]
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    return told | {
        "TORCHELASTIC_RUN_ID": "crashes",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "WORLD_SIZE": str(ranks),
    }


def _as_of_0_1(store: Path) -> None:
    """Takes away from a finished store what version 0.1 did not write."""
    header = json.loads((store / "zarr.json").read_text())
    for name in ("checks", "arrays", "finished", "block", "described"):
        del header["attributes"][name]
    (store / "zarr.json").write_text(json.dumps(header))


def same(a: Landscape, b: Landscape) -> bool:
    """Whether two landscapes have the same bits."""
    pairs = [(a.x, b.x), (a.y, b.y), (a.standard_error, b.standard_error), (a.evaluated, b.evaluated)]
    pairs += [(a.values[name], b.values[name]) for name in a.values]
    return a.values.keys() == b.values.keys() and all(
        (x is None and y is None) or (x is not None and y is not None and x.tobytes() == y.tobytes()) for x, y in pairs
    )


def places(kinds: list[str], ranks: int) -> Iterator[tuple[int, float | None, int]]:
    """Where to kill: in front of every change, and of a rename with the file empty and cut in half too."""
    for number, kind in enumerate(kinds, 1):
        yield from itertools.product([number], (None, 0.0, 0.5) if kind in _RENAMES else (None,), range(ranks))


def tried(name: str, most: int | None = None) -> Found:
    """Kills the call of one mode at its changes.

    Args:
        name: Of the mode.
        most: At how many places, evenly. Default: at each.

    Returns:
        What came of it.
    """
    torch.set_num_threads(1)
    os.environ.pop("TORCHELASTIC_RUN_ID", None)
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(name, Path(folder).resolve())
        every = list(places(harness.kinds, harness.mode.ranks))
        step = 1 if most is None else max(len(every) // most, 1)
        for place in every[list(MODES).index(name) % step :: step]:  # others in other modes
            harness.killed_at(*place)
    return harness.found


def send(answer: Any, most: int) -> None:
    """Tries all modes in a process of its own."""
    for name in MODES:
        answer.send(tried(name, most))


def main(names: list[str]) -> int:
    """Tries modes everywhere, several at a time, and prints what came of each.

    Args:
        names: Of the modes.

    Returns:
        How much was wrong.
    """
    failed = 0
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), stored_runs.CONTEXT) as pool:
        for done in pool.map(tried, names):
            failed += len(done.wrong)
            print(f"{done.name:26}{done.kills:5} kills, {len(done.wrong)} wrong,", end=" ")
            print(f"{done.again} points that were in flight were evaluated again", flush=True)
            for line in done.wrong:
                print(f"    {line}")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:] or list(MODES))))
