"""Animations: a training or a walk on one landscape, or several landscapes in turn."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastscape.results import Trajectory, Values, documented, with_defaults, write_whole
from fastscape.views.carried import bounds_of, carried, checked_path
from fastscape.views.comparison import common_scale, drawn_by, of_one, paths_drawn_by
from fastscape.views.drawable import paths_of
from fastscape.views.options import AnimationOptions
from fastscape.views.path_pictures import DrawnPath
from fastscape.views.texts import LABEL, TITLE, cleaned, literal
from fastscape.views.walks import Walk

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from typing_extensions import Unpack

__all__ = ["animate"]


@documented(AnimationOptions)
def animate(
    landscapes: Values | Sequence[Values],
    walk: Walk | Trajectory | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    interval: int = 100,
    **given: Unpack[AnimationOptions],
) -> FuncAnimation:
    """Animates a training or a walk on a landscape, or several landscapes in turn, for example one per epoch.

    Each frame shows the path up to one of its points. The title of the frame has the step; for a training also the
    epoch and the checkpoint's own loss, if they are known. All frames have one scale. Keep the returned animation for
    as long as it is shown, because matplotlib does not keep it.

    Args:
        landscapes: The landscape of the walk; or at least two landscapes, without a walk.
        walk: A walk, as `Landscape.descend` returns it, or a path of the landscape, `landscape.paths[0]`. Default: if
            one landscape is given, the only path that it carries.
        out: File to write, whose name ends in .gif. Default: no file.
        interval: Milliseconds from frame to frame. Default 100.
        **given: As `AnimationOptions` says.

    Returns:
        The animation, with its figure.

    Raises:
        TypeError: When there is no such option, or the kind of picture has none.
        ValueError: When several landscapes come with a walk, or one landscape comes without a walk and carries no path
            or several. When there is not one name per landscape, or names come with a walk. When no point of the walk
            is on the landscape, `out` has a different ending, `interval` is below 1, or a landscape cannot be drawn.

    Example:
        >>> import os, tempfile
        >>> import numpy as np, fastscape
        >>> from fastscape import Landscape
        >>> axis = np.linspace(-1, 1, 5)
        >>> bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
        >>> out = tempfile.mkdtemp() + "/walk.gif"
        >>> animation = fastscape.animate(bowl, bowl.descend((0.8, 0.6), steps=4), out=out)
        >>> os.path.exists(out)
        True
    """
    from matplotlib.animation import FuncAnimation

    options = with_defaults(AnimationOptions, given, "animate", formerly={"path": "walk"})
    if out is not None and Path(out).suffix != ".gif":
        raise ValueError(f"out must end in .gif, got {str(out)!r}")
    if interval < 1:
        raise ValueError(f"interval must be at least 1 millisecond, got {interval}; for example 100")
    several = list(landscapes) if isinstance(landscapes, Sequence) else [landscapes]
    (walk,) = paths_of([walk]) if walk is not None else [_only(several) if len(several) == 1 else None]
    if (walk is None) == (len(several) < 2):
        what = "without a walk" if walk is None else "with a walk"
        raise ValueError(
            f"an animation needs one landscape with a walk, or at least two without, got {len(several)} {what}"
        )
    names = options["names"]
    if walk is not None and names is not None:
        raise ValueError(
            "names cannot be combined with a walk, whose frames are numbered by its steps; leave them out"
        )
    titles = [str(k) for k in range(len(several))] if names is None else list(names)
    if len(titles) != len(several):
        raise ValueError(f"names must be one per landscape, got {len(titles)} for {len(several)} landscapes")
    metric, clip = options["metric"], options["clip"]
    log, scale, _ = common_scale(several, metric, log=options["log"], clip=clip)
    drawn = {**of_one(given), "metric": metric, "log": log, "clip": clip, "scale": scale}
    if walk is not None:
        ax, frame, count = _walked(several[0], walk, {**drawn, "band": False}, options)
    else:
        draw = drawn_by(options["kind"])
        ax = draw(several[0], **drawn)
        frame, count = _redrawn(ax, several, titles, draw, drawn)
    frame(0)
    animation = FuncAnimation(ax.figure, frame, frames=count, interval=interval)
    if out is not None:
        _write(animation, Path(out), interval)
    return animation


class _Content(io.BytesIO):
    """A file in memory, whose name gives its format."""

    name = "animation.gif"


def _write(animation: FuncAnimation, out: Path, interval: int) -> None:
    """Draws an animation into memory and then writes it whole; matplotlib would write the file piece by piece."""
    from matplotlib.animation import PillowWriter

    content = _Content()

    class Writer(PillowWriter):
        def finish(self) -> None:
            self.outfile = content  # type: ignore[assignment] # Pillow takes files, too
            super().finish()

    out.parent.mkdir(parents=True, exist_ok=True)
    animation.save(str(out), writer=Writer(fps=cast(int, 1000 / interval)))  # GIF counts milliseconds
    write_whole(out, content.getvalue())


def _only(landscapes: Sequence[Values]) -> Trajectory | None:
    """The only path that a landscape carries, or None; refuses several paths."""
    paths = carried(landscapes[0]).paths
    if len(paths) > 1:
        names = ", ".join(cleaned(path.name, LABEL) for path in paths[:8])
        raise ValueError(
            f"walk must be given for a landscape with several paths, got {len(paths)} paths ({names}); write for "
            "example walk=landscape.paths[0]"
        )
    return paths[0] if paths else None


def _walked(
    landscape: Values, walk: Walk | Trajectory, drawn: dict[str, Any], options: Any
) -> tuple[Any, Callable[[int], None], int]:
    """Draws one path with one more point per frame; other paths are whole in every frame."""
    place = -1
    if isinstance(walk, Trajectory):
        # A path that the landscape carries is drawn once, and looks as in every picture of the landscape.
        place = next((k for k, path in enumerate(carried(landscape).paths) if _same(path, walk)), -1)
        if checked_path(walk.as_plain(), bounds_of(landscape), []) is None:
            raise ValueError(
                "the walk must have a point on the landscape, got none; give a walk made on this landscape"
            )
    given = [*paths_of(options["paths"]), *([walk] if place < 0 else [])]
    ax, found = paths_drawn_by(options["kind"])(landscape, **{**drawn, "paths": given})

    def frame(k: int) -> None:
        found[place].show(k)
        ax.set_title(_title(found[place], k))

    return ax, frame, len(walk)


def _same(path: Trajectory, other: Trajectory) -> bool:
    return path.name == other.name and np.array_equal(path.points, other.points, equal_nan=True)


def _title(drawn: DrawnPath, k: int) -> str:
    """The title of a frame: step, and epoch and own loss if they are known."""
    path = drawn.path
    if isinstance(path, Walk):
        return f"step {k}"
    said = [f"point {k}" if path.steps is None else f"step {path.steps[k]:g}"]
    named = {"epoch": path.measures.get("epoch"), "own loss": path.loss}
    said += [
        f"{name} {column[k]:.4g}" for name, column in named.items() if column is not None and not np.isnan(column[k])
    ]
    return ", ".join(said)


def _redrawn(
    ax: Any,
    landscapes: Sequence[Values],
    titles: Sequence[str],
    draw: Callable[..., Any],
    options: dict[str, Any],
) -> tuple[Callable[[int], None], int]:
    """Draws a different landscape in every frame."""

    def frame(k: int) -> None:
        ax.clear()
        draw(landscapes[k], **{**options, "ax": ax, "colorbar": False})
        ax.set_title(literal(cleaned(str(titles[k]), TITLE)))

    return frame, len(landscapes)
