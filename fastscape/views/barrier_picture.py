"""Pictures of barriers by matplotlib: measures along lines between models, their chords, and arrows for the excess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastscape.results import BarrierValues, Excess, not_finite_said
from fastscape.views.barrier_table import line_said
from fastscape.views.figure_parts import note, outlined
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["barrier"]

_WIDE, _HIGH = 6.4, 4.9  # inches of a panel
_SEEN = 0.03  # fraction of the panel height: shorter arrows are not drawn
_APART = 0.008  # fraction of the line: distance between arrows of several curves at the same place
_STYLES = "-", "--", "-.", ":"  # one line style per data set
_BY_CLASS = " of class "  # in the names of per-class measures, which are drawn only on request


class _Curve(NamedTuple):
    """One measure of one line.

    Args:
        found: The barrier.
        measure: The name of the measure.
        label: Its label in the legend; empty if the panel has one curve.
        colour: The colour of the curve.
        style: The line style.
    """

    found: BarrierValues
    measure: str
    label: str
    colour: str
    style: str


def barrier(
    reports: BarrierValues | Mapping[str, BarrierValues],
    *,
    measures: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> list[Axes]:
    """Draws measures along the line between two models, or along several lines, with an arrow per barrier.

    Each panel shows one measure on one scale, and its chord as a thin line. If standard errors of the loss are
    known, a band shows two of them. Arrows lead from the chord to the largest and to the most negative excess, if
    these are large enough to be seen. Numbers beside the arrows, or in the legend of several curves, are the excess
    and its standard error. Several data sets share a panel: the first has a solid line, the rest dashed lines.

    Args:
        reports: A barrier, or several barriers by name.
        measures: Names of the measures, as for the first data set. Default: all except measures of single classes.
        ax: Where to draw a single measure. Default: a new figure with a panel per measure.

    Returns:
        The axes of the panels.

    Raises:
        ValueError: When a measure is unknown, or `ax` is given for several measures.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> found = fastscape.barrier(a, b, (torch.randn(50, 4), torch.randint(3, (50,))))
        >>> [ax.get_ylabel() for ax in found.plot()]
        ['loss']
    """
    shown = {"": reports} if isinstance(reports, BarrierValues) else dict(reports)
    names = _measures(shown, measures)
    if ax is not None and len(names) > 1:
        raise ValueError(
            f"ax has room for one measure, got {len(names)}; name one of them, for example measures={names[0]!r}"
        )
    panels = [ax] if ax is not None else _panels(len(names))
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, shown, name)
    note(_below(shown), panels[0], own=ax is None)
    return panels


def _measures(shown: Mapping[str, BarrierValues], wanted: str | Sequence[str] | None) -> list[str]:
    """The measures to draw: measures that every report has."""
    (_, first), *_ = shown.items()
    known = [name for name in first.panels if all(name in found.panels for found in shown.values())]
    if wanted is None:
        return [name for name in known if _BY_CLASS not in name] or known[:1]
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise ValueError(f"measures must be some of {', '.join(known):.200}, got {name!r:.80}")
    if not names:
        raise ValueError(f"measures must be some of {', '.join(known):.200}, got none")
    return names


def _panels(count: int) -> list[Axes]:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(_WIDE * count, _HIGH), layout="constrained")
    return list(figure.subplots(1, count, squeeze=False)[0])


def _draw(ax: Any, shown: Mapping[str, BarrierValues], name: str) -> None:
    curves = _curves(shown, name)
    known = [curve.found.line.measures[curve.measure] for curve in curves]
    unit = Unit.of(*(np.where(np.isfinite(values), values, 0.0) for values in known))
    lines = [_curve(ax, curve, unit) for curve in curves]
    ax.margins(x=0.03, y=0.12)
    low, high = ax.get_ylim()
    several = len(curves) > 1
    taken: list[float] = []  # where arrows are already
    for curve, line in zip(curves, lines, strict=True):
        found = curve.found[curve.measure]
        seen = [one for one in (found.highest, found.lowest) if _height(one, unit) > _SEEN * (high - low)]
        for excess in seen:
            at = excess.at
            while any(abs(at - place) < 0.99 * _APART for place in taken):
                at += _APART
            taken.append(at)
            _arrow(ax, curve, excess, unit, at, numbered=not several)
        if several:  # numbers beside the arrows would overlap
            said = " and ".join(map(_number, seen or [found.farthest]))
            line.set_label(literal(f"{cleaned(curve.label, LABEL)}: {said}"))
    ax.set(xlabel="t, the weights being (1 - t) a + t b", ylabel=literal(unit.labelled(cleaned(name, LABEL))))
    if several:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
        ax.legend(handles=lines, fontsize=8, frameon=False, **place)


def _height(excess: Excess, unit: Unit) -> float:
    return abs(float(unit.scaled(np.array(excess.value))))


def _curves(shown: Mapping[str, BarrierValues], name: str) -> list[_Curve]:
    made = []
    for k, (called, found) in enumerate(shown.items()):
        for row, (of, measure) in enumerate(found.panels[name].items()):
            label = ", ".join(filter(None, [called, of]))
            colour = f"C{k}" if len(shown) > 1 else f"C{row}"
            made.append(_Curve(found, measure, label, colour, _STYLES[row % len(_STYLES)]))
    return made


def _curve(ax: Any, curve: _Curve, unit: Unit) -> Any:
    """Draws a curve, its end points, their chord and the band of the loss; returns the curve."""
    values_of, t = curve.found.line, curve.found.line.axes["x"]
    values = _finite(values_of.measures[curve.measure], unit)
    (line,) = ax.plot(t, values, curve.style, color=curve.colour, zorder=3)
    ax.plot(t[[0, -1]], values[[0, -1]], "o", color=curve.colour, markersize=5, zorder=4)
    ax.plot(t[[0, -1]], values[[0, -1]], curve.style, color=curve.colour, linewidth=0.8, alpha=0.6)
    if curve.measure == "loss" and values_of.standard_error is not None:
        error = np.nan_to_num(_finite(values_of.standard_error, unit))
        ax.fill_between(t, values - 2 * error, values + 2 * error, color=curve.colour, alpha=0.2, linewidth=0)
    return line


def _finite(values: np.ndarray, unit: Unit) -> np.ndarray:
    return np.asarray(unit.scaled(np.where(np.isfinite(values), values, np.nan)))


def _arrow(ax: Any, curve: _Curve, excess: Excess, unit: Unit, at: float, *, numbered: bool) -> None:
    """Draws an arrow from the chord to the curve, moved aside if another arrow is at the same place."""
    found = curve.found[curve.measure]
    chord = found.start + excess.at * (found.end - found.start)
    foot, head = (float(unit.scaled(np.array(height))) for height in (chord, chord + excess.value))
    if not np.isfinite([foot, head]).all():
        return
    shape = {"arrowstyle": "-|>", "color": curve.colour, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    ax.annotate("", (at, head), (at, foot), arrowprops=shape, zorder=5)
    if not numbered:
        return
    left = at > 0.75  # beyond which a number would leave the picture
    text = ax.annotate(
        _number(excess), (at, foot + 0.5 * (head - foot)), (-6 if left else 6, 0), textcoords="offset points",
        ha="right" if left else "left", va="center", fontsize=9, zorder=6,
    )  # fmt: skip
    text.set_path_effects(outlined(3.0, "white"))


def _number(excess: Excess) -> str:
    error = f" {'±' if excess.paired else '±≤'} {excess.standard_error:.1g}" if excess.standard_error else ""
    return f"{excess.value:+.3g}{error}"


def _below(shown: Mapping[str, BarrierValues]) -> list[str]:
    """The sentences of the note: facts of the lines, the meaning of lines and bands, and values that are missing."""
    facts = dict.fromkeys(line_said(found) for found in shown.values())
    said = [f"{'; '.join(facts)}. Thin line: the chord between the end points; the excess is measured from it. "
            "Band: two standard errors of the mean loss. ± is the standard error of the excess."]  # fmt: skip
    odd = [sentence for found in shown.values() for name in found for sentence in not_finite_said(found.line, name)]
    return said + [f"{literal(sentence)}." for sentence in dict.fromkeys(odd)]
