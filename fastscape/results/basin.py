"""How far along random directions a score stays within its range, as plain values: one radius for each direction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from fastscape.results.json_files import JsonFile, JsonFormat
from fastscape.results.order_statistics import Interval, mean_of, quantile_of, share_of

__all__ = ["BasinValues", "RadiusUnit"]

RadiusUnit = Literal["coordinate", "length", "relative"]

_ARRAYS = "inside", "outside", "lengths"
_NUMBERS = "score", "level", "norm"
V = TypeVar("V", bound="BasinValues")


@dataclass(frozen=True, eq=False, repr=False)
class BasinValues(JsonFile):
    """How far along random directions a score stays within its range. All numbers are float64.

    Each direction has an interval that holds its radius, in units of the direction: the coordinate of an axis along
    the direction.

    Args:
        measure: The name of the score.
        score: The score at the model.
        level: The level that the score must not pass.
        inside: The largest radius before the exit at which the score was seen within its range [n]; if the score never
            left, the largest radius that was evaluated.
        outside: The smallest radius at which the score was seen outside [n]; infinite if it never was.
        lengths: The Euclidean length of each direction [n].
        seeds: The seed of each direction [n]: `surface` and `line` with this seed have it as their first direction.
        norm: The Euclidean length of the weights that move.
        settings: The options that the radii depend on.
        report: How the radii were computed, as plain values.

    Raises:
        ValueError: When arrays differ in length, or an interval holds no radius.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat(
        "fastscape-basin", 1, "a basin radius", "is no basin radius", "BasinRadius"
    )

    measure: str
    score: float
    level: float
    inside: np.ndarray
    outside: np.ndarray
    lengths: np.ndarray
    seeds: Sequence[int]
    norm: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "seeds", tuple(self.seeds))
        for name in ("settings", "report"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        shapes = {name: getattr(self, name).shape for name in _ARRAYS} | {"seeds": (len(self.seeds),)}
        if len(set(shapes.values())) > 1 or not self.seeds:
            raise ValueError(f"each array must have one number per direction, got the shapes {shapes}")
        if not ((self.inside >= 0) & np.isfinite(self.inside) & (self.outside > self.inside)).all():
            raise ValueError("each radius must satisfy 0 <= inside < outside")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.measure}, {self.count} directions, median radius {self.median})"

    @property
    def count(self) -> int:
        """How many directions there are, n."""
        return len(self.seeds)

    @property
    def confidence(self) -> float:
        """The confidence of the intervals by default."""
        return float(self.settings.get("confidence", 0.95))

    @property
    def censored(self) -> np.ndarray:
        """Whether the score never left along each direction, so that its radius is beyond the search [n]."""
        return np.isinf(self.outside)

    @property
    def radii(self) -> np.ndarray:
        """The radius along each direction [n], in its units: the middle of the interval; infinite if censored."""
        return np.asarray((self.inside + self.outside) / 2)

    def of_unit(self, unit: RadiusUnit = "coordinate") -> np.ndarray:
        """The radii in some unit.

        Args:
            unit: "coordinate", the coordinate of an axis along the direction; "length", the Euclidean distance; or
                "relative", that distance as a fraction of the norm of the weights that move. Default "coordinate".

        Returns:
            The radii [n]; infinite if censored.

        Raises:
            ValueError: When the unit is unknown.
        """
        return self._in(unit, self.radii)

    def quantile(self, q: float, *, unit: RadiusUnit = "coordinate", confidence: float | None = None) -> Interval:
        """A quantile of the radius over random directions, with an interval that holds for any distribution.

        The interval uses order statistics: the number of directions whose radius is below the quantile is
        binomial. It covers the quantile of all directions with at least the given probability, even if radii are
        censored.

        Args:
            q: The share of directions whose radius is smaller than the quantile, between 0 and 1.
            unit: As for `of_unit`. Default "coordinate".
            confidence: The confidence of the interval. Default: the confidence of the call.

        Returns:
            The quantile; infinite if it is beyond the range of the search. An end is 0 or infinite if there are too
            few directions, or if too many directions are censored.

        Raises:
            ValueError: When q or the confidence is not between 0 and 1, or the unit is unknown.

        Example:
            >>> from fastscape.results import BasinValues
            >>> radii = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
            >>> made = BasinValues("loss", 1.0, 1.1, radii, [r + 1e-9 for r in radii], [1.0] * 6, range(6), 1.0)
            >>> print(made.quantile(0.5))
            0.35 (95 %: 0.1 to 0.6)
        """
        radii = self._in(unit, np.where(self.censored, self.inside, self.radii))
        return quantile_of(radii, self.censored, q, self._checked(confidence))

    @property
    def median(self) -> Interval:
        """The median radius, in units of the directions. See `quantile`."""
        return self.quantile(0.5)

    def mean(self, *, unit: RadiusUnit = "coordinate", confidence: float | None = None) -> Interval:
        """The mean radius over random directions, with the interval of Student's t.

        Args:
            unit: As for `of_unit`. Default "coordinate".
            confidence: The confidence of the interval. Default: the confidence of the call.

        Returns:
            The mean. Its interval is exact for normal radii, and about right for many radii of any distribution. For
            few skewed radii it covers the mean somewhat less often than stated; the interval of the median never does.

        Raises:
            ValueError: When a radius is censored, so that the mean is not known.
        """
        if lost := int(self.censored.sum()):
            raise ValueError(
                f"the score never left along {lost} of {self.count} directions, so the mean radius is not known; take "
                "the median, or a larger limit"
            )
        return mean_of(self.of_unit(unit), self._checked(confidence))

    def share_inside(self, radius: float, *, confidence: float | None = None) -> Interval:
        """The share of directions along which the score has not left before a radius.

        Args:
            radius: In units of the directions.
            confidence: The confidence of the interval, by Clopper and Pearson. Default: the confidence of the call.

        Returns:
            The share; NaN, with an interval from 0 to 1, if the radius is beyond the search.
        """
        confidence = self._checked(confidence)
        if (self.censored & (self.inside < radius)).any():
            return Interval(math.nan, 0.0, 1.0, confidence)
        return share_of(int((self.radii > radius).sum()), self.count, confidence)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts; None for an infinite radius."""
        plain: dict[str, Any] = {"measure": self.measure, **{name: getattr(self, name) for name in _NUMBERS}}
        plain |= {name: [_finite(value) for value in getattr(self, name).tolist()] for name in _ARRAYS}
        return {**plain, "seeds": list(self.seeds), "settings": dict(self.settings), "report": dict(self.report)}

    @classmethod
    def of_dict(cls: type[V], plain: dict[str, Any]) -> V:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        outside = [math.inf if value is None else value for value in plain.pop("outside")]
        made = cls(outside=np.array(outside), **plain)
        if not isinstance(made.measure, str) or not all(_is_number(getattr(made, name)) for name in _NUMBERS):
            raise ValueError(f"it lacks one of measure, {', '.join(_NUMBERS)}")
        if not all(type(seed) is int for seed in made.seeds):
            raise ValueError("a seed is no whole number")
        return made

    def _in(self, unit: str, radii: np.ndarray) -> np.ndarray:
        if unit not in ("coordinate", "length", "relative"):
            raise ValueError(f"unit must be one of 'coordinate', 'length', 'relative', got {unit!r:.80}")
        if unit == "coordinate":
            return radii
        return np.asarray(radii * self.lengths / (self.norm if unit == "relative" else 1.0))

    def _checked(self, confidence: float | None) -> float:
        wanted = self.confidence if confidence is None else confidence
        if not _is_number(wanted) or not 0 < wanted < 1:
            raise ValueError(f"confidence must be a fraction, got {wanted!r:.80}; for example 0.95")
        return wanted


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
