"""Draws a ResNet-56 with and without its shortcuts: surfaces and basins."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from networks import TEN, kept, plane, trained

import fastscape
from fastscape import compare
from fastscape.cli.demo import SKIP
from fastscape.views import topologies

AXIS = (-1.0, 1.0, 41)


def skip() -> Any:
    """Both surfaces on one scale: Li et al. 2018, figure 1."""
    pair = [plane(f"{name}-skip", name, TEN, samples=128, x=AXIS, y=AXIS) for name in SKIP]
    return compare(pair, names=list(SKIP.values()), kind="surface3d")[0]


def basins() -> Any:
    """The basins of both networks, with the merge trees beside the maps, on one scale."""
    found = {}
    for name, title in SKIP.items():
        found[title] = kept(f"{name}-basins.npz", partial(_until_certain, name)).topology()
        print(f"\n{title}: {found[title]}")
    first, second = found.values()
    print(f"\nbottleneck distance {first.distance(second):.3g}, errors {first.error:.2g} and {second.error:.2g}")
    return np.ravel(np.array(topologies(found)))[0]


def _until_certain(name: str) -> fastscape.Landscape:
    network, digits = trained(name, TEN)
    options: dict[str, Any] = {"tolerance": 0.01, "topology": True, "metrics": {"accuracy": fastscape.accuracy}}
    return fastscape.surface(network, digits[:256], x=AXIS, y=AXIS, **options)
