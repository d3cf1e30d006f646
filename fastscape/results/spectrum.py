"""The spectrum of a curvature matrix, as plain values: eigenvalues at its ends, their density, trace and norm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from fastscape.results.json_files import JsonFile, JsonFormat

__all__ = ["Density", "Estimate", "LayerCurvature", "SpectrumValues"]


_ARRAYS = ("eigenvalues", "residuals")
_OF_DENSITY = ("at", "values", "standard_error")
V = TypeVar("V", bound="SpectrumValues")


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error.

    Args:
        value: The estimate.
        standard_error: The standard error of the estimate; 0 if it is exact.
        probes: The number of independent probes; 0 if the estimate is exact.
    """

    value: float
    standard_error: float = 0.0
    probes: int = 0

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.standard_error:.2g}" if self.probes else f"{self.value:.4g}"


@dataclass(frozen=True, eq=False)
class Density:
    """The density of eigenvalues.

    Args:
        at: Eigenvalues [m], evenly spaced.
        values: The density of all n eigenvalues there [m]; its integral is 1.
        standard_error: The standard error of the values [m], over probes and by the quadrature; 0 if they are exact.
        width: Standard deviation of the normal distribution that replaces each eigenvalue.
        probes: The number of probes; 0 if the density is exact.

    Raises:
        ValueError: When the arrays differ in length.
    """

    at: np.ndarray
    values: np.ndarray
    standard_error: np.ndarray
    width: float
    probes: int

    def __post_init__(self) -> None:
        _freeze(self, _OF_DENSITY)


@dataclass(frozen=True)
class LayerCurvature:
    """The block of a curvature matrix that belongs to one tensor.

    Args:
        size: The number of its rows.
        trace: The sum of its eigenvalues.
        largest: Its largest eigenvalue.
        residual: The residual of the largest eigenvalue, as a fraction of the block's largest absolute eigenvalue.
    """

    size: int
    trace: Estimate
    largest: float
    residual: float


@dataclass(frozen=True, eq=False, repr=False)
class SpectrumValues(JsonFile):
    """The spectrum of a curvature matrix of the mean loss. All numbers are float64.

    Args:
        matrix: "hessian", "ggn", "fisher" or "empirical-fisher".
        size: Number of its rows n, the real numbers that move.
        samples: The number of samples of the mean.
        eigenvalues: The eigenvalues at both ends [k], from the largest down.
        residuals: `||H v - lambda v||` of each [k], as a fraction of the largest absolute eigenvalue: a true
            eigenvalue is within this distance.
        trace: The sum of all eigenvalues.
        frobenius: The root of the sum of the squares of all eigenvalues.
        density: The density of all eigenvalues.
        layers: The curvature of each tensor, by name. Default: no tensors.
        report: How the spectrum was computed, as plain values.

    Raises:
        ValueError: When arrays that belong together differ in length.
    """

    FORMAT: ClassVar[JsonFormat] = JsonFormat("fastscape-spectrum", 1, "a spectrum", "is no spectrum", "Spectrum")

    matrix: str
    size: int
    samples: int
    eigenvalues: np.ndarray
    residuals: np.ndarray
    trace: Estimate
    frobenius: Estimate
    density: Density
    layers: Mapping[str, LayerCurvature] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _freeze(self, _ARRAYS)
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))
        object.__setattr__(self, "report", MappingProxyType(dict(self.report)))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matrix} of {self.size} weights, eigenvalues {self.smallest:.4g} to "
            f"{self.largest:.4g}, trace {self.trace})"
        )

    @property
    def largest(self) -> float:
        """The largest eigenvalue."""
        return float(self.eigenvalues[0])

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue, that is the most negative eigenvalue."""
        return float(self.eigenvalues[-1])

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""
        layers = {name: asdict(layer) for name, layer in self.layers.items()}
        plain = {name: getattr(self, name) for name in ("matrix", "size", "samples")}
        plain |= {name: getattr(self, name).tolist() for name in _ARRAYS}
        density = {name: getattr(self.density, name).tolist() for name in _OF_DENSITY}
        plain["density"] = {**density, "width": self.density.width, "probes": self.density.probes}
        plain |= {"trace": asdict(self.trace), "frobenius": asdict(self.frobenius)}
        return {**plain, "layers": layers, "report": dict(self.report)}

    @classmethod
    def of_dict(cls: type[V], plain: dict[str, Any]) -> V:
        """The values from the output of `as_dict`. See `JsonFile.of_dict`."""
        layers = {
            name: LayerCurvature(**{**layer, "trace": Estimate(**layer["trace"])})
            for name, layer in plain.pop("layers").items()
        }
        trace, frobenius = (Estimate(**plain.pop(name)) for name in ("trace", "frobenius"))
        density = Density(**plain.pop("density"))
        made = cls(**plain, trace=trace, frobenius=frobenius, density=density, layers=layers)
        if not made.eigenvalues.size or not math.isfinite(density.width):
            raise ValueError("it has no eigenvalues")
        return made


def _freeze(made: Any, names: tuple[str, ...]) -> None:
    """Turns the given sequences into frozen arrays [n], all of one length."""
    for name in names:
        array = np.array(getattr(made, name), dtype=np.float64)
        array.setflags(write=False)
        object.__setattr__(made, name, array)
        first = getattr(made, names[0])
        if array.ndim != 1 or len(array) != len(first):
            raise ValueError(
                f"{name} must have shape ({len(first) if first.ndim else 'n'},), one number for each of {names[0]}, "
                f"got {array.shape}"
            )
