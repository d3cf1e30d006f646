"""Draws how the loss curves: slopes, eigenvalues of the Hessian, and the sharpness of minima."""

from __future__ import annotations

import copy
from typing import Any

import matplotlib.pyplot as plt
import torch
from networks import KEPT, TEN, in_full, kept, plane, trained, untrained
from torch import nn

import fastscape
from fastscape.zoo import datasets, training

CLIP = 5.0  # of the Gaussian curvature, whose extremes would leave no colours for the rest
BATCHES = {"batches of 16": (16, 5), "batches of 512": (512, 28)}  # samples, epochs: to about the same loss
RESCALED = "16, rescaled"


def curvature() -> Any:
    """The loss of an MLP with arrows of descent, and beside it the Gaussian curvature of the same plane."""

    def compute() -> fastscape.Landscape:
        network, digits = trained("mlp", TEN)
        axis = (-1.0, 1.0, 31)
        return fastscape.surface(network, digits[:256], x=axis, y=axis, scheme="bilinear", curvature="plane")

    found = kept("mlp-curvature.npz", compute)
    _, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    found.contour(ax=left, arrows=True)
    found.with_curvature().contour(ax=right, metric="gaussian_curvature", clip=CLIP)
    return left


def ratio() -> Any:
    """The loss of a ResNet-8, and the ratio of the extreme eigenvalues of its Hessian: Li et al. 2018, section 6."""
    axis = (-1.0, 1.0, 11)
    found = plane("resnet8-ratio", "resnet8", TEN, samples=128, x=axis, y=axis, curvature="ratio")
    _, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    found.contour(ax=left)
    found.contour(ax=right, metric="lambda_ratio")
    return left


def spectrum() -> Any:
    """The eigenvalues of the Hessian of an MLP."""

    def compute() -> fastscape.Spectrum:
        network, digits = trained("mlp", TEN)
        return fastscape.spectrum(network, digits[:256])

    return kept("mlp-spectrum.json", compute, fastscape.Spectrum).plot()


def eigenvectors() -> Any:
    """The plane in which the loss of the MLP bends most up and most down."""

    def compute() -> fastscape.Landscape:
        network, digits = trained("mlp", TEN)
        source = fastscape.hessian(network, digits[:256], k=1, which="both")
        axis = (-2.0, 2.0, 31)
        return fastscape.surface(network, digits[:256], directions=source, x=axis, y=axis)

    return kept("mlp-eigenvectors.npz", compute).contour()


def sharpness() -> Any:
    """The sharpness of an MLP after training with small batches, with large batches, and of a copy of the first.

    The copy has its first layer times 4 and the next layer divided by 4, so that it is the same function.

    Returns:
        The axes.
    """
    files = {name: KEPT / f"sharpness-{k}.json" for k, name in enumerate([*BATCHES, RESCALED])}
    if not all(file.exists() for file in files.values()):
        digits = datasets.load("digits")
        for name, network in _networks().items():
            fastscape.sharpness(network, digits, directions=32).save(files[name])
    reports = [fastscape.Sharpness.load(file) for file in files.values()]
    both = reports[0].beside(*reports[1:], names=list(files))
    print(both)
    axes = both.plot()
    in_full(axes.figure.texts, 140)
    return axes


def _networks() -> dict[str, nn.Module]:
    networks = {}
    for name, (size, epochs) in BATCHES.items():
        networks[name], digits = untrained("mlp")
        training.train(networks[name], digits, epochs=epochs, batch_size=size, seed=0)
    networks[RESCALED] = copy.deepcopy(next(iter(networks.values())))
    first, second, *_ = (layer for layer in networks[RESCALED].modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.weight *= 4
        first.bias *= 4
        second.weight /= 4
    return networks
