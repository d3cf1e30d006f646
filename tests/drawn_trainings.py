"""Landscapes with the paths of trainings, made by hand."""

import numpy as np

from fastscape import Landscape
from fastscape.results import Trajectory

X, Y = np.linspace(-3.0, 6.0, 46).round(9), np.linspace(-2.1, 2.4, 31).round(9)


def bowl(x, y):
    return 0.05 + 0.1 * (x - 0.3) ** 2 + 0.4 * (y - 0.2 * np.sin(x)) ** 2


def training(name: str, start, rate: float, count: int = 31, every: int = 20, seed: int = 0, **left_out) -> Trajectory:
    """A path that goes down into the bowl, with a distance off the plane that shrinks, and a loss every third time."""
    rng = np.random.default_rng(seed)
    share = np.exp(-rate * np.arange(count) / count)[:, None]
    wave = np.stack([0.2 * np.sin(np.arange(count) / 2), 0.3 * np.cos(np.arange(count) / 3)], axis=1)
    points = share * np.array(start) + share * wave + 0.02 * rng.normal(size=(count, 2))
    off = 2.5 * share[:, 0] + 0.1
    height = bowl(*points.T)
    known = np.arange(count) % 3 == 0
    columns = {
        "steps": every * np.arange(count), "off_plane": off,
        "loss": np.where(known, height + 0.05 * off**2, np.nan), "height": np.where(known, height, np.nan),
        "measures": {"epoch": np.arange(count) * every / 100, "lr": 0.1 * share[:, 0]},
    }  # fmt: skip
    return Trajectory(name, points, **{name: column for name, column in columns.items() if name not in left_out})


SGD = training("SGD", (5.5, 2.0), 4.0)
ADAM = training("Adam", (5.5, 2.0), 7.0, count=21, every=30, seed=1)
SAM = training("SAM", (-2.5, 2.0), 5.0, count=26, every=24, seed=2)


def landscape(*paths: Trajectory, **report) -> Landscape:
    labels = ["PC 1, 87 % of the variance", "PC 2, 9 % of the variance"]
    plane = {"kind": "pca", "center": "last", "orthonormal": True, "explained": [0.87, 0.09]}
    loss = bowl(X[:, None], Y)
    accuracy = 1 / (1 + loss)
    facts = {"plane": plane, "labels": labels, "marks": {"the last": [0.0, 0.0]}}
    carried = {"paths": [path.as_plain() for path in paths]}
    return Landscape(X, Y, loss, {"accuracy": accuracy}, {**facts, **carried, **report})
