"""The sharpness of a model, as plain values: one entry for each measure, with everything that a citation needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from fastscape.results.checks import clipped
from fastscape.results.json_files import JsonFile, JsonFormat

__all__ = ["SharpnessValue", "SharpnessValues", "check_alike"]


_OF_MODEL = "size", "samples", "loss"

V = TypeVar("V", bound="SharpnessValues")


@dataclass(frozen=True)
class SharpnessValue:
    """One measure of sharpness at one model.

    Args:
        name: The name of the measure.
        value: The value.
        standard_error: The standard error of the value over random draws: directions, groups of samples, probes. 0 if
            nothing was drawn; None if the value is a bound.
        unit: The unit of value and standard error.
        formula: The formula of the measure.
        definition: The definition in words.
        source: Paper and section.
        invariant_to: The changes of the weights that change neither the function nor the value.
        cost: `evaluations` and `gradients` of the loss over all samples, `products` with its Hessian, and `seconds`.
        details: The options that the value depends on (`settings`), a note (`said`), and more, as plain values.
    """

    name: str
    value: float
    standard_error: float | None
    unit: str
    formula: str
    definition: str
    source: str
    invariant_to: tuple[str, ...]
    cost: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The options that the value depends on."""
        found: Mapping[str, Any] = self.details.get("settings", {})
        return found

    @property
    def said(self) -> str:
        """A note about this value; empty if there is none."""
        return str(self.details.get("said", ""))


@dataclass(frozen=True, eq=False, repr=False)
class SharpnessValues(Mapping[str, SharpnessValue], JsonFile):
    """Measures of the sharpness of a model by name.

    Args:
        values_by_name: The measures, in their order.
        size: How many real numbers move.
        samples: The number of samples over which the loss is a mean.
        loss: The mean loss at the model.
        report: How the measures were computed, as plain values.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat(
        "fastscape-sharpness", 1, "sharpness", "is no report of sharpness", "Sharpness"
    )

    values_by_name: Mapping[str, SharpnessValue]
    size: int
    samples: int
    loss: float
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values_by_name", MappingProxyType(dict(self.values_by_name)))
        object.__setattr__(self, "report", MappingProxyType(dict(self.report)))

    def __getitem__(self, name: str) -> SharpnessValue:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {found.value:.4g}" for name, found in self.items())
        return f"{type(self).__name__}({self.size} weights, {self.samples} samples: {shown})"

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""
        measures = {name: asdict(_plain(found)) for name, found in self.items()}
        return {**{name: getattr(self, name) for name in _OF_MODEL}, "measures": measures, "report": dict(self.report)}

    @classmethod
    def of_dict(cls: type[V], plain: dict[str, Any]) -> V:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        measures = {name: _read(name, given) for name, given in plain.pop("measures").items()}
        made = cls(measures, **plain)
        _check_numbers(made)
        return made


def check_alike(reports: Mapping[str, SharpnessValues]) -> None:
    """Refuses reports whose values cannot be compared.

    Args:
        reports: The reports, by the names of their models.

    Raises:
        ValueError: When there are fewer than two reports, when they share no measure, or when a shared measure was
            computed with different settings.
    """
    if len(reports) < 2:
        raise ValueError(f"a comparison needs at least two reports, got {len(reports)}")
    (first, mine), *others = reports.items()
    for name, other in others:
        for measure in mine.keys() & other.keys():
            if dict(mine[measure].settings) != dict(other[measure].settings):
                raise ValueError(
                    f"{measure} of {name:.80} was computed with {clipped(dict(other[measure].settings))}, and of "
                    f"{first:.80} with {clipped(dict(mine[measure].settings))}; compute both with the same options"
                )
    if not set.intersection(*(set(report) for report in reports.values())):
        raise ValueError(f"{', '.join(reports):.200} have no measure in common; compute the same measures of each")


def _plain(found: SharpnessValue) -> SharpnessValue:
    """The value with dictionaries instead of views of dictionaries, which cannot be copied."""
    return SharpnessValue(**{**vars(found), "cost": dict(found.cost), "details": dict(found.details)})


def _read(name: str, given: Mapping[str, Any]) -> SharpnessValue:
    found = SharpnessValue(**{**given, "invariant_to": tuple(given["invariant_to"])})
    if found.name != name:
        raise ValueError(f"its {name} calls itself {found.name!r}")
    return found


def _check_numbers(made: SharpnessValues) -> None:
    for name, found in made.items():
        error = found.standard_error
        if not _is_number(found.value) or not (error is None or _is_number(error)):
            raise ValueError(f"its {name} has the value {found.value!r} and the standard error {error!r}")
        if not isinstance(found.cost, Mapping) or not isinstance(found.details, Mapping):
            raise ValueError(f"its {name} has no cost and details by name")
    if not all(_is_number(getattr(made, name)) for name in _OF_MODEL):
        raise ValueError(f"it lacks one of {', '.join(_OF_MODEL)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
