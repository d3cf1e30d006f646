"""One page for the browser that shows landscapes and lets optimizers walk on them. It needs no server and no network.

The page holds everything: plotly.js, the values bit for bit, and its scripts. page.html is the frame; plane.html and
volume.html have the controls. Of a plane, page.js listens to the controls, scene.js draws, paths.js knows what is
drawn of a training and at which of its steps, walk.js computes what `heights`, `Smooth` and `descend` compute in
Python. Of a volume, volume.js listens and levels.js draws. maps.js has what both do alike, shades.js the
colours; basins.js knows the basins of both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastscape.results import TopologyValues, Values, write_whole
from fastscape.views.captions import model_said
from fastscape.views.carried import LeftOut
from fastscape.views.explorer.basins import packed_basins
from fastscape.views.explorer.packed import Frame, common_packed, encoded, framed
from fastscape.views.plane import ordered, plane_of
from fastscape.views.texts import HOVER, LABEL, cleaned

__all__ = ["page", "to_html"]

MOST = 12  # landscapes in a page: browsers keep 16 scenes or fewer

_PLANE = Frame(
    "Drag a picture to turn it, scroll to zoom, point at it to read values. The sliders move the start of an "
    "optimizer that walks downhill.",
    "plane.html",
    '<p id="call-line">In Python: <code id="call"></code></p>',
    ("texts.js", "walk.js", "paths.js", "basins.js", "shades.js", "scene.js", "maps.js", "page.js"),
)
_VOLUME = Frame(
    "Drag a picture to turn it, scroll to zoom, point at it to read values. The outer surface is where the landscape "
    "has the height of the slider; those within it are lower.",
    "volume.html",
    "",
    ("texts.js", "walk.js", "paths.js", "basins.js", "shades.js", "scene.js", "maps.js", "levels.js", "volume.js"),
)


def to_html(
    landscapes: Values | Sequence[Values],
    path: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    topology: TopologyValues | Sequence[TopologyValues | None] | None = None,
) -> Path:
    """Writes an interactive page with landscapes side by side into one file that works without a network.

    A plane is a surface on which optimizers walk. A landscape of three axes is shown by its level surfaces: a slider
    moves the level, others move slices.

    Args:
        landscapes: One landscape or several, all of two axes or all of three, each of at least 2 points. Several share
            scale and camera, and start or level.
        path: A file name that ends in .html or .htm. Missing folders are created.
        names: A name for each. Default: the class of its model, as the report says it.
        title: Of the page. Default: made from the names.
        topology: That of the landscape, or one for each of several or None. The page then names the basin under the
            pointer, and can outline them. Default: none.

    Returns:
        The path.

    Raises:
        ValueError: When the name has another ending, or `page` refuses its arguments.

    Example:
        >>> import numpy as np, tempfile, fastscape
        >>> from fastscape import Landscape
        >>> axis = np.linspace(-1, 1, 21)
        >>> bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
        >>> steep = Landscape(axis, axis, 1 + 9 * axis[:, None] ** 2 + axis**2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fastscape.to_html([bowl, steep], f"{folder}/both.html", names=["bowl", "steep"]).name
        'both.html'
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise ValueError(f"the name of a page must end in .html, got {path.name!r}")
    write_whole(path, page(landscapes, names=names, title=title, topology=topology).encode())
    return path


def page(
    landscapes: Values | Sequence[Values],
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    topology: TopologyValues | Sequence[TopologyValues | None] | None = None,
) -> str:
    """The interactive page as text.

    What cannot be drawn, such as a mark whose place is NaN, is left out, and a sentence on the page says so and why.

    Args:
        landscapes: One landscape or several, all of two axes or all of three.
        names: A name for each. Default: the class of its model, as the report says it.
        title: Of the page. Default: made from the names.
        topology: That of the landscape, or one for each of several or None. Default: none.

    Returns:
        HTML that refers to nothing outside itself.

    Raises:
        TypeError: When something else came as a topology.
        ValueError: When there is no landscape or more than 12, names or topologies are not as many, a landscape has
            other than two or three axes, of at least 2 different finite points each, planes and volumes come together,
            planes share no region, a topology is of another grid, or the landscapes have no measure in common that is
            finite somewhere.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> page(Landscape(x, x, x[:, None] ** 2 + x**2), names=["a bowl"]).count("a bowl") > 0
        True
    """
    several = list(landscapes) if isinstance(landscapes, Sequence) else [landscapes]
    if names is None:
        names = [model_said(one) or "landscape" for one in several]
    if len(names) != len(several):
        raise ValueError(f"names must be one per landscape, got {len(names)} for {len(several)} landscapes")
    names = [cleaned(str(name), HOVER) for name in names]
    volumes = _are_volumes(several)
    alone = topology is None or isinstance(topology, TopologyValues)
    if not alone and (isinstance(topology, str) or not isinstance(topology, Sequence)):
        raise TypeError(
            "a topology must be what landscape.topology() returns, or a list with one or None per landscape, got "
            f"{topology!r:.80}; for one landscape also landscape.to_html(path, basins=True)"
        )
    found: Any = ([topology] * (len(several) if topology is None else 1)) if alone else list(cast(Any, topology))
    if len(found) != len(several):
        raise ValueError(
            f"topologies must be one or None per landscape, got {len(found)} for {len(several)} landscapes"
        )
    shown = [_packed(one, name, volumes) for one, name in zip(several, names, strict=True)]
    for one, landscape, of in zip(shown, several, found, strict=True):
        one["basins"] = None if of is None else packed_basins(of, landscape)
    _check_together(several, shown, volumes)
    _name_apart(shown)
    return framed(_VOLUME if volumes else _PLANE, shown, names, title)


def _are_volumes(landscapes: list[Values]) -> bool:
    """Whether landscapes have three axes; all must have the same number."""
    counts = {len(one.axes) for one in landscapes}
    if max(counts, default=0) > 3:
        raise ValueError(
            f"a landscape of {max(counts)} axes came, and a page shows two or three; write landscape.slice(...) or "
            "landscape.project(...) for fewer"
        )
    if 3 in counts and len(counts) > 1:
        raise ValueError("landscapes of three axes and of fewer came together; write a page for each kind")
    if 3 in counts and min(size for one in landscapes for size in one.shape) < 2:
        raise ValueError(
            "a page needs at least 2 x 2 x 2 points, got an axis of one point; or write landscape.slice(...)"
        )
    return 3 in counts


def _packed(landscape: Values, name: str, volume: bool) -> dict[str, Any]:
    """What the page wants to know of a landscape: axes in increasing order, and every measure that can be drawn."""
    if not volume:
        plane_of(landscape, "explore")
    order = np.ix_(*ordered(landscape))
    axes = [encoded(np.sort(axis)) for axis in landscape.axes.values()]
    mask = landscape.evaluated
    own = {"evaluated": None if mask.all() else encoded(np.flatnonzero(mask[order])), "x": axes[0], "y": axes[1]}
    return {**common_packed(landscape, name, order), **({"t": axes} if volume else own)}


def _check_together(landscapes: list[Values], shown: list[dict[str, Any]], volumes: bool) -> None:
    if not 1 <= len(shown) <= MOST:
        raise ValueError(
            f"a page holds 1 to {MOST} landscapes, because browsers draw no more scenes at once, got {len(shown)}"
        )
    for name, *axes in zip(landscapes[0].axes, *(one.axes.values() for one in landscapes), strict=True):
        low = max(axis.min() for axis in axes)
        high = min(axis.max() for axis in axes)
        if not volumes and not low < high:
            raise ValueError(f"the landscapes share no range of {name}, so no start lies on all; explore them apart")
    measures = [dict(one["values"]) for one in shown]
    if not set.intersection(*map(set, measures)):
        found = "; ".join(", ".join(cleaned(name, LABEL) for name in one) for one in measures)[:HOVER]
        raise ValueError(
            f"the landscapes have no measure in common that is finite somewhere ({found}); explore them apart"
        )


def _name_apart(shown: list[dict[str, Any]]) -> None:
    """Says of each landscape which of its measures the page does not offer, because another one lacks them."""
    common = set.intersection(*(set(dict(one["values"])) for one in shown))
    for one in shown:
        apart = [cleaned(name, LABEL) for name, _ in one["values"] if name not in common]
        one["left_out"] += [LeftOut(f'the heights of "{name}"', "not in every landscape") for name in apart]
