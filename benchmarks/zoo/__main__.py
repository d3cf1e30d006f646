"""Compares networks of timm and transformers with the law, and makes the page from what came of it.

python -m benchmarks.zoo --kind timm --only levit_128s test_vit
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.zoo.network import Network
from benchmarks.zoo.page import page, summary, told
from benchmarks.zoo.verdict import NoReferenceError, compared

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "zoo.json", ROOT / "docs" / "zoo.md"
WANTED = {"timm": 80, "transformers": 40}
MODULES = {
    "timm": ["timm_networks"],
    "transformers": ["transformers_text", "transformers_other", "transformers_spare"],
}

WARM_UP = Network("warm-up", "none", "", lambda: nn.Linear(4, 3), lambda n: (torch.rand(n, 4), torch.randint(3, (n,))))


def main(arguments: list[str] | None = None) -> int:
    """Compares, reports, and returns 1 where a value is wrong without a warning."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks, whatever their number")
    parser.add_argument("--kind", choices=list(WANTED), help="of this package alone")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the results go; then no page is made")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # so that processor seconds are seconds
    compared(WARM_UP)  # what a process does once is no network's cost
    whole = not (options.only or options.kind or options.json)
    out = options.json or (RESULTS if whole else None)
    results: dict[str, Any] = {**_about(), "networks": [], "skipped": {}}
    for kind in [options.kind] if options.kind else WANTED:
        _compare(kind, options.only, results, out)
    print(summary(results))
    if whole:
        PAGE.write_text(page(results))
    words = {case["word"] for found in results["networks"] for case in found["cases"].values()}
    return int("WRONG" in words)


def _compare(kind: str, only: list[str] | None, results: dict[str, Any], out: Path | None) -> None:
    """Adds the networks of one package to the results, which are written after each of them."""
    found = 0
    for network in _networks(kind):
        if found == WANTED[kind] or (only and network.name not in only):
            continue
        started = time.perf_counter()
        try:
            row = compared(network)
        except NoReferenceError as error:
            results["skipped"][network.name] = str(error)
            print(f"{network.name:<36} skipped: {error}", flush=True)
            continue
        found += 1
        results["networks"].append(row)
        print(told(row, time.perf_counter() - started), flush=True)
        if out is not None:
            out.write_text(json.dumps(results, indent=1) + "\n")
    if not only and found < WANTED[kind]:
        results["skipped"][kind] = f"{found} networks could be compared where {WANTED[kind]} are wanted"


def _networks(kind: str) -> list[Network]:
    return [n for name in MODULES[kind] for n in importlib.import_module(f"benchmarks.zoo.{name}").networks()]


def _about() -> dict[str, Any]:
    """On what machine, when, and with which versions."""
    versions = {}
    for name in ("torch-fastscape", "torch", "timm", "transformers"):
        with suppress(metadata.PackageNotFoundError):  # a partial run needs but one of the two packages
            versions[name] = metadata.version(name)
    return {"versions": versions, "python": platform.python_version(), "date": date.today().isoformat()}


if __name__ == "__main__":
    sys.exit(main())
