"""A plane through checkpoints, computed from their Gram matrix, and the paths that are drawn in it.

Every axis is a combination of the differences of the checkpoints to a base, `d_k = sum_i C[k, i] (w_i - w_b)`. So
lengths, angles, coordinates and distances follow from C and the Gram matrix; the weights are read again only to write
the axes. The plane passes through the model. It is parallel to the plane of the checkpoints, and equals it if the
model is in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastscape.results import Trajectory
from fastscape.weights.checkpoints import Training
from fastscape.weights.directions.source import Checkpoints, Directions
from fastscape.weights.gram_of_checkpoints import Along, along, combine, gram_of, nearest
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import Other
from fastscape.weights.stack import Stack

__all__ = ["Components", "Drawn", "Plane", "check_dimensions", "check_evaluated", "components_of", "stacked"]

EXACT = 1e-6
"""A checkpoint is in the plane up to this distance, as a fraction of the largest distance from the model."""

FLAT = 1e-12
"""Below this share of the largest component, a component is only rounding: a millionth of its length."""

SURE = 1e-7
"""The error that an axis may have from errors of scalar products."""

MOST = 10  # most shares of components in a report


def stacked(trainings: Sequence[Training], layout: Layout, theta: Mapping[str, Tensor]) -> Stack:
    """The checkpoints of trainings as differences to the end of the first training."""
    return Stack(trainings, layout, theta, base=len(trainings[0]) - 1)


@dataclass(frozen=True)
class Drawn:
    """The paths that are drawn.

    Args:
        stack: The checkpoints.
        evaluated: At most this many checkpoints per path have their own loss evaluated.
    """

    stack: Stack
    evaluated: int

    @cached_property
    def firsts(self) -> list[int]:
        """Index of the first checkpoint of each training."""
        return [0, *np.cumsum([len(training) for training in self.stack.trainings])[:-1].tolist()]

    @property
    def checkpoints(self) -> dict[str, Checkpoints]:
        """The checkpoints of each training by its name."""
        return {
            training.name: Checkpoints(partial(self._tensors, first), _spread(len(training), self.evaluated))
            for training, first in zip(self.stack.trainings, self.firsts, strict=True)
        }

    def _tensors(self, first: int, k: int) -> Mapping[str, Tensor]:
        return self.stack.tensors(first + k)

    def paths(self, found: Along) -> list[Trajectory]:
        """The paths of the trainings.

        Args:
            found: The places of all checkpoints.

        Returns:
            One path per training.
        """
        return [
            Trajectory(
                training.name,
                found.coordinates[first : first + len(training)].numpy(),
                training.steps,
                found.off[first : first + len(training)].numpy(),
                measures=training.measures,
            )
            for training, first in zip(self.stack.trainings, self.firsts, strict=True)
        ]

    def along(self, rows: Tensor) -> list[Trajectory]:
        """The paths along any directions [K, P]."""
        return self.paths(along(self.stack, rows))

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of them."""
        return {"trainings": {training.name: len(training) for training in self.stack.trainings}}


@dataclass(frozen=True, eq=False)
class Plane:
    """Axes between checkpoints.

    Args:
        stack: The checkpoints.
        gram: Gram matrix [N, N] of their differences to the base, with the model last.
        axes: The axes as combinations of these differences [K, N].
    """

    stack: Stack
    gram: Tensor
    axes: Tensor

    @cached_property
    def placed(self) -> Along:
        """The places of the checkpoints relative to the model."""
        return nearest(self._products, self._squares, self.axes @ self.gram @ self.axes.T)

    @cached_property
    def _products(self) -> Tensor:
        """Scalar products [n, K] of the axes with the differences to the model."""
        to_all = self.gram @ self.axes.T
        return to_all[:-1] - to_all[-1]

    @cached_property
    def _squares(self) -> Tensor:
        """Squared distances [n] from the model."""
        return (self.gram.diagonal()[:-1] - 2 * self.gram[-1, :-1] + self.gram[-1, -1]).clamp(min=0)

    @property
    def reach(self) -> float:
        """The largest distance of a checkpoint from the model."""
        return float(self._squares.max().sqrt())

    def holds(self, i: int) -> bool:
        """Whether checkpoint i is in the plane."""
        return float(self.placed.off[i]) <= EXACT * self.reach

    def write(self, k: int, *, out: Tensor) -> None:
        """Writes axis k to a row `out` [P] of the basis."""
        combine(self.stack, self.axes[k : k + 1], out[None])

    def directions(self, labels: Sequence[str], facts: Mapping[str, Any], drawn: Drawn | None) -> Directions:
        """The directions, and what is drawn.

        Args:
            labels: Labels of the axes.
            facts: What the report says.
            drawn: The paths to draw; None for no path.

        Returns:
            The directions. The start and the end of a training are marked if they are in the plane, but not in the
            model.
        """
        writers = [partial(self.write, k) for k in range(len(self.axes))]
        found = Directions(writers, labels, facts=facts, together=partial(combine, self.stack, self.axes))
        if drawn is None:
            return found
        ends: dict[str, int] = {}
        for training, first in zip(self.stack.trainings, drawn.firsts, strict=True):
            several = f"{training.name}: " if len(self.stack.trainings) > 1 else ""
            ends |= {f"{several}start": first, f"{several}end": first + len(training) - 1}
        return replace(
            self.marked(found, ends),
            paths=drawn.paths(self.placed),
            checkpoints=drawn.checkpoints,
            along=drawn.along,
            facts={**facts, **drawn.facts},
        )

    def marked(self, found: Directions, which: Mapping[str, int]) -> Directions:
        """Adds marks for the checkpoints in the plane, except for those equal to the model, which has a mark.

        Args:
            found: The directions.
            which: Indices of checkpoints by name.

        Returns:
            The directions with the marks.
        """
        apart = {name: i for name, i in which.items() if float(self._squares[i].sqrt()) > EXACT * self.reach}
        there = {name: i for name, i in apart.items() if self.holds(i)}
        # A tensor that a checkpoint lacks has not moved.
        models: dict[str, Other] = {name: {**self.stack.theta, **self.stack.tensors(i)} for name, i in there.items()}
        marks = {name: self.placed.coordinates[i].tolist() for name, i in there.items()}
        return replace(found, marks=marks, models=models)


