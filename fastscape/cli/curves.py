"""The command that connects two checkpoints by a curve of low loss, and its pictures."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.axes import Axes

from fastscape import api
from fastscape.cli.checkpoints import Asked, loaded
from fastscape.cli.options import Root, Split, offering
from fastscape.cli.pictures import save_picture
from fastscape.landscape import Landscape
from fastscape.runs import ConnectOptions
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["connect", "straight_and_curved"]

TOLERANCE = 0.01
"""Of the plane, as a fraction of its range."""


@offering(ConnectOptions)
def connect(
    first: Annotated[Path, typer.Argument(help="The checkpoint at t = 0, as `fastscape train` wrote it.")],
    last: Annotated[Path, typer.Argument(help="The checkpoint at t = 1, of the same network.")],
    out: Annotated[
        Path, typer.Option(help="The curve to write: .safetensors; landscapes and pictures go beside it.")
    ] = Path("curve.safetensors"),
    samples: Annotated[
        int | None, typer.Option(help="Samples of the first checkpoint's data set, from its first. Default: all.")
    ] = None,
    split: Split = None,
    points: Annotated[int, typer.Option(help="Points along the lines, and along each axis of the plane.")] = 25,
    root: Root = None,
    pictures: Annotated[
        bool, typer.Option(help="Whether to draw the losses along both ways, and the plane of the curve.")
    ] = True,
    **given: Any,
) -> None:
    """Train a curve of low loss between two checkpoints, and compare it with the straight line between them."""
    if out.suffix != ".safetensors":
        raise ValueError(f"--out {out} came; wanted a name that ends in .safetensors")
    if points < 3:
        raise ValueError(f"--points {points} came; wanted at least 3, for example --points 25")
    started = time.perf_counter()
    network, data = loaded(first, Asked(samples, split, root, few=None))
    other, _ = load_checkpoint(last)
    curve = api.connect(network, other, data, **{name: one for name, one in given.items() if one is not None})
    typer.echo(str(curve.save(out)))
    line = api.line(network, data, along=curve, x=(0, 1, points))
    straight = api.line(network, data, to=other, x=(0, 1, points), batchnorm=line.report["batchnorm"])
    ways = {"straight": straight, "line": line}
    for name, way in ways.items():
        typer.echo(str(way.save(out.with_name(f"{out.stem}-{name}.npz"))))
    if pictures:
        typer.echo(str(_saved(partial(straight_and_curved, *ways.values()), out, "line")))
        axes: Any = dict.fromkeys(("x", "y"), ("path", points))
        plane = api.surface(network, data, directions=curve.plane(), tolerance=TOLERANCE, **axes)
        typer.echo(str(plane.save(out.with_name(f"{out.stem}-plane.npz"))))
        typer.echo(str(_saved(plane.contour, out, "plane")))
    typer.echo(repr(curve))
    typer.echo(_said(*ways.values()))
    typer.echo(f"{curve.report['samples']} samples, {time.perf_counter() - started:.1f} s")


def straight_and_curved(straight: Landscape, curved: Landscape) -> Axes:
    """Draws the losses along the straight line and along a curve between the same models on one scale.

    Args:
        straight: The line from one model to the other.
        curved: The line along the curve.

    Returns:
        The axes.
    """
    names = "straight line", str(curved.report["scheme"])
    ax = straight.plot(label=names[0])
    curved.plot(ax=ax, label=names[1])
    ax.set_xlabel("from model A to model B (t)")
    ax.legend(handles=[line for line in ax.get_lines() if line.get_label() in names])  # without the marks
    return ax


def _saved(draw: Any, out: Path, kind: str) -> Path:
    return save_picture(draw, out.with_name(f"{out.stem}-{kind}.png"))


def _said(straight: Landscape, curved: Landscape) -> str:
    """The ends, and the worst point of both ways."""
    tops = []
    for way in (straight, curved):
        worst = int(np.nanargmax(way.loss)) if np.isfinite(way.loss).any() else 0
        tops.append(f"{way.loss[worst]:.4f} (t = {way.x[worst]:.2f})")
    return (
        f"loss at the ends {curved.loss[0]:.4f} and {curved.loss[-1]:.4f}; at most {tops[0]} on the straight line, "
        f"{tops[1]} on the curve"
    )
