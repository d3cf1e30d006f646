"""torch's forward mode, without the message of its first use."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["differentiating", "jvp"]

_here = threading.local()


def jvp(function: Callable[..., Any], at: tuple[Tensor, ...], along: tuple[Tensor, ...]) -> tuple[Any, Any]:
    """The value of a function, and its derivative along a direction; see `torch.func.jvp`.

    Args:
        function: Takes tensors and returns tensors.
        at: The point at which it is differentiated.
        along: The direction, a tensor for each argument.

    Returns:
        The value of the function, and the derivatives of this value.
    """
    _loaded()
    before = differentiating()
    _here.inside = True
    try:
        value, derivative = torch.func.jvp(function, at, along)[:2]
    finally:
        _here.inside = before
    return value, derivative


def differentiating() -> bool:
    """Whether this thread is differentiating a function, so that its derivatives matter too."""
    return getattr(_here, "inside", False)


@cache
def _loaded() -> None:
    """Has torch load its rules, which it compiles with a function that it calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.func.jvp(torch.sin, (torch.zeros((), device="cpu"),), (torch.ones((), device="cpu"),))
