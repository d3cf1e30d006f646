"""Moving pictures: a training or a walk, or one landscape after the other."""

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
    """Animates a training or a walk on a landscape, or landscapes one after the other, for example one an epoch.

    A frame shows a path up to one of its points; its title says the step, and of a training the epoch and the loss of
    the checkpoint itself, as far as they are known. All frames have one scale. Keep what is returned for as long as
    the animation is shown: matplotlib does not.

    Args:
        landscapes: The landscape that was walked on; or several, at least two, without a walk.
        walk: A walk, as `Landscape.descend` returns it, or a path of the landscape, `landscape.paths[0]`. Default: for
            one landscape the only path that it carries.
        out: A file to write, whose name ends in .gif. Default: none is written.
        interval: Milliseconds from frame to frame. Default 100.
        **given: As `AnimationOptions` says.

    Returns:
        The animation, with its figure.

    Raises:
        TypeError: When there is no such option, or the kind of picture has none.
        ValueError: When there are several landscapes and a walk, or neither and not one path; when the names are not
            as many, or came with a walk; when nothing of the walk lies on the landscape; when `out` ends otherwise,
            `interval` is below 1, or a landscape cannot be drawn.

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
    """A file in memory, whose name says its format."""

    name = "animation.gif"


def _write(animation: FuncAnimation, out: Path, interval: int) -> None:
    """Writes an animation whole: it is drawn into memory, where matplotlib would draw it into the file."""
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
    """The path of a landscape, where it carries one; with several, nobody says which."""
    paths = carried(landscapes[0]).paths
    if len(paths) > 1:
        names = ", ".join(cleaned(path.name, LABEL) for path in paths[:8])
        raise ValueError(f"a landscape with {len(paths)} paths came ({names}); write which, walk=landscape.paths[0]")
    return paths[0] if paths else None


def _walked(
    landscape: Values, walk: Walk | Trajectory, drawn: dict[str, Any], options: Any
) -> tuple[Any, Callable[[int], None], int]:
    """Draws the first points of a path, one more in every frame; the others stay whole."""
    place = -1
    if isinstance(walk, Trajectory):
        # One that the landscape carries is drawn as in every other picture of it, and once.
        place = next((k for k, path in enumerate(carried(landscape).paths) if _same(path, walk)), -1)
        if checked_path(walk.as_plain(), bounds_of(landscape), []) is None:
            raise ValueError("no point of the walk lies on the landscape; give one that was made on it")
    given = [*paths_of(options["paths"]), *([walk] if place < 0 else [])]
    ax, found = paths_drawn_by(options["kind"])(landscape, **{**drawn, "paths": given})

    def frame(k: int) -> None:
        found[place].show(k)
        ax.set_title(_title(found[place], k))

    return ax, frame, len(walk)


def _same(path: Trajectory, other: Trajectory) -> bool:
    return path.name == other.name and np.array_equal(path.points, other.points, equal_nan=True)


def _title(drawn: DrawnPath, k: int) -> str:
    """What a frame says of a point of a path."""
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
    """Draws another landscape in every frame."""

    def frame(k: int) -> None:
        ax.clear()
        draw(landscapes[k], **{**options, "ax": ax, "colorbar": False})
        ax.set_title(literal(cleaned(str(titles[k]), TITLE)))

    return frame, len(landscapes)
