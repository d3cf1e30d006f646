"""Checks of the functions that a user gives: refuses classes, factories and other signatures."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["check_function"]

_EXAMPLES = {
    "loss": "loss=torch.nn.functional.mse_loss",
    "objective": "objective=lambda call, batch: call(batch).mean()",
}


def check_function(name: str, function: Any, form: str) -> None:
    """Refuses an object that cannot be a loss, a metric or an objective.

    Args:
        name: The argument's name: "loss", "objective" or the name of a metric.
        function: The object.
        form: Its call with two arguments, for example "f(outputs, targets)".

    Raises:
        TypeError: When it is a class, cannot be called, or does not take two arguments; and when an objective was
            given as a loss.
    """
    called = str(getattr(function, "__qualname__", type(function).__name__))[:80]
    if isinstance(function, type):
        raise TypeError(f"{name} must be a function {form}, got the class {called}; write {called}()")
    if not callable(function):
        example = _EXAMPLES.get(name, "metrics={'accuracy': fastscape.accuracy}")
        what = name if name in _EXAMPLES else f"the metric {name!r:.80}"
        raise TypeError(f"{what} must be a function {form}, got {function!r:.200}; for example {example}")
    if name != "objective" and hasattr(function, "differentiates_inputs"):
        raise TypeError(
            f"{name} must be a function, got an objective, {called}(...); pass it as objective= instead of loss or "
            "metrics"
        )
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # its wrapper may pass more arguments
    except (TypeError, ValueError):  # a built-in function has no signature
        return
    try:
        signature.bind(None, None)
    except TypeError:
        if called.endswith("<lambda>"):  # its name says nothing, and it rarely makes a function
            raise TypeError(f"{name} must be a function {form}, got a lambda of {str(signature)[:200]}") from None
        raise TypeError(
            f"{name} must be a function {form}, got {called}, which cannot be called so; if it makes such a function, "
            f"write {called}(), or on the command line the name of a variable that holds {called}()"
        ) from None
