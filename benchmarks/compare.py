"""Compares results of `python -m benchmarks.run` with the committed ones, and prints what became slower.

python -m benchmarks.run --problems mlp cnn --out now.json
python -m benchmarks.compare now.json --fail-above 1.2
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
OWN = "fastscape", "fastscape bfloat16"
SAME = "samples", "side", "parameters"


class Row(NamedTuple):
    """One problem in one precision, in both files.

    Args:
        problem: Its name, with the precision if it is not float32.
        committed: Seconds per point in the committed file.
        now: Seconds per point in the new file.
        spread: The larger spread of the rounds as a fraction of their median; None if a file has one round alone.
        differs: What makes the two times incomparable: the processor, the threads or the size. Empty if nothing does.
    """

    problem: str
    committed: float
    now: float
    spread: float | None
    differs: str

    @property
    def ratio(self) -> float:
        """Time now over the committed time: above 1 is slower."""
        return self.now / self.committed

    @property
    def regression(self) -> bool:
        """Whether the problem became slower by more than the rounds of one run differ."""
        return not self.differs and self.ratio > 1 + (self.spread or 0.0)


def main(arguments: list[str] | None = None) -> int:
    """Prints the table, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("now", type=Path, help="JSON that `python -m benchmarks.run --out` wrote")
    parser.add_argument(
        "--committed",
        type=Path,
        default=None,
        help="the older JSON; default: the file of as many threads in the suite",
    )
    parser.add_argument(
        "--fail-above", type=float, default=None, metavar="RATIO",
        help="exit with 1 if a regression beyond the spread exceeds this ratio, or if nothing could be compared",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    now = _read(options.now)
    committed = _read(options.committed or RESULTS / f"cpu-{now['threads']}-threads.json")
    found = rows(committed, now)
    print(table(found))
    if options.fail_above is None:
        return 0
    if all(row.differs for row in found):
        print("Nothing could be compared: run the suite on the machine of the committed results.", file=sys.stderr)
        return 1
    return int(any(row.regression and row.ratio > options.fail_above for row in found))


def rows(committed: Mapping[str, Any], now: Mapping[str, Any]) -> list[Row]:
    """One row for each problem and precision that both files have."""
    found = []
    for name, new in now["problems"].items():
        old = committed["problems"].get(name)
        for own in OWN if old else ():
            before, after = old["rows"].get(own, {}), new["rows"].get(own, {})
            if "seconds_a_point" not in before or "seconds_a_point" not in after:
                continue  # it could not run in one of them
            several = len(before["seconds"]) > 1 and len(after["seconds"]) > 1
            spread = max(before["spread"], after["spread"]) if several else None
            shown = f"{name}{own.removeprefix('fastscape')}"
            differs = _differences({**committed, **old}, {**now, **new})
            found.append(Row(shown, before["seconds_a_point"], after["seconds_a_point"], spread, differs))
    return found


def table(found: list[Row]) -> str:
    """The rows as a table of Markdown, and a sentence with the number of regressions."""
    lines = ["| problem | committed, ms | now, ms | ratio | spread | |", "|---|---|---|---|---|---|"]
    for row in found:
        spread = "one round" if row.spread is None else f"{row.spread:.0%}"
        mark = f"not comparable: {row.differs}" if row.differs else "REGRESSION" if row.regression else ""
        times = f"{1e3 * row.committed:.3g} | {1e3 * row.now:.3g} | {row.ratio:.2f}"
        lines.append(f"| {row.problem} | {times} | {spread} | {mark} |")
    slower = sum(row.regression for row in found)
    return "\n".join([*lines, "", f"{slower} of {len(found)} became slower by more than the spread of the rounds."])


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What makes the times of two files incomparable."""
    names = "processor", "threads", "scale", *SAME
    return ", ".join(f"{name} {old.get(name)} / {new.get(name)}" for name in names if old.get(name) != new.get(name))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        assert isinstance(found["problems"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise SystemExit(f"{path} must be JSON that `python -m benchmarks.run` wrote, got {error!r}") from error
    return found


if __name__ == "__main__":
    sys.exit(main())
