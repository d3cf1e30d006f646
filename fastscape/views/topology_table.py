"""The topology of a landscape as text for a terminal."""

from __future__ import annotations

import math
from textwrap import fill

import numpy as np

from fastscape.results import Basin, TopologyValues
from fastscape.views.tables import WIDTH, columns
from fastscape.views.texts import LABEL, cleaned

__all__ = ["topology_text"]

_SHOWN = 20  # basins in the table
_HOLES = {1: "loop", 2: "void"}


def topology_text(found: TopologyValues) -> str:
    """The basins with minimum, saddle, depth and size, and the error of the heights.

    Args:
        found: The topology.

    Returns:
        A table of at most twenty basins, and sentences in lines of at most 100 columns.
    """
    heights = found.heights[np.isfinite(found.heights)]
    height = cleaned(f"log10 {found.measure}" if found.scale == "log10" else found.measure, LABEL)
    points = " x ".join(map(str, found.heights.shape))
    share = found.threshold / (float(heights.max()) - float(heights.min()) or 1.0)
    title = (
        f"{_counted(len(found.basins), 'basin')} of {height} on {points} points, deeper than {found.threshold:.3g} "
        f"({100 * share:.3g} % of the range, {heights.min():.4g} to {heights.max():.4g})"
    )
    names = [cleaned(name, LABEL) for name in found.axes]
    head = "basin", f"at {', '.join(names)}", "minimum", "depth", "saddle", "joins", "width", "share", "certain"
    rows: list[tuple[str, ...]] = [head]
    rows += [_row(found, basin, share) for basin, share in zip(found.basins[:_SHOWN], found.share(), strict=False)]
    return "\n".join([fill(title, WIDTH), "", *columns(rows), "", *(fill(said, WIDTH) for said in _said(found))])


def _row(found: TopologyValues, basin: Basin, share: float) -> tuple[str, ...]:
    return (
        f"{basin.number}{' *' if basin.at_edge else ''}",
        ", ".join(f"{c:.3g}" for c in found.coordinates(basin.at)),
        f"{basin.minimum:.4g}",
        _number(basin.depth),
        _number(basin.saddle),
        "-" if basin.joins is None else str(basin.joins),
        " x ".join(f"{width:.3g}" for width in basin.width),
        f"{100 * share:.3g} %",
        ("yes" if basin.certain else "no") if found.errors else "-",
    )


def _number(height: float) -> str:
    return f"{height:.4g}" if math.isfinite(height) else "-"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _said(found: TopologyValues) -> list[str]:
    said = []
    if (more := len(found.basins) - _SHOWN) > 0:
        said.append(f"{_counted(more, 'more basin')} with higher minima.")
    if any(basin.at_edge for basin in found.basins):
        said.append("* The minimum is at the border, or beside points without a value: it may not be a minimum.")
    for dimension in found.dimensions:
        if dimension:
            spans = np.diff(found.diagram(dimension), axis=1)
            clear = int((spans > 2 * found.error).sum())
            of = "" if dimension in _HOLES else f" of dimension {dimension}"
            count = _counted(len(spans), _HOLES.get(dimension, "hole"))
            said.append(f"{count}{of}, {clear} of them more persistent than twice the error.")
    sources = " + ".join(f"{error:.2g} ({cleaned(source, LABEL)})" for source, error in found.errors.items())
    if sources:
        said.append(
            f"The error of the heights is taken as {found.error:.2g}: {sources}. A basin deeper than twice this error "
            "is certain."
        )
    else:
        said.append(
            "The error of the values is not known: each basin is a basin of these values, and no basin is certain."
        )
    return said
