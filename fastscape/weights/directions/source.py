"""The form of a source of directions, and the directions that it yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from fastscape.results import Trajectory
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import Other
from fastscape.weights.selection import Perturb

__all__ = ["Checkpoints", "Directions", "Source"]


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The models at the points of a path.

    Args:
        tensors: Returns all kept tensors of the checkpoint at point k of the path, by name.
        evaluated: Indices of the points where the checkpoint's own loss, and the loss of the plane below it, are
            evaluated.
    """

    tensors: Callable[[int], Mapping[str, Tensor]]
    evaluated: Sequence[int]


@dataclass(frozen=True, eq=False)
class Directions:
    """A direction for each axis, and what to draw in the space that they span.

    Args:
        writers: For each axis a function that writes the direction to a row `out` [P] of the basis.
        labels: Label of each axis in pictures. Default: "direction 1", "direction 2", ...
        marks: Places of models other than the model at the origin: coordinates [axes] by name, in units of the
            directions. Pictures show a mark if the norm and the scheme lead to its model.
        paths: Paths through the space, for example the path of a training. They may be off the plane.
        checkpoints: The models at the points of a path, by the name of the path.
        facts: What the report says of the plane, as plain values: "orthonormal", whether the axes are orthogonal and
            of length 1; and for example "explained". Default: nothing.
        models: The models at marks, by the name of the mark. It lacks a model that differs from the model at the
            origin in a tensor that does not move.
        together: Writes all directions to rows [axes, P] at once, if this takes less than one after another. Default:
            each writer writes its own.
        along: Returns the paths of all checkpoints along any directions, rows [axes, P]. It is called if a norm has
            changed the directions, or if paths are not known before the directions. Default: not available.
    """

    writers: Sequence[Callable[..., object]]
    labels: Sequence[str] | None = None
    marks: Mapping[str, Sequence[float]] = field(default_factory=dict)
    paths: Sequence[Trajectory] = ()
    checkpoints: Mapping[str, Checkpoints] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Other] = field(default_factory=dict)
    together: Callable[[Tensor], object] | None = None
    along: Callable[[Tensor], Sequence[Trajectory]] | None = None


@runtime_checkable
class Source(Protocol):
    """A source of directions. Any object of this form can be given as `directions=`.

    It may also have `shows_path`, whether axes that are not given follow its paths; `scheme`, a `Scheme` that combines
    its directions, for example several along one axis; and `batchnorm`, what batch normalisation uses if the user does
    not say it.
    """

    @property
    def perturb(self) -> Perturb:
        """What moves if the user does not say it."""

    @property
    def normalize(self) -> str | None:
        """The norm of the directions if the user does not give one; None for the scheme's own norm."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions: "directions", "distribution" and "seed", and anything else."""

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The directions.

        Args:
            layout: The flat buffer that they belong to.
            theta: All tensors of the model at the origin, by name.
            axes: Number of directions.

        Returns:
            This many directions, with their marks, paths and facts.

        Raises:
            ValueError: When the source cannot give this number of directions.
        """