@dataclass(frozen=True, eq=False)
class Components:
    """The principal components of the vectors from a centre to the checkpoints, the largest first.

    Args:
        parts: Each component as a combination of the vectors [components, n], of length 1; the first vector has no
            negative coordinate.
        squares: Sum of the squared coordinates of all vectors along each component [components].
        total: Sum of the squared lengths of all vectors.
        longest: The largest squared length.
    """

    parts: Tensor
    squares: Tensor
    total: float
    longest: float

    @classmethod
    def of(cls, moments: Tensor) -> Components:
        """The components of vectors with the scalar products `moments` [n, n]."""
        squares, vectors = torch.linalg.eigh(moments)
        there = squares.flip(0) > FLAT * squares[-1].clamp(min=0)
        squares, vectors = squares.flip(0)[there], vectors.flip(1)[:, there]
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))[0]
        signs = torch.where(vectors[0].abs() > 1e-6, vectors[0], largest).sign()
        return cls(
            (vectors * (signs / squares.sqrt())).T, squares, float(moments.trace()), float(moments.diagonal().max())
        )

    def sure(self, axes: int, error: float) -> bool:
        """Whether errors of the scalar products hardly move the first components.

        An error E turns component k towards component j, with squares s, by <j, E k> / (s_k - s_j).

        Args:
            axes: Number of components.
            error: Error of a product, as a fraction of the product of the two lengths.

        Returns:
            Whether all turns together stay below 1e-7.
        """
        squares = [*self.squares[: axes + 1].tolist(), 0.0]
        if not error or not axes:
            return True
        if len(squares) <= axes or not math.isfinite(error * self.longest):
            return False
        gaps = [squares[k] - squares[k + 1] for k in range(axes)]
        if min(gaps) <= 0:
            return False
        nearest = 3 * self.longest / min(gaps)
        others = math.sqrt(self.total * self.longest) / squares[axes - 1]  # |E k| without regard to the gaps
        return error * (nearest + others) < SURE

    def shares(self, of: float | None = None) -> list[float]:
        """The share of each component in the squared lengths of all vectors or in another sum, for at most ten."""
        return (self.squares[:MOST] / (self.total if of is None else of)).tolist()


def components_of(stack: Stack, axes: int, moments: Callable[[Tensor], Tensor]) -> tuple[Tensor, Components]:
    """The Gram matrix of a stack, and the components of vectors between its checkpoints.

    Args:
        stack: The checkpoints.
        axes: Number of components.
        moments: The scalar products [n, n] of the vectors, from the Gram matrix of the checkpoints [n, n].

    Returns:
        The matrix [N, N] and the components, from products in float32 if these are exact enough.
    """
    for exact in (False, True):
        gram = gram_of(stack, exact=exact)
        found = Components.of(moments(gram.products[:-1, :-1]))
        if exact or found.sure(axes, gram.error):
            break
    return gram.products, found


def check_dimensions(found: int, wanted: int, count: int) -> None:
    """Refuses checkpoints that span fewer dimensions than there are axes.

    Args:
        found: Number of dimensions that they span.
        wanted: Number of axes.
        count: Number of checkpoints.

    Raises:
        ValueError: When there are fewer dimensions than axes.
    """
    if not found:
        raise ValueError(
            f"all weights of the {count} checkpoints are equal, so that no direction leads from one to another; "
            "record a training from its start on, and keep copies: model.state_dict() follows the model"
        )
    if found < wanted:
        raise ValueError(
            f"the checkpoints must span {wanted} dimensions, one per axis, but the {count} of them span {found}: "
            "record more of them, or write fastscape.line for one axis"
        )


def check_evaluated(evaluated: int) -> None:
    """Refuses a value that is no number of checkpoints.

    Args:
        evaluated: Number of checkpoints whose own loss is evaluated.

    Raises:
        ValueError: When it is not a whole number of at least 0.
    """
    if isinstance(evaluated, bool) or not isinstance(evaluated, int | np.integer) or evaluated < 0:
        raise ValueError(
            f"evaluated must be the number of checkpoints whose own loss is evaluated, got {evaluated!r:.80}; for "
            "example 100"
        )


def _spread(count: int, most: int) -> list[int]:
    """At most `most` numbers below `count`, evenly spread, with the first and the last."""
    if most == 1:
        return [count - 1]
    return sorted({round(k) for k in np.linspace(0, count - 1, min(most, count)).tolist()})
