"""Makes the request of a call of `volume`, with any number of axes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from torch import nn

from fastscape.model import Data
from fastscape.results import MOST_AXES, Values, axis_names, warn, with_defaults
from fastscape.runs.options import CUBE, SurfaceOptions, VolumeOptions
from fastscape.runs.request import Request, request_of
from fastscape.runs.space_asked import batchnorm_of
from fastscape.weights import Axis, AxisSpec, wanted_axis

__all__ = ["volume_request"]

MANY = 10_000_000  # number of grid points that may be a mistake
MOST = 1_000_000_000  # number of grid points whose coordinates alone take tens of gigabytes


def volume_request(
    model: nn.Module, data: Data, given: VolumeOptions, shown: Callable[[Values], Any] | None
) -> Request:
    """The request of a call of `volume`.

    Args:
        model: The user's model.
        data: The user's data.
        given: The options that the user gave.
        shown: A function that gets the landscape after each round. Default: none.

    Returns:
        The request.

    Raises:
        ValueError: When the grid has too many points.
    """
    options = cast(
        dict[str, Any], with_defaults(VolumeOptions, given, "volume", formerly=dict.fromkeys("xyz", "axes"))
    )
    directions, came = options["directions"], options.pop("axes")
    specs = _specs(came, path=bool(getattr(directions, "shows_path", False)))
    axes = {name: wanted_axis(name, spec) for name, spec in zip(axis_names(len(specs)), specs, strict=True)}
    if options["scheme"] is None and getattr(directions, "scheme", None) is None:
        options["scheme"] = "plane"
    options["batchnorm"] = batchnorm_of(model, given, directions)
    whole: Any = with_defaults(SurfaceOptions, cast(SurfaceOptions, options), "volume")
    whole |= zip(axes, specs, strict=True)  # as given, for messages
    request = request_of(model, data, axes, whole, shown=shown)
    _check_size(axes, request.options["repeats"], chosen=request.refines)
    return request


def _specs(axes: Any, *, path: bool) -> list[AxisSpec]:
    """The specification of each axis; all the same if only a number of axes is given."""
    wanted = "give the number of axes, or a list with one entry per axis, for example axes=[(-1.0, 1.0, 21)] * 3"
    if not isinstance(axes, bool) and isinstance(axes, numbers.Integral):
        count = int(axes)
    elif isinstance(axes, list | tuple):
        if any(isinstance(part, numbers.Number) for part in axes):
            raise TypeError(f"axes cannot be read, got {axes!r:.120}, which looks like a single axis; {wanted}")
        count = len(axes)
    else:
        raise TypeError(f"axes cannot be read, got {type(axes).__name__}; {wanted}")
    if not 1 <= count <= MOST_AXES:
        raise ValueError(f"the number of axes must be 1 to {MOST_AXES}, got {count}")
    if isinstance(axes, list | tuple):
        return list(axes)
    return [("path", CUBE[2]) if path else CUBE] * count


def _check_size(axes: Mapping[str, Axis], repeats: int, *, chosen: bool) -> None:
    """Warns of a grid so large that it may be a mistake, or refuses it: counts of axes multiply."""
    counts = [len(axis) if isinstance(axis, np.ndarray) else axis.count for axis in axes.values()]
    points = math.prod(counts) * repeats
    if points <= MANY or (chosen and points <= MOST):
        return
    said = f"the grid has {_shape(counts)} points, {points:,} in all"
    said += f" with {repeats} repeats" if repeats > 1 else ""
    fewer = f"for example axes=[(-1.0, 1.0, {_fitting(len(counts), repeats)})] * {len(counts)}"
    if points > MOST:
        raise ValueError(f"a grid must have at most {MOST:,} points: {said}; write fewer points per axis, {fewer}")
    warn(f"{said}, each of which takes an evaluation of all samples; if that is not meant, write fewer, {fewer}")


def _shape(counts: Sequence[int]) -> str:
    return f"{counts[0]}^{len(counts)}" if len(set(counts)) == 1 else " x ".join(map(str, counts))


def _fitting(axes: int, repeats: int) -> int:
    """An odd count, so the model is in the middle, for which the grid gives no warning."""
    most = int((MANY / repeats) ** (1 / axes) + 1e-9)
    return max(min(most - 1 + most % 2, CUBE[2]), 1)
