"""Makes docs/zoo.md, and the lines that are shown meanwhile, from results. No number is typed by hand."""

from __future__ import annotations

import statistics
import textwrap
from collections import Counter
from typing import Any

from benchmarks.zoo.law import X, Y
from benchmarks.zoo.network import SIZES
from benchmarks.zoo.verdict import ROUNDINGS, TOLERANCE

WORDS = "right", "warned", "refused", "crashed", "WRONG"
NOTED = 64  # characters of a message by which two of them are taken for one: numbers stand further behind


def told(row: dict[str, Any], seconds: float) -> str:
    """The line that is shown of one network."""
    lines = [f"{row['name']:<36} {seconds:5.1f} s  {_cost(row['cost']):>6} passes"]
    lines += [f"    {case:<14}{_shown(verdict)}" for case, verdict in row["cases"].items() if not _plain(verdict)]
    return "\n".join(lines)


def summary(results: dict[str, Any]) -> str:
    """How many networks and cases there are of each kind of verdict, and the median cost."""
    rows = results["networks"]
    counted = Counter(verdict["word"] for row in rows for verdict in row["cases"].values())
    right = sum(all(verdict["word"] == "right" for verdict in row["cases"].values()) for row in rows)
    costs = [row["cost"] for row in rows if row["cost"] is not None]
    cases = ", ".join(f"{counted[word]} {word}" for word in WORDS if counted[word])
    said = f"{right} of {len(rows)} networks are right in every case. Of {sum(counted.values())} cases: {cases}."
    if costs:
        said += (
            f" The first surface takes {statistics.median(costs):.1f} times as long as its points take in plain "
            f"forward passes (median; largest {max(costs):.1f})."
        )
    return said


def page(results: dict[str, Any]) -> str:
    """The page with everything that was compared."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        "# Networks that were compared",
        "",
        *wrapped(
            "Does fastscape compute the right surface for your architecture? The command below checks it on networks "
            "of timm and transformers with random weights, and writes this page."
        ),
        "",
        "```bash",
        "make zoo",
        "```",
        "",
        *wrapped(summary(results)),
        "",
        *wrapped(
            "- **Expected values** come from plain code that shares no step with fastscape. At every point a new "
            "model from the constructor gets its weights by hand, in double precision, and is called on one batch "
            "after the other. The loss is averaged over the samples."
        ),
        *wrapped(
            '- **fastscape** gets the model as it is, in float32, with `precision="float64"`, and two directions '
            f"along which every parameter moves. The grid has {len(X)} x {len(Y)} points. The batches have "
            f"{' and '.join(map(str, SIZES))} samples; a batch whose tensors have several lengths counts as one."
        ),
        *wrapped(
            f"- **Right** is a value that differs by at most {TOLERANCE:.0e} of the range. Networks with `*` compute "
            f"in float32 even if weights and inputs are double, so {ROUNDINGS} roundings of float32 are allowed for "
            "them."
        ),
        *wrapped(
            "- **eval** is evaluation mode, and **train** is training mode with `train_mode=True`, where the number "
            "of the batch seeds the random numbers. A **fresh** model was never called. A **called** model was called "
            "on a different batch before, and its loss was differentiated."
        ),
        *wrapped(
            "- **cost** is the processor time of the first surface, divided by the time of as many plain "
            "forward passes over the data as the grid has points. A plan saves nothing on so small a grid, so this "
            "shows what a call costs."
        ),
        "",
        f"{versions}; Python {results['python']}; {results['date']}.",
    ]
    notes: dict[str, int] = {}
    for kind in dict.fromkeys(row["kind"] for row in results["networks"]):
        rows = [row for row in results["networks"] if row["kind"] == kind]
        parts += ["", f"## {kind}", "", *_table(rows, notes)]
    if notes:
        parts += ["", "## Messages", "", "A number in a table refers to this list:", ""]
        parts += [f"{number}. {message}..." for message, number in notes.items()]
    if results["skipped"]:
        parts += ["", "## Networks left out", "", "Plain code gives nothing to compare these with:", ""]
        parts += [f"- {name}: {why}" for name, why in results["skipped"].items()]
    return "\n".join(parts) + "\n"


def wrapped(text: str) -> list[str]:
    """The lines of a paragraph or of an item of a list."""
    return textwrap.wrap(text, 100, subsequent_indent="  " * text.startswith("- "), break_long_words=False)


def _table(rows: list[dict[str, Any]], notes: dict[str, int]) -> list[str]:
    """The rows of one package; what was said is numbered in the notes."""
    cases = list(rows[0]["cases"])
    lines = [f"| network | task | parameters | {' | '.join(cases)} | cost |", "|---" * (len(cases) + 4) + "|"]
    for row in rows:
        mark = "*" if row["float32"] else ""
        verdicts = " | ".join(_cell(row["cases"][case], notes) for case in cases)
        head = f"| {row['name']}{mark} | {row['task']} | {row['parameters']:,} |"
        lines.append(f"{head} {verdicts} | {_cost(row['cost'])} |")
    return lines


def _cell(verdict: dict[str, Any], notes: dict[str, int]) -> str:
    said = [message[:NOTED] for message in verdict["said"].split("; ") if message]
    numbers = [str(notes.setdefault(message, len(notes) + 1)) for message in dict.fromkeys(said)]
    return _word(verdict) + (f" ({', '.join(numbers)})" if numbers else "")


def _word(verdict: dict[str, Any]) -> str:
    """The verdict, and for wrong values how far they are off."""
    word = verdict["word"]
    return f"{word} by {verdict['error']:.1e} of the range" if word in ("warned", "WRONG") else word


def _plain(verdict: dict[str, Any]) -> bool:
    return verdict["word"] == "right" and not verdict["said"]


def _shown(verdict: dict[str, Any]) -> str:
    return f"{_word(verdict)}: {verdict['said']}" if verdict["said"] else _word(verdict)


def _cost(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:.1f}"
