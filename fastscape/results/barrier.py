"""The barriers between two models, measure by measure, and the line that they follow from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from fastscape.results.checks import check_values, report_in
from fastscape.results.excess import EXCESS_ERRORS, MeasureBarrier, excess_over_chord, measure_barrier
from fastscape.results.json_files import JsonFile, JsonFormat
from fastscape.results.values import Values

__all__ = ["BarrierValues", "barrier_in"]


B = TypeVar("B", bound="BarrierValues")


@dataclass(frozen=True, eq=False, repr=False)
class BarrierValues(Mapping[str, MeasureBarrier], JsonFile):
    """The barriers between two models by measure, the loss first, and the line that they follow from.

    Args:
        line: The line from the first model, at 0, to the second model, at 1; at least 3 points.

    Raises:
        ValueError: When `line` is no such line.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat("fastscape-barrier", 1, "a barrier", "is no barrier", "Barrier")

    line: Values
    _found: Mapping[str, MeasureBarrier] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        axes = list(self.line.axes.values())
        if len(axes) != 1 or len(axes[0]) < 3 or axes[0][0] != 0 or axes[0][-1] != 1 or (np.diff(axes[0]) <= 0).any():
            raise ValueError(
                "the line of a barrier must go from exactly 0 to exactly 1 in at least 3 points, got "
                f"{self.line.shape_text} points"
            )
        found = {name: measure_barrier(self.line, name) for name in self.line.measures}
        object.__setattr__(self, "_found", MappingProxyType(found))

    def __getitem__(self, measure: str) -> MeasureBarrier:
        return self._found[measure]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        said = [f"{name:.40} {one.highest}, lowest {one.lowest.value:.4g}" for name, one in self.items()]
        return f"{type(self).__name__}({self.line.shape_text} points: {'; '.join(said)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.line,)

    @property
    def value(self) -> float:
        """The barrier of the loss: its largest excess."""
        return self["loss"].highest.value

    @property
    def standard_error(self) -> float | None:
        """The standard error of the barrier of the loss."""
        return self["loss"].highest.standard_error

    @property
    def at(self) -> float:
        """The place at which the loss has its largest excess, from 0 to 1."""
        return self["loss"].highest.at

    @property
    def report(self) -> Mapping[str, Any]:
        """How the line was computed, as plain values."""
        return self.line.report

    def excess(self, measure: str = "loss") -> np.ndarray:
        """The excess of a measure at every point [H]. See `fastscape.results.excess_over_chord`."""
        return excess_over_chord(self.line, measure)

    @property
    def panels(self) -> dict[str, dict[str, str]]:
        """The measures that belong together: for each measure its names over all data sets, by the name of the set."""
        sets = self.line.report.get("data_sets")
        names = [str(name) for name in sets] if isinstance(sets, Mapping) else [""]
        found: dict[str, dict[str, str]] = {}
        for measure in self:
            of = next((name for name in names[1:] if measure.endswith(f" of {name}")), names[0])
            base = measure.removesuffix(f" of {of}") if of != names[0] else measure
            found.setdefault(base, {})[of] = measure
        return found

    def as_dict(self) -> dict[str, Any]:
        """The line as plain values: dictionaries, lists, numbers and texts."""
        line = self.line
        error = None if line.standard_error is None else line.standard_error.tolist()
        measures = {name: values.tolist() for name, values in line.measures.items()}
        return {
            "t": line.axes["x"].tolist(),
            "measures": measures,
            "standard_error": error,
            "report": dict(line.report),
        }

    @classmethod
    def of_dict(cls: type[B], plain: dict[str, Any]) -> B:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        return cls(barrier_in(plain).line)


def barrier_in(plain: Mapping[str, Any]) -> BarrierValues:
    """The barrier from the output of `as_dict`.

    Args:
        plain: Plain values.

    Returns:
        The barrier.

    Raises:
        ValueError: When the plain values are no barrier; TypeError, KeyError and AttributeError mean the same.
    """
    measures = {name: np.array(values, dtype=np.float64) for name, values in plain["measures"].items()}
    report = report_in(plain["report"])
    line = Values({"x": plain["t"]}, measures, report, plain["standard_error"])
    check_values(line)
    _check_errors(report.get(EXCESS_ERRORS, {}))
    return BarrierValues(line)


def _check_errors(errors: Any) -> None:
    for name, pair in errors.items():
        numbers = isinstance(pair, list) and all(value is None or isinstance(value, int | float) for value in pair)
        if not numbers or len(pair) != 2:
            raise ValueError(f"the standard errors of {name!r:.40} must be two numbers, got {pair!r:.80}")
