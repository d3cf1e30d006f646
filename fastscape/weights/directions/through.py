"""The plane through three models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor

from fastscape.weights.checkpoints import Training, readable
from fastscape.weights.directions.plane import Plane
from fastscape.weights.directions.source import Directions
from fastscape.weights.gram_of_checkpoints import gram_of
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import Other
from fastscape.weights.selection import NamedPerturb
from fastscape.weights.stack import Stack

__all__ = ["PlaneThrough", "through"]

Model: TypeAlias = "Other | str | os.PathLike[str]"

_NAMES = "model A", "model B", "model C"


@dataclass(frozen=True, eq=False)
class PlaneThrough:
    """The plane through three models; see `through`.

    Args:
        models: The three models.
        orthonormal: Whether the axes are orthogonal and of length 1.
    """

    perturb: ClassVar[NamedPerturb] = "states"  # another model is reached only when all of it moves
    normalize: ClassVar[str | None] = "none"
    shows_path: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, Any]] = {"directions": "through three models", "distribution": None, "seed": None}

    models: tuple[Training, ...]
    orthonormal: bool

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The two axes, and the places of the models. See `Source.directions`."""
        if axes != 2:
            instead = "line(a, data, to=b)" if axes == 1 else "surface, or volume with directions=[b, c, ...]"
            raise ValueError(f"three models span a plane, got {axes} axes; write fastscape.{instead}")
        stack = Stack(self.models, layout, theta, base=0)
        gram = gram_of(stack).products
        b, c = gram[1, 1].sqrt(), gram[2, 2].sqrt()  # distances from model A
        if not b or not c or not (gram[2, 2] - (gram[1, 2] / b).square() > 1e-12 * gram[2, 2].clamp(min=gram[1, 1])):
            raise ValueError(
                "the three models must span a plane, but they are on one line, or two are equal; give a different "
                "model"
            )
        parts = torch.zeros(2, 4, dtype=torch.float64, device="cpu")
        parts[0, 1] = parts[1, 2] = 1.0
        if self.orthonormal:
            parts[0] /= b
            parts[1] -= parts[0] * (gram[1, 2] / b)
            parts[1] /= (parts[1] @ gram @ parts[1]).sqrt()
        plane = Plane(stack, gram, parts)
        self._check_origin(plane)
        facts = {"kind": "through", "orthonormal": self.orthonormal, "distances": _distances(gram)}
        labels = ["from model A to model B", "from model A to model C"]
        if self.orthonormal:
            labels = ["from model A to model B (distance)", "orthogonal, towards model C (distance)"]
        return plane.marked(plane.directions(labels, facts, None), {name: i for i, name in enumerate(_NAMES)})

    def _check_origin(self, plane: Plane) -> None:
        """Refuses a model off the plane: a landscape around it could not contain the three models."""
        off = float(plane.placed.off.max())
        if off > 1e-5 * plane.reach:
            raise ValueError(
                f"the model lies {off:.3g} off the plane through the three models, and is the origin of the "
                "landscape; give one of the three as the model: surface(a, data, directions=through(a, b, c))"
            )


def through(a: Model, b: Model, c: Model, *, orthonormal: bool = True) -> PlaneThrough:
    """The plane through three models of one architecture, in true distances: for `directions=` of `surface`.

        d_1 = (b - a) / |b - a|,    d_2 = c - a without its part along d_1, scaled to length 1

    Angles and distances in the plane are the true ones between the models. An example is the plane of a Bezier curve
    between a and b with the bend c. With `orthonormal=False` the axes are `b - a` and `c - a` themselves. The models
    are then at (0, 0), (1, 0) and (0, 1) if `surface` is given the first model. The model that `surface` is given is
    the origin of the landscape, and must be in the plane: it is one of the three models, or a point between them, such
    as a point on the curve. The other models are marked. All tensors move, including buffers (`perturb="states"`),
    because another model is reached only when all of it moves. Distances count all tensors.

    Args:
        a: The first model: a module, a state dict, or a file of one.
        b: The second model.
        c: The third model.
        orthonormal: Whether the axes are orthogonal and of length 1. Default True.

    Returns:
        A source of directions, which `surface` takes.

    Raises:
        TypeError: When a model is something else.
        ValueError: When a file cannot be read.

    Example:
        >>> import torch, fastscape
        >>> a, b, c = (torch.nn.Linear(3, 2) for _ in range(3))
        >>> data = torch.randn(8, 3), torch.randint(2, (8,))
        >>> source = fastscape.through(a, b, c, orthonormal=False)
        >>> axes = {"x": ("path", 5), "y": ("path", 5)}
        >>> landscape = fastscape.surface(a, data, directions=source, **axes, progress=False)
        >>> {name: [round(at) for at in place] for name, place in landscape.marks.items()}
        {'the model': [0, 0], 'model B': [1, 0], 'model C': [0, 1]}

    Source: Garipov et al. 2018, arXiv 1802.10026, section 3 and its figure 1.
    """
    models = zip(_NAMES, (a, b, c), strict=True)
    return PlaneThrough(tuple(Training(name, [readable(one, name)]) for name, one in models), bool(orthonormal))


def _distances(gram: Tensor) -> dict[str, float]:
    """The distances between the models."""
    squares = gram.diagonal()[:, None] - 2 * gram + gram.diagonal()
    pairs = {"A to B": (0, 1), "A to C": (0, 2), "B to C": (1, 2)}
    return {name: float(squares[pair].sqrt()) for name, pair in pairs.items()}
