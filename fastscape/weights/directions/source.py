"""What a source of directions is, and what it yields."""

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
    """The models that lie at the points of a path.

    Args:
        tensors: Gives all tensors that were kept of the checkpoint at point k of the path, by name.
        evaluated: Numbers of the points whose own loss, and that of the plane below them, are evaluated.
    """

    tensors: Callable[[int], Mapping[str, Tensor]]
    evaluated: Sequence[int]


@dataclass(frozen=True, eq=False)
class Directions:
    """A direction for each axis, and what is to be drawn in the space that they span.

    Args:
        writers: For each axis a function that writes the direction to a row `out` [P] of the basis.
        labels: What each axis runs along, as pictures say it. Default: "direction 1", "direction 2", ...
        marks: Where models lie, besides the one at the origin: coordinates [axes] by name, in units of the
            directions. In pictures they stand where the norm and the scheme lead there.
        paths: Paths through the space, for example that of a training. They may lie beside the plane.
        checkpoints: What lies at the points of a path, by the name of the path.
        facts: What the report says of the plane that was found, as plain values: "orthonormal", whether the axes are
            orthogonal and of length 1; and for example "explained". Default: nothing.
        models: The models that lie at marks, by the name of the mark. A mark is left out where its model differs from
            the one at the origin in a tensor that does not move.
        together: Writes all directions to rows [axes, P] at once, where that takes less than one after the other.
            Default: each writer writes its own.
        along: Gives the paths of all checkpoints along any directions, rows [axes, P]. It is asked where a norm has
            changed the directions, and where paths are not known before these are. Default: nobody can.
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
    """Where directions come from. Any object of this form can be given as `directions=`.

    It may also have `shows_path`, whether axes that are not given follow its paths; `scheme`, a `Scheme` that combines
    its directions, for example several along one axis; and `batchnorm`, what batch normalisation uses where the user
    does not say it.
    """

    @property
    def perturb(self) -> Perturb:
        """What moves where the user does not say it."""

    @property
    def normalize(self) -> str | None:
        """The norm that the directions get where the user does not say it; None for the scheme's own."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions: "directions", "distribution" and "seed", and anything else."""

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The directions.

        Args:
            layout: The flat buffer that they belong to.
            theta: All tensors of the model at the origin, by name.
            axes: How many are wanted.

        Returns:
            As many directions, and what comes with them.

        Raises:
            ValueError: When the source has no such number.
        """
