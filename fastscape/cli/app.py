"""The command line. Each command is a thin layer over the library."""

from __future__ import annotations

import importlib
import sys
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import typer

import fastscape
from fastscape.cli import commands
from fastscape.cli.alignments import align
from fastscape.cli.barriers import barrier
from fastscape.cli.basins import basin
from fastscape.cli.curvatures import sharpness, spectrum
from fastscape.cli.curves import connect
from fastscape.cli.demo import TOLERANCE
from fastscape.cli.demo import demo as run_demo
from fastscape.cli.information import info
from fastscape.cli.options import MODELS, Device, Root, Seed
from fastscape.cli.pictures import save_picture
from fastscape.cli.terminal import run
from fastscape.cli.topologies import topology
from fastscape.cli.trajectories import TRAINED, recorded_training, trajectory
from fastscape.cli.volumes import volume
from fastscape.landscape import Landscape
from fastscape.results import mixed_in
from fastscape.views import compare, drawn_by, to_html
from fastscape.weights import Recording, check_seed
from fastscape.zoo import datasets, models, training
from fastscape.zoo.checkpoints import save_checkpoint

__all__ = ["app", "main"]

app = typer.Typer(
    help="The loss landscape of any trained PyTorch model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_options = {"debug": False}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fastscape {fastscape.__version__} (torch {torch.__version__})")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which versions of fastscape and torch run.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """The loss landscape of any trained PyTorch model."""
    _options["debug"] = debug


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    model: Annotated[str, typer.Option(help=MODELS)] = "resnet20",
    grid: Annotated[int, typer.Option(help="Grid points along each axis.")] = 51,
    seed: Seed = 0,
    compare_skip: Annotated[
        bool, typer.Option("--compare-skip", help="Compare a ResNet-56 with and without shortcuts too.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Evaluate every grid point, not as many as a tolerance of 0.005 needs.")
    ] = False,
) -> None:
    """Train a network on the digits and draw its loss landscape: eight epochs, then a plane on 64 samples."""
    typer.echo(f"Training {model} on scikit-learn's digits, then {grid} x {grid} points of its loss landscape,")
    typer.echo("every one of them." if exact else f"within {TOLERANCE} of the range (--exact evaluates every point).")
    steps = run_demo(out, model=model, grid=grid, seed=seed, compare_skip=compare_skip, exact=exact)
    for step in steps:
        typer.echo(f"{step.seconds:8.1f} s  {step.name}")
        for file in step.files:
            typer.echo(f"{'':12}{file}")
    typer.echo(f"{sum(step.seconds for step in steps):8.1f} s  in all")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help=MODELS)],
    dataset: Annotated[str, typer.Argument(help=f"Data set: {', '.join(datasets.DATASETS)}.")],
    out: Annotated[Path, typer.Option(help="The checkpoint to write.")] = Path("model.safetensors"),
    epochs: Annotated[int, typer.Option(help="Passes over the training set.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Samples in one step.")] = 64,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    seed: Seed = 0,
    device: Device = None,
    root: Root = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder for the weights at several steps, for `fastscape trajectory`.")
    ] = None,
    record_every: Annotated[int, typer.Option(help="Steps of the optimizer from one record to the next.")] = 10,
) -> None:
    """Train a network of the zoo and write a checkpoint, and with --record the path of the training."""
    check_seed(seed)
    train_set, test_set = (datasets.load(dataset, split, root=root) for split in ("train", "test"))
    network = models.build(model, seed=seed, **datasets.describe(train_set)._asdict())
    options: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "test": test_set, "seed": seed}
    network.to(device)
    if record is None:
        history = training.train(network, train_set, **options)
    else:
        history = recorded_training(network, train_set, record, record_every, **options)
    last = history[-1]
    facts: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed}
    facts |= {"model_name": model, "dataset_name": dataset, "test_accuracy": f"{last.test_accuracy:.4f}"}
    for file in [out] if record is None else [out, record / TRAINED]:
        save_checkpoint(network, file, **facts)
    if record is not None:
        typer.echo(f"{record}: {len(Recording(record))} records; draw their path with fastscape trajectory {record}")
    typer.echo(
        f"{out}: {model} on {dataset}, loss {last.loss:.4f}, accuracy {last.accuracy:.1%}, "
        f"test accuracy {last.test_accuracy:.1%}, {sum(epoch.seconds for epoch in history):.1f} s"
    )


app.command()(commands.surface)
app.command()(commands.line)
app.command()(volume)
app.command()(trajectory)
app.command()(spectrum)
app.command()(sharpness)
app.command(epilog="Example: fastscape basin model.safetensors --measure accuracy --drop 0.1 --limit 2")(basin)
app.command()(barrier)
app.command()(connect)
app.command()(align)
app.command()(topology)


