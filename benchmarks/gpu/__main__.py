"""Measures everything that is worth knowing of a graphics processor, inside a budget of time.

    python -m benchmarks.gpu --out FOLDER               # nine minutes; again: goes on where it was
    python -m benchmarks.gpu --out FOLDER --device cpu --tiny   # shows that everything runs
    python -m benchmarks.gpu --out FOLDER --stages products     # one stage alone
    python -m benchmarks.gpu --report FOLDER            # puts what was found into docs/benchmarks.md

It needs Python 3.10, torch 2.9, triton, numpy, tqdm and safetensors, and this checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.gpu import day, table
from benchmarks.gpu.records import Records

PAGE = table.ROOT / "docs" / "benchmarks.md"
SPARE = 3.0  # seconds of the budget that the tables may take


def main(arguments: list[str] | None = None) -> int:
    """Measures or reports; returns 1 where something failed or is wrong, and 2 where the folder is refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where results go, and are gone on with")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which the command ends (default: 9)")
    parser.add_argument("--device", default="cuda", help="what is measured (default: cuda)")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, without a compiler: shows that it runs")
    parser.add_argument("--stages", nargs="+", choices=list(table.STAGES), help="only these (default: all)")
    parser.add_argument("--seed", type=int, help="of all random inputs (default: another one for each folder)")
    parser.add_argument("--retry", action="store_true", help="do again what failed or was wrong")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="put the results of a card into the page")
    options = parser.parse_args(arguments)
    if options.report is not None:
        return report(options.report, PAGE)
    if options.out is None:
        parser.error("--out FOLDER or --report FOLDER is needed")
    return measured(options)


def measured(options: argparse.Namespace) -> int:
    """Lets everything be measured that there is time for, and prints the tables."""
    until = time.time() + max(60 * options.minutes - SPARE, 0.0)
    records = Records(options.out)
    if options.retry:
        for stage in table.STAGES:
            records.forget(stage, ("failed", "wrong"))
    seed = int.from_bytes(os.urandom(4), "big") if options.seed is None else options.seed
    told = ["--out", str(options.out), "--device", options.device, "--seed", str(seed), "--until", str(until)]
    told += ["--tiny"] if options.tiny else []
    told += ["--stages", *options.stages] if options.stages else []
    ended = day.watched(lambda: day.started(told), records, until)
    if ended == day.REFUSED:
        return ended
    text = table.table(table.merged(records))
    (options.out / "table.md").write_text(text + "\n")
    print(f"\n{text}", flush=True)
    if ended:
        print(f"the process that measures ended with {ended}, outside of any entry", file=sys.stderr)
    left, failed = (sum(len(records.left_out(name)) for name in table.STAGES), day.failures(records))
    print(f"\n{failed} failed or wrong, {left} left out because time ran out. {options.out / 'table.md'}")
    return int(bool(ended or failed))


def report(folder: Path, page: Path) -> int:
    """Keeps the results of a card in the repository, beside those of before, and writes the section of the page."""
    from benchmarks.report import put

    found = table.merged(Records(folder))
    if not table.real(found):
        print(f"{folder} holds no results of a GPU in full size; the page takes no others", file=sys.stderr)
        return day.REFUSED
    known = next((day for day in table.committed() if table.file_of(day) == table.file_of(found)), None)
    found = found if known is None else table.beside(found, known)
    table.file_of(found).write_text(json.dumps(found, indent=1) + "\n")
    put(page, table.START, table.STOP, table.section())
    print(f"{table.file_of(found)}, {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
