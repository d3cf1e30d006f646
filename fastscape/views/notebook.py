"""Landscapes and reports in a notebook: a small picture, a few lines of text, and the interactive page on demand."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastscape.results import BasinValues, SpectrumValues, TopologyValues, Values
from fastscape.views import (
    basin_picture,
    explorer,
    line_picture,
    map_picture,
    sections_picture,
    spectrum_picture,
    topology_picture,
)
from fastscape.views.facts import range_said, samples_said, value_at_the_model
from fastscape.views.overview import overview
from fastscape.views.texts import LABEL, cleaned

__all__ = ["PageInNotebook", "displayed", "displayed_report", "summary"]

HEIGHT = 900  # pixels of the page
MOST = 42_000  # bytes of a picture; base64 adds a third
RESOLUTIONS = 100, 80, 60, 45, 30  # dots per inch; the first with a small enough picture is used
WIDTH = 6.5  # inches of a picture
METRICS = 3


def displayed(landscape: Values) -> str | None:
    """A landscape as HTML: a picture and a summary of about six lines, together less than 60 kB.

    Args:
        landscape: The landscape.

    Returns:
        HTML that refers to nothing outside itself. None if there is nothing to draw; the notebook then shows the text
        of the landscape.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> from fastscape.views import displayed
        >>> axis = np.linspace(-1, 1, 5)
        >>> shown = displayed(Landscape(axis, axis, axis[:, None] ** 2 + axis**2))
        >>> shown[:37], len(shown) < 60_000
        ('<div><img alt="Landscape(5 x 5 points', True)
    """
    try:
        picture = _image(repr(landscape), _figure_of(landscape))
    except ValueError:  # the landscape cannot be drawn, which is no error here: the user did not ask for a picture
        return None
    rows = "".join(
        f'<tr><th style="text-align:left">{name}</th><td style="text-align:left">{html.escape(said)}</td></tr>'
        for name, said in summary(landscape).items()
    )
    hint = (
        "<p>Interactive: <code>.explore()</code> shows the page here, "
        '<code>.to_html("page.html")</code> writes it to a file.</p>'
    )
    return f"<div>{picture}<table><tbody>{rows}</tbody></table>{hint if len(landscape.axes) in (2, 3) else ''}</div>"


def summary(landscape: Values) -> dict[str, str]:
    """The main facts of a landscape in about six lines.

    Args:
        landscape: The landscape.

    Returns:
        Some of "model", "grid", "loss", one entry per metric for up to three metrics, "samples" and "warnings", each
        with one line of text. Facts that the report does not have are left out.
    """
    known = overview(landscape)
    found = {"model": known.get("model", ""), "grid": known.get("grid", range_said(landscape))}
    for metric in ["loss", *list(landscape.metrics)[:METRICS]]:
        values, value = landscape.measures[metric], value_at_the_model(landscape, metric)
        finite = values[np.isfinite(values)]
        at_model = "" if value is None else f"{value:.4g} at the model, "
        span = f"{finite.min():.4g} to {finite.max():.4g} on the grid" if finite.size else "nowhere finite"
        found[html.escape(cleaned(metric, LABEL))] = at_model + span
    samples, error = samples_said(landscape), landscape.standard_error
    errors = np.empty(0) if error is None else error[np.isfinite(error)]
    if samples and errors.size:
        samples += f", standard error of the loss {errors.min():.2g} to {errors.max():.2g}"
    found |= {"samples": samples, "warnings": known.get("warnings", "")}
    return {name: said for name, said in found.items() if said}


def displayed_report(report: BasinValues | SpectrumValues | TopologyValues, text: str) -> str:
    """A report as HTML: its picture, and below it the text that `print` shows.

    Args:
        report: The report.
        text: The text of the report.

    Returns:
        HTML that refers to nothing outside itself; without a picture if there is nothing to draw.
    """
    try:
        picture = _image(repr(report), _figure_of_report(report))
    except ValueError:
        picture = ""
    return f"<div>{picture}<pre>{html.escape(text)}</pre></div>"


@dataclass(frozen=True, repr=False)
class PageInNotebook:
    """The interactive page, which a notebook shows in a frame; `landscape.explore()` returns it.

    Args:
        page: The page, as `fastscape.views.page` makes it.
        title: The name of the landscape.
        height: Height of the frame in pixels. Default 900.
    """

    page: str
    title: str
    height: int = HEIGHT

    def __repr__(self) -> str:
        return f'the interactive page of {self.title}; a notebook shows it, landscape.to_html("page.html") writes it'

    def _repr_html_(self) -> str:
        # In its own frame, the styles and scripts of the page do not affect the notebook.
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self.page)}" width="100%" '
            f'height="{self.height:d}" style="border: 0"></iframe>'
        )

    @classmethod
    def of(cls, landscape: Values, height: int | None = None, **options: Any) -> PageInNotebook:
        """The page of a landscape.

        Args:
            landscape: The landscape, of two or three axes.
            height: Height of the frame in pixels. Default 900.
            **options: The options of `fastscape.to_html`.

        Returns:
            The page.

        Raises:
            ValueError: When `fastscape.to_html` would refuse the landscape, or the height is not a number of pixels.
        """
        if height is not None and (isinstance(height, bool) or not isinstance(height, int) or height < 1):
            raise ValueError(f"height must be a number of pixels, got {height!r:.80}; write height={HEIGHT}")
        return cls(explorer.page(landscape, **options), repr(landscape), HEIGHT if height is None else height)


def _figure_of(landscape: Values) -> Any:
    """A figure of a landscape, as `landscape.plot` draws it."""
    if len(landscape.axes) > 2:
        import matplotlib.pyplot as plt

        figure: Any = sections_picture.sections(landscape)[0].figure
        plt.close(figure)  # a notebook would show it a second time
        return figure
    line = len(landscape.axes) == 1
    figure, ax = _new("constrained" if line else "compressed", 4.5 if line else 4.8)
    (line_picture.plot if line else map_picture.contour)(landscape, ax=ax)
    return figure


def _figure_of_report(report: BasinValues | SpectrumValues | TopologyValues) -> Any:
    figure, ax = _new("constrained", 4.5)
    if isinstance(report, TopologyValues):
        topology_picture.topology(report, kind="map" if len(report.axes) < 3 else "tree", ax=ax)
    elif isinstance(report, BasinValues):
        basin_picture.basin(report, ax=ax)
    else:
        spectrum_picture.spectrum(report, ax=ax)
    return figure


def _new(layout: Literal["compressed", "constrained"], height: float) -> tuple[Any, Any]:
    """A figure without a window, not managed by pyplot, which is for one thread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout=layout)
    return figure, figure.subplots()


def _image(said: str, figure: Any) -> str:
    """A figure as an image, in the largest resolution whose file is small enough."""
    from matplotlib import rcParams

    # Some settings of notebooks make figures transparent, and black letters cannot be read on a dark page.
    figure.set_facecolor(rcParams["axes.facecolor"])
    small = next((made for dpi in RESOLUTIONS if len(made := _png(figure, dpi)) <= MOST), None)
    if small is None:
        raise ValueError(f"the picture takes more than {MOST} bytes in every resolution of {RESOLUTIONS}")
    encoded = base64.b64encode(small).decode()
    return f'<img alt="{html.escape(said)}" src="data:image/png;base64,{encoded}">'


def _png(figure: Any, dpi: int) -> bytes:
    """A figure as PNG with 256 colours, which takes a third of the bytes of true colours."""
    from PIL import Image

    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    colours = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colours.save(content, format="png", optimize=True)
    return content.getvalue()
