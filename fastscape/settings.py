"""The arguments that surfaces and lines share, checked."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from fastscape import norms, schemes
from fastscape.directions import check_distribution, check_seed
from fastscape.enough import PART, Enough
from fastscape.modes import BATCHNORM
from fastscape.objective import Custom, Measure, Objective
from fastscape.parts import Parts
from fastscape.plan import Plan, plan_fixed
from fastscape.precision import PRECISIONS, Precision
from fastscape.selection import Perturb
from fastscape.trust import name_of
from fastscape.weights import Layout

__all__ = ["Settings", "chosen", "scheme_of"]


@dataclass(frozen=True)
class Settings:
    """The arguments that surfaces and lines share, as `fastscape.surface` documents them.

    `shown` gets what is known after each round. `expected` are hashes of weights and data by their names in the
    report, which must be those of a landscape; `exactly` is how many samples a landscape with a target for its
    standard error has used, and this one is to use.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice.
    """

    loss: Measure
    metrics: Mapping[str, Measure] | None
    objective: Custom | None
    normalize: str | None
    perturb: Perturb | None
    distribution: Any
    seed: int
    batchnorm: Any
    training: bool
    precision: str
    device: torch.device | str | None
    plan: Plan | str
    low_memory: bool
    progress: bool
    store: str | os.PathLike[str] | None = None
    stream: int | None = None
    distributed: bool = True
    tolerance: float | None = None
    log: bool = True
    shown: Callable[[Parts], Any] | None = None
    standard_error: float | None = None
    expected: Mapping[str, str] = field(default_factory=dict)
    exactly: int | None = None

    def __post_init__(self) -> None:
        if self.normalize is not None:
            norms.check_norm(self.normalize)
        chosen("precision", self.precision, PRECISIONS)
        chosen("batchnorm", self.batchnorm, BATCHNORM)
        if not isinstance(self.progress, bool):
            raise TypeError(f"progress={self.progress!r} cannot be used; wanted True or False")
        if not isinstance(self.training, bool):
            raise TypeError(f"training={self.training!r} cannot be used; wanted True or False")
        check_seed(self.seed)
        check_distribution(self.distribution)
        if self.plan != "auto" and not isinstance(self.plan, Plan):
            raise TypeError(f"plan={self.plan!r} cannot be used; wanted a fastscape.Plan or 'auto'")
        if self.stream is not None and (type(self.stream) is not int or self.stream < 1):
            raise ValueError(f"stream={self.stream!r} cannot be used; wanted a number of samples from 1, or None")
        if self.stream is not None and self.batchnorm == "recalibrate":
            raise ValueError(
                "batchnorm='recalibrate' reads all data at every point, which stream cannot; leave out one of them"
            )
        self._check_standard_error()
        self._check_refinement()
        if not isinstance(self.distributed, bool):
            raise TypeError(f"distributed={self.distributed!r} cannot be used; wanted True or False")
        if self.store is not None and not isinstance(self.store, str | os.PathLike):
            raise TypeError(
                f"store={self.store!r} cannot be used; wanted the name of a folder, for example 'run.zarr'"
            )

    def _check_standard_error(self) -> None:
        if self.standard_error is None:
            return
        if not _is_number(self.standard_error):
            raise TypeError(
                f"standard_error={self.standard_error!r} cannot be used; wanted a number, for example 0.01"
            )
        if not 0 < self.standard_error < 1:
            raise ValueError(
                f"standard_error={self.standard_error!r} cannot be used; wanted a fraction of the range, above 0 and "
                "below 1, for example 0.01"
            )
        if self.batchnorm == "recalibrate":
            raise ValueError(
                "batchnorm='recalibrate' reads all data at every point, and standard_error no more than are needed; "
                "leave out one of them"
            )
        if self.tolerance is not None:
            raise ValueError(
                "tolerance chooses points by their values over all samples, and standard_error leaves samples out; "
                "leave out one of them"
            )
        if self.stream is None:  # it is known after every part of the data whether more are needed
            object.__setattr__(self, "stream", PART)

    def _check_refinement(self) -> None:
        if self.tolerance is None:
            if self.shown is not None:
                raise ValueError(
                    "progress would show the surface after every round, and without a tolerance there is one; write "
                    "tolerance=0.005 too, or 0 for every point"
                )
            if self.log is not True:
                raise ValueError(f"log={self.log!r} says what a tolerance is of; write tolerance= too")
            return
        if not _is_number(self.tolerance):
            raise TypeError(f"tolerance={self.tolerance!r} cannot be used; wanted a number, for example 0.005")
        if not 0 <= self.tolerance < 1:
            raise ValueError(
                f"tolerance={self.tolerance!r} cannot be used; wanted a fraction of the range, for example 0.005"
            )
        if not isinstance(self.log, bool):
            raise TypeError(f"log={self.log!r} cannot be used; wanted True or False")
        if self.stream is not None:
            raise ValueError(
                "tolerance chooses points by their values over all samples, which stream reads in parts; leave out one"
            )

    @property
    def enough(self) -> Enough | None:
        """When no more data are read; None where all are."""
        return None if self.standard_error is None else Enough(self.standard_error, self.exactly)

    @property
    def dtypes(self) -> Precision:
        """The precision as torch names it."""
        return PRECISIONS[self.precision]

    def first_plan(self, model: nn.Module, layout: Layout, device: torch.device) -> Plan:
        """The plan that was given, or that of fixed rules, to begin with."""
        if isinstance(self.plan, Plan):
            return self.plan
        options: dict[str, Any] = {"dtype": self.dtypes.weights, "low_memory": self.low_memory}
        plan = plan_fixed(model, layout.size, device=device, **options)
        return replace(plan, batching="loop", hoist=False) if self.batchnorm == "recalibrate" else plan

    def check_hash(self, name: str, found: str) -> str:
        """A hash, when it is the one that is expected.

        Args:
            name: Its name in the report.
            found: The hash.

        Returns:
            The hash.

        Raises:
            ValueError: When another one is expected.
        """
        if self.expected.get(name, found) != found:
            what = {
                "weights_hash": "the model has other weights",
                "data_hash": "the data are others, or in another order,",
            }
            raise ValueError(
                f"{what[name]} than those of the landscape: {name} is {found[:12]}..., wanted "
                f"{self.expected[name][:12]}...; give those that the landscape was computed from"
            )
        return found

    def check_losses(self, objective: Objective) -> None:
        """Refuses a loss of which only means over batches are known, where its standard error matters.

        Args:
            objective: What is measured, once batches have shown of what form it is.

        Raises:
            ValueError: When the losses of single samples are not known.
        """
        if self.standard_error is None or objective.squares:
            return
        if objective.custom is not None:
            name, instead = f"objective {name_of(objective.custom)}", "let it return one value a sample [n] as loss"
        else:
            name = f"loss {name_of(objective.loss)}"
            instead = "write for example loss=lambda output, target: F.cross_entropy(output, target, reduction='none')"
        raise ValueError(
            f"standard_error needs the losses of single samples, and the {name} gives one value for a batch, which "
            f"may be no plain mean over its samples; {instead}"
        )

    def measured(self) -> Objective:
        """What is measured at every point, checked."""
        return Objective(self.loss, {} if self.metrics is None else self.metrics, self.objective)


def _is_number(value: Any) -> bool:
    """Whether it is one, of Python's or of numpy's."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def chosen(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    """The value that an argument names, or an error that lists the names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is unknown; wanted one of {', '.join(map(repr, choices))}")
    return choices[value]


def scheme_of(
    scheme: str | schemes.Scheme | schemes.Coefficients, named: Mapping[str, schemes.Scheme]
) -> tuple[str, schemes.Scheme]:
    """The scheme that an argument means, and its name for the report.

    Args:
        scheme: A name, a scheme, or a function of coefficients.
        named: The schemes that have names.

    Returns:
        The name and the scheme.

    Raises:
        ValueError: When there is none of that name.
    """
    if isinstance(scheme, schemes.Scheme):
        return getattr(scheme.coefficients, "__qualname__", repr(scheme.coefficients)), scheme
    if callable(scheme):
        return getattr(scheme, "__qualname__", repr(scheme)), schemes.Scheme(scheme)
    return scheme, chosen("scheme", scheme, named)
