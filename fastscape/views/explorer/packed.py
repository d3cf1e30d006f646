"""Parts shared by the pages of planes and of volumes: values for JSON, and the frame of the page."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastscape.results import Trajectory, Values, heights
from fastscape.views.captions import refinement_said, repeats_said, section_said
from fastscape.views.carried import Carried, LeftOut, carried
from fastscape.views.path_looks import counted, look_of, marks_of, moments_of
from fastscape.views.plane import scale_of
from fastscape.views.texts import HOVER, LABEL, TITLE, cleaned

__all__ = ["Frame", "common_packed", "encoded", "framed"]


class Frame(NamedTuple):
    """The parts of a page that depend on its kind.

    Args:
        intro: The sentences at the top of the page.
        controls: The file of the controls.
        below: HTML below the controls.
        scripts: The files of the scripts, in the order in which they run.
    """

    intro: str
    controls: str
    below: str
    scripts: tuple[str, ...]


def common_packed(landscape: Values, name: str, order: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """The data of a landscape that every kind of page needs, with every measure that can be drawn.

    Args:
        landscape: The landscape.
        name: The name of the landscape.
        order: The index that sorts a grid of the landscape.

    Returns:
        Plain values for JSON.

    Raises:
        ValueError: When no measure is finite anywhere.
    """
    drawable = {metric: z for metric, z in landscape.measures.items() if np.isfinite(z).any()}
    if not drawable:
        heights(landscape)  # raises an error that gives the reason
    found = carried(landscape)
    lost = [
        LeftOut(f'the heights of "{cleaned(metric, LABEL)}"', "finite nowhere")
        for metric in landscape.measures
        if metric not in drawable
    ]
    return {
        "name": name,
        "axes": [cleaned(axis, LABEL) for axis in landscape.axes],
        "said": [(metric, _said(landscape, metric)) for metric in drawable],
        # Pairs, because keys of a JavaScript object have their own order, and some have special meanings.
        "marks": [(cleaned(mark.name, HOVER), mark.at) for mark in found.marks],
        **_paths(found),
        "spans": scale_of(landscape),
        "labels": found.labels,
        "left_out": [*lost, *found.left_out],
        "values": [(metric, encoded(z[order])) for metric, z in drawable.items()],
    }


def _said(landscape: Values, metric: str) -> str:
    """The sentences below the picture of a measure, without the last full stop."""
    said = section_said(landscape), refinement_said(landscape, metric), repeats_said(landscape, metric)
    return ". ".join(filter(None, said))


def _paths(found: Carried) -> dict[str, Any]:
    return {
        "paths": [(cleaned(path.name, HOVER), _places(path.points)) for path in found.paths],
        "known": [_known(path, number) for number, path in enumerate(found.paths)],
    }


def _places(points: np.ndarray) -> list[list[float | None]]:
    """Points for JSON, which has no NaN: None if a point has no place."""
    finite = np.isfinite(points).all(axis=1)
    return [at if drawn else [None] * len(at) for at, drawn in zip(points.tolist(), finite.tolist(), strict=True)]


def _known(path: Trajectory, number: int) -> dict[str, Any]:
    """Steps, losses and measures of the points of a path, and how the path is drawn."""
    own = {name: getattr(path, name) for name in ("off_plane", "loss", "height")} | {"steps": moments_of(path)}
    measures = [(cleaned(name, LABEL), encoded(column)) for name, column in path.measures.items()]
    return {
        **{name: None if column is None else encoded(column) for name, column in own.items()},
        "measures": measures,
        "counted": counted([path]),
        "names": marks_of(path),
        "look": look_of(number)[:2],
    }


def encoded(array: np.ndarray) -> str:
    """An array for JSON.

    Args:
        array: Numbers.

    Returns:
        Base64 of little-endian float64.
    """
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def framed(frame: Frame, shown: list[dict[str, Any]], names: Sequence[str], title: str | None) -> str:
    """A page as text.

    Args:
        frame: The parts that depend on the kind of page.
        shown: The data of the landscapes.
        names: The names of the landscapes.
        title: The title of the page; None for a title made from the names.

    Returns:
        HTML that refers to nothing outside itself.
    """
    folder = Path(__file__).parent
    read = {name: (folder / name).read_text("utf-8") for name in ("style.css", frame.controls, *frame.scripts)}
    titles = (f"Loss landscape: {', '.join(cleaned(name, most) for name in names)}" for most in (TITLE, HOVER))
    short, whole = (
        html.escape(made if title is None else cleaned(title, most))
        for made, most in zip(titles, (2 * TITLE, 2 * HOVER), strict=True)
    )
    parts = {
        "title": short,
        "whole": whole,
        "intro": frame.intro,
        "style": read["style.css"],
        "controls": read[frame.controls],
        "below": frame.below,
        "scripts": "\n".join(f"<script>\n{read[name]}\n</script>" for name in frame.scripts),
        # Inside a script element, only "</" and "<!--" could end it or hide a part. NaN is not JSON, and would end the
        # page with an error.
        "landscapes": json.dumps(shown, allow_nan=False).replace("<", "\\u003c"),
        "plotly": _plotly(),
    }
    template = (folder / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


@cache
def _plotly() -> str:
    """plotly.js for a page: base64 of gzip, two fifths of its size."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
