"""The demo: trains a network, computes its landscape and draws it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from fastscape.api import surface
from fastscape.cli.pictures import save_picture, save_pictures
from fastscape.landscape import Landscape
from fastscape.model import accuracy
from fastscape.views import compare, refinement_said
from fastscape.weights import check_seed
from fastscape.zoo import datasets, models, training
from fastscape.zoo.checkpoints import save_checkpoint

__all__ = ["TOLERANCE", "Step", "demo"]

# Epochs and learning rates. Without the smaller rate at the end, the accuracy jumps by a tenth between epochs.
EPOCHS = (6, 1e-3), (2, 1e-4)
SAMPLES = 64
TOLERANCE = 0.005
SKIP = {"resnet56": "ResNet-56", "resnet56-noshort": "ResNet-56 without shortcuts"}


class Step(NamedTuple):
    """One step of the demo: its description, its seconds, and the files that it wrote."""

    name: str
    seconds: float
    files: tuple[Path, ...]


def demo(
    out: Path,
    *,
    model: str = "resnet20",
    grid: int = 51,
    seed: int = 0,
    compare_skip: bool = False,
    exact: bool = False,
    progress: bool = True,
) -> list[Step]:
    """Trains a network of the zoo on the digits and draws the landscape around its weights.

    Six epochs of Adam with a learning rate of 0.001 and two with 0.0001; then a plane from -1 to 1 along two
    filter-normalised random directions, on the first 64 training samples, within a tolerance of 0.005.

    Args:
        out: Folder for model.safetensors, landscape.npz, contour.png, surface.png and explorer.html.
        model: A name of `fastscape.zoo.models.build`. Default "resnet20".
        grid: Grid points along each axis, at least 2. Default 51.
        seed: Seed of the initial weights, the training and the directions. Default 0.
        compare_skip: Whether to do the same for a ResNet-56 with and without its shortcuts, and to draw both into
            compare.png on one scale (Li et al. 2018, arXiv 1712.09913, figure 1). Their checkpoints and landscapes
            are written too. Default False.
        exact: Whether to evaluate every grid point. Default False: only the points that the tolerance needs.
        progress: Whether to show progress bars and the growing surface on a terminal. Default True.

    Returns:
        The steps, in their order.

    Raises:
        ValueError: When there is no such network, the grid has fewer than 2 points along an axis, or the seed is
            negative.
    """
    if grid < 2:
        raise ValueError(f"grid must be at least 2 points along an axis, got {grid}; write for example 51")
    check_seed(seed)
    models.tensors_of(model)  # refuses an unknown network before data are read
    options: dict[str, Any] = {"grid": grid, "seed": seed, "exact": exact, "progress": progress}
    landscape, steps = _landscape_of(model, out / "model.safetensors", out / "landscape.npz", **options)
    started = time.perf_counter()
    pictures = save_pictures(landscape, out / "contour.png", out / "surface.png")
    page = landscape.to_html(out / "explorer.html", names=[model])
    steps.append(Step("drew the pictures and the page", time.perf_counter() - started, (*pictures, page)))
    return steps + (_compared(out, **options) if compare_skip else [])


def _compared(out: Path, **options: Any) -> list[Step]:
    """The landscapes of a deep network with and without shortcuts, in one picture."""
    landscapes, steps = [], []
    for name in SKIP:
        landscape, done = _landscape_of(name, out / f"{name}.safetensors", out / f"{name}.npz", **options)
        landscapes.append(landscape)
        steps += done
    started = time.perf_counter()
    picture = save_picture(lambda: compare(landscapes, names=list(SKIP.values()))[0], out / "compare.png")
    return [*steps, Step("drew both on one scale", time.perf_counter() - started, (picture,))]


def _landscape_of(
    model: str, checkpoint: Path, file: Path, *, grid: int, seed: int, exact: bool, progress: bool
) -> tuple[Landscape, list[Step]]:
    """Trains a network and computes its landscape."""
    train_set, test_set = datasets.load("digits"), datasets.load("digits", "test")
    network = models.build(model, seed=seed, **datasets.describe(train_set)._asdict())

    started = time.perf_counter()
    history = []
    for epochs, lr in EPOCHS:
        options: dict[str, Any] = {"epochs": epochs, "lr": lr, "test": test_set, "progress": progress}
        history += training.train(network, train_set, seed=seed, **options)
    facts = {"epochs": len(history), "seed": seed, "test_accuracy": f"{history[-1].test_accuracy:.4f}"}
    save_checkpoint(network, checkpoint, model_name=model, dataset_name="digits", **facts)
    trained = f"trained {model} on digits, test accuracy {history[-1].test_accuracy:.1%}"
    steps = [Step(trained, time.perf_counter() - started, (checkpoint,))]

    started = time.perf_counter()
    samples = train_set[:SAMPLES]
    axis = (-1.0, 1.0, grid)
    options = {"metrics": {"accuracy": accuracy}, "seed": seed, "progress": progress}
    if not exact:
        options |= {"tolerance": TOLERANCE, "progress": "live" if progress else False}
    landscape = surface(network, samples, x=axis, y=axis, **options)
    saved = landscape.save(file)
    computed = f"computed the loss at {grid} x {grid} points"
    if said := refinement_said(landscape):
        computed += f": {said}"
    steps.append(Step(computed, time.perf_counter() - started, (saved,)))
    return landscape, steps
