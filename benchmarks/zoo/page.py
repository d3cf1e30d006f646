"""Makes docs/zoo.md, and the lines that are shown meanwhile, from results. No number is typed by hand."""

from __future__ import annotations

import statistics
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
        "Made by `make zoo` from what it found; nothing on this page is typed by hand.",
        "",
        summary(results),
        "",
        "A network has random weights. What is expected is computed by plain code that shares no step with "
        "fastscape: at every point a new model from the constructor, in double precision, gets its weights by hand "
        "and is called on the batches one after the other, and the loss is averaged over the samples. fastscape gets "
        'the model as it is, in float32, with `precision="float64"`, and two directions along which every parameter '
        f"moves. The grid has {len(X)} x {len(Y)} points, the data {' and '.join(map(str, SIZES))} samples a batch. "
        f"A value is right where it differs by at most {TOLERANCE:.0e} of the range.",
        "",
        "The model is given in evaluation mode, or in training mode with `train_mode=True`, where the number of the "
        "batch seeds the random numbers. Its user has never called it, or has called it on another batch and "
        "differentiated the loss. What was said is numbered below.",
        "",
        f"`*` Some networks compute in float32 even where weights and inputs are double. There {ROUNDINGS} roundings "
        "of float32 are allowed. A batch whose tensors have several lengths counts as one sample, as is documented.",
        "",
        "The cost is that of the first surface, in units of as many plain forward passes over the data as there are "
        "points, in processor seconds. Of so few points nothing is gained by a plan, so it shows what a call costs.",
        "",
        f"{versions}; Python {results['python']}; {results['date']}.",
    ]
    notes: dict[str, int] = {}
    for kind in dict.fromkeys(row["kind"] for row in results["networks"]):
        rows = [row for row in results["networks"] if row["kind"] == kind]
        parts += ["", f"## {kind}", "", *_table(rows, notes)]
    if notes:
        parts += ["", "## What was said", ""]
        parts += [f"{number}. {message}..." for message, number in notes.items()]
    if results["skipped"]:
        parts += ["", "## Left out", "", "Plain code gives nothing to compare with:", ""]
        parts += [f"- {name}: {why}" for name, why in results["skipped"].items()]
    return "\n".join(parts) + "\n"


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
