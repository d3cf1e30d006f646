"""What pictures by matplotlib have in common: new axes, a frame around what is drawn on any colour, and the note."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Literal

__all__ = ["new_axes", "note", "note_of_all", "outlined"]

NOTE_WIDTH = {2: 84, 3: 110}  # letters of a line below a picture, by its dimensions
SIZE = (7.0, 5.5)  # inches of a picture
LOWEST, AROUND, BESIDE = 2.8, 1.5, 2.0  # inches of a flat one, and of what is above and below it and on its sides
BAND = 2.1  # inches of the band below it


def new_axes(
    layout: Literal["compressed", "constrained"], ratio: float | None = None, *, band: bool = False, **subplot: Any
) -> tuple[Any, Any]:
    """A new figure with axes, and axes for a band below them.

    Args:
        layout: How matplotlib lays the figure out.
        ratio: The wanted height of the picture for its width. Default: what the figure has room for.
        band: Whether there is one. Default False.
        **subplot: Options of the first axes.

    Returns:
        Both axes; None for a band that is not wanted.
    """
    import matplotlib.pyplot as plt

    width, height = SIZE
    if ratio is not None:  # a flat one would stand alone between its labels and its colours
        height = min(height, max(LOWEST, AROUND + ratio * (width - BESIDE)))
    if not band:
        return plt.figure(figsize=(width, height), layout=layout).add_subplot(**subplot), None
    figure = plt.figure(figsize=(width, height + BAND), layout=layout)
    grid = figure.add_gridspec(2, 1, height_ratios=(height, BAND))
    return figure.add_subplot(grid[0], **subplot), figure.add_subplot(grid[1])


def note(sentences: list[str], ax: Any) -> None:
    """Says below a picture what it does not show.

    In three dimensions the layout leaves no room below the axes. The note then stands on the lower edge of the page,
    or, where the page has further rows, just below the axes.

    Args:
        sentences: The sentences; nothing is drawn where there are none.
        ax: The axes of the picture.
    """
    flat = not hasattr(ax, "text2D")
    text = "\n".join(fill(sentence, NOTE_WIDTH[2 if flat else 3]) for sentence in sentences)
    if text and flat:
        below = -34 - 12 * ax.get_xlabel().count("\n")  # points: below the label of the axis
        ax.annotate(text, (0, 0), (0, below), "axes fraction", "offset points", fontsize=7, va="top")
    elif text:
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        place = ax.get_subplotspec()
        lowest = place is not None and place.is_last_row()
        at, of = (0.006, "subfigure fraction") if lowest else (-0.13, "axes fraction")
        ax.annotate(text, (0.0, at), xycoords=("axes fraction", of), fontsize=7, va="bottom", bbox=ground)


def note_of_all(sentences: list[str], figure: Any) -> None:
    """Says below all panels of a figure what they show and what not.

    Args:
        sentences: The sentences; nothing is drawn where there are none.
        figure: The figure, whose layout is constrained.
    """
    letters = int(NOTE_WIDTH[2] * figure.get_figwidth() / SIZE[0] * 1.25)  # a note of one panel begins beside labels
    text = "\n".join(fill(sentence, letters) for sentence in sentences)
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7)


def outlined(linewidth: float, colour: str) -> list[Any]:
    """What draws a line or a text with a frame.

    Args:
        linewidth: Of the frame, in points, with what it surrounds.
        colour: Of the frame.

    Returns:
        Effects for `set_path_effects`.
    """
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=linewidth, foreground=colour)]
