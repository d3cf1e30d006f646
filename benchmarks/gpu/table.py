"""Readable tables of a day, and the section of the page: Markdown, made from the JSON. Nothing here needs torch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.records import ROOT, STAGES, Records

__all__ = ["NOTHING", "START", "STOP", "beside", "committed", "file_of", "kept", "merged", "real", "section", "table"]

START, STOP = "<!-- gpu: made by python -m benchmarks.gpu --report -->", "<!-- end of gpu -->"
RESULTS = ROOT / "benchmarks" / "results"
NOTHING = (
    "Nothing about GPUs was measured: no results of a card are in the repository, and no number on this page says "
    "anything about one. `python -m benchmarks.gpu --out FOLDER` measures a card in nine minutes, and goes on where "
    "it was when it is called again; `python -m benchmarks.gpu --report FOLDER` puts what it found here."
)
LISTED = 30  # entries that were left out, by name

Day = Mapping[str, Any]
Entries = Mapping[str, Mapping[str, Any]]


def merged(records: Records) -> dict[str, Any]:
    """All files of a day in one value."""
    stages = {}
    for name in STAGES:
        stage = records.stage(name)
        known = stage["entries"]  # in the order in which they were done, which follows their worth
        of = {"commit": records.day.get("commit")}
        ordered = {entry: {**known[entry], **of} for entry in (*stage["planned"], *known) if entry in known}
        stages[name] = {**stage, "entries": ordered, "left_out": records.left_out(name)}
    return {"day": records.day, "stages": stages}


def beside(found: Day, known: Day) -> dict[str, Any]:
    """What a day found of a card, and what is known of it from days before and was not measured again.

    Args:
        found: As `merged` gives it.
        known: As it was kept.
    """
    stages = {}
    for name, stage in found["stages"].items():
        before = known["stages"].get(name, {"planned": {}, "entries": {}})
        planned = {**before["planned"], **stage["planned"]}
        entries = {**before["entries"], **stage["entries"]}
        ordered = {entry: entries[entry] for entry in (*planned, *entries) if entry in entries}
        left_out = [entry for entry in planned if entry not in entries]
        stages[name] = {**stage, "planned": planned, "entries": ordered, "left_out": left_out}
    return {"day": found["day"], "stages": stages}


def real(found: Day) -> bool:
    """Whether these are results of a card in full size."""
    return str(found["day"].get("device", "")).startswith("cuda") and not found["day"].get("tiny", True)


def committed() -> list[dict[str, Any]]:
    """The results of all cards that are in the repository."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("gpu-*.json"))]


def kept(processor: str) -> set[tuple[str, str]]:
    """The entries of which the repository has a result on this card, each as its stage and its name."""
    days = [found for found in committed() if found["day"].get("processor") == processor]
    return {(name, entry) for day in days for name, stage in day["stages"].items() for entry in stage["entries"]}


def section(results: Iterable[Day] | None = None) -> str:
    """The section of the page: what was measured of each card, or that nothing was.

    Args:
        results: Of each card. Default: those in the repository.
    """
    cards = [found for found in (committed() if results is None else results) if real(found)]
    parts = ["## On a GPU", *(table(found, level=3) for found in cards)]
    return "\n\n".join(parts if cards else [*parts, NOTHING])


def table(found: Day, *, level: int = 1) -> str:
    """Everything that a day found.

    Args:
        found: As `merged` gives it.
        level: Of the first heading.
    """
    day, mark = found["day"], "#" * level
    versions = ", ".join(f"{name} {version}" for name, version in day.get("versions", {}).items() if version)
    parts = [
        f"{mark} {day.get('processor', 'a day without results')}",
        f"{versions}; {_commits(found)}, {day.get('date')}, seed {day.get('seed')}"
        + ("; tiny sizes, which say nothing about speed" if day.get("tiny") else "")
        + ".",
    ]
    for name, stage in found["stages"].items():
        said = [f"{mark}# {STAGES[name]}"]
        if "error" in stage:
            said.append(f"The stage could not be begun: {_cell(stage['error'])}")
        done = {title: entry["found"] for title, entry in stage["entries"].items() if "found" in entry}
        said += [SHOWN[name](done)] if done else []
        said += _failed(stage["entries"])
        said += _left_out(stage["left_out"])
        parts += said if len(said) > 1 else [*said, "Nothing is known."]
    return "\n\n".join(parts).replace(" rows a point", " rows per point")  # older results have names of before


def _commits(found: Day) -> str:
    """The commits that were measured; which stages are of which, where there are several."""
    of: dict[str, dict[str, None]] = defaultdict(dict)
    for name, stage in found["stages"].items():
        for entry in stage["entries"].values():
            of[str(entry.get("commit", found["day"].get("commit")))][name] = None
    if len(of) < 2:
        return f"commit {next(iter(of), found['day'].get('commit'))}"
    return ", ".join(f"commit {commit} ({', '.join(stages)})" for commit, stages in of.items())


def _failed(entries: Entries) -> list[str]:
    """What failed, what is wrong, and what is not offered, by the reason."""
    lines = []
    for state, heading in (("wrong", "Wrong"), ("failed", "Failed"), ("not offered", "Not offered")):
        reasons = defaultdict(list)
        for title, entry in entries.items():
            if entry["state"] == state:
                reasons[entry.get("error", "values are not what they must be")].append(title)
        lines += [f"- {heading}: {'; '.join(titles)}: {_cell(reason)}" for reason, titles in reasons.items()]
    return ["\n".join(lines)] if lines else []


def _left_out(titles: list[str]) -> list[str]:
    """What there was no time for."""
    if not titles:
        return []
    more = f"; and {len(titles) - LISTED} more" if len(titles) > LISTED else ""
    return [f"Left out because time ran out, {len(titles)}: {'; '.join(titles[:LISTED])}{more}."]


