"""The values of a landscape: named axes, measures on their grid, and a report of how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from fastscape.results.trajectory import Trajectory

__all__ = ["REPEAT", "Values"]

REPEAT = "repeat"
"""The name of the axis that counts repeats along different random directions, before the mean over repeats."""

LISTED = 8  # metrics that `repr` names

V = TypeVar("V", bound="Values")


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """Measures on a grid. Arrays are float64, exactly as they were computed, and frozen: NaN and inf stay.

    Args:
        axes: Coordinates [H], [W], ... by the name of the axis, in the order of the grid's dimensions.
        measures: Grids [H, W, ...] by name, the loss first.
        report: How the values were made, as plain values that JSON can hold.
        standard_error: Standard error of the loss as a mean over samples, in the shape of the loss; None if the losses
            of single samples are unknown.
        evaluated: Whether the values at each point were computed, in the shape of the loss; other values are predicted
            from computed values. Default: all were computed.
        repeats: If random directions were drawn several times, the measures along each direction [R, H, W, ...] by
            name; `measures` has the means over the directions. Default: directions were drawn once.

    Raises:
        ValueError: When the shape of an array does not fit the axes, or the name of repeats is no measure.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values
        >>> axis = np.array([-1.0, 0.0, 1.0])
        >>> Values({"x": axis, "y": axis[:2]}, {"loss": np.ones((3, 2))})
        Values(3 x 2 points, loss 1 to 1)
    """

    axes: Mapping[str, np.ndarray]
    measures: Mapping[str, np.ndarray]
    report: Mapping[str, Any] = field(default_factory=dict)
    standard_error: np.ndarray | None = None
    evaluated: Any = None  # an array, once it is made
    repeats: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._settle(_copied)

    def _settle(self, taken: Callable[..., np.ndarray]) -> None:
        """Freezes the arrays, each after a given function, and checks their shapes."""
        self._set("axes", MappingProxyType({name: _frozen(taken(axis)) for name, axis in self.axes.items()}))
        self._set("measures", MappingProxyType({name: _frozen(taken(grid)) for name, grid in self.measures.items()}))
        self._set("repeats", MappingProxyType({name: _frozen(taken(stack)) for name, stack in self.repeats.items()}))
        self._set("report", MappingProxyType(dict(self.report)))
        if self.standard_error is not None:
            self._set("standard_error", _frozen(taken(self.standard_error)))
        mask = np.ones(self.shape, dtype=bool) if self.evaluated is None else taken(self.evaluated, dtype=bool)
        self._set("evaluated", _frozen(mask))
        grids = {**self.measures, "evaluated": mask, "standard_error": self.standard_error}
        for name, grid in grids.items():
            if grid is not None and grid.shape != self.shape:
                raise ValueError(f"{name} must have shape {self.shape}, the lengths of the axes, got {grid.shape}")
        for name, stack in self.repeats.items():
            if name not in self.measures or len(stack) < 2 or stack.shape != (self.repeated, *self.shape):
                wanted = ", ".join(map(str, ("R", *self.shape)))
                raise ValueError(
                    f"the repeats of {name!r:.80} must have shape ({wanted}), with the same R of at least 2 for all "
                    f"measures, got {stack.shape}"
                )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        finite = self.loss[np.isfinite(self.loss)]
        span = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nowhere finite"
        shown, more = list(self.metrics)[:LISTED], len(self.metrics) - LISTED
        metrics = f", metrics: {', '.join(shown)}{f' and {more} more' if more > 0 else ''}" if shown else ""
        some = "" if self.evaluated.all() else f", {self.evaluated.sum()} of them evaluated"
        mean = f", mean of {self.repeated} repeats" if self.repeats else ""
        return f"{type(self).__name__}({self.shape_text} points{some}{mean}, loss {span}{metrics})"

    @classmethod
    def keeping(
        cls: type[V],
        axes: Mapping[str, np.ndarray],
        measures: Mapping[str, np.ndarray],
        report: Mapping[str, Any],
        standard_error: np.ndarray | None = None,
        evaluated: np.ndarray | None = None,
        repeats: Mapping[str, np.ndarray] | None = None,
    ) -> V:
        """Values of arrays that were read from a file; they are not copied, so nothing else may write to them."""
        made = cls.__new__(cls)
        names = "axes", "measures", "report", "standard_error", "evaluated", "repeats"
        parts = axes, measures, report, standard_error, evaluated, repeats or {}
        vars(made).update(zip(names, parts, strict=True))
        made._settle(_kept)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        grids = dict(self.axes), dict(self.measures), dict(self.report), self.standard_error, self.evaluated
        return self._restored, (*grids, dict(self.repeats))

    @classmethod
    def _restored(cls: type[V], *parts: Any) -> V:
        """The values with these parts, even if the class takes different arguments."""
        made = cls.__new__(cls)
        Values.__init__(made, *parts)
        return made

    def with_report(self: V, report: Mapping[str, Any]) -> V:
        """The same values with a different report."""
        made = type(self).__new__(type(self))
        vars(made).update({**vars(self), "report": MappingProxyType(dict(report))})  # arrays are frozen, so shared
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of grid points along each axis."""
        return tuple(map(len, self.axes.values()))

    @property
    def shape_text(self) -> str:
        """The shape in words, for example "51 x 51"."""
        return " x ".join(map(str, self.shape))

    @property
    def loss(self) -> np.ndarray:
        """The loss, in the shape of the grid."""
        return self.measures["loss"]

    @property
    def metrics(self) -> Mapping[str, np.ndarray]:
        """Every measure but the loss, by name."""
        return MappingProxyType({name: grid for name, grid in self.measures.items() if name != "loss"})

    @property
    def repeated(self) -> int:
        """How many times random directions were drawn for the axes, R; 1 if they were drawn once."""
        return len(next(iter(self.repeats.values()))) if self.repeats else 1

    def quantiles(self, q: float | Sequence[float], metric: str = "loss") -> np.ndarray:
        """Quantiles over the random directions, as `numpy.quantile` gives them.

        Args:
            q: A number from 0 to 1, or several.
            metric: "loss" or the name of a metric. Default "loss".

        Returns:
            The quantile in the shape of the grid [H, W], or several quantiles [n, H, W]. NaN if a direction has NaN;
            infinite values count as the largest or smallest.

        Raises:
            ValueError: When the directions were drawn once, the metric is unknown, or q is not between 0 and 1.

        Example:
            >>> import numpy as np
            >>> from fastscape.results import Values
            >>> three = np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 8.0]])
            >>> made = Values({"x": np.arange(2.0)}, {"loss": three.mean(0)}, repeats={"loss": three})
            >>> made.quantiles(0.5).tolist()
            [0.0, 3.0]
        """
        stack = self._along_each(metric)
        with np.errstate(invalid="ignore"):
            found, low, high = (np.quantile(stack, q, axis=0, method=way) for way in ("linear", "lower", "higher"))
            beyond = low + high  # numpy interpolates infinite values even by 0, which makes NaN
        found = np.where(np.isfinite(low) & np.isfinite(high), found, beyond)
        return np.asarray(np.where(low == high, low, found))

    def spread(self, metric: str = "loss") -> np.ndarray:
        """The spread of single directions around their mean: the standard deviation over the random directions.

        Args:
            metric: "loss" or the name of a metric. Default "loss".

        Returns:
            `sqrt(sum over r of (value_r - mean)^2 / (R - 1))` in the shape of the grid; NaN if a direction is not
            finite.

        Raises:
            ValueError: When the directions were drawn once, or the metric is unknown.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(self._along_each(metric).std(axis=0, ddof=1))

    def direction_error(self, metric: str = "loss") -> np.ndarray:
        """The standard error of the mean over R random directions.

        `standard_error` is the standard error over samples. The mean over all directions and all samples of the
        population is uncertain by both errors.

        Args:
            metric: "loss" or the name of a metric. Default "loss".

        Returns:
            `spread / sqrt(R)` in the shape of the grid; NaN if a direction is not finite.

        Raises:
            ValueError: When the directions were drawn once, or the metric is unknown.
        """
        return self.spread(metric) / np.sqrt(self.repeated)

    def _along_each(self, metric: str) -> np.ndarray:
        """A measure along each direction [R, H, W, ...]."""
        if metric not in self.repeats:
            if self.repeats:
                raise ValueError(f"metric={metric!r:.80} is unknown; each direction has {', '.join(self.repeats)}")
            raise ValueError(
                "the values are along one direction, which says nothing of others; compute them with repeats=32"
            )
        return self.repeats[metric]

    @property
    def labels(self) -> dict[str, str]:
        """The label of each axis, which says what the axis runs along, by its name."""
        several = [f"direction {k}" for k in range(1, 1 + len(self.axes))]
        unnamed = several if len(self.axes) > 1 else ["each direction" if self.repeats else "the direction"]
        return dict(zip(self.axes, self.report.get("labels", unnamed), strict=False))

    @property
    def marks(self) -> dict[str, tuple[float, ...]]:
        """The coordinates of models, by name, see `Space.marks`; if the report has none, the model at the origin."""
        origin = {"the model": [0.0] * len(self.axes)}
        return {name: tuple(at) for name, at in self.report.get("marks", origin).items()}

    @property
    def paths(self) -> list[Trajectory]:
        """The paths that belong to the directions."""
        return [Trajectory.of_plain(path, len(self.axes)) for path in self.report.get("paths", [])]

    @property
    def orthonormal(self) -> bool:
        """Whether the axes are known to be orthogonal, a step of 1 along each being a distance of 1 in weights."""
        plane = self.report.get("plane")
        return isinstance(plane, Mapping) and plane.get("orthonormal") is True


def _copied(array: Any, dtype: Any = np.float64) -> np.ndarray:
    return np.array(array, dtype=dtype)  # the owner of the given array may write to it


def _kept(array: Any, dtype: Any = np.float64) -> np.ndarray:
    return np.asarray(array, dtype=dtype)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
