"""Reports of sharpness as tables: text of at most 100 columns for a terminal, and HTML for a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill

from fastscape.results import SharpnessValue, SharpnessValues
from fastscape.views.tables import WIDTH, as_html, columns
from fastscape.views.texts import cleaned

__all__ = ["sharpness_html", "sharpness_text", "side_by_side_html", "side_by_side_text"]

MODEL = 20  # letters of the name of a model

_HEAD = "measure", "value", "±", "unit", "invariant", "cost"
_LEGEND = (
    "± is the standard error over random draws, 0 for measures without random draws. Invariant to: L layer scaling, N "
    "neuron scaling, O neuron order. Cost: e evaluations and g gradients of the loss over all samples, p products "
    "with its Hessian."
)


def sharpness_text(report: SharpnessValues) -> str:
    """One report as a text table: a row per measure, and the settings of each measure below.

    Args:
        report: The report.

    Returns:
        Lines of at most 100 columns.
    """
    lines = [_title(report), ""]
    lines += columns([_HEAD, *(_row(found) for found in report.values())])
    lines.append("")
    lines += [_note(name, _with_settings(found)) for name, found in report.items()]
    lines.append("")
    lines.append(fill(_LEGEND, WIDTH, break_on_hyphens=False))
    return "\n".join(lines)


def side_by_side_text(reports: Mapping[str, SharpnessValues]) -> str:
    """Several reports as a text table: a row per measure that all reports have, a column per model.

    Args:
        reports: The reports, by the name of the model.

    Returns:
        Lines of at most 100 columns for up to four models.
    """
    names = [cleaned(name, MODEL) for name in reports]
    (_, first), *_ = reports.items()
    pair = len(names) == 2
    rows = [("measure", *names, *(["unit", "ratio"] if pair else []))]
    for measure in common(reports):
        found = [report[measure] for report in reports.values()]
        shown = map(_with_error, found) if pair else map(_shortly, found)
        rows.append((measure, *shown, *([first[measure].unit, _ratio(found)] if pair else [])))
    lines = [*columns(rows), ""]
    for name, report in zip(names, reports.values(), strict=True):
        lines.append(_note(name, _title(report)))
    if len(others := {report.report.get("data_hash") for report in reports.values()}) > 1 and None not in others:
        lines.append(fill("The models were measured on different samples, which alone may make values differ.", WIDTH))
    return "\n".join(lines)


def sharpness_html(report: SharpnessValues) -> str:
    """One report as a table for a notebook.

    Args:
        report: The report.

    Returns:
        HTML, in which each row shows its formula under the pointer.
    """
    rows = [(_row(found), f"{found.formula}. {found.definition} {found.source}") for found in report.values()]
    return as_html(_title(report), _HEAD, rows)


def side_by_side_html(reports: Mapping[str, SharpnessValues]) -> str:
    """Several reports as a table for a notebook.

    Args:
        reports: The reports, by the name of the model.

    Returns:
        HTML.
    """
    (_, first), *_ = reports.items()
    rows = []
    for measure in common(reports):
        found = [report[measure] for report in reports.values()]
        rows.append(((measure, *map(_with_error, found), first[measure].unit), first[measure].formula))
    return as_html("", ("measure", *(cleaned(name, MODEL) for name in reports), "unit"), rows)


def common(reports: Mapping[str, SharpnessValues]) -> list[str]:
    """The measures that all reports have, in the order of the first.

    Args:
        reports: The reports.

    Returns:
        Their names.
    """
    (_, first), *_ = reports.items()
    return [name for name in first if all(name in report for report in reports.values())]


def _title(report: SharpnessValues) -> str:
    return f"{report.size:,} weights, {report.samples:,} samples, loss {report.loss:.4g}"


def _row(found: SharpnessValue) -> tuple[str, ...]:
    error = "bound" if found.standard_error is None and found.value < math.inf else _number(found.standard_error)
    return (
        found.name,
        _number(found.value),
        error,
        found.unit,
        " ".join(_short(part) for part in found.invariant_to),
        _cost(found),
    )


def _short(invariance: str) -> str:
    """The letter of an invariance in the legend."""
    return {"neuron order": "O"}.get(invariance, invariance[:1].upper())


def _cost(found: SharpnessValue) -> str:
    kinds = {"evaluations": "e", "gradients": "g", "products": "p"}
    parts = [f"{found.cost[name]:.4g} {short}" for name, short in kinds.items() if found.cost.get(name)]
    return " ".join([*parts, f"{found.cost.get('seconds', math.nan):.2g} s"])


def _with_settings(found: SharpnessValue) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items() if name != "seed")
    return ": ".join(filter(None, [settings, found.said])) or found.formula


def _with_error(found: SharpnessValue) -> str:
    return (
        f"{_number(found.value)} ± {_number(found.standard_error)}" if found.standard_error else _number(found.value)
    )


def _shortly(found: SharpnessValue) -> str:
    """A value with its error in 16 letters, for several columns."""
    return f"{found.value:.3g}" + (f"±{found.standard_error:.1g}" if found.standard_error else "")


def _ratio(found: Sequence[SharpnessValue]) -> str:
    """The second value as a multiple of the first."""
    first, second = (one.value for one in found)
    return f"{second / first:.4g}" if first and math.isfinite(first) else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _note(name: str, text: str) -> str:
    return fill(f"{name}: {text}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)
