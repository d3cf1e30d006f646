"""Permutations that align one model with a second model, as plain values: tensors, and the places that they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from fastscape.results.json_files import JsonFile, JsonFormat

__all__ = ["AlignmentValues", "Permutation"]


_NUMBERS = "distance_before", "distance_after", "error", "noise"

V = TypeVar("V", bound="AlignmentValues")


@dataclass(frozen=True, eq=False)
class Permutation:
    """One permutation, and the axes on which it acts.

    Args:
        axes: Pairs of the name of a tensor and the number of its axis.
        index: The place from which each place gets its numbers [n]: `after = before[index]` along these axes.
    """

    axes: tuple[tuple[str, int], ...]
    index: npt.NDArray[np.int64]

    @property
    def moved(self) -> int:
        """How many places get the numbers of a different place."""
        return int((self.index != np.arange(len(self.index))).sum())


@dataclass(frozen=True, eq=False, repr=False)
class AlignmentValues(JsonFile):
    """Permutations of hidden units, channels and heads under which a model computes the same.

    Args:
        permutations: By the name of the first axis on which each acts, for example "0.weight[0]".
        distance_before: The distance between the two models, over all parameters: `||b - a||`.
        distance_after: The distance after the alignment.
        error: The largest difference of the model's outputs before and after, in float64, as a fraction of the
            largest value of an output.
        noise: The largest difference between two evaluations of the model before the alignment, as the same fraction.
        samples: The number of samples over which both differences were computed.
        not_understood: How often each operation occurred whose operands had to stay as they are.
        report: How the permutations were found, as plain values.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat("fastscape-alignment", 1, "an alignment", "is no alignment", "Alignment")

    permutations: Mapping[str, Permutation]
    distance_before: float
    distance_after: float
    error: float
    noise: float
    samples: int
    not_understood: Mapping[str, int] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("permutations", "not_understood", "report"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.permutations)} permutations, distance {self.distance_before:.4g} -> "
            f"{self.distance_after:.4g}, error {self.error:.1e})"
        )

    def applied(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Tensors of a model of this architecture with their places permuted.

        Args:
            tensors: Tensors or arrays by name, such as a state dict. They are not changed.

        Returns:
            All tensors by name; permuted tensors are new.

        Raises:
            ValueError: When the length of a tensor differs from the permutation.
        """
        found = dict(tensors)
        for name, permutation in self.permutations.items():
            for tensor, axis in permutation.axes:
                if tensor not in found:
                    continue
                shape = tuple(found[tensor].shape)
                if len(shape) <= axis or shape[axis] != len(permutation.index):
                    raise ValueError(
                        f"{tensor:.100} has shape {shape}, and {name:.100} permutes {len(permutation.index)} places "
                        f"of its axis {axis}; give the tensors of a model of the same architecture"
                    )
                if permutation.moved:
                    found[tensor] = found[tensor][(slice(None),) * axis + (permutation.index,)]
        return found

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""
        permutations = {
            name: {"axes": [list(axis) for axis in found.axes], "index": found.index.tolist()}
            for name, found in self.permutations.items()
        }
        numbers = {name: getattr(self, name) for name in (*_NUMBERS, "samples")}
        return {
            **numbers,
            "not_understood": dict(self.not_understood),
            "permutations": permutations,
            "report": dict(self.report),
        }

    @classmethod
    def of_dict(cls: type[V], plain: dict[str, Any]) -> V:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        permutations = {name: _read(found) for name, found in plain.pop("permutations").items()}
        made = cls(permutations, **plain)
        _check(made)
        return made


def _read(plain: Mapping[str, Any]) -> Permutation:
    index: Sequence[Any] = plain["index"]
    if not isinstance(index, list) or any(type(place) is not int for place in index):
        raise ValueError("an index is no list of whole numbers")
    found = np.array(index, dtype=np.int64)
    if sorted(index) != list(range(len(index))):
        raise ValueError("an index is no permutation")
    axes = []
    for tensor, axis in plain["axes"]:
        if not isinstance(tensor, str) or type(axis) is not int or axis < 0:
            raise ValueError("an axis is no name and number")
        axes.append((tensor, axis))
    return Permutation(tuple(axes), found)


def _check(made: AlignmentValues) -> None:
    for name in _NUMBERS:
        value = getattr(made, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"its {name} is {value!r}")
    if type(made.samples) is not int or any(type(count) is not int for count in made.not_understood.values()):
        raise ValueError("it counts with something else than whole numbers")
