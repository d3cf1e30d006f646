"""One page for the browser that shows landscapes and lets optimizers walk on them. It needs no server and no network.

The page holds everything: plotly.js, the values bit for bit, and four scripts. page.html has the controls, page.js
listens to them, scene.js draws, paths.js knows what is drawn of a training and at which of its steps, walk.js computes
what `heights`, `Smooth` and `descend` compute in Python.
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

from fastscape.results import Trajectory, Values, heights, write_whole
from fastscape.views.captions import model_said, refinement_said, repeats_said
from fastscape.views.carried import LeftOut, carried
from fastscape.views.path_looks import counted, look_of, marks_of, moments_of
from fastscape.views.plane import ordered, plane_of, scale_of
from fastscape.views.texts import HOVER, LABEL, TITLE, cleaned

__all__ = ["page", "to_html"]

MOST = 12  # landscapes in a page: browsers keep 16 scenes or fewer

_PARTS = {"style": "style.css", "walk": "walk.js", "scene": "scene.js", "paths": "paths.js", "page": "page.js"}


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

    What cannot be drawn, such as a mark whose place is NaN, is left out, and a sentence on the page says so and why.

    Args:
        landscapes: One landscape or several, each at least 2 x 2 points.
        names: A name for each. Default: the class of its model, as the report says it.
        title: Of the page. Default: made from the names.

    Returns:
        HTML that refers to nothing outside itself.

    Raises:
        ValueError: When there is no landscape or more than 12, the names are not as many, a landscape is no plane of
            at least 2 x 2 different finite points, the planes share no region, or the landscapes have no measure in
            common that is finite somewhere.

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
        raise ValueError(f"{len(names)} names came for {len(several)} landscapes; wanted one for each")
    names = [cleaned(str(name), HOVER) for name in names]
    shown = [_packed(one, name) for one, name in zip(several, names, strict=True)]
    _check_together(several, shown)
    _name_apart(shown)
    folder = Path(__file__).parent
    parts = {name: (folder / file).read_text("utf-8") for name, file in _PARTS.items()}
    titles = (f"Loss landscape: {', '.join(cleaned(name, most) for name in names)}" for most in (TITLE, HOVER))
    parts["title"], parts["whole"] = (
        html.escape(made if title is None else cleaned(title, most))
        for made, most in zip(titles, (2 * TITLE, 2 * HOVER), strict=True)
    )
    # Inside a script, only "</" and "<!--" could end or hide something; NaN is no JSON, and the page would end there.
    parts["landscapes"] = json.dumps(shown, allow_nan=False).replace("<", "\\u003c")
    parts["plotly"] = _plotly()
    template = (folder / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _packed(landscape: Values, name: str) -> dict[str, Any]:
    """What the page wants to know of a landscape: axes in increasing order, and every measure that can be drawn."""
    x, y = plane_of(landscape, "explore")
    order = np.ix_(*ordered(landscape))
    drawable = {metric: z for metric, z in landscape.measures.items() if np.isfinite(z).any()}
    if not drawable:
        heights(landscape)  # says why not
    mask, found = landscape.evaluated, carried(landscape)
    lost = [
        LeftOut(f'the heights of "{cleaned(name, LABEL)}"', "finite nowhere")
        for name in landscape.measures
        if name not in drawable
    ]
    return {
        "name": name,
        "said": [(metric, _said(landscape, metric)) for metric in drawable],
        "evaluated": None if mask.all() else _encoded(np.flatnonzero(mask[order])),
        "x": _encoded(np.sort(x)),
        "y": _encoded(np.sort(y)),
        # Pairs, because the keys of an object in JavaScript have an order and meanings of their own.
        "marks": [(cleaned(mark.name, HOVER), mark.at) for mark in found.marks],
        "paths": [(cleaned(path.name, HOVER), _places(path.points)) for path in found.paths],
        "known": [_known(path, number) for number, path in enumerate(found.paths)],
        "spans": scale_of(landscape),
        "labels": found.labels,
        "left_out": [*lost, *found.left_out],
        "values": [(metric, _encoded(z[order])) for metric, z in drawable.items()],
    }


def _said(landscape: Values, metric: str) -> str:
    """What stands below the heights of a measure, without its full stop."""
    return ". ".join(filter(None, [refinement_said(landscape, metric), repeats_said(landscape, metric)]))


def _places(points: np.ndarray) -> list[list[float | None]]:
    """Points for JSON, which has no NaN: None where there is no place."""
    finite = np.isfinite(points).all(axis=1)
    return [at if drawn else [None] * len(at) for at, drawn in zip(points.tolist(), finite.tolist(), strict=True)]


def _known(path: Trajectory, number: int) -> dict[str, Any]:
    """What the page knows of the points of a path besides their places, and how it is drawn."""
    own = {name: getattr(path, name) for name in ("off_plane", "loss", "height")} | {"steps": moments_of(path)}
    measures = [(cleaned(name, LABEL), _encoded(column)) for name, column in path.measures.items()]
    return {
        **{name: None if column is None else _encoded(column) for name, column in own.items()},
        "measures": measures,
        "counted": counted([path]),
        "names": marks_of(path),
        "look": look_of(number)[:2],
    }


def _check_together(landscapes: list[Values], shown: list[dict[str, Any]]) -> None:
    if not 1 <= len(shown) <= MOST:
        raise ValueError(
            f"{len(shown)} landscapes came; wanted 1 to {MOST}, because browsers draw no more scenes at once"
        )
    for k, name in enumerate(landscapes[0].axes):
        several = [list(one.axes.values())[k] for one in landscapes]
        low, high = max(axis.min() for axis in several), min(axis.max() for axis in several)
        if not low < high:
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


def _encoded(array: np.ndarray) -> str:
    """Base64 of little-endian float64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
