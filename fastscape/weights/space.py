"""The space of a landscape: a basis, the scheme that combines it, and what is drawn in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.kernels import interpolate
from fastscape.results import Trajectory
from fastscape.weights import norms
from fastscape.weights.basis import Basis, basis_of, basis_seeded, basis_tensorwise
from fastscape.weights.directions import Checkpoints, Directions, Random, Source
from fastscape.weights.here import Here, here_of
from fastscape.weights.layout import Layout, layout_of
from fastscape.weights.marks import Marks, placed
from fastscape.weights.other_model import staying
from fastscape.weights.precision import Place
from fastscape.weights.repeats import Repeats, by_repeat, seeds_of
from fastscape.weights.schemes import Scheme
from fastscape.weights.selection import Perturb, tensors_of
from fastscape.weights.sharded import tensors_here
from fastscape.weights.tensorwise import Tensorwise

__all__ = ["Space", "SpaceAsked", "space_of"]

SOMEWHERE = 1.0, -0.5  # to the power of 1, 2, ...: a scheme that leads there combines coordinates as paths do


@dataclass(frozen=True)
class SpaceAsked:
    """The space that a run asks for.

    Args:
        axes: Number of axes.
        source: Where the directions come from.
        scheme: How coordinates combine them.
        scheme_name: The name of the scheme in the report.
        perturb: What moves.
        normalize: Norm of the directions.
            low_memory: Whether random directions are computed again on every read. Default False.
        unused: Names of tensors on which no value depends, see `staying`. Default: none.
        repeats: How many times random directions are drawn. Default 1.
    """

    axes: int
    source: Source
    scheme: Scheme
    scheme_name: str
    perturb: Perturb
    normalize: str
    low_memory: bool = False
    unused: Set[str] = frozenset()
    repeats: int = 1


@dataclass(frozen=True, eq=False)
class Space:
    """The space of the points: every point is a combination of the vectors of a basis.

    Args:
        basis: Theta and the directions.
        scheme: How coordinates combine them.
        labels: The label of each axis; None for the usual names.
        given_marks: Where models may be, besides the model at the origin: coordinates by name.
        paths: Paths through the space.
        checkpoints: The models at the points of a path, by the name of the path.
        facts: What the report says of the plane.
        astray: Names of paths that are left out, because the norm or the scheme does not lead to their points.
        staying: The tensors that do not move and in which models at marks differ from the model at the origin.
        repeats: How other directions are drawn for the same axes, if the basis is the first of several repeats. The
            coordinates of a point may then begin with the number of its repeat.
    """

    basis: Basis
    scheme: Scheme
    labels: Sequence[str] | None = None
    given_marks: Mapping[str, Sequence[float]] = field(default_factory=dict)
    paths: Sequence[Trajectory] = ()
    checkpoints: Mapping[str, Checkpoints] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    astray: Sequence[str] = ()
    staying: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repeats: Repeats | None = None

    @property
    def layout(self) -> Layout:
        """The layout of the entries of a point."""
        return self.basis.layout

    @property
    def axes(self) -> int:
        """Number of coordinates of a point: one per direction, unless the scheme combines directions differently."""
        own = self.scheme.axes
        return self.basis.gram.shape[2] - 1 if own is None else own

    @property
    def moving(self) -> set[str]:
        """Names of the tensors that move."""
        return {entry.name for entry in self.layout.entries}

    def relaid(self, *, channels_last: bool) -> Space:
        """The space with the weights of convolutions in another order; see `Basis.relaid`."""
        return replace(self, basis=self.basis.relaid(channels_last=channels_last))

    def by_repeat(self, points: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Points [n, D], split where the next repeat begins; they may have its number first; see `by_repeat`."""
        return by_repeat(points, self.axes)

    def of_repeat(self, repeat: int) -> Space:
        """The space along the directions of a repeat; all repeats but the first take memory of their own."""
        if self.repeats is None or repeat == 0:
            return self
        return replace(self, basis=self.repeats.basis(self.basis, repeat), repeats=None)

    def coefficients(self, points: Tensor | Sequence[Tensor]) -> Tensor:
        """The coefficients [G, S or 1, K] of points [G, D], or D tensors [G]; see `Basis.coefficients`."""
        return self.basis.coefficients(self.scheme, points)

    def theta(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The model's own tensors that move, by name."""
        if isinstance(self.basis.vectors, Tensorwise):
            return self.basis.vectors.tensors()
        return self.basis.held.unflatten(self.basis.theta.to(dtype))

    def at(self, point: Tensor, place: Place) -> dict[str, Tensor]:
        """The tensors that move, by name, at one point [1, D]."""
        ((repeat, point),) = self.by_repeat(point)
        there, held = self.of_repeat(repeat), self.basis.held
        c, vectors = there.coefficients(point), there.basis.vectors
        if isinstance(vectors, Tensorwise):
            return vectors.tensors(c[0])
        out = torch.empty(1, held.size, dtype=place.precision.weights, device=place.device)
        c = self.basis.held_coefficients(c)
        interpolate(vectors, c, held.segments, out=out, backend=place.backend)
        return held.unflatten(out[0])

    @property
    def lengths(self) -> dict[str, float]:
        """The norms of theta and of the directions."""
        lengths = self.basis.gram.diagonal(dim1=1, dim2=2).sum(0).sqrt().tolist()
        return {"theta" if k == 0 else f"d{k}": length for k, length in enumerate(lengths)}

    @property
    def cosine(self) -> float | None:
        """The cosine between the first two directions; None if there is only one."""
        return norms.cosine(self.basis.gram, 1, 2) if self.basis.gram.shape[2] > 2 else None

    @cached_property
    def marks(self) -> Marks:
        """Where the scheme passes through the model itself, and through other models in the space."""
        return placed(self.basis, self.scheme, self.given_marks, self.staying)

    @property
    def still(self) -> list[str]:
        """Names of the selected tensors in which every direction is 0."""
        lengths = norms.per_layer(self.basis.gram, self.layout.layer_of_segment).diagonal(dim1=1, dim2=2)
        moves = {k for k, row in enumerate(lengths[:, 1:].tolist()) if any(row)}
        return [entry.name for k, entry in enumerate(self.layout.entries) if k not in moves]

    @property
    def drawn(self) -> dict[str, Any]:
        """What pictures draw in addition to the values, as plain values for the report."""
        found: dict[str, Any] = {"marks": self.marks.at}
        if self.labels is not None:
            found["labels"] = [str(label) for label in self.labels]
        if self.paths:
            found["paths"] = [path.as_plain() for path in self.paths]
        if self.facts:
            found["plane"] = dict(self.facts)
        return found


def space_of(model: nn.Module, asked: SpaceAsked, place: Place) -> Space:
    """The space around a model.

    Args:
        model: The model. It is not changed.
        asked: Which space.
        place: The device and precision, and the processes that share the model.

    Returns:
        The space.

    Raises:
        ValueError: When a source gives a number of directions that differs from the number of axes, or has none for
            this model.
    """
    layout = layout_of(model, asked.perturb, by_input=norms.by_input(asked.normalize))
    theta = tensors_of(model)
    repeats = _repeats(asked, place)
    if place.sharing is not None:
        return replace(_shared_out(model, asked, place, here_of(model, layout, place.sharing)), repeats=repeats)
    if asked.low_memory and isinstance(asked.source, Random):
        if place.lent is not None and place.lent.in_place:
            basis = basis_tensorwise(layout, asked.source, asked.normalize, place, count=asked.axes)
        else:
            basis = basis_seeded(theta, layout, asked.source, asked.normalize, place, count=asked.axes)
        return Space(basis, asked.scheme, repeats=repeats)
    found = asked.source.directions(layout, theta, asked.axes)
    own = asked.scheme.axes is not None  # it combines as many directions as its source gives
    for what, given in {"directions": found.writers, "labels": found.labels}.items():
        if given is not None and len(given) != asked.axes and not (own and what == "directions"):
            raise ValueError(
                f"the source of the directions must give {asked.axes} {what}, one per axis, got {len(given)}"
            )
    _check_drawn(found, asked.axes)
    basis = basis_of(theta, layout, found.writers, asked.normalize, place, together=found.together)
    moving = {entry.name for entry in layout.entries}
    differ = {name: staying(model, moving, other, unused=asked.unused) for name, other in found.models.items()}
    places = [[base**k for k in range(1, 1 + asked.axes)] for base in SOMEWHERE]
    leads = own or all(basis.leads_to(asked.scheme, at) for at in places)
    if leads and found.along is not None:
        found = _along(found, basis, asked.normalize)
    space = Space(basis, asked.scheme, found.labels, found.marks, staying=differ, repeats=repeats)
    if not leads or (found.along is None and not all(basis.unscaled)):
        return replace(space, astray=list(dict.fromkeys([*found.checkpoints, *(path.name for path in found.paths)])))
    return replace(space, paths=found.paths, checkpoints=found.checkpoints, facts=found.facts)


def _shared_out(model: nn.Module, asked: SpaceAsked, place: Place, here: Here) -> Space:
    """The space around a model that is shared out among processes, along random directions."""
    random, layout = asked.source, here.whole
    assert isinstance(random, Random)  # other sources are refused before
    if asked.low_memory:
        basis = basis_tensorwise(layout, random, asked.normalize, place, count=asked.axes, here=here)
        return Space(basis, asked.scheme)
    drawn = [partial(here.random, random.seed, k, distribution=random.distribution) for k in range(asked.axes)]
    return Space(basis_of(tensors_here(model), layout, drawn, asked.normalize, place, here=here), asked.scheme)


def _repeats(asked: SpaceAsked, place: Place) -> Repeats | None:
    """How the directions of further repeats are drawn; None if there are none."""
    if asked.repeats == 1 or not isinstance(asked.source, Random):
        return None
    seeds = seeds_of(asked.source.seed, asked.repeats)
    return Repeats(seeds, asked.source.distribution, asked.normalize, place.backend)


def _along(found: Directions, basis: Basis, normalize: str) -> Directions:
    """A source's directions, with the paths of checkpoints along the directions after their norm."""
    assert found.along is not None  # the caller has checked this
    assert isinstance(basis.vectors, Tensor)  # directions of a source are in memory
    scaled = not all(basis.unscaled)
    if not scaled and found.checkpoints.keys() <= {path.name for path in found.paths}:
        return found
    own = [path for path in found.paths if path.name not in found.checkpoints and not scaled]
    labels = (
        [f"{label}, normalize={normalize!r}" for label in found.labels] if scaled and found.labels else found.labels
    )
    gram = basis.gram.sum(0)[1:, 1:]
    orthonormal = torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype, device="cpu"), atol=1e-5)
    paths = [*own, *found.along(basis.vectors[1:])]
    return replace(found, labels=labels, paths=paths, facts={**found.facts, "orthonormal": orthonormal})


def _check_drawn(found: Directions, axes: int) -> None:
    """Refuses, before the run, marks and paths with another number of axes: no file could hold the landscape."""
    places = {name: [at] for name, at in found.marks.items()} | {path.name: path.points for path in found.paths}
    for name, points in places.items():
        if len(points) and np.shape(points)[1:] != (axes,):
            raise ValueError(
                f"the source of the directions must give {name!r:.80} points of shape ({axes},), one coordinate per "
                f"axis, got {np.shape(points)[1:]}"
            )
