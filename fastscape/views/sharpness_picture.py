"""The picture of reports of sharpness, by matplotlib: every measure of every model, in units of the first model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastscape.results import SharpnessValue, SharpnessValues, check_alike
from fastscape.views.figure_parts import note
from fastscape.views.sharpness_table import common
from fastscape.views.texts import LABEL, cleaned, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["sharpness"]

_MOST = 12.0  # the scale is logarithmic if a bar is longer than the first bar by this factor
_FLATTER = "pac_bayes"  # prefix of measures that are larger if the loss is flatter
_WIDE, _ROW, _AROUND = 8.0, 0.2, 1.5  # inches: width of the picture, height of a bar, margins above and below


def sharpness(reports: SharpnessValues | Mapping[str, SharpnessValues], *, ax: Axes | None = None) -> Axes:
    """Draws bars for every measure, with twice the standard error, each measure in units of the first model.

    Every bar has its value beside it. A value that is not positive or not finite has no bar.

    Args:
        reports: One report, or several reports by the name of the model.
        ax: Axes to draw on. Default: a new figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When several reports share no measure, or were computed with other settings.
    """
    shown: Mapping[str, SharpnessValues]
    if isinstance(reports, SharpnessValues):
        shown = {"": reports}
    else:
        shown = reports
        check_alike(shown)
    (_, first), *_ = shown.items()
    measures = common(shown)
    own = ax is None
    if ax is None:
        import matplotlib.pyplot as plt

        height = _AROUND + _ROW * len(measures) * (len(shown) + 0.7)
        ax = plt.figure(figsize=(_WIDE, height), layout="constrained").add_subplot()
    thick = 0.8 / len(shown)
    farthest = 1.0
    for k, (name, report) in enumerate(shown.items()):
        label = literal(cleaned(name, LABEL)) if name else None
        for row, measure in enumerate(measures):
            found, unit = report[measure], first[measure].value
            at = row + (k - (len(shown) - 1) / 2) * thick
            length, error = _in_units(found.value, unit), _in_units(found.standard_error or 0.0, unit)
            drawn = length if math.isfinite(length) else 0.0
            ax.barh(at, drawn, 0.9 * thick, color=f"C{k}", label=label if row == 0 else None)
            if error and math.isfinite(error):
                ax.errorbar(drawn, at, xerr=2 * error, fmt="none", ecolor="0.2", capsize=2, linewidth=1)
            end = max(drawn + 2 * (error if math.isfinite(error) else 0.0), 0.0)
            farthest = max(farthest, end)
            ax.annotate(_said(found), (end, at), (4, 0), textcoords="offset points", fontsize=7, va="center")
    ax.set_yticks(range(len(measures)), [_named(measure, first[measure]) for measure in measures], fontsize=8)
    ax.set_ylim(len(measures) - 0.45, -0.55)  # from the top down
    if farthest > _MOST:  # on a linear scale the other bars could not be seen
        ax.set_xscale("log")
        ax.set_xlim(0.5 / _MOST, farthest * 6)
    else:
        ax.set_xlim(min(0.0, ax.get_xlim()[0]), farthest * 1.3)
    several = len(shown) > 1
    ax.set_xlabel(
        f"as a multiple of {literal(cleaned(next(iter(shown)), LABEL))}" if several else "in units of itself"
    )
    ax.axvline(1.0, color="0.6", linewidth=0.8, zorder=0)
    if several:
        ax.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(len(shown), 4), frameon=False)
    note(_below(shown), ax, own=own)
    return ax


def _in_units(value: float, unit: float) -> float:
    return value / abs(unit) if unit and math.isfinite(unit) else math.nan


def _said(found: SharpnessValue) -> str:
    error = f" ± {found.standard_error:.2g}" if found.standard_error else ""
    return f"{found.value:.3g}{error}"


def _named(measure: str, found: SharpnessValue) -> str:
    """The name of a measure with its unit, and a hint if a long bar means a flat loss."""
    said = [] if found.unit == "1" else [f"({found.unit})"]
    said += ["larger is flatter"] if measure.startswith(_FLATTER) else []
    return f"{literal(measure)}\n{', '.join(said)}"


def _below(shown: Mapping[str, SharpnessValues]) -> list[str]:
    said = []
    for name, report in shown.items():
        facts = f"{report.size:,} weights, {report.samples:,} samples, loss {report.loss:.4g}"
        said.append(f"{literal(cleaned(name, LABEL))}: {facts}" if name else facts)
    return [*said, "Error bars: two standard errors. Worst cases are lower bounds."]
