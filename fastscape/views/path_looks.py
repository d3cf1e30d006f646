"""How paths are told apart, and which of their points have a name: the same in every picture and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastscape.results import Trajectory

__all__ = ["Look", "counted", "kept", "look_of", "marks_of", "moments_of", "span_of"]

MARKS = 10  # names along a path: more of them would hide it

# Colours at the first and at the last step. The last ones differ from each other for every kind of colour vision.
_FAMILIES = [
    ("#e8d0ff", "#8a14ff"),
    ("#ffd0d0", "#ff1414"),
    ("#ffffff", "#222222"),
    ("#e0e8f7", "#648bd8"),
    ("#f7e0e4", "#d86477"),
]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


class Look(NamedTuple):
    """How a path is drawn.

    Args:
        first: Its colour at the first step of all paths, "#rrggbb".
        last: At the last one.
        marker: The letter that matplotlib has for its markers.

    Example:
        >>> Look("#000000", "#ff0000", "o").at(0.5).tolist()
        [0.5, 0.0, 0.0]
    """

    first: str
    last: str
    marker: str

    def at(self, fractions: np.ndarray | float) -> np.ndarray:
        """Colours along the path.

        Args:
            fractions: Of the steps [...], 0 for the first and 1 for the last.

        Returns:
            Red, green and blue [..., 3], each from 0 to 1.
        """
        ends = [[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in (self.first, self.last)]
        there = np.asarray(fractions, float)[..., None]
        return (1 - there) * ends[0] + there * ends[1]


def look_of(number: int) -> Look:
    """The look of a path.

    Args:
        number: Its number among the paths of a picture, from 0.

    Returns:
        The look, another one for each of 35 paths.
    """
    return Look(*_FAMILIES[number % len(_FAMILIES)], _MARKERS[number % len(_MARKERS)])


def moments_of(path: Trajectory) -> np.ndarray | None:
    """When each point of a path was reached.

    Args:
        path: The path.

    Returns:
        Its steps [n]; where these are unknown the numbers of its points, because checkpoints lie in their order; None
        where nothing is known of it but places.
    """
    if path.steps is not None:
        return path.steps
    return np.arange(float(len(path))) if path.columns else None


def counted(paths: Iterable[Trajectory]) -> str:
    """What `moments_of` counts.

    Args:
        paths: The paths.

    Returns:
        "step" or "point", or words for both.
    """
    kinds = {path.steps is None for path in paths if moments_of(path) is not None}
    return "step or, where it is unknown, point" if len(kinds) > 1 else "point" if True in kinds else "step"


def span_of(paths: Iterable[Trajectory]) -> tuple[float, float]:
    """The first and the last step of several paths.

    Args:
        paths: The paths, of which some may know no steps.

    Returns:
        The steps; 0 and 1 where there are none, and at least as far apart as two numbers can be.
    """
    steps = [moments for path in paths if (moments := moments_of(path)) is not None and len(moments)]
    if not steps:
        return 0.0, 1.0
    low, high = min(float(one.min()) for one in steps), max(float(one.max()) for one in steps)
    return (low, high) if low < high else (low, low + max(1.0, 1e-9 * abs(low)))


def marks_of(path: Trajectory) -> list[tuple[int, str]]:
    """The points of a path that get a name: where an epoch begins, or else a round number of steps is reached.

    Args:
        path: The path.

    Returns:
        Numbers of points and their names, at most 10, none for the first point; nothing where only places are known.

    Example:
        >>> marks_of(Trajectory("SGD", np.zeros((4, 2)), steps=[0, 5, 10, 15], measures={"epoch": [0, 0.9, 1.8, 2.7]}))
        [(2, 'epoch 1'), (3, '2')]
        >>> marks_of(Trajectory("SGD", np.zeros((3, 2)), steps=[0, 5, 10]))[:2]
        [(1, 'step 5'), (2, '10')]
    """
    moments = moments_of(path)
    if moments is None or len(path) < 2:
        return []
    epochs = path.measures.get("epoch")
    if epochs is not None and (found := _passed(epochs, 1.0)):
        return _named("epoch", found)
    return _named(counted([path]), _passed(moments, 0.0))


def _passed(along: np.ndarray, least: float) -> dict[int, float]:
    """At which points round numbers are reached, at least so far from each other: each point once, with its last."""
    reached = np.maximum.accumulate(np.where(np.isfinite(along), along, -np.inf))
    known = reached[np.isfinite(reached)]
    if not len(known) or not 0 < known[-1] / 2 - known[0] / 2 < np.finfo(np.float64).max / 4:
        return {}
    first, last = float(known[0]), float(known[-1])
    power = 10.0 ** np.floor(np.log10((last - first) / MARKS))
    # Of 1, 2, 5 and 10 times a power of ten, the first that is passed no more often than names have room.
    apart = next(step for k in (1, 2, 5, 10, 20) if (step := max(k * power, least)) * MARKS >= last - first)
    begin = np.floor(first / apart) + 1
    found = {}
    for number in range(MARKS + 1):
        mark = float((begin + number) * apart)
        if first < mark <= last:
            found[int((reached >= mark).argmax())] = mark
    return found


def _named(what: str, found: dict[int, float]) -> list[tuple[int, str]]:
    names = [f"{mark:g}" for mark in found.values()]
    return list(zip(found, [f"{what} {name}" for name in names[:1]] + names[1:], strict=True))


def kept(places: np.ndarray, taken: list[np.ndarray], apart: float | Sequence[float]) -> list[int]:
    """Which names have room, of several that would stand at places.

    Args:
        places: The places [n, axes], as fractions of the picture.
        taken: Where names stand already; the places of those that are kept are added.
        apart: The smallest distance of two names, along one of the axes.

    Returns:
        The numbers of those that are kept, in their order.
    """
    found = []
    for k, place in enumerate(places):
        if np.isfinite(place).all() and all((np.abs(place - other) >= apart).any() for other in taken):
            taken.append(place)
            found.append(k)
    return found
