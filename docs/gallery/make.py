"""Makes every picture of this gallery: trains the networks, computes their landscapes, draws them.

python docs/gallery/make.py                  about half an hour on two cores; everything is kept beside the pictures
python docs/gallery/make.py --only resnet20-walk  that picture alone
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import fastscape
import trainings
from fastscape import compare
from fastscape.cli.demo import EPOCHS, SKIP
from fastscape.cli.pictures import save_picture
from fastscape.zoo import datasets, models, training

HERE = Path(__file__).parent
KEPT = HERE / "kept"  # landscapes, so that a picture can be drawn again in a moment
START, STEPS = (0.85, 0.6), 42
TEN = 10, 1e-3  # epochs, learning rate


def landscape(name: str, compute: Callable[[], fastscape.Landscape]) -> fastscape.Landscape:
    """A landscape that is computed once."""
    file = KEPT / f"{name}.npz"
    if not file.exists():
        compute().save(file)
    return fastscape.Landscape.load(file)


def trained(name: str, *schedule: tuple[int, float]) -> tuple[Any, Any]:
    """A network of the zoo after some epochs on the digits, each so many with a learning rate, and the digits."""
    train_set = datasets.load("digits")
    network = models.build(name, seed=0, **datasets.describe(train_set)._asdict())
    for epochs, lr in schedule:
        training.train(network, train_set, epochs=epochs, lr=lr, seed=0)
    return network, train_set


def plane(name: str, *schedule: tuple[int, float], samples: int = 64, **options: Any) -> fastscape.Landscape:
    """The plane around a trained network."""

    def compute() -> fastscape.Landscape:
        network, data = trained(name, *schedule)
        return fastscape.surface(network, data[:samples], metrics={"accuracy": fastscape.accuracy}, **options)

    return landscape("-".join([name, *(str(options[key]) for key in ("scheme",) if key in options)]), compute)


def resnet() -> fastscape.Landscape:
    """The network of `make demo`: a ResNet-20 after eight epochs, along both directions from -1 to 1."""
    return plane("resnet20", *EPOCHS)


def contour() -> Any:
    """Its contour map."""
    return resnet().contour(levels=10, linewidth=0.8)


def walk() -> Any:
    """The surface, the walk of an optimizer on it, and the contours below."""
    path = resnet().descend(START, "nadam", STEPS, lr=0.03)
    return resnet().surface3d(paths=[path], azimuth=-50, elevation=35)


def line() -> Any:
    """The loss of a small CNN along one direction, from -2 to 2: "Navigating Through Loss Space"."""

    def compute() -> fastscape.Landscape:
        network, data = trained("mnist-cnn", TEN)
        metrics = {"accuracy": fastscape.accuracy}
        return fastscape.line(network, data[:1000], x=(-2.0, 2.0, 41), metrics=metrics)

    return landscape("mnist-cnn-line", compute).plot(metric=["loss", "accuracy"])


def bilinear() -> Any:
    """The log10 of the loss of the same CNN between its weights and two random directions, by the bilinear scheme."""
    axis = (-1.0, 1.0, 51)
    return plane("mnist-cnn", TEN, samples=1000, scheme="bilinear", x=axis, y=axis).surface3d(azimuth=120)


def skip() -> Any:
    """A ResNet-56 with and without its shortcuts, on one scale: Li et al. 2018, figure 1."""
    pair = [plane(name, TEN) for name in SKIP]
    return compare(pair, names=list(SKIP.values()), kind="surface3d", cmap="coolwarm")[0]


def path(name: str, task: Callable[[], trainings.Task]) -> Any:
    """The paths of SGD and Adam from the same weights, on the plane in which their checkpoints differ most."""
    return landscape(name, lambda: trainings.path_landscape(task())).contour()


def page(file: Path) -> None:
    """A screenshot of the interactive page of the ResNet-20, in a Chromium that is installed."""
    import shutil

    from playwright.sync_api import sync_playwright

    html = resnet().to_html(KEPT / "explorer.html", names=["ResNet-20"])
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        shown = browser.new_page(viewport={"width": 1000, "height": 1240})
        shown.goto(html.as_uri())
        shown.evaluate("explorer.ready")
        shown.wait_for_timeout(1000)
        shown.screenshot(path=file)
        browser.close()


PATHS: dict[str, Callable[[], trainings.Task]] = {
    "mnist-cnn-path": partial(trainings.digits, "mnist-cnn", 6),
    "resnet20-path": partial(trainings.digits, "resnet20", 6),
    "language-model-path": trainings.language,
}

PICTURES: dict[str, Callable[[], Any]] = {
    "resnet20-contour": contour,
    "resnet20-walk": walk,
    "mnist-cnn-line": line,
    "mnist-cnn-bilinear": bilinear,
    "resnet56-skip": skip,
    **{name: partial(path, name, task) for name, task in PATHS.items()},
}


def main() -> None:
    """Draws the pictures that are asked for."""
    names = [*PICTURES, "resnet20-explorer"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    for name in parser.parse_args().only:
        file = HERE / f"{name}.png"
        if name in PICTURES:
            save_picture(PICTURES[name], file)
        else:
            page(file)
        print(file)


if __name__ == "__main__":
    main()
