"""The sizes of pictures: inches and letters for a column of a paper, for a slide, and for a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, cast

__all__ = ["Size", "at_size", "deep_size", "em", "flat_size", "inches", "letters", "settled", "sized", "weight"]

Size = Literal["column", "slide"] | tuple[float, float]

P = ParamSpec("P")
T = TypeVar("T")

SCREEN = (7.0, 5.5)  # inches; letters as set in matplotlib
NAMED = {"column": ((3.4, 2.9), 8.0), "slide": ((10.0, 5.6), 18.0)}  # inches, points of letters
USUAL = 10.0  # points of letters to which the widths of lines and sizes of markers in this package refer
SMALLEST = 5.5  # points of the smallest letters that can be read in print
DEEP = 1.28  # ratio of width to height of a picture in three dimensions
LOWEST = 0.4  # smallest ratio of height to width of a picture
BESIDE, ABOVE = (13.0, 0.15), (6.5, 0.05)  # letters and inches that labels and the colour bar take


def inches(size: Size | None) -> tuple[float, float]:
    """The width and the height of a picture.

    Args:
        size: "column", "slide", or (width, height) in inches; None for a screen.

    Returns:
        Width and height, in inches.

    Raises:
        ValueError: When the size is none of these.
    """
    if size is None:
        return SCREEN
    if isinstance(size, str) and size in NAMED:
        return NAMED[size][0]
    try:
        width, height = (float(length) for length in cast(Any, size))
    except (TypeError, ValueError):
        width = height = 0.0
    if isinstance(size, str) or not (0 < width < 100 and 0 < height < 100):
        raise ValueError(
            f'size must be "column", "slide" or (width, height) in inches, got {size!r:.80}; write for example '
            "size=(5, 4)"
        )
    return width, height


@contextmanager
def sized(size: Size | None) -> Iterator[None]:
    """Sets letters and lines to fit a size while the context is open; restores matplotlib's settings afterwards.

    Args:
        size: As `inches` takes it. Inches and None leave letters as set in matplotlib.

    Yields:
        Nothing.
    """
    import matplotlib as mpl

    inches(size)
    named = NAMED.get(size) if isinstance(size, str) else None
    if named is None:
        yield
        return
    points = named[1]
    thick = points / USUAL
    relative = {"axes.labelsize": "medium", "axes.titlesize": "large", "legend.fontsize": "medium"}
    ticks = {
        f"{axis}.{name}": value
        for axis in ("xtick", "ytick")
        for name, value in {
            "labelsize": "small",
            "major.width": 0.8 * thick,
            "major.size": 3.5 * thick,
            "major.pad": 3.5 * thick,
        }.items()
    }
    lines = {
        "lines.linewidth": 1.5 * thick,
        "axes.linewidth": 0.8 * thick,
        "axes.labelpad": 4.0 * thick,
        "grid.linewidth": 0.8 * thick,
    }
    with mpl.rc_context(cast(Any, {"font.size": points, **relative, **ticks, **lines})):
        yield


def at_size(draw: Callable[P, T]) -> Callable[P, T]:
    """Makes a function draw at the size that its option "size" gives.

    Args:
        draw: The function, which takes "size" and "ax" by name.

    Returns:
        The function, which refuses a size for given axes.
    """

    @wraps(draw)
    def drawn(*args: P.args, **given: P.kwargs) -> T:
        size = cast("Size | None", given.get("size"))
        if size is not None and given.get("ax") is not None:
            raise ValueError(
                "size cannot be combined with ax, whose figure has a size; write plt.subplots(figsize=(3.4, 2.9)) "
                "for that"
            )
        with sized(size):
            return draw(*args, **given)

    return drawn


def letters(share: float = 0.7) -> float:
    """The size of small letters.

    Args:
        share: Fraction of the font size set in matplotlib. Default 0.7.

    Returns:
        The size in points, not below the smallest that can be read in print.
    """
    import matplotlib as mpl

    usual = float(mpl.rcParams["font.size"])
    return max(share * usual, min(SMALLEST, usual))


def em() -> float:
    """The size of letters, in inches."""
    import matplotlib as mpl

    return float(mpl.rcParams["font.size"]) / 72


def weight() -> float:
    """The factor by which lines and markers are larger than usual, in proportion to the letters."""
    return em() * 72 / USUAL


def settled(ax: Any) -> Any:
    """Fixes the size of tick labels, also of labels that matplotlib makes later under different settings.

    Args:
        ax: The axes.

    Returns:
        The same axes.
    """
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties

    for name, key in (("x", "xtick.labelsize"), ("y", "ytick.labelsize")):
        points = FontProperties(size=cast(Any, mpl.rcParams)[key]).get_size_in_points()
        ax.tick_params(axis=name, labelsize=points)
        if name == "y" and hasattr(ax, "zaxis"):
            ax.tick_params(axis="z", labelsize=points)
    return ax


def flat_size(size: Size | None, ratio: float | None) -> tuple[float, float]:
    """The inches of a new figure for a map whose axes have one scale, with its labels and its colour bar.

    Args:
        size: As `inches` takes it.
        ratio: The height of the map divided by its width; None if the map fills the room there is.

    Returns:
        Width and height, in inches. Given inches stay as they are; a column keeps its width, other sizes the larger
        side.
    """
    width, height = inches(size)
    if ratio is None or isinstance(size, tuple):
        return width, height
    beside, above = (letters * em() + rest for letters, rest in (BESIDE, ABOVE))
    wanted = above + ratio * (width - beside)
    if size != "column" and wanted > height:
        return max(beside + (height - above) / ratio, 0.5 * width), height
    return width, min(max(wanted, LOWEST * width), 1.5 * width)


def deep_size(size: Size | None) -> tuple[float, float]:
    """The inches of a new figure in three dimensions, narrow enough to have no blank sides.

    Args:
        size: As `inches` takes it.

    Returns:
        Width and height, in inches.
    """
    width, height = inches(size)
    return (width, height) if isinstance(size, tuple) else (min(width, DEEP * height), height)
