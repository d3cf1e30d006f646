"""Runs the entries of all stages, the worthiest first, as long as there is time. It is a process of its own."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import table
from benchmarks.gpu.day import AGAIN, REFUSED
from benchmarks.gpu.records import STAGES, Records, RefusedError, commit, source
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting
from fastscape.runs import environment

__all__ = ["listed", "main", "work"]

LONGEST = 2.5  # times as long as expected, and a minute, an entry may take
LONGER = 1.5  # times as long as it had when the time was over, an entry is then expected to take
MINUTE = 60.0
TOLD = 400  # letters of an error

Listed = Callable[[Setting], Iterable[Entry]]


def main(arguments: list[str] | None = None) -> int:
    """Does what there is time for, and returns 0, `AGAIN` or `REFUSED`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.worker")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--until", type=float, required=True, help="the time at which all must be done")
    options = parser.parse_args(arguments)
    _end_with(os.getppid())
    records, device = Records(options.out), torch.device(options.device)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            print(
                f"--device {options.device} came, but torch finds no GPU here; write --device cpu --tiny", flush=True
            )
            return REFUSED
        device = torch.device("cuda", device.index or 0)  # as tensors name it
    about = {**environment(device), "tiny": options.tiny, "source": source(), "commit": commit()}
    about |= {"seed": options.seed, "date": time.strftime("%Y-%m-%d")}
    try:
        day = records.begin(about)
    except RefusedError as error:
        print(error, flush=True)
        return REFUSED
    print(f"{day['processor']}, torch {day['versions']['torch']}, seed {day['seed']}", flush=True)
    if options.tiny:
        torch.compile = _as_it_is  # it is shown that everything runs, without minutes of compilers
    stages = {name: entries for name, entries in listed().items() if name in options.stages}
    return work(Setting(device, options.tiny, day["seed"]), records, options.until, stages)


def listed() -> dict[str, Listed]:
    """What lists the entries of each stage. A stage is imported when it is asked, so that none breaks another."""
    return {
        name: lambda setting, name=name: importlib.import_module(f"benchmarks.gpu.{name}").entries(setting)
        for name in STAGES
    }


def work(setting: Setting, records: Records, until: float, stages: dict[str, Listed]) -> int:
    """Runs the entries that are not done, as long as there is time: first what the repository does not know.

    Args:
        setting: Where and how large.
        records: Where results go.
        until: The time at which all must be done; an entry that is expected to take longer is left out.
        stages: What lists the entries of each stage.

    Returns:
        0, or `AGAIN` when this process is of no more use.
    """
    _plain_float32()
    planned: list[tuple[int, str, Entry]] = []
    for name, entries in stages.items():
        try:
            own = list(entries(setting))
        except Exception as error:
            records.fail(name, _told(error))
            _complain()
            continue
        records.plan(name, {entry.name: entry.seconds for entry in own})
        planned += [(entry.rank, name, entry) for entry in own]
    kept = table.kept(str(records.day.get("processor")))
    for _, stage, entry in sorted(planned, key=lambda item: ((item[1], item[2].name) in kept, item[0])):
        known = records.stage(stage)
        expected = max(entry.seconds, LONGER * known.get("cut", {}).get(entry.name, 0.0))
        if entry.name in known["entries"] or time.time() + expected > until:
            continue
        records.run(stage, entry.name, time.time() + max(LONGEST * expected, MINUTE))
        result = _attempted(entry)
        records.put(stage, entry.name, result)
        records.rest()
        print(f"{stage}: {entry.name}: {_shown(result)}", flush=True)
        if not _freed(setting):
            return AGAIN
    left = sum(len(records.left_out(name)) for name in stages)
    print(f"left out because time ran out: {left}" if left else "everything is done", flush=True)
    return 0


def _attempted(entry: Entry) -> dict[str, Any]:
    """What came of an entry. Outside of the handlers no traceback holds what it had in memory."""
    started = time.perf_counter()
    try:
        found = entry.run()
    except NotOfferedError as error:
        return {"state": "not offered", "error": str(error)[:TOLD]}
    except Exception as error:
        _complain()
        return {"state": "failed", "error": _told(error), "took": time.perf_counter() - started}
    state = "wrong" if found.get("wrong") else "done"
    return {"state": state, "found": found, "took": time.perf_counter() - started}


def _freed(setting: Setting) -> bool:
    """Gives memory and compiled code back; whether the device still works, which after some errors it does not."""
    try:
        if "torch._dynamo" in sys.modules:  # the import takes seconds
            torch._dynamo.reset()
        if setting.gpu:
            gc.collect()
            torch.cuda.synchronize(setting.device)
            torch.cuda.empty_cache()
        return torch.ones(2, device=setting.device).sum().item() == 2
    except Exception as error:
        print(f"the device is started anew: {_told(error)}", flush=True)
        return False


def _as_it_is(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    return function


def _plain_float32() -> None:
    """No TF32, unless an entry says so."""
    torch.set_float32_matmul_precision("highest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch have another switch too
        torch.backends.cudnn.allow_tf32 = False


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:TOLD]


def _complain() -> None:
    """Prints the end of a traceback; messages of compilers have thousands of lines."""
    print(traceback.format_exc(limit=-4)[: 5 * TOLD], file=sys.stderr, flush=True)


def _shown(result: dict[str, Any]) -> str:
    found = result.get("found", {})
    values = [f"{name} {_number(value)}" for name, value in found.items() if not isinstance(value, dict | list)]
    return ": ".join(filter(None, [result["state"], result.get("error"), ", ".join(values)]))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _end_with(parent: int) -> None:
    """Ends this process, and the compilers that it has started, when its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main())
