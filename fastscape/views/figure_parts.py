"""What pictures by matplotlib have in common: new axes, the colour bar, a frame around what is drawn, and the note."""

from __future__ import annotations

import re
from typing import Any, Literal

from fastscape.views.sizes import Size, deep_size, flat_size, letters, settled

__all__ = ["ROUND", "colour_bar", "new_axes", "note", "note_of_all", "outlined"]

WIDE = 0.58  # mean width of a letter, in units of its size
BAND = 0.4  # the height of the band below a picture, in units of that of the picture
TICKS = 6  # numbers at a colour bar, at most
ROUND = [1, 2, 5, 10]  # steps between numbers, times a power of ten: 0.54, 0.55 and not 0.544, 0.552


def new_axes(
    layout: Literal["compressed", "constrained"],
    ratio: float | None = None,
    *,
    size: Size | None = None,
    band: bool = False,
    **subplot: Any,
) -> tuple[Any, Any]:
    """A new figure with axes, and axes for a band below them.

    Args:
        layout: How matplotlib lays the figure out.
        ratio: The wanted height of the picture for its width. Default: what the figure has room for.
        size: The size of the picture without the band. Default: for a screen.
        band: Whether there is one. Default False.
        **subplot: Options of the first axes.

    Returns:
        Both axes; None for a band that is not wanted.
    """
    import matplotlib.pyplot as plt

    deep = subplot.get("projection") == "3d"
    width, height = deep_size(size) if deep else flat_size(size, ratio)
    if not band:
        return settled(plt.figure(figsize=(width, height), layout=layout).add_subplot(**subplot)), None
    figure = plt.figure(figsize=(width, (1 + BAND) * height), layout=layout)
    grid = figure.add_gridspec(2, 1, height_ratios=(1, BAND))
    return settled(figure.add_subplot(grid[0], **subplot)), settled(figure.add_subplot(grid[1]))


def colour_bar(coloured: Any, ax: Any, label: str, **options: Any) -> Any:
    """A colour bar with few round numbers.

    Args:
        coloured: What has the colours.
        ax: The axes that it stands beside.
        label: Its label.
        **options: Of matplotlib's `Figure.colorbar`.

    Returns:
        The bar.
    """
    from matplotlib.ticker import MaxNLocator

    first = ax if not isinstance(ax, list) else ax[0]
    bar = first.figure.colorbar(coloured, ax=ax, label=label, **options)
    low, high = bar.vmin, bar.vmax
    # Those beyond the ends would stand at the ends, with the numbers of other heights.
    bar.set_ticks([at for at in MaxNLocator(TICKS, steps=ROUND).tick_values(low, high) if low <= at <= high])
    bar.ax.minorticks_off()
    settled(bar.ax)
    return bar


def note(sentences: list[str], ax: Any, *, own: bool = False) -> None:
    """Says below a picture, in one line, what it does not show.

    Of more than one line the beginning is shown. The label of the text, as `get_label` returns it, has all, and
    `landscape.caption()` says what must be known of a landscape.

    Args:
        sentences: The sentences; nothing is drawn where there are none.
        ax: The axes of the picture.
        own: Whether the figure has no other picture. The line then is as long as the figure is wide. Default False.
    """
    if own or not sentences:
        note_of_all(sentences, ax.figure)
        return
    points = letters()
    shown = _line(sentences, 72 * ax.get_position().width * ax.figure.get_figwidth() / (WIDE * points))
    if not hasattr(ax, "text2D"):
        below = -ax.xaxis.label.get_size() * (3.4 + 1.2 * ax.get_xlabel().count("\n"))  # points, below the label
        text = ax.annotate(shown, (0, 0), (0, below), "axes fraction", "offset points", fontsize=points, va="top")
    else:  # the layout leaves no room below axes of three dimensions
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        place = ax.get_subplotspec()
        lowest = place is not None and place.is_last_row()
        at, of = (0.006, "subfigure fraction") if lowest else (-0.13, "axes fraction")
        style = {"fontsize": points, "va": "bottom", "bbox": ground}
        text = ax.annotate(shown, (0.0, at), xycoords=("axes fraction", of), **style)
    text.set_label("\n".join(sentences))


def note_of_all(sentences: list[str], figure: Any) -> None:
    """Says below all panels of a figure, in one line, what they show and what not. See `note`.

    Args:
        sentences: The sentences; nothing is drawn where there are none.
        figure: The figure, whose layout is constrained.
    """
    points = letters()
    if sentences:
        room = 72 * 0.98 * figure.get_figwidth() / (WIDE * points)
        text = figure.supxlabel(_line(sentences, room), x=0.01, ha="left", fontsize=points)
        text.set_label("\n".join(sentences))


def _line(sentences: list[str], most: float) -> str:
    """The beginning of sentences, as far as it fits: whole ones if possible, else whole words."""
    shown, parts = "", [part for sentence in sentences for part in re.split(r"\.\s+(?=[A-Z])", sentence)]
    for sentence in parts:
        longer = f"{shown}{'; ' if shown else ''}{sentence.rstrip('.')}"
        if len(longer) > most:
            break
        shown = longer
    else:
        return shown
    if shown:
        return f"{shown} …"
    words = parts[0][: max(int(most) - 2, 1)].rpartition(" ")
    return f"{words[0] or words[2]} …"


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
