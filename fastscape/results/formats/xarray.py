"""Converts values to an `xarray.Dataset`, which is in memory and not in a file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fastscape.results.formats.columns import columns
from fastscape.results.optional import package
from fastscape.results.values import REPEAT, Values

__all__ = ["to_xarray"]


def to_xarray(values: Values) -> Any:
    """Measures over named coordinates, the report as JSON in the attributes.

    If random directions repeat, "loss along each direction" has a further dimension, "repeat".

    Args:
        values: The values.

    Returns:
        The dataset.

    Raises:
        ImportError: When xarray is not installed.
        ValueError: When a metric has the name of a different part of the dataset.
    """
    names, axes = tuple(values.axes), dict(values.axes)
    stacks = {f"{name} along each direction": stack for name, stack in values.repeats.items()}
    whole = columns(values, stacks.keys() | ({REPEAT} if stacks else set()))
    single = {f"{name}[{r}]" for name, stack in values.repeats.items() for r in range(len(stack))}
    grids = {name: (names, grid) for name, grid in whole.items() if name not in single}
    grids |= {name: ((REPEAT, *names), stack) for name, stack in stacks.items()}
    if stacks:
        axes[REPEAT] = np.arange(float(values.repeated))
    return package("xarray", "xarray").Dataset(grids, axes, {"report": json.dumps(dict(values.report))})
