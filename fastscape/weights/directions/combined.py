"""Lines along a path that combines models, and the plane of such a path: for curves through weight space.

A path is a function from t in [0, 1] to coefficients of some models, which sum to 1: `w(t) = sum_k C_k(t) w_k`. It
begins in the first model and ends in the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fastscape.results import Trajectory
from fastscape.weights.checkpoints import InMemory, Training
from fastscape.weights.directions.plane import EXACT, Plane
from fastscape.weights.directions.source import Checkpoints, Directions
from fastscape.weights.gram_of_checkpoints import combine, gram_of
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import listed
from fastscape.weights.schemes import Scheme
from fastscape.weights.selection import Perturb
from fastscape.weights.stack import Stack

__all__ = ["AlongModels", "ModelsOfPath", "PlaneOfModels"]

FINE = 256
"""About how many pieces of a path are used to find its length and its strongest direction."""

STATISTICS = "running_mean", "running_var", "num_batches_tracked"

FLAT = 1e-12
"""A path is straight, up to rounding, below this share of its squared length."""


@dataclass(frozen=True, eq=False, repr=False)
class ModelsOfPath:
    """The models that a path combines.

    Args:
        kind: What the path is called, for example "bezier".
        names: The names of the models in marks, in order.
        tensors: For each model the tensors that move, by name.
        coefficients: `t [G] -> [G, models]`, float64, which torch can differentiate.
        still: The tensors that all models have in common, by name, as far as they are known. Default: none is known.
    """

    kind: str
    names: Sequence[str]
    tensors: Sequence[Mapping[str, Tensor]]
    coefficients: Callable[[Tensor], Tensor]
    still: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.kind} curve"

    def perturb(self, name: str, _: nn.Parameter) -> bool:
        """Whether a tensor moves along the path."""
        return name in self.tensors[0]

    def at(self, t: float) -> dict[str, Tensor]:
        """The tensors that move at a place of the path, in float64, or complex128."""
        (c,) = self.coefficients(torch.tensor([t], dtype=torch.float64, device="cpu")).tolist()
        used = [(part, of) for part, of in zip(c, self.tensors, strict=True) if part]
        found: dict[str, Tensor] = {}
        for name, tensor in self.tensors[0].items():
            wide = torch.complex128 if tensor.is_complex() else torch.float64
            first, *others = (part * of[name].to(wide) for part, of in used)
            found[name] = sum(others, start=first)
        return found

    @property
    def fine(self) -> int:
        """Number of points on the whole path, which include all its possible corners."""
        pieces = len(self.tensors) - 1
        return pieces * -(-FINE // pieces) + 1

    def stack(self, layout: Layout, theta: Mapping[str, Tensor]) -> Stack:
        """The models stacked, as differences to the first model.

        Args:
            layout: The tensors that move.
            theta: All tensors of the model at the origin.

        Returns:
            The stack.

        Raises:
            ValueError: When the path moves a tensor that the layout does not move, or the model differs from the
                models of the path in a tensor that stays. Batch norm statistics may differ, because they are estimated
                again.
        """
        odd = [
            name
            for name, tensor in self.still.items()
            if name.rpartition(".")[2] not in STATISTICS
            and name in theta
            and not torch.equal(theta[name].cpu(), tensor)
        ]
        if odd:
            raise ValueError(
                f"the model differs from those of the curve in {listed(odd)}, which the curve does not move; give the "
                "first of the two models that fastscape.connect was given"
            )
        missing = [name for name in self.tensors[0] if name not in {entry.name for entry in layout.entries}]
        if missing:
            raise ValueError(
                f"the curve moves {listed(missing)}, and perturb= leaves them where they are; write perturb as "
                "connect had it, for example perturb='states', or give a model of the curve's architecture"
            )
        return Stack((Training("the curve", list(map(InMemory, self.tensors))),), layout, theta, base=0)


@dataclass(frozen=True, eq=False)
class AlongModels:
    """A line along a path: its coordinate is t, and its origin is the path's first model.

    Args:
        models: The models of the path.
        facts: What the report says of the directions.
    """

    normalize: ClassVar[str | None] = "none"
    batchnorm: ClassVar[str] = "recalibrate"  # statistics of the ends belong to no point between them

    models: ModelsOfPath
    facts: Mapping[str, Any]

    @property
    def perturb(self) -> Perturb:
        """The tensors that the path moves."""
        return self.models.perturb

    @property
    def scheme(self) -> Scheme:
        """How the coordinate combines the directions."""
        return Scheme(_Combined(self.models), normalize="none", axes=1)

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The directions from the first model to each of the other models. See `Source.directions`."""
        if axes != 1:
            raise ValueError(
                f"a curve has one coordinate, got {axes} axes; write fastscape.line(a, data, along=curve), or "
                "directions=curve.plane() for its plane"
            )
        stack = self.models.stack(layout, theta)
        gram = gram_of(stack).products
        if float(gram[-1, -1]) > EXACT**2 * float(gram.diagonal().max()):
            raise ValueError(
                f"the model lies {float(gram[-1, -1].sqrt()):.3g} off the first end of the curve, which is the origin "
                "of the line; give the first of the two models that fastscape.connect was given"
            )
        count = len(stack)
        parts = torch.zeros(count - 1, count + 1, dtype=torch.float64, device="cpu")
        parts[:, 1:count] = torch.eye(count - 1, dtype=torch.float64, device="cpu")
        last = count - 1
        return Directions(
            tuple(partial(_write, stack, parts[k]) for k in range(last)),
            labels=[f"{self.models.kind} curve from model A to model B (t)"],
            marks={self.models.names[-1]: [1.0]},
            models={self.models.names[-1]: {**theta, **stack.tensors(last)}},
            facts={"kind": "along a curve", "curve": self.models.kind},
            together=partial(combine, stack, parts),
        )


