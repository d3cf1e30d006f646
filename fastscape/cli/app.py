"""The command line. Each command is a thin layer over the library."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

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
from fastscape.cli.help_panels import HelpCommand, HelpGroup
from fastscape.cli.information import info
from fastscape.cli.option_texts import GRID, INPUT, OUTPUT, RUNNING, TRAINING
from fastscape.cli.options import MODELS, Root, Seed
from fastscape.cli.showing import explore, export, plot
from fastscape.cli.terminal import run
from fastscape.cli.topologies import topology
from fastscape.cli.trajectories import TRAINED, recorded_training, trajectory
from fastscape.cli.values import above_zero, at_least, checked_device, ending_in, one_of
from fastscape.cli.volumes import volume
from fastscape.results import mixed_in
from fastscape.weights import Recording, check_seed
from fastscape.zoo import datasets, models, training
from fastscape.zoo.checkpoints import save_checkpoint

__all__ = ["app", "main"]

app = typer.Typer(
    cls=HelpGroup,
    help="The loss landscape of any trained PyTorch model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_options = {"debug": False}

_START, _COMPUTE, _AROUND = "Start", "Landscapes", "One model"
_BETWEEN, _SHOW = "Between models", "Files"

_CHECKOUT = Path(__file__).resolve().parents[2]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fastscape {fastscape.__version__} (torch {torch.__version__})")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the versions of fastscape and torch.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """The loss landscape of any trained PyTorch model."""
    _options["debug"] = debug


@app.command(cls=HelpCommand, rich_help_panel=_START)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.", rich_help_panel=OUTPUT)] = Path("demo"),
    model: Annotated[str, typer.Option(help=MODELS, rich_help_panel=INPUT)] = "resnet20",
    grid: Annotated[
        int,
        typer.Option(help="Grid points along each axis.", rich_help_panel=GRID, callback=at_least("--grid", 2)),
    ] = 51,
    seed: Seed = 0,
    compare_skip: Annotated[
        bool,
        typer.Option(
            "--compare-skip", help="Also compare a ResNet-56 with and without shortcuts.", rich_help_panel=INPUT
        ),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Evaluate every grid point instead of a tolerance of 0.005.", rich_help_panel=GRID
        ),
    ] = False,
) -> None:
    """Train a network on the digits and draw its loss landscape: eight epochs, then a plane on 64 samples."""
    check_seed(seed)
    models.tensors_of(model)
    typer.echo(f"Training {model} on scikit-learn's digits, then {grid} x {grid} points of its loss landscape,")
    typer.echo("every one of them." if exact else f"within {TOLERANCE} of the range (--exact evaluates every point).")
    steps = run_demo(out, model=model, grid=grid, seed=seed, compare_skip=compare_skip, exact=exact)
    for step in steps:
        typer.echo(f"{step.seconds:8.1f} s  {step.name}")
        for file in step.files:
            typer.echo(f"{'':12}{file}")
    typer.echo(f"{sum(step.seconds for step in steps):8.1f} s  in all")


@app.command(cls=HelpCommand, rich_help_panel=_START)
def train(
    model: Annotated[str, typer.Argument(metavar="NETWORK", help=MODELS, rich_help_panel=INPUT)],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help=f"Data set: {', '.join(datasets.DATASETS)}.",
            rich_help_panel=INPUT,
            callback=one_of("the data set", datasets.DATASETS),
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Checkpoint to write.", rich_help_panel=OUTPUT, callback=ending_in("--out", ".safetensors")),
    ] = Path("model.safetensors"),
    epochs: Annotated[
        int,
        typer.Option(help="Passes over the training set.", rich_help_panel=TRAINING, callback=at_least("--epochs", 1)),
    ] = 10,
    batch_size: Annotated[
        int,
        typer.Option(help="Samples per step.", rich_help_panel=TRAINING, callback=at_least("--batch-size", 1)),
    ] = 64,
    lr: Annotated[
        float,
        typer.Option(help="Learning rate of Adam.", rich_help_panel=TRAINING, callback=above_zero("--lr")),
    ] = 1e-3,
    seed: Seed = 0,
    device: Annotated[
        str | None,
        typer.Option(
            help="Device, for example cuda. Default: cpu.",
            rich_help_panel=RUNNING,
            callback=checked_device("--device", trains=True),
        ),
    ] = None,
    root: Root = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the weights at several steps, for `fastscape trajectory`.", rich_help_panel=OUTPUT
        ),
    ] = None,
    record_every: Annotated[
        int,
        typer.Option(
            help="Optimizer steps between records.", rich_help_panel=OUTPUT, callback=at_least("--record-every", 1)
        ),
    ] = 10,
) -> None:
    """Train a network of the zoo and write a checkpoint, and with --record the path of the training."""
    check_seed(seed)
    models.tensors_of(model)
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


_EXAMPLE = "Example: fastscape basin model.safetensors --measure accuracy --limit 2"

_COMMANDS: list[tuple[Callable[..., None], str, str | None]] = [  # its panel, and what says more in Python
    (commands.surface, _COMPUTE, "surface"),
    (commands.line, _COMPUTE, "line"),
    (volume, _COMPUTE, "volume"),
    (trajectory, _COMPUTE, "surface"),
    (spectrum, _AROUND, "spectrum"),
    (sharpness, _AROUND, "sharpness"),
    (basin, _AROUND, "basin_radius"),
    (barrier, _BETWEEN, "barrier"),
    (connect, _BETWEEN, "connect"),
    (align, _BETWEEN, "align"),
    (topology, _SHOW, "topology"),
    (plot, _SHOW, None),
    (explore, _SHOW, None),
    (info, _SHOW, None),
    (export, _SHOW, None),
]
for _command, _panel, _name in _COMMANDS:
    _more = None if _name is None else f"More on each option, in Python: help(fastscape.{_name})"
    _epilog = f"{_EXAMPLE}\n\n{_more}" if _command is basin else _more
    app.command(cls=HelpCommand, rich_help_panel=_panel, epilog=_epilog)(_command)


@app.command(
    hidden=not (_CHECKOUT / "benchmarks" / "run.py").exists(),
    rich_help_panel=_START,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def bench(context: typer.Context) -> None:
    """Compare with the naive loop and other packages. Options as for `python -m benchmarks.run`."""
    if (_CHECKOUT / "benchmarks" / "run.py").exists():
        sys.path.insert(0, str(_CHECKOUT))
    try:
        suite = importlib.import_module("benchmarks.run")
    except ImportError as error:
        raise ValueError(
            f"bench must run in a checkout of fastscape with its packages, got {error}; write "
            "pip install -e '.[bench]' there"
        ) from error
    suite.main(context.args)


def main() -> None:
    """Runs the command line; every error ends with one message and exit code 2."""
    overwritten = mixed_in(Path(commands.__file__).parent.parent)
    if overwritten and not hasattr(fastscape, "surface"):  # a different project replaced or deleted our __init__.py
        typer.echo(f"fastscape: {overwritten}", err=True)
        sys.exit(2)
    run(app, debug=lambda: _options["debug"])
