"""Moving pictures: a path being walked, or one landscape after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, cast

from fastscape.comparison import Kind, common_scale, drawn_by

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

    from fastscape.descent import Path
    from fastscape.result import Landscape

__all__ = ["animate"]


def animate(
    landscapes: Landscape | Sequence[Landscape],
    path: Path | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
    kind: Kind = "contour",
    metric: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    interval: int = 100,
    **options: Any,
) -> FuncAnimation:
    """Animates a path being walked on a landscape, or landscapes one after the other, for example one an epoch.

    All frames have one scale. Keep what is returned for as long as the animation is shown: matplotlib does not.

    Args:
        landscapes: The landscape that the path was walked on; or several, at least two, without a path.
        path: A walk, as `Landscape.descend` returns it. Default: none.
        out: A file to write, whose name ends in .gif. Default: none is written.
        names: A title for each of several landscapes. Default: its number, from 0.
        kind: "contour" or "surface3d". Default "contour".
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for losses that are nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        interval: Milliseconds from frame to frame. Default 100.
        **options: Further options of `figures.contour` or `figures.surface3d`.

    Returns:
        The animation, with its figure.

    Raises:
        ValueError: When there are several landscapes and a path, or neither; when the names are not as many, or came
            with a path; when `out` ends otherwise, `interval` is below 1, or a landscape cannot be drawn.

    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> from fastscape.animation import animate
        >>> axis = np.linspace(-1, 1, 5)
        >>> bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
        >>> out = tempfile.mkdtemp() + "/walk.gif"
        >>> animation = animate(bowl, bowl.descend((0.8, 0.6), steps=4), out=out)
        >>> os.path.exists(out)
        True
    """
    from matplotlib.animation import FuncAnimation, PillowWriter

    if out is not None and FilePath(out).suffix != ".gif":
        raise ValueError(f"out={str(out)!r} cannot be written; wanted a name that ends in .gif")
    if interval < 1:
        raise ValueError(f"interval={interval} came; wanted milliseconds from 1, for example 100")
    several = list(landscapes) if isinstance(landscapes, Sequence) else [landscapes]
    if (path is None) == (len(several) < 2):
        what = "without a path" if path is None else "with a path"
        raise ValueError(f"{len(several)} landscapes came {what}; wanted one with a path, or at least two without")
    if path is not None and names is not None:
        raise ValueError("names came with a path, whose frames are numbered by its steps; leave them out")
    titles = [str(k) for k in range(len(several))] if names is None else list(names)
    if len(titles) != len(several):
        raise ValueError(f"{len(titles)} names came for {len(several)} landscapes; wanted one for each")
    log, scale, _ = common_scale(several, metric, log=log, clip=clip)
    options |= {"metric": metric, "log": log, "clip": clip, "scale": scale}
    ax = drawn_by(kind)(several[0], paths=() if path is None else (path,), **options)
    frame, count = _walked(ax, path) if path is not None else _redrawn(ax, several, titles, kind, options)
    frame(0)
    animation = FuncAnimation(ax.figure, frame, frames=count, interval=interval)
    if out is not None:
        FilePath(out).parent.mkdir(parents=True, exist_ok=True)
        animation.save(str(out), writer=PillowWriter(fps=cast(int, 1000 / interval)))  # GIF counts milliseconds
    return animation


def _walked(ax: Any, path: Path) -> tuple[Callable[[int], None], int]:
    """Draws the first points of a path, one more in every frame."""
    line = next(line for line in ax.lines if line.get_label() == path.optimizer)
    whole = line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data()
    show = line.set_data_3d if hasattr(line, "set_data_3d") else line.set_data

    def frame(k: int) -> None:
        show(*(coordinates[: k + 1] for coordinates in whole))
        ax.set_title(f"step {k}")

    return frame, len(path)


def _redrawn(
    ax: Any, landscapes: Sequence[Landscape], titles: Sequence[str], kind: str, options: dict[str, Any]
) -> tuple[Callable[[int], None], int]:
    """Draws another landscape in every frame."""

    def frame(k: int) -> None:
        ax.clear()
        drawn_by(kind)(landscapes[k], ax=ax, **{**options, "colorbar": False})
        ax.set_title(titles[k])

    return frame, len(landscapes)