def _write(stack: Stack, part: Tensor, *, out: Tensor) -> None:
    combine(stack, part[None], out[None])


@dataclass(frozen=True, eq=False)
class _Combined:
    """Coefficients of a line along a path, for a scheme: of the model, and of the directions to the other models."""

    models: ModelsOfPath

    def __call__(self, gram: Tensor, t: Tensor) -> Tensor:
        c = self.models.coefficients(t)
        return torch.cat([torch.ones_like(c[:, :1]), c[:, 1:]], dim=1)[:, None, :]

    def __repr__(self) -> str:
        return repr(self.models)


@dataclass(frozen=True, eq=False)
class PlaneOfModels:
    """The plane through both ends of a path that is nearest to the rest of the path.

    Args:
        models: The models of the path.
        points: Number of points of the path that are drawn.
        facts: What the report says of the directions.
    """

    normalize: ClassVar[str | None] = "none"
    shows_path: ClassVar[bool] = True
    batchnorm: ClassVar[str] = "recalibrate"

    models: ModelsOfPath
    points: int
    facts: Mapping[str, Any]

    @property
    def perturb(self) -> Perturb:
        """The tensors that the path moves."""
        return self.models.perturb

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """Both axes, the path, and the places of the models. See `Source.directions`."""
        if axes != 2:
            raise ValueError(
                f"a curve spans a plane, got {axes} axes; write fastscape."
                + ("line(a, data, along=curve)" if axes == 1 else "surface")
            )
        stack = self.models.stack(layout, theta)
        gram = gram_of(stack).products
        plane = Plane(stack, gram, self._axes(gram[:-1, :-1]))
        if float(plane.placed.off[0]) > 1e-5 * plane.reach:
            raise ValueError(
                f"the model lies {float(plane.placed.off[0]):.3g} off the plane of the curve, and is the origin of "
                "the landscape; give the first of the two models that fastscape.connect was given"
            )
        path, off_share = self._path(plane)
        facts = {"kind": "plane of a curve", "curve": self.models.kind, "orthonormal": True}
        facts["length_off_plane"] = off_share
        labels = ["A to B, distance", "the bend, distance"]
        found = plane.directions(labels, facts, None)
        found = plane.marked(found, {name: k for k, name in enumerate(self.models.names)})
        # A path in the plane has the losses of the plane.
        evaluated = range(len(path)) if path.off_plane is not None else ()
        at = torch.linspace(0, 1, self.points, dtype=torch.float64, device="cpu").tolist()
        return replace(
            found,
            paths=[path],
            checkpoints={path.name: Checkpoints(lambda k: self.models.at(at[k]), list(evaluated))},
        )

    def _axes(self, gram: Tensor) -> Tensor:
        """Both axes as combinations [2, models + 1] of the differences to the first model, with the origin last."""
        count = len(gram)
        parts = torch.zeros(2, count + 1, dtype=torch.float64, device="cpu")
        own = parts[:, :count]
        length = gram[-1, -1].sqrt()
        if not length:
            raise ValueError("both ends of the curve have the same weights, so that they span no plane")
        own[0, -1] = 1 / length
        c, steps = _along(self.models, self.models.fine), gram.new_zeros(self.models.fine)
        pieces = _lengths(c, gram)
        steps[:-1] += pieces / 2
        steps[1:] += pieces / 2
        beside = steps.sqrt()[:, None] * (c - torch.outer(c @ gram @ own[0], own[0]))
        squares, vectors = torch.linalg.eigh(beside @ gram @ beside.T)
        if not squares[-1] > FLAT * float(pieces.sum()) * gram.diagonal().max():
            raise ValueError(
                "the curve is the straight line between its ends, which spans no plane; write fastscape.line(a, data, "
                "along=curve)"
            )
        own[1] = beside.T @ vectors[:, -1] / squares[-1].sqrt()
        own[1] -= (own[1] @ gram @ own[0]) * own[0]  # a second time, against rounding
        own[1] /= (own[1] @ gram @ own[1]).sqrt()
        if (steps @ (c @ gram @ own[1])) < 0:
            own[1] *= -1
        return parts

    def _path(self, plane: Plane) -> tuple[Trajectory, float]:
        """The path in the plane with its distances from it, and the share of its length lost in the projection."""
        gram = plane.gram[:-1, :-1]

        def seen(count: int) -> tuple[Tensor, Tensor]:
            c = _along(self.models, count)
            return c, c @ plane.placed.coordinates

        fine, shadow = seen(self.models.fine)
        lost = 1 - float((shadow[1:] - shadow[:-1]).norm(dim=1).sum() / _lengths(fine, gram).sum())
        c, places = seen(self.points)
        own = plane.axes[:, :-1]
        beside = c - (c @ gram @ own.T) @ own  # relative to the first model, like the axes
        off = torch.einsum("ti,ij,tj->t", beside, gram, beside).clamp(min=0).sqrt()
        name = f"{self.models.kind} curve"
        if not bool((off > EXACT * plane.reach).any()):  # the path is in the plane: a picture shows only its place
            return Trajectory(name, places.numpy()), 0.0
        t = torch.linspace(0, 1, self.points, dtype=torch.float64, device="cpu").numpy()
        return Trajectory(name, places.numpy(), off_plane=off.numpy(), measures={"t": t}), max(lost, 0.0)


def _along(models: ModelsOfPath, count: int) -> Tensor:
    """The coefficients [count, models] of points spread evenly over t."""
    return models.coefficients(torch.linspace(0, 1, count, dtype=torch.float64, device="cpu"))


def _lengths(c: Tensor, gram: Tensor) -> Tensor:
    """The distances [T - 1] between neighbouring points with the coefficients c [T, models]."""
    steps = c[1:] - c[:-1]
    return torch.einsum("ti,ij,tj->t", steps, gram, steps).clamp(min=0).sqrt()
