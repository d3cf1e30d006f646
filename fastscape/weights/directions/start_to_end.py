"""The plane through the start and the end of a training that is nearest to the checkpoints between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastscape.weights.checkpoints import Training, TrainingsGiven, trainings_of
from fastscape.weights.directions.plane import Drawn, Plane, check_dimensions, check_evaluated, components_of, stacked
from fastscape.weights.directions.source import Directions
from fastscape.weights.layout import Layout
from fastscape.weights.selection import NamedPerturb

__all__ = ["StraightWay", "start_to_end"]


@dataclass(frozen=True, eq=False)
class StraightWay:
    """The straight line of a training, and the strongest directions beside it; see `start_to_end`.

    Args:
        trainings: The trainings.
        evaluated: At most this many checkpoints per path have their own loss evaluated.
    """

    perturb: ClassVar[NamedPerturb] = "all"
    normalize: ClassVar[str | None] = "none"
    shows_path: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, Any]] = {"directions": "start to end", "distribution": None, "seed": None}

    trainings: tuple[Training, ...]
    evaluated: int

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The straight line, the components of the remainder, and the paths. See `Source.directions`."""
        stack = stacked(self.trainings, layout, theta)
        count = len(stack)
        gram, rest = components_of(stack, axes - 1, _beside)
        own = gram[:count, :count]
        length = own[0, 0].sqrt()  # from the base, the end of the first training
        if not length:
            raise ValueError(
                f"a training must end elsewhere than it starts, but {stack.said(0)} and {stack.said(stack.base)} have "
                "the same weights; give a different training, or write fastscape.pca"
            )
        along = own[0] / length
        # The remainder of a straight path is rounding, which has no components.
        there = int((rest.squares > 1e-12 * own.trace()).sum())
        check_dimensions(1 + there, axes, count)
        parts = torch.zeros(axes, count + 1, dtype=torch.float64, device="cpu")
        parts[0, 0] = 1 / length
        for row, part in zip(parts[1:], rest.parts, strict=False):  # of (w_i - w_end) - along_i d_1
            row[:count] = part
            row[0] -= part @ along / length
        total = float(own.trace())
        shares = [float(along.square().sum()) / total, *rest.shares(total)[: min(there, 9)]]
        facts = {"kind": "start to end", "center": "last", "orthonormal": True, "explained": shares}
        labels = ["from the end to the start (distance)", *["orthogonal to it (distance)"] * (axes - 1)]
        return Plane(stack, gram, parts).directions(labels, facts, Drawn(stack, self.evaluated))


def _beside(moments: Tensor) -> Tensor:
    """The scalar products of the checkpoints without their parts along the straight line."""
    along = moments[0] / moments[0, 0].sqrt()
    return moments - torch.outer(along, along) if moments[0, 0] else moments


def start_to_end(checkpoints: TrainingsGiven, *, evaluated: int = 100) -> StraightWay:
    """The plane through a training's start and end that is nearest to the checkpoints between: for `directions=`.

    With w_1 the first and w_n the last checkpoint (of the first training, if there are several),

        d_1 = (w_1 - w_n) / |w_1 - w_n|,
        d_2 = the first left singular vector of all w_i - w_n without their part along d_1.

    Both have length 1 and are orthogonal, so coordinates are distances. Of all planes through both ends, this plane
    has the smallest squared distances from the checkpoints. If the model is the last checkpoint, the start is in the
    plane. It is marked unless it differs in tensors that stay, such as the statistics of batch normalisation: write
    `perturb="states"` to move these too. A `line` uses d_1 alone.

    Args:
        checkpoints: See `pca`.
        evaluated: See `pca`. Default 100.

    Returns:
        A source of directions, which `surface` and `line` take.

    Raises:
        TypeError: When the checkpoints are something else.
        ValueError: When they cannot be read, or `evaluated` is invalid.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(3, 2)
        >>> source = fastscape.start_to_end([torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), model])
        >>> data = torch.randn(8, 3), torch.randint(2, (8,))
        >>> axes = {"x": ("path", 5), "y": ("path", 5)}
        >>> landscape = fastscape.surface(model, data, directions=source, **axes, progress=False)
        >>> sorted(landscape.marks)
        ['start', 'the model']
    """
    check_evaluated(evaluated)
    return StraightWay(trainings_of(checkpoints), int(evaluated))
