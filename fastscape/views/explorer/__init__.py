"""One page for the browser that shows landscapes and lets optimizers walk on them. It needs no server and no network.

The page holds everything: plotly.js, the values bit for bit, and its scripts. page.html is the frame; plane.html and
volume.html have the controls. For a plane, page.js handles the controls and scene.js draws. paths.js has the steps and
measures of trainings. walk.js computes in the browser what `heights`, `Smooth` and `descend` compute in Python. For a
volume, volume.js handles the controls and levels.js draws. Both share maps.js, texts.js, shades.js (colours) and
basins.js.
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
    "Drag a picture to turn it, scroll to zoom, point at it to read values. The outer surface is the level set at the "
    "height of the slider; the surfaces inside it are at lower levels.",
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

    A plane is shown as a surface on which optimizers walk. A landscape of three axes is shown by level surfaces; one
    slider moves the level, three sliders move slices.

    Args:
        landscapes: One landscape or several, all of two axes or all of three, each axis of at least 2 points. Several
            landscapes share the scale, the camera, and the start or the level.
        path: A file name that ends in .html or .htm. Missing folders are created.
        names: A name per landscape. Default: the class of its model, from the report.
        title: The title of the page. Default: made from the names.
        topology: The topology of the landscape; for several landscapes a list with one or None per landscape. The page
            then names the basin under the pointer, and can outline basins. Default: no topology.

    Returns:
        The path.

    Raises:
        ValueError: When the name has a different ending, or `page` refuses its arguments.

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

    Parts that cannot be drawn, such as a mark whose place is NaN, are left out; a sentence on the page names them with
    the reason.

    Args:
        landscapes: One landscape or several, all of two axes or all of three.
        names: A name per landscape. Default: the class of its model, from the report.
        title: The title of the page. Default: made from the names.
        topology: The topology of the landscape; for several landscapes a list with one or None per landscape. Default:
            no topology.

    Returns:
        HTML that refers to nothing outside itself.

    Raises:
        TypeError: When `topology` is something else.
        ValueError: When there is no landscape or more than 12, or when there is not one name and one topology per
            landscape. When a landscape has one axis or more than three, or an axis has fewer than 2 different finite
            points. When planes and volumes come together, planes share no region, a topology is of a different grid,
            or the landscapes have no common measure that is finite somewhere.

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
            f"a landscape on a page must have two or three axes, got {max(counts)}; write landscape.slice(...) or "
            "landscape.project(...) for fewer"
        )
    if 3 in counts and len(counts) > 1:
        came = " and ".join(map(str, sorted(counts)))
        raise ValueError(
            f"the landscapes of a page must have the same number of axes, got {came}; write one page each"
        )
    if 3 in counts and min(size for one in landscapes for size in one.shape) < 2:
        raise ValueError(
            "a page needs at least 2 x 2 x 2 points, got an axis of one point; or write landscape.slice(...)"
        )
    return 3 in counts


def _packed(landscape: Values, name: str, volume: bool) -> dict[str, Any]:
    """The data of a landscape for the page: axes in increasing order, and every measure that can be drawn."""
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
            raise ValueError(f"the landscapes must share a range of {name}, got none; write one page per landscape")
    measures = [dict(one["values"]) for one in shown]
    if not set.intersection(*map(set, measures)):
        found = "; ".join(", ".join(cleaned(name, LABEL) for name in one) for one in measures)[:HOVER]
        raise ValueError(
            f"the landscapes must share a measure that is finite somewhere, got none ({found}); write one page each"
        )


def _name_apart(shown: list[dict[str, Any]]) -> None:
    """Names for each landscape the measures that the page does not offer, because a different landscape lacks them."""
    common = set.intersection(*(set(dict(one["values"])) for one in shown))
    for one in shown:
        apart = [cleaned(name, LABEL) for name, _ in one["values"] if name not in common]
        one["left_out"] += [LeftOut(f'the heights of "{name}"', "not in every landscape") for name in apart]
