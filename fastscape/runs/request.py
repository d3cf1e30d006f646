"""The request of a run, checked once at the start of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from fastscape.engine import Plan
from fastscape.model import Data, DataSets, Mode, Objective, ReadingAsked, size_of
from fastscape.results import Values, axis_names, with_defaults
from fastscape.runs.checks import check_options
from fastscape.runs.data_sets import measured_on
from fastscape.runs.device import own_gpu
from fastscape.runs.options import NOT_OF_LINE, NOT_OF_SURFACE, LineOptions, SurfaceOptions
from fastscape.runs.space_asked import batchnorm_of, check_end, check_model, directions_given, space_asked
from fastscape.sampling import SAMPLES_A_PART, Enough
from fastscape.weights import (
    PRECISIONS,
    AlongPath,
    Axis,
    Loan,
    Place,
    SpaceAsked,
    precision_of,
    wanted_axis,
)

__all__ = ["Expected", "Request", "line_request", "request_of", "surface_request"]

FROM_END_TO_END = 0.0, 1.0, 51
"""The default axis of a line along a curve."""

_BEYOND = 1e-9  # by which rounding may pass the ends of a curve

PERSISTENCE = 0.05
"""Least persistence of the pairs that `topology=True` makes certain, as a fraction of the range."""


@dataclass(frozen=True)
class Expected:
    """The weights, data and values that a landscape computed again must match.

    Args:
        hashes: Hashes of weights and data, by their names in the report.
        samples: Number of samples used, if the run stopped at a target for its standard error.
        values: The values. Default: anything.
    """

    hashes: Mapping[str, str] = field(default_factory=dict)
    samples: int | None = None
    values: Values | None = None

    def found(self, name: str, value: str) -> str:
        """Checks a hash against the expected hash.

        Args:
            name: Its name in the report.
            value: The hash.

        Returns:
            The hash.

        Raises:
            ValueError: When a different hash is expected.
        """
        if self.hashes.get(name, value) != value:
            what = {
                "weights_hash": "the model has other weights",
                "data_hash": "the data are others, or in another order,",
            }
            raise ValueError(
                f"{what[name]} than the landscape's: {name} must be {self.hashes[name][:12]}..., got {value[:12]}...; "
                "give the ones that the landscape was computed from"
            )
        return value


@dataclass(frozen=True, eq=False)
class Request:
    """The request of a run, with the defaults that depend on each other.

    Args:
        model: The user's model.
        data: The user's data.
        axes: Coordinates by the name of the axis, or `Auto` or `AlongPath` if the range is to be chosen.
        space: The space that the axes span.
        objective: The measures.
        place: Device and precision.
        options: All other options, as the user gave them.
        expected: What the run must match. Default: anything.
        shown: A function that gets the landscape after each round of a tolerance. Default: none.
    """

    model: nn.Module
    data: Data
    axes: Mapping[str, Axis]
    space: SpaceAsked
    objective: Objective
    place: Place
    options: SurfaceOptions
    expected: Expected = Expected()
    shown: Callable[[Values], Any] | None = None

    @property
    def mode(self) -> Mode:
        """The mode in which the model is evaluated."""
        return Mode(self.options["batchnorm"], self.options["train_mode"])

    @property
    def reading(self) -> ReadingAsked:
        """How the data are read."""
        part = self.options["stream_samples"]
        if self.enough is not None and part is None:
            part = SAMPLES_A_PART  # after every part of the data it is decided whether to read more
        # In parts, batches are cut and joined if this does not change the result; else they stay unchanged.
        join = part is not None and self.options["batchnorm"] == "running"
        return ReadingAsked(self.objective.custom is None, join, part, some=self.enough is not None)

    @property
    def title(self) -> str:
        """What is computed, for a progress bar."""
        return {1: "line", 2: "surface"}.get(len(self.axes), "volume")

    @property
    def parts(self) -> int | None:
        """How many parts of the data are read, where they say it and all of them are."""
        asked = self.reading
        if asked.part is None or asked.some or not asked.join or isinstance(self.data, DataSets):
            return None
        samples = size_of(self.data, pairs=asked.pairs)
        return None if samples is None else -(-samples // asked.part)

    @property
    def enough(self) -> Enough | None:
        """The target at which reading stops; None if all data are read."""
        target = self.options["target_standard_error"]
        return None if target is None else Enough(target, self.expected.samples)

    @property
    def in_parts(self) -> bool:
        """Whether the data are read in parts."""
        return self.reading.part is not None

    @property
    def streams(self) -> bool:
        """Whether every point is evaluated on a part of the data before the next part is read."""
        return self.in_parts and not self.refines

    @property
    def refines(self) -> bool:
        """Whether only some points are evaluated."""
        return self.options["tolerance"] is not None

    @property
    def threshold(self) -> float | None:
        """The least persistence of pairs that must be certain, as a fraction of the range; None for no pair."""
        topology = self.options["topology"]
        return None if topology is False else PERSISTENCE if topology is True else topology

    @property
    def auto(self) -> bool:
        """Whether to search for a plan."""
        return self.options["plan"] == "auto"

    @property
    def free_batching(self) -> bool:
        """Whether points may be evaluated in a loop if vmap fails."""
        plan = self.options["plan"]
        return not isinstance(plan, Plan) or plan.batching == "auto"


def surface_request(
    model: nn.Module, data: Data, given: SurfaceOptions, shown: Callable[[Values], Any] | None
) -> Request:
    """The request of a call of `surface`.

    Args:
        model: The user's model.
        data: The user's data.
        given: The options that the user gave.
        shown: A function that gets the landscape after each round. Default: none.

    Returns:
        The request.
    """
    options = with_defaults(SurfaceOptions, given, "surface", elsewhere=NOT_OF_SURFACE)
    options["batchnorm"] = batchnorm_of(model, given, options["directions"])
    axes = {name: _axis(name, given, options) for name in axis_names(2)}
    return request_of(model, data, axes, options, shown=shown)


def _axis(name: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> Axis:
    """The axis: if none is given and the directions are made to show a path, along this path."""
    along = name not in given and getattr(options["directions"], "shows_path", False)
    return AlongPath() if along else wanted_axis(name, options[name])


def line_request(model: nn.Module, data: Data, given: LineOptions) -> Request:
    """The request of a call of `line`.

    Args:
        model: The user's model.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The request.

    Raises:
        TypeError: When `progress` asks for rounds, which a line does not have.
        ValueError: When a coordinate is beyond the ends of a curve.
    """
    options = cast(dict[str, Any], with_defaults(LineOptions, given, "line", elsewhere=NOT_OF_LINE))
    if not isinstance(options["progress"], bool):
        raise TypeError(
            f"progress must be True or False for a line, which has no rounds to show, got {options['progress']!r}"
        )
    to, along = options.pop("to"), options.pop("along")
    options["directions"] = directions_given(model, to, along, options["directions"])
    options["batchnorm"] = batchnorm_of(model, given, options["directions"])
    for name, end in {"to": to, "along": along}.items():
        if end is not None:
            check_end(name, options)
    if along is not None and "x" not in given:
        options["x"] = FROM_END_TO_END
    axes = {"x": _axis("x", given, options)}
    if along is not None:
        _check_on_curve(axes["x"])
    return request_of(model, data, axes, with_defaults(SurfaceOptions, cast(SurfaceOptions, options), "line"))


def _check_on_curve(x: Axis) -> None:
    """Refuses coordinates beyond the ends of a curve."""
    beyond = not isinstance(x, np.ndarray) or x.min() < -_BEYOND or x.max() > 1 + _BEYOND
    if beyond:
        came = f"{x.min():g} to {x.max():g}" if isinstance(x, np.ndarray) else "'auto'"
        raise ValueError(
            f"x must stay on the curve, which begins at 0 and ends at 1, got {came}; write x=(0, 1, 51), or leave it "
            "out"
        )


def request_of(
    model: nn.Module,
    data: Data,
    axes: Mapping[str, Axis],
    options: SurfaceOptions,
    *,
    expected: Expected = Expected(),
    shown: Callable[[Values], Any] | None = None,
) -> Request:
    """Checks the options together, and fills in the defaults that depend on each other.

    Args:
        model: The user's model.
        data: The user's data.
        axes: The axes by name, in their order.
        options: All options.
        expected: What the run must match. Default: anything.
        shown: A function that gets the landscape after each round. Default: none.

    Returns:
        The request.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, or arguments exclude each other.
    """
    check_model(model, lent=options["lend"] is True)
    check_options(options, shown)
    place = _place(model, options)
    if place.own and not place.mixed:
        options["precision"] = cast(Any, precision_of(model)[0])
    space = space_asked(model, options, len(axes))
    data, objective = measured_on(data, options)
    return Request(model, data, axes, space, objective, place, options, expected, shown)


def _place(model: nn.Module, options: SurfaceOptions) -> Place:
    """The requested device, else the device of the model's first parameter; and the precision."""
    wanted, plan = options["device"], options["plan"]
    if wanted is None:
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    else:
        try:
            device = torch.device(wanted)
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"device must be a device that torch knows, got {wanted!r}; for example 'cpu' or 'cuda'"
            ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={str(device)!r} was asked for, but torch finds no GPU here; write device='cpu'")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device={str(device)!r} has no kernels and no float64 sums here; write device='cpu'")
    device = own_gpu(device)
    backend = plan.kernels if isinstance(plan, Plan) else "auto"
    if options["precision"] is not None:
        if options["precision"] == "float16" and device.type == "cpu":
            raise ValueError("precision='float16' has no fast arithmetic on a CPU; write precision='bfloat16'")
        return Place(device, PRECISIONS[options["precision"]], backend)
    name, mixed = precision_of(model)
    loan = Loan(options["keep"], in_place=options["low_memory"]) if options["lend"] else None
    return Place(device, PRECISIONS[name], backend, own=True, mixed=mixed, lent=loan)
