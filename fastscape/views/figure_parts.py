"""Parts that all matplotlib pictures share: new axes, the colour bar, outlines of lines and texts, and the note."""

from __future__ import annotations

import re
from textwrap import fill
from typing import Any, Literal

from fastscape.views.sizes import Size, deep_size, flat_size, letters, settled

__all__ = ["ROUND", "colour_bar", "new_axes", "note", "note_of_all", "outlined"]

WIDE = 0.58  # mean width of a letter, in units of its size
BAND = 0.4  # the height of the band below a picture, in units of that of the picture
NOTE = "note"  # the group id of a note
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
        band: Whether to make axes for a band. Default False.
        **subplot: Options of the first axes.

    Returns:
        The axes of the picture and the axes of the band; None instead of the latter without a band.
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
        coloured: The drawn object whose colours the bar explains.
        ax: The axes beside which the bar is drawn.
        label: The label of the bar.
        **options: Of matplotlib's `Figure.colorbar`.

    Returns:
        The bar.
    """
    from matplotlib.ticker import MaxNLocator

    first = ax if not isinstance(ax, list) else ax[0]
    bar = first.figure.colorbar(coloured, ax=ax, label=label, **options)
    low, high = bar.vmin, bar.vmax
    # matplotlib would draw ticks beyond the ends at the ends, labelled with wrong heights.
    bar.set_ticks([at for at in MaxNLocator(TICKS, steps=ROUND).tick_values(low, high) if low <= at <= high])
    bar.ax.minorticks_off()
    settled(bar.ax)
    return bar


def note(sentences: list[str], ax: Any, *, own: bool = False) -> None:
    """Writes below a picture, in one line, what it does not show.

    If the sentences are longer than the line, the line has the first sentences and ends in "…"; no sentence is cut.
    The label of the text has all sentences. `landscape.caption()` is a full description. A further note below the same
    axes, as of a second landscape, joins the earlier one, and no sentence is written twice.

    Args:
        sentences: The sentences; nothing is drawn if there are none.
        ax: The axes of the picture.
        own: Whether the figure has no other picture; the line is then as long as the figure is wide. Default False.
    """
    of_all = _sentences(ax.figure.texts)
    if own or of_all or not sentences:
        note_of_all(list(dict.fromkeys([*of_all, *sentences])), ax.figure)
        return
    earlier = [text for text in ax.texts if text.get_gid() == NOTE]
    sentences = list(dict.fromkeys([*_sentences(earlier), *sentences]))
    for text in earlier:
        text.remove()
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
    text.set_label("_" + "\n".join(sentences))  # without "_", matplotlib would warn of it in every legend
    text.set_gid(NOTE)


def _sentences(texts: list[Any]) -> list[str]:
    """The sentences of the notes among these texts."""
    labels = [text.get_label().removeprefix("_") for text in texts if text.get_gid() == NOTE]
    return [sentence for label in labels for sentence in label.split("\n")]


def note_of_all(sentences: list[str], figure: Any) -> None:
    """Writes below all panels of a figure, in one line, what they show and what they do not show. See `note`.

    Args:
        sentences: The sentences; nothing is drawn if there are none.
        figure: The figure, whose layout is constrained.
    """
    points = letters()
    if sentences:
        room = 72 * 0.98 * figure.get_figwidth() / (WIDE * points)
        text = figure.supxlabel(_line(sentences, room), x=0.01, ha="left", fontsize=points)
        text.set_label("\n".join(sentences))
        text.set_gid(NOTE)


def _line(sentences: list[str], most: float) -> str:
    """As many whole sentences as fit one line; a first sentence that does not fit takes several lines."""
    parts = [part.rstrip(".") for sentence in sentences for part in re.split(r"\.\s+(?=[A-Z±])", sentence)]
    shown, count = parts[0], 1
    for part in parts[1:]:
        longer = f"{shown}{'. ' if part[:1].isupper() or part[:1] == '±' else '; '}{part}"
        if len(longer) > most:
            break
        shown, count = longer, count + 1
    if count == 1:
        shown = fill(shown, max(int(most), 20), break_long_words=False, break_on_hyphens=False)
    return shown if count == len(parts) else f"{shown} …"


def outlined(linewidth: float, colour: str) -> list[Any]:
    """Effects that draw an outline around a line or a text.

    Args:
        linewidth: The width of the outline in points, including the line inside it.
        colour: The colour of the outline.

    Returns:
        Effects for `set_path_effects`.
    """
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=linewidth, foreground=colour)]
