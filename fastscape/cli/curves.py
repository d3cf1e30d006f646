"""The command that connects two models by a curve of low loss, and its pictures."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.axes import Axes

from fastscape import api
from fastscape.cli.checkpoints import asking
from fastscape.cli.option_texts import GRID, INPUT, OUTPUT
from fastscape.cli.options import OWN, AllSamples, Pictures, Root, Split, offering
from fastscape.cli.own_models import OwnOptions, with_functions
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import names_of
from fastscape.cli.values import at_least, ending_in
from fastscape.landscape import Landscape
from fastscape.runs import ConnectOptions

__all__ = ["connect", "straight_and_curved"]

TOLERANCE = 0.01
"""The tolerance of the plane, as a fraction of its range."""

_MEASURED = "loss", "objective", "device", "precision"


@offering(OwnOptions, ConnectOptions)
def connect(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL",
            help=f"Two checkpoints of one network from `fastscape train`, at t = 0 and t = 1. {OWN}",
            rich_help_panel=INPUT,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Curve to write; landscapes and pictures are written beside it.",
            rich_help_panel=OUTPUT,
            callback=ending_in("--out", ".safetensors"),
        ),
    ] = Path("curve.safetensors"),
    samples: AllSamples = None,
    split: Split = None,
    points: Annotated[
        int,
        typer.Option(
            help="Points along the lines, and along each axis of the plane.",
            rich_help_panel=GRID,
            callback=at_least("--points", 3),
        ),
    ] = 25,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Train a curve of low loss between two models, and compare it with the straight line between them."""
    started = time.perf_counter()
    asked = asking(checkpoints, given, samples, split, root, few=None)
    if len(names_of(asked.files)) != 2:
        more = "--weights a.pt --weights b.pt" if asked.own else "fastscape connect a.safetensors b.safetensors"
        raise ValueError(f"a curve must have two models, got {len(asked.files)}; write for example {more}")
    options = with_functions(given)
    rehearsed(api.connect, others=("b",), **options)
    other = asked.network(1)
    network, data = asked.loaded()
    curve = api.connect(network, other, data, **options)
    typer.echo(str(curve.save(out)))
    measured = {name: options[name] for name in _MEASURED if name in options}
    line = api.line(network, data, along=curve, x=(0, 1, points), **measured)
    straight = api.line(network, data, to=other, x=(0, 1, points), batchnorm=line.report["batchnorm"], **measured)
    ways = {"straight": straight, "line": line}
    for name, way in ways.items():
        typer.echo(str(way.save(out.with_name(f"{out.stem}-{name}.npz"))))
    if pictures:
        typer.echo(str(_saved(partial(straight_and_curved, *ways.values()), out, "line")))
        axes: Any = dict.fromkeys(("x", "y"), ("path", points))
        plane = api.surface(network, data, directions=curve.plane(), tolerance=TOLERANCE, **axes, **measured)
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
    ax.legend(handles=[line for line in ax.get_lines() if line.get_label() in names])  # without entries for marks
    return ax


def _saved(draw: Any, out: Path, kind: str) -> Path:
    return save_picture(draw, out.with_name(f"{out.stem}-{kind}.png"))


def _said(straight: Landscape, curved: Landscape) -> str:
    """The losses at the ends, and the worst point of both lines."""
    tops = []
    for way in (straight, curved):
        worst = int(np.nanargmax(way.loss)) if np.isfinite(way.loss).any() else 0
        tops.append(f"{way.loss[worst]:.4f} (t = {way.x[worst]:.2f})")
    return (
        f"loss at the ends {curved.loss[0]:.4f} and {curved.loss[-1]:.4f}; at most {tops[0]} on the straight line, "
        f"{tops[1]} on the curve"
    )