def _rows(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    heads = list(heads)
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    shown = _number(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(shown.replace("|", "/").split())


def _number(value: float) -> str:
    """Three digits; those of thousands in full."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g}"


def _card(done: Entries) -> str:
    said = {title: [f"{name} {_cell(value)}" for name, value in found.items()] for title, found in done.items()}
    return _rows(("", "measured"), ((title, "; ".join(values)) for title, values in said.items()))


def _kernels(done: Entries) -> str:
    """Errors as multiples of what rounding allows: kernels below each other, dtypes side by side."""
    rows: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    dtypes: dict[str, None] = {}
    for title, found in done.items():
        name, dtype, backend = title.rsplit(", ", 2) if ", " in title else (title, "", "")
        dtypes[dtype] = None
        rows[name, backend][dtype] = f"{found['error']:.2g} ({found['cases']})"
    return _rows(
        ("largest error as a share of what rounding allows (cases)", "backend", *dtypes),
        ((*key, *(row.get(dtype) for dtype in dtypes)) for key, row in rows.items()),
    )


def _bandwidth(done: Entries) -> str:
    heads = "GB/s", "of a copy", "of a copy, kernels alone", "copy GB/s", "seconds", "spread", "sets"
    shares = "of a copy", "of a copy, kernels alone", "spread"

    def shown(head: str, value: Any) -> object:
        return f"{value:.0%}" if head in shares and value is not None else value

    return _rows(
        ("", *heads), ((title, *(shown(head, found[head]) for head in heads)) for title, found in done.items())
    )


def _products(done: Entries) -> str:
    """Milliseconds of a layer at all points: rows a point below each other, methods side by side."""
    timed = {title: found for title, found in done.items() if "rule" in found}
    methods = list(dict.fromkeys(name for found in timed.values() for name in found["ms"]))
    heads = ("ms of a layer", *methods, "the fastest", "the rule takes", "error")
    rows = [
        (title, *(found["ms"].get(name) for name in methods), found["fastest"], found["rule"], found["error"])
        for title, found in timed.items()
    ]
    parts = [_rows(heads, rows)] if rows else []
    for title, found in done.items():
        if title not in timed:
            said = "; ".join(f"{name} {_cell(value)}" for name, value in found["ms"].items())
            parts.append(f"{title}, ms: {said}.")
    return "\n\n".join(parts)


def _points(done: Entries) -> str:
    """Milliseconds of a point: problems below each other, plans side by side, and what the best one gains."""
    rows: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for title, found in done.items():
        problem, _, label = title.partition(": ")
        rows[problem][label] = found
    labels = list(dict.fromkeys(label for row in rows.values() for label in row))
    plain = [label for label in labels if "loop" in label and label != "loop"]
    own = [label for label in labels if label not in plain]
    lines = []
    for problem, row in rows.items():
        times = {label: found["ms a point"] for label, found in row.items()}
        best = min((times[label] for label in own if label in times), default=None)
        gains = [f"{times[label] / best:.2f}x" if best and label in times else None for label in plain]
        shown = [
            f"{times[k]:.4g}{' (fell back)' if row[k].get('fallback') else ''}" if k in times else None for k in labels
        ]
        lines.append((problem, *shown, *gains))
    return _rows(("ms per point", *labels, *(f"best plan against the {label}" for label in plain)), lines)


def _surfaces(done: Entries) -> str:
    whole = {title: found for title, found in done.items() if "seconds" in found}
    rows = [
        (
            title,
            f.get("seconds of the first call"),
            f["seconds"],
            f["ms a point"],
            f.get("evaluated", f["points"]),
            _plan(f.get("plan")),
            f.get("fallback"),
        )
        for title, f in whole.items()
    ]
    heads = "", "seconds, first call", "seconds", "ms per point of the grid", "points evaluated", "plan", "fallback"
    parts = [_rows(heads, rows)] if rows else []
    equal = {title: found for title, found in done.items() if title not in whole}
    for title, found in equal.items():
        errors = ", ".join(f"{name} {value:.2g}" for name, value in found.items() if not isinstance(value, bool))
        parts.append(f"{title}, in shares of the range, against float64 on the CPU: {errors}.")
    return "\n\n".join(parts)


def _values(done: Entries) -> str:
    """Differences in shares of the range: ways below each other, networks side by side."""
    rows: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    networks: dict[str, None] = {}
    for title, found in done.items():
        network, colon, way = title.removeprefix("surface, ").partition(": ")
        way, network = (way, network) if colon else (title, "")
        networks[network] = None
        rows[way, found["allowed"]][network] = found["largest difference"]
    names = [network for network in networks if network]
    shown = [
        (way, *(row.get(name, row.get("") if name == names[0] else None) for name in names), allowed)
        for (way, allowed), row in rows.items()
    ]
    return _rows(("largest difference in shares of the range", *names, "allowed"), shown)


def _memory(done: Entries) -> str:
    names = "peak megabytes", "predicted megabytes", "of it weights", "of the prediction", "chunk"
    return _rows(("", *names), ((title, *(found[name] for name in names)) for title, found in done.items()))


def _plan(plan: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (plan or {}).items())


SHOWN: dict[str, Callable[[Entries], str]] = {
    "card": _card,
    "kernels": _kernels,
    "bandwidth": _bandwidth,
    "products": _products,
    "points": _points,
    "surfaces": _surfaces,
    "values": _values,
    "memory": _memory,
}


def file_of(found: Day) -> Path:
    """Where the results of a card are kept in the repository."""
    name = "-".join("".join(c if c.isalnum() else " " for c in found["day"]["processor"].lower()).split())
    return RESULTS / f"gpu-{name}.json"
