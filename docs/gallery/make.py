"""Makes every picture of this gallery: trains the networks, computes their landscapes, draws them.

python docs/gallery/make.py                  about half an hour on two cores; everything is kept beside the pictures
python docs/gallery/make.py --only resnet20-walk  that picture alone
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import alignments
import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fastscape
import trainings
from fastscape import compare
from fastscape.cli.demo import EPOCHS, SKIP
from fastscape.cli.pictures import save_picture
from fastscape.views import topologies
from fastscape.zoo import datasets, models, training

HERE = Path(__file__).parent
KEPT = HERE / "kept"  # landscapes, so that a picture can be drawn again in a moment
START, STEPS = (0.85, 0.6), 42
TEN = 10, 1e-3  # epochs, learning rate
CLIP = 5.0  # of the Gaussian curvature, whose extremes would leave no colours for the rest


def landscape(name: str, compute: Callable[[], fastscape.Landscape]) -> fastscape.Landscape:
    """A landscape that is computed once."""
    file = KEPT / f"{name}.npz"
    if not file.exists():
        compute().save(file)
    return fastscape.Landscape.load(file)


@cache
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

    return landscape(
        "-".join([name, *(str(options[key]) for key in ("scheme", "repeats", "curvature") if key in options)]), compute
    )


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


def several() -> Any:
    """The loss of the same CNN along 32 directions: their mean, and how far they lie apart."""

    def compute() -> fastscape.Landscape:
        network, data = trained("mnist-cnn", TEN)
        return fastscape.line(network, data[:256], x=(-1.0, 1.0, 31), scheme="plane", repeats=32)

    return landscape("mnist-cnn-directions", compute).plot(log=True)


def spread() -> Any:
    """The plane around the same CNN along four pairs of directions: the mean, and beside it the spread."""
    import matplotlib.pyplot as plt

    axis = (-1.0, 1.0, 15)
    found = plane("mnist-cnn", TEN, samples=256, x=axis, y=axis, repeats=4)
    _, places = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for place, metric in zip(places, ("loss", "spread of loss"), strict=True):
        found.contour(ax=place, metric=metric, log=True)
    return places[0]


def bilinear() -> Any:
    """The log10 of the loss of the same CNN between its weights and two random directions, by the bilinear scheme."""
    axis = (-1.0, 1.0, 51)
    return plane("mnist-cnn", TEN, samples=1000, scheme="bilinear", x=axis, y=axis).surface3d(azimuth=120)


def curvature() -> Any:
    """The loss of an MLP with arrows of descent, and the Gaussian curvature of the same plane beside it."""
    import matplotlib.pyplot as plt

    def compute() -> fastscape.Landscape:
        network, data = trained("mlp", TEN)
        axis = (-1.0, 1.0, 31)
        return fastscape.surface(network, data[:256], x=axis, y=axis, scheme="bilinear", curvature="plane")

    made = landscape("mlp-curvature", compute)
    _, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    made.contour(ax=left, arrows=True)
    made.with_curvature().contour(ax=right, metric="gaussian_curvature", clip=CLIP)
    return left


def ratio() -> Any:
    """The loss of a ResNet-8, and how the extreme eigenvalues of its Hessian compare: Li et al. 2018, section 6."""
    import matplotlib.pyplot as plt

    axis = (-1.0, 1.0, 11)
    found = plane("resnet8", TEN, samples=128, x=axis, y=axis, curvature="ratio")
    _, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    found.contour(ax=left)
    found.contour(ax=right, metric="lambda_ratio")
    return left


def spectrum() -> Any:
    """The eigenvalues of the Hessian of an MLP."""
    file = KEPT / "mlp-spectrum.json"
    if not file.exists():
        network, data = trained("mlp", TEN)
        fastscape.spectrum(network, data[:256]).save(file)
    return fastscape.Spectrum.load(file).plot()


def eigenvectors() -> Any:
    """The plane in which the loss of the same MLP bends most up and most down."""

    def compute() -> fastscape.Landscape:
        network, data = trained("mlp", TEN)
        source = fastscape.hessian(network, data[:256], k=1, which="both")
        axis = (-2.0, 2.0, 31)
        return fastscape.surface(network, data[:256], directions=source, x=axis, y=axis)

    return landscape("mlp-eigenvectors", compute).contour()


def skip() -> Any:
    """A ResNet-56 with and without its shortcuts, on one scale: Li et al. 2018, figure 1."""
    pair = [plane(name, TEN) for name in SKIP]
    return compare(pair, names=list(SKIP.values()), kind="surface3d")[0]


def basins() -> Any:
    """The basins of the same pair, with the merge trees beside the maps, on one scale."""

    def compute(name: str) -> fastscape.Landscape:
        network, data = trained(name, TEN)
        axis = (-1.0, 1.0, 41)
        options: dict[str, Any] = {"tolerance": 0.01, "topology": True, "metrics": {"accuracy": fastscape.accuracy}}
        return fastscape.surface(network, data[:256], x=axis, y=axis, **options)

    found = {}
    for name, title in SKIP.items():
        found[title] = landscape(f"{name}-basins", partial(compute, name)).topology()
        print(f"\n{title}: {found[title]}")
    first, second = found.values()
    print(f"\nbottleneck distance {first.distance(second):.3g}, errors {first.error:.2g} and {second.error:.2g}")
    return np.ravel(topologies(found))[0]


def sets() -> Any:
    """The loss of a network on what it was trained on, and on other digits: one landscape, one scale."""

    def compute() -> fastscape.Landscape:
        few, test = datasets.load("digits")[:200], datasets.load("digits", "test")[:]
        network = models.build("mlp", seed=0, **datasets.describe(datasets.load("digits"))._asdict())
        training.train(network, TensorDataset(*few), epochs=100, lr=1e-3, seed=0)
        axis = (-1.0, 1.0, 41)
        return fastscape.surface(network, {"train": few, "test": test}, x=axis, y=axis)

    both = landscape("mlp-sets", compute)
    return compare(both, metric=list(both.values), names=["200 digits of the training", "297 other digits"])[0]


def path(name: str, task: Callable[[], trainings.Task]) -> Any:
    """The paths of SGD and Adam from the same weights, on the plane in which their checkpoints differ most."""
    return landscape(name, lambda: trainings.path_landscape(task())).contour()


ENDS = 6, 1e-3  # epochs, learning rate of the two networks that curves connect
CURVES: dict[str, dict[str, Any]] = {
    "bezier": {"curve": "bezier", "epochs": 20},
    "band": {"curve": "band", "epochs": 10},
}


def ends() -> tuple[Any, Any, Any]:
    """Two ResNet-8 of different seeds, trained on the digits, and the digits."""
    digits, found = datasets.load("digits"), []
    for seed in (0, 1):
        network = models.build("resnet8", seed=seed, **datasets.describe(digits)._asdict())
        training.train(network, digits, epochs=ENDS[0], lr=ENDS[1], seed=seed)
        found.append(network)
    return *found, digits


def curve(name: str) -> fastscape.Curve:
    """A curve between them, which is trained once."""
    file = KEPT / f"curve-{name}.safetensors"
    if not file.exists():
        fastscape.connect(*ends(), **CURVES[name]).save(file)
    return fastscape.Curve.load(file)


def along(name: str | None) -> fastscape.Landscape:
    """The losses along a curve, or along the straight line, on the digits of the training and on others."""

    def compute() -> fastscape.Landscape:
        a, b, digits = ends()
        sets = {"train": digits, "test": datasets.load("digits", "test")}
        if name is None:
            return fastscape.line(a, sets, to=b, x=(0, 1, 41), batchnorm="recalibrate")
        return fastscape.line(a, sets, along=curve(name), x=(0, 1, 81))

    return landscape(f"along-{name or 'straight-line'}", compute)


def ways() -> Any:
    """The losses along the straight line between two ResNet-8, a Bezier curve and an elastic band, on one scale."""
    import matplotlib.pyplot as plt

    names = {"bezier": "Bezier curve", "band": "elastic band"}
    found = {"straight line": along(None), **{names[name]: along(name) for name in CURVES}}
    _, places = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for place, metric in zip(places, ("loss", "loss of test"), strict=True):
        for name, one in found.items():
            one.plot(ax=place, metric=metric, log=True, label=name)
        place.set_xlabel("from model A to model B (t)")
        curves = [one for one in place.get_lines() if one.get_label() in found]  # without the marks
        place.legend(handles=curves, loc="upper center", bbox_to_anchor=(0.5, 0.87))
    for name, one in found.items():
        bound = 1.1 * max(one.loss[0], one.loss[-1]) + 0.02
        print(f"{name}: at most {one.loss.max():.4f}, on others {one.values['loss of test'].max():.4f}; {bound:.4f}")
    return places[0]


def curve_plane() -> Any:
    """The plane of the Bezier curve: Garipov et al. 2018, figure 1."""

    def compute() -> fastscape.Landscape:
        a, _, digits = ends()
        axes: dict[str, Any] = {"x": ("path", 31), "y": ("path", 31)}
        return fastscape.surface(a, digits[:512], directions=curve("bezier").plane(), tolerance=0.01, **axes)

    return landscape("curve-plane", compute).contour()


BATCHES = {"batches of 16": (16, 5), "batches of 512": (512, 28)}  # samples, epochs: to about the same loss
RESCALED = "16, rescaled"


def sharpness() -> Any:
    """The sharpness of an MLP that was trained with small batches, with large ones, and of a copy of the first.

    The copy has its first layer times 4 and the next one divided by 4, so that it is the same function.

    Returns:
        The axes.
    """
    files = {name: KEPT / f"sharpness-{k}.json" for k, name in enumerate([*BATCHES, RESCALED])}
    if not all(file.exists() for file in files.values()):
        digits = datasets.load("digits")
        networks = {}
        for name, (size, epochs) in BATCHES.items():
            networks[name] = models.build("mlp", seed=0, **datasets.describe(digits)._asdict())
            training.train(networks[name], digits, epochs=epochs, batch_size=size, seed=0)
        networks[RESCALED] = copy.deepcopy(next(iter(networks.values())))
        first, second, *_ = (layer for layer in networks[RESCALED].modules() if isinstance(layer, nn.Linear))
        with torch.no_grad():
            first.weight *= 4
            first.bias *= 4
            second.weight /= 4
        for name, network in networks.items():
            fastscape.sharpness(network, digits, directions=32).save(files[name])
    reports = [fastscape.Sharpness.load(file) for file in files.values()]
    both = reports[0].beside(*reports[1:], names=list(files))
    print(both)
    return both.plot()


FORK = "a, on"  # two trainings go on from the same network
HALF = 4, 1e-3  # epochs, learning rate of each half of a training


def forked() -> tuple[dict[str, Any], dict[str, Any]]:
    """Five MLPs, three of other seeds and two that go on from the first with other batches; and the data."""
    digits = datasets.load("digits")
    networks = {}
    for seed, name in enumerate("abc"):
        networks[name] = models.build("mlp", seed=seed, **datasets.describe(digits)._asdict())
        training.train(networks[name], digits, epochs=HALF[0], lr=HALF[1], seed=seed)
    for seed in (7, 8):
        networks[f"{FORK} {seed}"] = copy.deepcopy(networks["a"])
        training.train(networks[f"{FORK} {seed}"], digits, epochs=HALF[0], lr=HALF[1], seed=seed)
    return networks, {"train": digits, "test": datasets.load("digits", "test")}


def between() -> fastscape.Barriers:
    """The barriers between these five networks."""
    file = KEPT / "mlp-barriers.json"
    if not file.exists():
        networks, data = forked()
        fastscape.barriers(networks, data, metrics={"accuracy": fastscape.accuracy}).save(file)
    return fastscape.Barriers.load(file)


def matrix() -> Any:
    """The barriers of the loss between networks of other seeds, and of trainings that went on from one of them."""
    found = between()
    print(found)
    return found.plot()


def hill() -> Any:
    """The line between two networks of other seeds, on the digits of the training and on others."""
    return between().between("a", "b").plot()[0]


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


def aligned(name: str, compute: Callable[[], alignments.Pair]) -> Any:
    """The loss and the accuracy between two networks, before and after one of them was aligned with the other."""
    files = [KEPT / f"{name}-{when}.json" for when in ("before", "after")]
    if not all(file.exists() for file in files):
        pair = compute()
        print(pair.alignment)
        for file, found in zip(files, pair, strict=False):
            found.save(file)
    before, after = map(fastscape.Barrier.load, files)
    return before.beside(after, names=["as trained", "aligned"]).plot()[0]


PICTURES: dict[str, Callable[[], Any]] = {
    "resnet20-contour": contour,
    "resnet20-walk": walk,
    "mnist-cnn-line": line,
    "mnist-cnn-directions": several,
    "mnist-cnn-spread": spread,
    "mnist-cnn-bilinear": bilinear,
    "mlp-spectrum": spectrum,
    "mlp-eigenvectors": eigenvectors,
    "mlp-curvature": curvature,
    "resnet8-ratio": ratio,
    "resnet56-skip": skip,
    "resnet56-basins": basins,
    "mlp-sharpness": sharpness,
    "train-and-test": sets,
    "mlp-barriers": matrix,
    "mlp-aligned": partial(aligned, "mlp-aligned", alignments.mlps),
    "resnet8-aligned": partial(aligned, "resnet8-aligned", alignments.resnets),
    "mlp-barrier": hill,
    "resnet8-curves": ways,
    "resnet8-curve-plane": curve_plane,
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
