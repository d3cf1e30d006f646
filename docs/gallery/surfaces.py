"""Draws losses along lines and on planes around one network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from networks import KEPT, TEN, in_full, kept, plane, trained, untrained
from torch.utils.data import TensorDataset

import fastscape
from fastscape import compare
from fastscape.cli.demo import EPOCHS
from fastscape.zoo import datasets, training

START, STEPS = (0.85, 0.6), 42  # of the optimizer that walks on the surface


def resnet() -> fastscape.Landscape:
    """The network of `make demo`: a ResNet-20 after eight epochs, along both directions from -1 to 1."""
    return plane("resnet20", "resnet20", *EPOCHS)


def contour() -> Any:
    """The contour map of the ResNet-20."""
    return resnet().contour(levels=10, linewidth=0.8)


def walk() -> Any:
    """The surface of the ResNet-20 with the walk of an optimizer, and the contours below."""
    path = resnet().descend(START, "nadam", STEPS, lr=0.03)
    return resnet().surface3d(paths=[path], azimuth=-50, elevation=35)


def line() -> Any:
    """The loss of a small CNN along one direction, from -2 to 2: "Navigating Through Loss Space"."""

    def compute() -> fastscape.Landscape:
        network, digits = trained("mnist-cnn", TEN)
        metrics = {"accuracy": fastscape.accuracy}
        return fastscape.line(network, digits[:1000], x=(-2.0, 2.0, 41), metrics=metrics)

    return kept("mnist-cnn-line.npz", compute).plot(metric=["loss", "accuracy"])


def several() -> Any:
    """The loss of the small CNN along 32 directions: the mean, and a band that shows the spread."""

    def compute() -> fastscape.Landscape:
        network, digits = trained("mnist-cnn", TEN)
        return fastscape.line(network, digits[:256], x=(-1.0, 1.0, 31), scheme="plane", repeats=32)

    return kept("mnist-cnn-directions.npz", compute).plot(log=True)


def spread() -> Any:
    """The plane around the small CNN along four pairs of directions: the mean, and beside it the spread."""
    axis = (-1.0, 1.0, 15)
    found = plane("mnist-cnn-spread", "mnist-cnn", TEN, samples=256, x=axis, y=axis, repeats=4)
    _, places = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for place, metric in zip(places, ("loss", "spread of loss"), strict=True):
        found.contour(ax=place, metric=metric, log=True)
        in_full(place.texts, 63)
    return places[0]


def bilinear() -> Any:
    """log10 of the loss of the small CNN between its weights and two random directions, by the bilinear scheme."""
    axis = (-1.0, 1.0, 51)
    found = plane("mnist-cnn-bilinear", "mnist-cnn", TEN, samples=1000, scheme="bilinear", x=axis, y=axis)
    return found.surface3d(azimuth=-66, elevation=32)


def sets() -> Any:
    """The loss of a network on the digits of its training and on other digits: one landscape, one scale."""

    def compute() -> fastscape.Landscape:
        network, digits = untrained("mlp")
        few, test = digits[:200], datasets.load("digits", "test")[:]
        training.train(network, TensorDataset(*few), epochs=100, lr=1e-3, seed=0)
        axis = (-1.0, 1.0, 41)
        return fastscape.surface(network, {"train": few, "test": test}, x=axis, y=axis)

    both = kept("mlp-sets.npz", compute)
    return compare(both, metric=list(both.values), names=["200 digits of the training", "297 other digits"])[0]


def page(file: Path) -> None:
    """A screenshot of the interactive page of the ResNet-20, in a Chromium that is installed."""
    from playwright.sync_api import sync_playwright

    html = resnet().to_html(KEPT / "explorer.html", names=["ResNet-20"])
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        shown = browser.new_page(viewport={"width": 1100, "height": 780})
        shown.goto(html.as_uri())
        shown.evaluate("explorer.ready")
        shown.wait_for_timeout(1000)
        shown.screenshot(path=file)
        browser.close()
