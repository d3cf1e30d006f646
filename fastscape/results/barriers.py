"""The barriers between all pairs of some models, as symmetric matrices by measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np

from fastscape.results.barrier import BarrierValues, barrier_in
from fastscape.results.checks import clipped
from fastscape.results.excess import Excess
from fastscape.results.json_files import JsonFile, JsonFormat
from fastscape.results.options import chosen
from fastscape.results.scale import is_loss

__all__ = ["BarriersValues", "WhichExcess"]


WhichExcess: TypeAlias = Literal["highest", "lowest", "farthest"]

M = TypeVar("M", bound="BarriersValues")


@dataclass(frozen=True, eq=False, repr=False)
class BarriersValues(JsonFile):
    """The barriers between all pairs of some models.

    Args:
        names: The names of the models, at least two.
        pairs: The barrier of each pair, by both names in the order of `names`.

    Raises:
        ValueError: When names are equal, a pair is missing, there are further pairs, or measures differ.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat("fastscape-barriers", 1, "barriers", "holds no barriers", "Barriers")

    names: tuple[str, ...]
    pairs: Mapping[tuple[str, str], BarrierValues]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "pairs", MappingProxyType(dict(self.pairs)))
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise ValueError(f"models must have at least two names, all different, got {clipped(list(self.names))}")
        wanted = set(combinations(self.names, 2))
        if odd := wanted ^ self.pairs.keys():
            raise ValueError(f"each pair of models must occur once; check {clipped(min(odd))}")
        if len({tuple(found) for found in self.pairs.values()}) > 1:
            raise ValueError("the pairs have different measures; compute all of them with the same options")

    def __repr__(self) -> str:
        found = self.matrix("loss")[np.triu_indices(len(self.names), 1)]
        finite = found[np.isfinite(found)]
        said = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nowhere finite"
        return f"{type(self).__name__}({len(self.names)} models, barriers of the loss {said})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names, dict(self.pairs))

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures, the loss first."""
        return tuple(next(iter(self.pairs.values())))

    def between(self, a: str, b: str) -> BarrierValues:
        """The barrier of two models; t runs from the model whose name is first in `names`.

        Args:
            a: The name of one model.
            b: The name of the other model.

        Returns:
            The barrier.

        Raises:
            ValueError: When there is no such pair.
        """
        found = self.pairs.get((a, b)) or self.pairs.get((b, a))
        if found is None:
            raise ValueError(f"{(a, b)!r:.120} is no pair of two models; there are {', '.join(self.names):.200}")
        return found

    def matrix(self, measure: str = "loss", which: WhichExcess | None = None) -> np.ndarray:
        """The excess between all pairs.

        Args:
            measure: The name of a measure. Default "loss".
            which: "highest", the barrier; "lowest", the most negative excess; or "farthest", the excess of both that
                is farther from 0, with its sign. Default: "highest" for a loss; "farthest" for any other measure, as
                its bad direction is not known.

        Returns:
            A symmetric matrix [n, n], 0 on the diagonal.

        Raises:
            ValueError: When there is no such measure, or no such choice.
        """
        return self._filled(measure, which, lambda found: found.value)

    def standard_errors(self, measure: str = "loss", which: WhichExcess | None = None) -> np.ndarray:
        """The standard errors of `matrix` [n, n]; NaN if unknown. It takes the same arguments."""
        return self._filled(
            measure, which, lambda found: np.nan if found.standard_error is None else found.standard_error
        )

    def own(self, measure: str = "loss") -> np.ndarray:
        """The measure of each model itself.

        Args:
            measure: The name of a measure. Default "loss".

        Returns:
            Values [n].

        Raises:
            ValueError: When there is no such measure.
        """
        self._check(measure)
        first, *others = self.names
        starts = [self.pairs[first, others[0]][measure].start]
        return np.array(starts + [self.pairs[first, other][measure].end for other in others])

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""
        pairs = [{"a": a, "b": b, **found.as_dict()} for (a, b), found in self.pairs.items()]
        return {"names": list(self.names), "pairs": pairs}

    @classmethod
    def of_dict(cls: type[M], plain: dict[str, Any]) -> M:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        pairs = {(str(one["a"]), str(one["b"])): barrier_in(one) for one in plain["pairs"]}
        return cls(tuple(map(str, plain["names"])), pairs)

    def _filled(self, measure: str, which: WhichExcess | None, of: Any) -> np.ndarray:
        self._check(measure)
        wanted = which or ("highest" if is_loss(measure) else "farthest")
        chosen("which", wanted, dict.fromkeys(("highest", "lowest", "farthest")))
        found = np.zeros((len(self.names), len(self.names)))
        places = {name: k for k, name in enumerate(self.names)}
        for (a, b), pair in self.pairs.items():
            excess: Excess = getattr(pair[measure], wanted)
            found[places[a], places[b]] = found[places[b], places[a]] = of(excess)
        return found

    def _check(self, measure: str) -> None:
        if measure not in self.measures:
            raise ValueError(f"{measure!r:.80} is no measure here; there are {', '.join(self.measures):.200}")
