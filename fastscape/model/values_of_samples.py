"""The results of a loss or a metric for a batch, a mean or the values of its samples: checked, and summed."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["checked", "each_of", "of_samples", "sum_of"]

# The number of roundings by which the sum of the losses of single samples may differ from the loss's own value.
_ROUNDINGS = 32


def each_of(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Tensor] | None:
    """A loss of torch in the form that returns the values of the samples [n].

    Args:
        loss: The loss.

    Returns:
        The form, or None for losses that are not torch's.
    """
    unreduced: Any
    if isinstance(loss, nn.Module) and getattr(loss, "reduction", None) == "mean":
        unreduced = copy.copy(loss)
        unreduced.reduction = "none"
    else:
        inner = loss.func if isinstance(loss, functools.partial) else loss
        try:
            reduced = inspect.signature(loss).parameters.get("reduction")
        except (TypeError, ValueError):  # a built-in function has no signature
            return None
        if getattr(inner, "__module__", None) != F.__name__ or reduced is None or reduced.default != "mean":
            return None
        unreduced = functools.partial(loss, **{"reduction": "none"})

    def each(outputs: Any, targets: Any) -> Tensor:
        values = unreduced(outputs, targets)
        return values if values.dim() < 2 else values.flatten(1).mean(1)

    return each


def of_samples(
    each: Callable[[Any, Any], Tensor], outputs: Any, targets: Any, loss: Tensor, samples: int
) -> Tensor | None:
    """The losses of the samples, if their sum equals the loss to rounding.

    Args:
        each: The loss in the form that returns them.
        outputs: Outputs of the model.
        targets: Targets of the batch.
        loss: The value of the loss itself.
        samples: The number of samples that the batch counts as.

    Returns:
        The losses [n], or None.
    """
    try:
        values = each(outputs, targets)
        error = abs(float(sum_of("loss", values, samples) - sum_of("loss", loss, samples)))
        allowed = _ROUNDINGS * torch.finfo(loss.dtype).eps * float(values.double().abs().sum())
    except (TypeError, ValueError, RuntimeError):  # for these outputs the loss has no values of samples
        return None
    return values if values.dim() == 1 and error <= allowed else None


def checked(name: str, value: Any) -> Tensor:
    """The result of a measure, if it is a real tensor.

    Args:
        name: Name of the measure.
        value: Its result.

    Returns:
        The result.

    Raises:
        TypeError: When it is something else.
    """
    if not isinstance(value, Tensor) or value.is_complex():
        came = f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
        what = name if name in ("loss", "the objective") else f"the metric {name!r:.80}"
        raise TypeError(f"{what} must return a real tensor (the batch mean, or one value per sample), got {came}")
    return value


def sum_of(name: str, value: Any, samples: int) -> Tensor:
    """The sum over the samples of a batch of a measure's result.

    Args:
        name: Name of the measure.
        value: The mean [] over the batch, or the values of the samples [n].
        samples: The number n of samples that the batch counts as.

    Returns:
        The sum [], float64, with the graph that leads to it.

    Raises:
        TypeError: When it is no real tensor.
        ValueError: When its shape is neither [] nor [n].
    """
    value = checked(name, value)
    if value.dim() == 0:
        return value.double() * samples
    if value.shape == (samples,):
        return value.double().sum()
    reduce = ".mean(dim=1)" if value.dim() <= 2 else ".flatten(1).mean(dim=1)"
    raise ValueError(
        f"{name} must return a scalar, the batch mean, or shape ({samples},), one value per sample; got shape "
        f"{tuple(value.shape)} for a batch of {samples} samples: reduce the other dimensions, for example with "
        f"{reduce}"
    )
