"""Checks the arguments of a recorder besides the weights."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fastscape.results import clipped

__all__ = ["DTYPES", "Measures", "count_given", "numbers_of"]

Measures: TypeAlias = "Mapping[str, Any] | Callable[[], Mapping[str, Any]]"

DTYPES = {None: None, "float32": torch.float32, "bfloat16": torch.bfloat16}


def count_given(name: str, given: Any, least: int) -> int:
    """Checks a whole number.

    Args:
        name: Its name in the error.
        given: The number.
        least: The smallest valid number.

    Returns:
        The number.

    Raises:
        ValueError: When it is smaller, or not a whole number.
    """
    try:
        number = operator.index(given)
    except TypeError:
        number = least - 1
    if number < least or isinstance(given, bool):
        raise ValueError(f"{name} must be a whole number of at least {least}, got {clipped(repr(given))}")
    return number


def numbers_of(measures: Measures) -> dict[str, float]:
    """The measures of a record.

    Args:
        measures: Numbers by name, or a function that returns them.

    Returns:
        The numbers, without NaN: a measure missing from a record is read as NaN.

    Raises:
        TypeError: When a measure is not a number.
    """
    numbers = {}
    for name, value in (measures() if callable(measures) else measures).items():
        try:
            numbers[name] = float(value.detach() if isinstance(value, Tensor) else value)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"the measure {name} must be a number, got {clipped(repr(value))}") from None
    return {name: number for name, number in numbers.items() if not math.isnan(number)}
