"""One page for the browser that shows landscapes and lets optimizers walk on them. It needs no server and no network.

The page holds everything: plotly.js, the values bit for bit, and three scripts. page.html has the controls, page.js
listens to them, scene.js draws, walk.js computes what `heights`, `Smooth` and `descend` compute in Python.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results import Values, heights, write_whole
from fastscape.views.captions import refinement_said
from fastscape.views.plane import plane_of
from fastscape.views.smooth import Smooth

__all__ = ["page", "to_html"]

MOST = 12  # landscapes in a page: browsers keep 16 scenes or fewer

_PARTS = {"style": "style.css", "walk": "walk.js", "scene": "scene.js", "page": "page.js"}


def to_html(
    landscapes: Values | Sequence[Values],
    path: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
) -> Path:
    """Writes an interactive page with landscapes side by side into one file that works without a network.

    Args:
        landscapes: One landscape or several, each at least 2 x 2 points. Several share scale, camera and start.
        path: A file name that ends in .html or .htm. Missing folders are created.
        names: A name for each. Default: the class of its model, as the report says it.
        title: Of the page. Default: made from the names.

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
        raise ValueError(f"a page cannot be saved as {path.name!r}; wanted a name that ends in .html")
    write_whole(path, page(landscapes, names=names, title=title).encode())
    return path


def page(
    landscapes: Values | Sequence[Values], *, names: Sequence[str] | None = None, title: str | None = None
) -> str:
    """The interactive page as text.

    Args:
        landscapes: One landscape or several, each at least 2 x 2 points.
        names: A name for each. Default: the class of its model, as the report says it.
        title: Of the page. Default: made from the names.

    Returns:
        HTML that refers to nothing outside itself.

    Raises:
        ValueError: When there is no landscape or more than 12, the names are not as many, a landscape is no plane of
            at least 2 x 2 different points, the planes share no region, or the landscapes have no measure in common
            that is finite somewhere.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> page(Landscape(x, x, x[:, None] ** 2 + x**2), names=["a bowl"]).count("a bowl") > 0
        True
    """
    several = list(landscapes) if isinstance(landscapes, Sequence) else [landscapes]
    if names is None:
        names = [str(one.report.get("model", "")) or "landscape" for one in several]
    if len(names) != len(several):
        raise ValueError(f"{len(names)} names came for {len(several)} landscapes; wanted one for each")
    shown = [_packed(one, name) for one, name in zip(several, names, strict=True)]
    _check_together(several, shown)
    folder = Path(__file__).parent
    parts = {name: (folder / file).read_text("utf-8") for name, file in _PARTS.items()}
    parts["title"] = html.escape(title if title is not None else f"Loss landscape: {', '.join(names)}")
    # Inside a script, only "</" and "<!--" could end or hide something.
    parts["landscapes"] = json.dumps(shown).replace("<", "\\u003c")
    parts["plotly"] = _plotly()
    template = (folder / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _packed(landscape: Values, name: str) -> dict[str, Any]:
    """What the page wants to know of a landscape: axes in increasing order, and every measure that can be drawn."""
    x, y = plane_of(landscape, "explore")
    order = np.ix_(np.argsort(x), np.argsort(y))
    axes = Smooth(x, y, np.zeros(landscape.shape))  # in order; refuses what no walk can use
    drawable = {metric: z for metric, z in landscape.measures.items() if np.isfinite(z).any()}
    if not drawable:
        heights(landscape)  # says why not
    mask = landscape.evaluated
    return {
        "name": name,
        "said": [(metric, refinement_said(landscape, metric)) for metric in drawable],
        "evaluated": None if mask.all() else _encoded(np.flatnonzero(mask[order])),
        "x": _encoded(axes.x),
        "y": _encoded(axes.y),
        # Pairs, because the keys of an object in JavaScript have an order and meanings of their own.
        "marks": list(landscape.marks.items()),
        "paths": [(path.name, path.points.tolist()) for path in landscape.paths],
        "labels": list(landscape.labels.values()),
        "values": [(metric, _encoded(z[order])) for metric, z in drawable.items()],
    }


def _check_together(landscapes: list[Values], shown: list[dict[str, Any]]) -> None:
    if not 1 <= len(shown) <= MOST:
        raise ValueError(
            f"{len(shown)} landscapes came; wanted 1 to {MOST}, because browsers draw no more scenes at once"
        )
    for name in ("x", "y"):
        low = max(one.axes[name].min() for one in landscapes)
        high = min(one.axes[name].max() for one in landscapes)
        if not low < high:
            raise ValueError(f"the landscapes share no range of {name}, so no start lies on all; explore them apart")
    measures = [dict(one["values"]) for one in shown]
    if not set.intersection(*map(set, measures)):
        found = "; ".join(map(", ".join, measures))
        raise ValueError(
            f"the landscapes have no measure in common that is finite somewhere ({found}); explore them apart"
        )


def _encoded(array: np.ndarray) -> str:
    """Base64 of little-endian float64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
