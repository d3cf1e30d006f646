"""Converts the argument `directions=` to a source of directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
from torch import Tensor, nn

from fastscape.weights.directions.between import Between
from fastscape.weights.directions.given import Given
from fastscape.weights.directions.random import Random
from fastscape.weights.directions.source import Directions, Source
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import Other, model_given, warn_of_other_code
from fastscape.weights.selection import NamedPerturb

__all__ = ["Direction", "OneEach", "source_of", "towards"]

Direction: TypeAlias = "nn.Module | Mapping[str, Tensor] | Tensor | np.ndarray | Sequence[Tensor]"


@dataclass(frozen=True)
class OneEach:
    """A direction for each axis, each given by itself.

    Args:
        parts: Where the direction of each axis comes from.
    """

    normalize: ClassVar[str | None] = "none"

    parts: Sequence[Between | Given]

    @property
    def perturb(self) -> NamedPerturb:
        """What moves: everything if a direction leads to another model."""
        return "states" if any(part.perturb == "states" for part in self.parts) else "weights"

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions."""
        return {"directions": [part.kind for part in self.parts], "distribution": None, "seed": None}

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The directions, and the places of the models to which they lead. See `Source.directions`."""
        others = {f"model {chr(ord('B') + k)}": k for k, part in enumerate(self.parts) if isinstance(part, Between)}
        return Directions(
            tuple(partial(part.write, layout, theta) for part in self.parts),
            marks={name: [float(k == axis) for axis in range(axes)] for name, k in others.items()},
            models={name: part.other for name, k in others.items() if isinstance(part := self.parts[k], Between)},
        )


def source_of(given: Any, random: Random, axes: int) -> Source:
    """The source for an argument `directions`.

    Args:
        given: None; a source; a sequence with a module, a dict or list of tensors, or a vector for each axis; or a
            tensor or array [axes, P] of vectors. A dict is a direction, not a model; the result of
            `Module.state_dict` is accepted as neither.
        random: What None means.
        axes: Number of axes.

    Returns:
        The source.

    Raises:
        TypeError: When it is none of these.
        ValueError: When a sequence has the wrong length.
    """
    if given is None:
        return random
    if isinstance(given, Source):
        return given
    if isinstance(given, Tensor | np.ndarray):
        if given.ndim == 1 and axes == 1:
            given = [given]
        elif given.ndim != 2:
            raise ValueError(
                f"directions must be of shape ({axes}, P), one row per axis, got one {type(given).__name__} of shape "
                f"{tuple(given.shape)}"
            )
        given = list(given)
    if not isinstance(given, list | tuple):
        raise TypeError(f"directions must be a list or tuple of {axes}, got {type(given).__name__}")
    if len(given) != axes:
        raise ValueError(f"directions must be {axes}, one per axis, got {len(given)}")
    for one in given:
        if isinstance(one, Mapping) and hasattr(one, "_metadata"):  # torch's own attribute of a state dict
            raise TypeError(
                "a direction must be a plain dict, as dict(direction) makes it, got the state dict of a module, "
                "which is a model and not a direction; give the module, or to= of a line"
            )
    return OneEach(tuple(Between(one) if isinstance(one, nn.Module) else Given(one) for one in given))


def towards(model: nn.Module, to: Other) -> Source:
    """The source of the direction from a model to another model.

    Args:
        model: The model.
        to: The other model: a module, or its state dict.

    Returns:
        The source, of one direction.

    Raises:
        TypeError: When it is neither.
        ValueError: When a state dict is of another architecture.
    """
    warn_of_other_code(model, to)
    return OneEach((Between(model_given(model, to)),))
