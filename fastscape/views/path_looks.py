"""The colours and markers of paths, and the points that have a name: the same in every picture and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastscape.results import Trajectory

__all__ = ["Look", "counted", "kept", "look_of", "marks_of", "moments_of", "span_of"]

MARKS = 10  # names along a path: more would hide it

# Colours at the first and at the last step. The colours at the last step are distinct for every kind of colour vision.
_FAMILIES = [
    ("#e8d0ff", "#8a14ff"),
    ("#ffd0d0", "#ff1414"),
    ("#ffffff", "#222222"),
    ("#e0e8f7", "#648bd8"),
    ("#f7e0e4", "#d86477"),
]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


class Look(NamedTuple):
    """Colours and marker of a path.

    Args:
        first: The colour at the first step of all paths, "#rrggbb".
        last: The colour at the last step.
        marker: The marker, as matplotlib names it.

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
            fractions: Fractions [...] of the range of steps, 0 for the first step and 1 for the last.

        Returns:
            Red, green and blue [..., 3], each from 0 to 1.
        """
        ends = [[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in (self.first, self.last)]
        there = np.asarray(fractions, float)[..., None]
        return (1 - there) * ends[0] + there * ends[1]


def look_of(number: int) -> Look:
    """The look of a path.

    Args:
        number: The number of the path among the paths of a picture, from 0.

    Returns:
        The look; different for each of 35 paths.
    """
    return Look(*_FAMILIES[number % len(_FAMILIES)], _MARKERS[number % len(_MARKERS)])


def moments_of(path: Trajectory) -> np.ndarray | None:
    """The step of each point of a path.

    Args:
        path: The path.

    Returns:
        The steps [n]. If these are unknown, the numbers of the points, because checkpoints are in order; None if only
        the places are known.
    """
    if path.steps is not None:
        return path.steps
    return np.arange(float(len(path))) if path.columns else None


def counted(paths: Iterable[Trajectory]) -> str:
    """The unit of the numbers of `moments_of`.

    Args:
        paths: The paths.

    Returns:
        "step", "point", or words for both.
    """
    kinds = {path.steps is None for path in paths if moments_of(path) is not None}
    return "step or, if unknown, point" if len(kinds) > 1 else "point" if True in kinds else "step"


def span_of(paths: Iterable[Trajectory]) -> tuple[float, float]:
    """The first and the last step of several paths.

    Args:
        paths: The paths; some may have no steps.

    Returns:
        Two different steps; 0 and 1 if no path has steps.
    """
    steps = [moments for path in paths if (moments := moments_of(path)) is not None and len(moments)]
    if not steps:
        return 0.0, 1.0
    low, high = min(float(one.min()) for one in steps), max(float(one.max()) for one in steps)
    return (low, high) if low < high else (low, low + max(1.0, 1e-9 * abs(low)))


def marks_of(path: Trajectory) -> list[tuple[int, str]]:
    """The points of a path that get a name: the first of each epoch, or if epochs are unknown, at round steps.

    Args:
        path: The path.

    Returns:
        Numbers of points and their names, at most 10, without the first point; empty if only the places are known.

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
    """The points that reach round numbers at least `least` apart; each point once, with the last number it reaches."""
    reached = np.maximum.accumulate(np.where(np.isfinite(along), along, -np.inf))
    known = reached[np.isfinite(reached)]
    if not len(known) or not 0 < known[-1] / 2 - known[0] / 2 < np.finfo(np.float64).max / 4:
        return {}
    first, last = float(known[0]), float(known[-1])
    power = 10.0 ** np.floor(np.log10((last - first) / MARKS))
    # The first of 1, 2, 5 and 10 times a power of ten that gives no more names than there is room for.
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
    """Selects the names that have room.

    Args:
        places: The places [n, axes] of the names, as fractions of the picture.
        taken: Places of names that are drawn already; the places of selected names are added.
        apart: The smallest distance of two names, along one of the axes.

    Returns:
        The numbers of the selected names, in their order.
    """
    found = []
    for k, place in enumerate(places):
        if np.isfinite(place).all() and all((np.abs(place - other) >= apart).any() for other in taken):
            taken.append(place)
            found.append(k)
    return found
