"""Pictures of a landscape that is still being computed: in a notebook, and as a small map in a terminal."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from fastscape.results import Values, heights
from fastscape.views import map_picture
from fastscape.views.units import Unit

__all__ = ["live", "shown_by", "terminal_map"]

WIDTH = 48  # letters per line of a map; a letter is half as wide as high
RAMP = " .:-=+*#%@"  # from low to high, for terminals without colours
UPPER_HALF = "\u2580"  # a letter that shows two points, one above the other


def shown_by(progress: Any) -> tuple[bool, Callable[[Values], Any] | None]:
    """Reads an argument `progress`.

    Args:
        progress: True, False, "live", or a function of a landscape.

    Returns:
        Whether to show a progress bar, and the function that shows the surface after every round.

    Raises:
        TypeError: When it is something else.
    """
    if isinstance(progress, bool):
        return progress, None
    if callable(progress):
        return True, progress
    if progress != "live":
        raise TypeError(f"progress must be True, False, 'live' or a function, got {progress!r}")
    return True, live()


def live() -> Callable[[Values], None]:
    """A function that shows one estimate after the other, each in the place of the previous one.

    Returns:
        A function of a landscape. In a notebook it draws a contour map, in a terminal a map of coloured letters. If
        standard error is neither a notebook nor a terminal, it does nothing.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        return _Notebook()
    return _Terminal() if sys.stderr.isatty() else lambda landscape: None


class _Notebook:
    """One picture in a notebook, which each estimate replaces."""

    handle: Any = None

    def __call__(self, landscape: Values) -> None:
        if min(landscape.shape) < 2 or not np.isfinite(landscape.loss).any():
            return  # there is nothing to draw yet, and an error of a picture must not end a run
        from IPython.display import Image, display  # type: ignore[import-not-found]

        image = Image(_picture(landscape), format="png")
        if self.handle is None:
            self.handle = display(image, display_id=True)
        else:
            self.handle.update(image)


class _Terminal:
    """A map above the progress bar, written over the previous map."""

    lines = 0

    def __call__(self, landscape: Values) -> None:
        found = landscape.report["refinement"]
        errors = f"rms {found['rms']:.2g}, tolerance {found['tolerance']:g}"
        said = f"round {found['rounds']}: {found['evaluated']} of {landscape.loss.size} points, {errors}"
        columns, rows = shutil.get_terminal_size()
        # Below the map are this sentence and the bar; lines beyond the screen could not be overwritten.
        width = max(min(WIDTH, columns - 1, 2 * (rows - 4)), 2)
        drawn = [*terminal_map(landscape, width=width), said[: columns - 1]]
        back = f"\x1b[{self.lines}F\x1b[J" if self.lines else ""
        tqdm.write(back + "\n".join(drawn), file=sys.stderr)
        self.lines = len(drawn)


def _picture(landscape: Values) -> bytes:
    from matplotlib.figure import Figure  # without a window, and not managed by pyplot, which is for one thread

    content = io.BytesIO()
    figure = Figure(figsize=(7.0, 5.5), layout="compressed")
    map_picture.contour(landscape, ax=figure.subplots(), points=True)
    figure.savefig(content, format="png", dpi=80)
    return content.getvalue()


def terminal_map(landscape: Values, *, width: int = WIDTH) -> list[str]:
    """A landscape as lines of letters, x to the right and y upwards.

    Args:
        landscape: The landscape, a plane.
        width: Letters per line. Default 48.

    Returns:
        The lines: each letter shows two points in the colours of the pictures. With `NO_COLOR` in the environment each
        letter shows one point, the darker the higher. Points without a height are blank. If no point has a height, one
        line says so.
    """
    try:
        z = heights(landscape)[0]
    except ValueError:
        return ["no point has a finite loss yet"]
    plain = bool(os.environ.get("NO_COLOR"))
    rows = width // (2 if plain else 1)
    across = np.linspace(0, z.shape[0] - 1, min(width, z.shape[0])).round().astype(int)
    down = np.linspace(z.shape[1] - 1, 0, min(rows, z.shape[1])).round().astype(int)
    z = Unit.of(z).scaled(z)  # float64 cannot hold the distance from -1e308 to 1e308
    low, high = np.nanmin(z), np.nanmax(z)
    share = ((z - low) / ((high - low) or 1.0))[np.ix_(across, down)].T
    if plain:
        return ["".join(" " if np.isnan(s) else RAMP[min(int(s * 10), 9)] for s in row) for row in share]
    if len(share) % 2:
        share = np.vstack([share, np.full_like(share[:1], np.nan)])
    return [_coloured(*pair) for pair in zip(share[::2], share[1::2], strict=True)]


def _coloured(upper: np.ndarray, lower: np.ndarray) -> str:
    """A line of letters, each with a foreground and a background colour."""
    from matplotlib import colormaps

    colours = colormaps["viridis"]
    letters = []
    for pair in zip(upper, lower, strict=True):
        front, back = (
            None if np.isnan(s) else ";".join(str(c) for c in colours(float(s), bytes=True)[:3]) for s in pair
        )
        letter = UPPER_HALF if front else "\u2584" if back else " "
        inks = [f"38;2;{front or back}"] if front or back else []
        inks += [f"48;2;{back}"] if front and back else []
        letters.append(f"\x1b[0;{';'.join(inks)}m{letter}" if inks else "\x1b[0m ")
    return "".join(letters) + "\x1b[0m"