@app.command()
def plot(
    files: Annotated[list[Path], typer.Argument(help="Landscapes; several are drawn side by side on one scale.")],
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .pdf or .svg.")] = Path("landscape.png"),
    kind: Annotated[str | None, typer.Option(help="Of a plane: contour (default) or surface3d.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="loss (the default) or a metric in the file; of one file several, of planes side by side."),
    ] = None,
    log: Annotated[
        bool | None,
        typer.Option("--log/--linear", help="Default: log for the loss on a plane, where none is below 0."),
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Values above it are drawn at it.")] = None,
    how: Annotated[
        str | None,
        typer.Option(help="Of three axes or more, what is done with those of no panel: slice (default), min or mean."),
    ] = None,
    start: Annotated[tuple[float, float] | None, typer.Option(help="Walk an optimizer from here: x y.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="That walks, for example nadam (default), adam, momentum or sgd.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Of the walk. Default: 30.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of the walk. Default: 0.1.")] = None,
) -> None:
    """Draw landscapes: a line, a plane with a walk, planes side by side, or a map for each pair of several axes."""
    landscapes = [Landscape.load(file) for file in files]
    named = metric or ["loss"]
    if len(named) > 1 and (start is not None or len(landscapes) > 1):
        raise ValueError(
            f"--metric came {len(named)} times; only a picture of one landscape, with no walk, shows several"
        )
    options: dict[str, Any] = {"metric": named[0], "clip": clip} | ({} if log is None else {"log": log})
    given = {"optimizer": optimizer, "steps": steps, "lr": lr}
    walk: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    (first, *others) = landscapes
    if start is not None and others:
        raise ValueError(f"--start came with {len(landscapes)} landscapes; give one to walk on")
    if walk and start is None:
        raise ValueError(f"--{next(iter(walk))} came without --start; write --start X Y to walk from there")
    if kind is not None and len(first.axes) == 1:
        raise ValueError(f"--kind {kind} came for a line, which has one kind of picture; leave it out")
    if how is not None and len(first.axes) < 3:
        raise ValueError(
            f"--how {how} came for a landscape of {len(first.axes)} axes, which are all drawn; leave it out"
        )
    if kind is not None and len(first.axes) > 2:
        raise ValueError(
            f"--kind {kind} came for a landscape of {len(first.axes)} axes, of which a map for each pair is drawn; "
            "leave it out"
        )
    draw = drawn_by(kind or "contour")
    if len(first.axes) > 2 and kind is None and start is None and not others and len(named) < 2:
        save_picture(lambda: first.plot(**options | ({} if how is None else {"how": how}))[0], out)
    elif others:
        names = [file.stem for file in files]
        save_picture(lambda: compare(landscapes, names=names, kind=cast(Any, kind or "contour"), **options)[0], out)
    elif len(first.axes) == 1 and start is None:
        save_picture(partial(first.plot, **options | {"metric": named}), out)
    elif len(named) > 1:
        beside = options | {"metric": named}
        save_picture(lambda: compare(first, kind=cast(Any, kind or "contour"), **beside)[0], out)
    else:
        if start is not None:
            path = first.descend(start, metric=named[0], log=log, **walk)
            options["paths"] = [path]
            typer.echo(repr(path))
        save_picture(partial(draw, first, **options), out)
    typer.echo(str(out))


@app.command()
def explore(
    files: Annotated[list[Path], typer.Argument(help="Landscapes; several are shown side by side on one scale.")],
    out: Annotated[Path, typer.Option(help="The page to write: .html.")] = Path("explorer.html"),
    basins: Annotated[bool, typer.Option("--basins", help="Name and outline the basins.")] = False,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write a page for the browser: planes on which optimizers walk, or level surfaces of three axes."""
    landscapes = [Landscape.load(file) for file in files]
    topology = [landscape.topology() for landscape in landscapes] if basins else None
    typer.echo(str(to_html(landscapes, out, names=[file.stem for file in files], topology=topology)))
    if show and not webbrowser.open(out.resolve().as_uri()):
        raise ValueError(f"no browser could be started here; open {out} in one by hand")


app.command()(info)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A landscape.")],
    out: Annotated[Path, typer.Argument(help="The file to write; its ending says how: .csv, .h5, .vts, .vtp, .vti.")],
) -> None:
    """Write a landscape for other programs: a spreadsheet, the plots of Li et al., ParaView."""
    typer.echo(Landscape.load(file).export(out))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context) -> None:
    """Compare with the naive loop and other packages; options as for `python -m benchmarks.run`, in a checkout."""
    checkout = Path(fastscape.__file__).resolve().parent.parent
    if (checkout / "benchmarks" / "run.py").exists():
        sys.path.insert(0, str(checkout))
    try:
        suite = importlib.import_module("benchmarks.run")
    except ImportError as error:
        raise ValueError(
            f"the benchmark suite is not here ({error}); run this in a checkout of fastscape, after "
            "pip install -e '.[bench]'"
        ) from error
    suite.main(context.args)


def main() -> None:
    """Runs the command line: whatever goes wrong ends with one message and exit code 2."""
    overwritten = mixed_in(Path(commands.__file__).parent.parent)
    if overwritten and not hasattr(fastscape, "surface"):  # the other project has replaced or deleted our __init__.py
        typer.echo(f"fastscape: {overwritten}", err=True)
        sys.exit(2)
    run(app, debug=lambda: _options["debug"])
