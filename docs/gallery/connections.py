"""Draws what is between two or more networks: barriers before and after alignment, and curves of low loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import alignments
import matplotlib.pyplot as plt
from networks import KEPT, kept, sets_of_digits, untrained
from torch import nn

import fastscape
from fastscape.zoo import training

HALF = 4, 1e-3  # epochs, learning rate of each half of a training
FORK = "a, on"  # two trainings continue from the network a
ENDS = 6, 1e-3  # epochs, learning rate of the two networks that curves connect
CURVES: dict[str, dict[str, Any]] = {
    "bezier": {"curve": "bezier", "epochs": 20},
    "band": {"curve": "band", "epochs": 10},
}


def forked() -> dict[str, nn.Module]:
    """Five MLPs: three from different seeds, and two that continue from the first with different batches."""
    networks = {}
    for seed, name in enumerate("abc"):
        networks[name], digits = untrained("mlp", seed)
        training.train(networks[name], digits, epochs=HALF[0], lr=HALF[1], seed=seed)
    for seed in (7, 8):
        networks[f"{FORK} {seed}"] = copy.deepcopy(networks["a"])
        training.train(networks[f"{FORK} {seed}"], digits, epochs=HALF[0], lr=HALF[1], seed=seed)
    return networks


def between() -> fastscape.Barriers:
    """The barriers between these five networks."""

    def compute() -> fastscape.Barriers:
        return fastscape.barriers(forked(), sets_of_digits(), metrics={"accuracy": fastscape.accuracy})

    return kept("mlp-barriers.json", compute, fastscape.Barriers)


def matrix() -> Any:
    """The barriers of the loss between networks from different seeds, and between trainings that share a start."""
    found = between()
    print(found)
    return found.plot()


def hill() -> Any:
    """The line between two networks from different seeds, on the digits of the training and on other digits."""
    return between().between("a", "b").plot()[0]


def aligned(name: str, compute: Callable[[], alignments.Pair]) -> Any:
    """The loss and the accuracy between two networks, before and after the second was aligned with the first."""
    files = [KEPT / f"{name}-{when}.json" for when in ("before", "after")]
    if not all(file.exists() for file in files):
        pair = compute()
        print(pair.alignment)
        for file, found in zip(files, pair, strict=False):
            found.save(file)
    before, after = map(fastscape.Barrier.load, files)
    return before.beside(after, names=["as trained", "aligned"]).plot()[0]


def ends() -> tuple[nn.Module, nn.Module]:
    """Two ResNet-8 from different seeds, trained on the digits."""
    found = []
    for seed in (0, 1):
        network, digits = untrained("resnet8", seed)
        training.train(network, digits, epochs=ENDS[0], lr=ENDS[1], seed=seed)
        found.append(network)
    return found[0], found[1]


def curve(name: str) -> fastscape.Curve:
    """A curve between both ResNet-8, which is trained once."""

    def compute() -> fastscape.Curve:
        return fastscape.connect(*ends(), sets_of_digits()["train"], **CURVES[name])

    return kept(f"curve-{name}.safetensors", compute, fastscape.Curve)


def along(name: str | None) -> fastscape.Landscape:
    """The losses along a curve, or along the straight line, on the digits of the training and on other digits."""

    def compute() -> fastscape.Landscape:
        a, b = ends()
        if name is None:
            return fastscape.line(a, sets_of_digits(), to=b, x=(0, 1, 41), batchnorm="recalibrate")
        return fastscape.line(a, sets_of_digits(), along=curve(name), x=(0, 1, 81))

    return kept(f"along-{name or 'straight-line'}.npz", compute)


def ways() -> Any:
    """The losses along the straight line between two ResNet-8, a Bezier curve and an elastic band, on one scale."""
    names = {"bezier": "Bezier curve", "band": "elastic band"}
    found = {"straight line": along(None), **{names[name]: along(name) for name in CURVES}}
    _, places = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for place, metric in zip(places, ("loss", "loss of test"), strict=True):
        for name, landscape in found.items():
            landscape.plot(ax=place, metric=metric, log=True, label=name)
        place.set_xlabel("from model A to model B (t)")
        curves = [drawn for drawn in place.get_lines() if drawn.get_label() in found]  # without the marks
        place.legend(handles=curves, loc="upper center", bbox_to_anchor=(0.5, 0.87))
    for name, landscape in found.items():
        bound = 1.1 * max(landscape.loss[0], landscape.loss[-1]) + 0.02
        test = landscape.values["loss of test"].max()
        print(f"{name}: at most {landscape.loss.max():.4f}, on other digits {test:.4f}; {bound:.4f}")
    return places[0]


def curve_plane() -> Any:
    """The plane of the Bezier curve: Garipov et al. 2018, figure 1."""

    def compute() -> fastscape.Landscape:
        a, _ = ends()
        data = sets_of_digits()["train"][:512]
        axes: dict[str, Any] = {"x": ("path", 31), "y": ("path", 31)}
        return fastscape.surface(a, data, directions=curve("bezier").plane(), tolerance=0.01, **axes)

    return kept("curve-plane.npz", compute).contour()
