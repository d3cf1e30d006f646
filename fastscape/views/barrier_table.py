"""Barriers as tables: text of at most 100 columns for a terminal, and HTML for a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from textwrap import fill

from fastscape.results import BarriersValues, BarrierValues, Excess, MeasureBarrier, is_loss, not_finite_said
from fastscape.views.tables import WIDTH, as_html, columns
from fastscape.views.texts import LABEL, cleaned

__all__ = ["barrier_html", "barrier_text", "barriers_html", "barriers_text", "line_said"]

MODEL = 14  # letters of the name of a model

_HEAD = "measure", "at 0", "at 1", "largest excess", "t", "most negative", "t", "off mean"
_LEGEND = (
    "Excess: the measure minus the chord between its values at 0 and 1; ± its standard error over the samples{bound}. "
    "The barrier of a loss is its largest excess. The barrier of a measure that is better when higher, such as an "
    "accuracy, is its most negative excess."
)
_BOUND = ", ≤ an upper bound of this error"
_MEAN = "Off mean: the value farthest from the mean of both ends, minus this mean."


def barrier_text(reports: BarrierValues | Mapping[str, BarrierValues]) -> str:
    """The barriers on one line or several as text tables, with a row per measure.

    Args:
        reports: The barrier, or several barriers by name.

    Returns:
        Lines of at most 100 columns; longer only if the name of a measure is longer.
    """
    shown = {"": reports} if isinstance(reports, BarrierValues) else reports
    lines: list[str] = []
    for name, found in shown.items():
        title = f"{cleaned(name, LABEL)}: {line_said(found)}" if name else line_said(found)
        lines += [fill(title, WIDTH), "", *columns([_HEAD, *map(_row, found.values())]), ""]
    lines += [fill(sentence, WIDTH) for sentence in [*_remarks(shown.values()), _MEAN]]
    return "\n".join(lines)


def barrier_html(reports: BarrierValues | Mapping[str, BarrierValues]) -> str:
    """The barriers on one line or several as HTML tables for a notebook.

    Args:
        reports: The barrier, or several barriers by name.

    Returns:
        HTML.
    """
    shown = {"": reports} if isinstance(reports, BarrierValues) else reports
    made = []
    for name, found in shown.items():
        title = f"{cleaned(name, LABEL)}: {line_said(found)}" if name else line_said(found)
        made.append(as_html(title, _HEAD, [(_row(one), str(one.highest)) for one in found.values()]))
    return "".join(made)


def barriers_text(found: BarriersValues) -> str:
    """The barriers between all pairs as text, with a matrix per measure.

    Args:
        found: The barriers.

    Returns:
        Lines of at most 100 columns for up to about eight models.
    """
    first, *_ = found.pairs.values()
    lines = [fill(f"{len(found.names)} models, each pair: {line_said(first)}", WIDTH), ""]
    for measure in found.measures:
        lines += [f"{cleaned(measure, LABEL)}: {_which(measure)}", *columns(_matrix(found, measure)), ""]
    lines += [fill(sentence, WIDTH) for sentence in _remarks(found.pairs.values())]
    return "\n".join(lines)


def barriers_html(found: BarriersValues) -> str:
    """The barriers between all pairs as HTML tables for a notebook.

    Args:
        found: The barriers.

    Returns:
        HTML.
    """
    made = []
    for measure in found.measures:
        head, *rows = _matrix(found, measure, narrow=False)
        made.append(as_html(f"{cleaned(measure, LABEL)}: {_which(measure)}", head, [(row, row[0]) for row in rows]))
    return "".join(made)


def line_said(found: BarrierValues) -> str:
    """The number of points and samples of a line, and its batch-norm statistics.

    Args:
        found: The barrier.

    Returns:
        A sentence without its full stop.
    """
    report, said = found.report, [f"{found.line.shape_text} points"]
    samples, norm, sets = report.get("samples"), report.get("batchnorm"), report.get("data_sets")
    if isinstance(sets, Mapping):
        of = [
            f"{one.get('samples')} of {cleaned(name, MODEL)}" for name, one in sets.items() if isinstance(one, Mapping)
        ]
        said += [f"samples: {', '.join(of)}"]
    else:
        said += [f"{samples:,} samples"] if isinstance(samples, int) else []
    said += [f"batchnorm {norm!r:.20}"] if isinstance(norm, str) else []
    return ", ".join(said)


def _which(measure: str) -> str:
    return "largest excess" if is_loss(measure) else "largest or most negative excess, whichever is farther from 0"


def _row(one: MeasureBarrier) -> tuple[str, ...]:
    high, low = one.highest, one.lowest
    mean = one.below_mean if abs(one.below_mean) > abs(one.above_mean) else one.above_mean
    ends = _number(one.start), _number(one.end)
    return cleaned(one.name, LABEL), *ends, _value(high), _place(high), _value(low), _place(low), _number(mean)


def _value(found: Excess) -> str:
    if found.standard_error is None or found.standard_error == 0:
        return _number(found.value)
    return f"{_number(found.value)} {'±' if found.paired else '≤'} {found.standard_error:.1g}"


def _place(found: Excess) -> str:
    return f"{found.at:.3g}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _matrix(found: BarriersValues, measure: str, *, narrow: bool = True) -> list[list[str]]:
    """The rows of a matrix, with standard errors if there is room for them."""
    names = [cleaned(name, MODEL) for name in found.names]
    values, errors = found.matrix(measure), found.standard_errors(measure)
    own = found.own(measure)
    for exactly in (True, False):
        rows = [["", "alone", *names]]
        for i, name in enumerate(names):
            cells = [_cell(values[i, j], errors[i, j] if exactly else 0.0) for j in range(len(names))]
            cells[i] = "-"
            rows.append([name, _number(float(own[i])), *cells])
        if not narrow or max(map(len, columns(rows))) <= WIDTH:
            break
    return rows


def _cell(value: float, error: float) -> str:
    return f"{value:.3g}" + (f"±{error:.1g}" if error and math.isfinite(error) else "")


def _remarks(shown: Iterable[BarrierValues]) -> list[str]:
    """Sentences below all tables: the legend, and values that are not finite."""
    every = list(shown)
    bounds = any(not one.highest.paired or not one.lowest.paired for found in every for one in found.values())
    said = [_LEGEND.format(bound=_BOUND if bounds else "")]
    odd = [sentence for found in every for name in found for sentence in not_finite_said(found.line, name)]
    return said + [f"{sentence}." for sentence in dict.fromkeys(odd)]
