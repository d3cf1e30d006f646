"""Gives broken and hostile inputs to every reader and to the command line, with a limit of time and memory on each.

    python tests/fuzzing.py --count 100000 --seed 0     # make fuzz
    python tests/fuzzing.py --seed 0 --only 4711        # one input again, here and without limits

An input is fine that ends as it is documented: a value, or an error of a kind that the reader names, which names the
file and quotes little of it. Processes that are watched from outside do the work, so that one which hangs in C or dies
is a finding, too.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import torch

import fuzz_inputs
from fastscape import Landscape, Plan, Topology
from fastscape.cli import main
from fastscape.results import mixed_in
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["fuzzing"])

Readers = Mapping[str, Callable[[Path], Any]]
NONE: Readers = MappingProxyType({})

SECONDS = 5  # of the processor, for one file
SILENT = 30.0  # seconds after which a process hangs, whatever it does
TIMES = 4  # of the size of a file: memory beyond what its values need
SLACK = 48 << 20  # bytes: what reading takes whatever the file, and what one measurement differs from the next
MOST = 700  # letters of an error besides the name of the file
COMMAND_SECONDS, COMMAND_SLACK = 60, 800 << 20  # a command may train, compute and draw
SHARE_OF_COMMANDS = 0.03
WEIGHTS = {
    ".npz": 6,
    ".h5": 0.8,
    "store": 3,
    ".csv": 3,
    ".safetensors": 3,
    ".json": 2,
    ".topology": 2,
    "ubyte": 0.5,
    "other project": 0.1,
}


class TooLong(BaseException):
    """An input took longer than it may."""


class Finding(NamedTuple):
    """An input that did not end as it should.

    Args:
        number: Of the input.
        kind: Of the input.
        what: What was wrong.
        more: More of it.
    """

    number: int
    kind: str
    what: str
    more: str


# ---------------------------------------------------------------------------------------- one input


def judged(
    seed: int, number: int, good: Path, folder: Path, readers: Readers = MappingProxyType({})
) -> Finding | None:
    """Reads one input, and says what was wrong.

    Args:
        seed: Of all inputs.
        number: Of this one.
        good: The folder of the good files.
        folder: An empty folder.
        readers: What reads instead, by the kind of the input, which then is of one of these kinds, and has a second.
            Default: none.
    """
    draw = random.Random(f"{seed} {number}")
    if readers:
        kind = draw.choice(list(readers))
        ended = _read(readers[kind], draw.choice(fuzz_inputs.kinds(good)[kind])(draw, folder), seconds=1)
        return Finding(number, kind, *ended) if ended else None
    if draw.random() < SHARE_OF_COMMANDS:
        kind, ended = "command", _command(draw, good, folder)
    else:
        makers = fuzz_inputs.kinds(good)
        weights = {kind: WEIGHTS[kind] for kind in [*makers, "other project"]}
        (kind,) = draw.choices(list(weights), list(weights.values()))
        if kind == "other project":
            ended = _other_project(draw, folder)
        else:
            ended = _read(READERS.get(kind, Landscape.load), draw.choice(makers[kind])(draw, folder))
    return Finding(number, kind, *ended) if ended else None


Ended = tuple[str, str] | None


def _read(load: Callable[[Path], Any], given: fuzz_inputs.Input, seconds: float = SECONDS) -> Ended:
    size = sum(f.stat().st_size for f in [given.path, *given.path.rglob("*")] if f.is_file())
    try:
        with limited(seconds), memory() as taken:
            found = load(given.path)
            needed = _bytes_of(found)
    except (ValueError, OSError, ImportError) as error:
        found, needed, ended = None, 0, _error(error, given.path)
    except TooLong:
        return "too long", traceback.format_exc(limit=-3)
    except BaseException as error:
        return f"{type(error).__name__}", traceback.format_exc(limit=-4)
    else:
        ended = _value(found, given)
    if ended is None and taken[0] > TIMES * size + needed + SLACK:
        ended = "too much memory", f"{taken[0] >> 20} MB for {size} bytes that hold {needed}"
    return ended


def _error(error: Exception, path: Path) -> Ended:
    said = str(error)
    if str(path) not in said and (not isinstance(error, OSError) or error.filename is None):
        return f"{type(error).__name__} without the file", said[:300]
    if (letters := len(said.replace(str(path), ""))) > MOST:
        return f"{type(error).__name__} of {letters} letters", said[:300]
    if "MemoryError" in said or "Unable to allocate" in said:
        return "memory was asked for", said[:300]
    return None


def _value(found: Any, given: fuzz_inputs.Input) -> Ended:
    """Whether what was read can be used and written again, and where it must be is that of the good file."""
    if not isinstance(found, Landscape | Topology):
        return None
    if isinstance(found, Topology):
        return _topology(found, given)
    try:
        with limited(SECONDS):
            _ = repr(found), found.labels, found.marks, found.paths, found.x, found.y
            again = Landscape.load(found.save(given.path.with_name("again.npz")))
    except Exception as error:
        return f"what was read cannot be used: {type(error).__name__}", traceback.format_exc(limit=-4)
    if not _same(found, again):
        return "what was read is not what is written", repr(found)
    if given.exact and not _same(found, Landscape.load(given.good)):
        return "another value, and no word", repr(found)
    return None


def _topology(found: Topology, given: fuzz_inputs.Input) -> Ended:
    try:
        with limited(SECONDS):
            _ = repr(found), str(found), found.volume(), found.width(0.0), found.share(), found.marks
            again = Topology.load(found.save(given.path.with_name("again.npz")))
    except Exception as error:
        return f"what was read cannot be used: {type(error).__name__}", traceback.format_exc(limit=-4)
    text = json.dumps(found.as_dict())
    if text != json.dumps(again.as_dict()):
        return "what was read is not what is written", repr(found)
    if given.exact and text != json.dumps(Topology.load(given.good).as_dict()):
        return "another value, and no word", repr(found)
    return None


def _same(one: Landscape, other: Landscape) -> bool:
    names = list(one.axes) == list(other.axes) and list(one.measures) == list(other.measures)
    pairs = [(one.standard_error, other.standard_error), (one.evaluated, other.evaluated)]
    if names:
        pairs += [(one.axes[n], other.axes[n]) for n in one.axes]
        pairs += [(one.measures[n], other.measures[n]) for n in one.measures]
    same = [(a is None) == (b is None) and (a is None or a.tobytes() == b.tobytes()) for a, b in pairs]
    return names and all(same)


def _bytes_of(found: Any) -> int:
    if isinstance(found, Landscape):
        grids = [*found.axes.values(), *found.measures.values(), found.evaluated, found.standard_error]
        return sum(grid.nbytes for grid in grids if grid is not None)
    if isinstance(found, Topology):
        return found.heights.nbytes + found.labels.nbytes + 1000 * (len(found.pairs) + len(found.basins))
    if isinstance(found, tuple):
        return sum(tensor.nbytes for tensor in found[0].state_dict().values())
    return 0


def _images(path: Path) -> Any:
    """A data set in which one of the four files is the input."""
    folder = path.with_name("root") / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        shutil.copy(path, folder / name)
    try:
        return datasets.load("mnist", root=path.with_name("root"))
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).replace(str(folder), '')}") from error


READERS = {".safetensors": load_checkpoint, ".json": Plan.load, "ubyte": _images, ".topology": Topology.load}


def _other_project(draw: random.Random, folder: Path) -> Ended:
    """Files that are, or are not, those of the other project of our name."""
    for name in draw.sample(["processes", "processes/erosion.py", "models", "__init__.py"], draw.randrange(5)):
        with contextlib.suppress(OSError):
            (folder / name).mkdir() if draw.random() < 0.5 else (folder / name).write_bytes(draw.randbytes(9))
    said = mixed_in(folder)
    there = (folder / "processes" / "erosion.py").exists() or not (folder / "__init__.py").exists()
    return None if (said is not None) == there else ("other project", repr(said))


# ---------------------------------------------------------------------------------------- command lines

WORDS = [
    "--x", "--y", "--out", "--samples", "--seed", "--plan", "--log", "--linear", "--metric", "--kind", "--clip",
    "--start", "--optimizer", "--steps", "--lr", "--device", "--perturb", "--scheme", "--normalize", "--precision",
    "--store", "--tolerance", "--reach", "--points", "--epochs", "--batch-size", "--root", "--split", "--to",
    "--no-pictures", "--low-memory", "--own-directions", "--distribution", "--help", "--", "-h", "--debugg",
    "-1", "0", "1", "2", "3", "0.5", "nan", "inf", "-inf", "1e999", "auto", "cpu", "cuda:9", "mlp", "digits", "mnist",
    "contour", "surface3d", "adam", "sgd", "all", "weights", "float64", "layer", "train", "test", "vmap", "é", "",
    "a" * 3000, "missing.npz", ".", "..", "/dev/null", "*.npz", "out.png", "out.svg", "out.npz", "out.csv", "out.h5",
    "out.html", "out", "out/out.npz", "model.safetensors", "loss", "accuracy", "run.zarr",
]  # fmt: skip
COMMANDS = [
    "info",
    "info",
    "export",
    "plot",
    "plot",
    "explore",
    "topology",
    "surface",
    "line",
    "train",
    "demo",
    "bench",
    "unknown",
    "",
]


def _command(draw: random.Random, good: Path, folder: Path) -> Ended:
    """A line of words, on good files and on others."""
    makers = fuzz_inputs.kinds(good)
    names = []
    for k in range(3):
        within = folder / str(k)
        within.mkdir()
        kind = draw.choice([kind for kind in makers if kind != "ubyte"])
        given = draw.choice(makers[kind])(draw, within)
        path = given.good if draw.random() < 0.4 else given.path
        names.append(str(path))
    command = draw.choice(COMMANDS)
    files = [draw.choice([*names, *map(str, good.iterdir())]) for _ in range(draw.choice((0, 1, 1, 1, 2)))]
    words = [draw.choice(WORDS) for _ in range(draw.choice((0, 0, 1, 2, 3, 6)))]
    if command in ("surface", "line") and draw.random() < 0.8:
        words += ["--samples", "2", "--points", draw.choice(["1", "2", "3"])]
    if command == "train":
        files = draw.choice([["mlp", "digits"], files])
        words += ["--epochs", "1", "--batch-size", "750"]
    if command in ("demo", "bench"):  # which take long whatever comes
        words = [*words, "--unknown"]
    arguments = [word for word in [command, *files, *words] if word or draw.random() < 0.3]
    return _typed(arguments, folder)


def _typed(arguments: list[str], folder: Path) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    typed = " ".join(word[:60] or "''" for word in arguments)
    code: Any = 0
    try:
        with (
            limited(COMMAND_SECONDS), memory() as taken, _within(folder),
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
            mock.patch.object(sys, "argv", ["fastscape", *arguments]),
        ):  # fmt: skip
            main()
    except SystemExit as stop:
        code = stop.code or 0
    except TooLong:
        return "too long", f"{typed}\n{traceback.format_exc(limit=-3)}"
    except BaseException as error:
        return type(error).__name__, f"{typed}\n{traceback.format_exc(limit=-4)}"
    finally:
        with contextlib.suppress(ImportError):
            from matplotlib import pyplot as plt

            plt.close("all")
    said = err.getvalue()
    unexpected = re.match(r"fastscape: (\w*(?:Error|Exception|Warning|Interrupt|Iteration)): ", said)
    if unexpected:
        return f"{unexpected[1]} of the command line", f"{typed}\n{said[:1000]}"
    if code not in (0, 2) or (code == 2 and not said + out.getvalue()) or "Traceback" in said:
        return f"code {code!r}", f"{typed}\n{said[:1000]}"
    if taken[0] > COMMAND_SLACK:
        return "too much memory", f"{typed}: {taken[0] >> 20} MB"
    return None


# ---------------------------------------------------------------------------------------- limits


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises `TooLong` after some seconds of the processor."""

    def stop(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def memory() -> Iterator[list[int]]:
    """Says in a list how many bytes more than before were in memory at most."""
    taken, before = [0], _status("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is that from now on
    try:
        yield taken
    finally:
        taken[0] = _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


# ---------------------------------------------------------------------------------------- processes


def worked(answer: Any, seed: int, numbers: range, good: Path, readers: Readers) -> None:
    """Judges inputs one after the other, in a process that may take little more memory than it has."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    faulthandler.register(signal.SIGUSR1)
    with tempfile.TemporaryDirectory() as folder:
        for path in [] if readers else good.glob("[!.]*"):  # what is loaded once is no memory of an input
            name = path.suffix or path.name.rsplit("-")[-1]
            shutil.copy(path, folder) if path.is_file() else shutil.copytree(path, Path(folder) / path.name)
            with contextlib.suppress(ValueError):
                READERS.get(name, Landscape.load)(Path(folder) / path.name)
    most = _status("VmData") + (3 << 30)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    for number in numbers:
        answer.send(number)
        with tempfile.TemporaryDirectory(prefix="fuzz", ignore_cleanup_errors=True) as folder:
            answer.send(judged(seed, number, good, Path(folder), readers))


def fuzzed(count: int, seed: int, *, shown: bool = False, readers: Readers = NONE) -> list[Finding]:
    """Gives inputs to every reader and to the command line.

    Args:
        count: How many.
        seed: Of all of them.
        shown: Whether what is found is printed, and how far it is.
        readers: What reads instead, by the kind of the input, which then is of one of these kinds, and has a second.
            Default: none.

    Returns:
        What was found.
    """
    findings: list[Finding] = []
    number, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="good") as folder:
        fuzz_inputs.make_good(Path(folder))
        while number < count:
            here, there = CONTEXT.Pipe(duplex=False)
            arguments = there, seed, range(number, count), Path(folder), dict(readers)
            process = CONTEXT.Process(target=worked, args=arguments)
            with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
                process.start()
            there.close()
            for finding in _heard(here, process, range(number, count)):
                number += 1
                if finding:
                    findings.append(finding)
                    if shown:
                        print(f"{finding.number:>7} {finding.kind:<12} {finding.what}\n{finding.more}", flush=True)
                if shown and number % 1000 == 0:
                    rate = number / (time.monotonic() - started)
                    print(f"{number} inputs, {len(findings)} findings, {rate:.0f} a second", flush=True)
    return findings


def _heard(here: Any, process: Any, numbers: range) -> Iterator[Finding | None]:
    """What a process says of its inputs, and of the last one where it hangs or dies."""
    try:
        for number in numbers:
            for _ in range(2):
                if not here.poll(SILENT):
                    os.kill(process.pid, signal.SIGUSR1)  # it says where it is
                    time.sleep(1)
                    process.kill()
                    yield Finding(number, "?", "hangs", "")
                    return
                try:
                    said = here.recv()
                except EOFError:
                    process.join()
                    yield Finding(number, "?", f"the process ended with {process.exitcode}", "")
                    return
            yield said
    finally:
        process.join(10)
        process.kill()
        process.join()


def run(arguments: list[str] | None = None) -> int:
    """Judges inputs, prints what was found, and returns 1 where there was anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=0, help="of all inputs")
    parser.add_argument("--only", type=int, help="the number of one input, which is read in this process")
    options = parser.parse_args(arguments)
    if options.only is not None:
        with tempfile.TemporaryDirectory() as good, tempfile.TemporaryDirectory() as folder:
            fuzz_inputs.make_good(Path(good))
            print(judged(options.seed, options.only, Path(good), Path(folder)))
        return 0
    findings = fuzzed(options.count, options.seed, shown=True)
    for (kind, what), times in collections.Counter((f.kind, f.what) for f in findings).most_common():
        print(f"{times:>6} {kind:<12} {what}")
    print(f"{options.count} inputs of seed {options.seed}: {len(findings)} findings")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(run())
