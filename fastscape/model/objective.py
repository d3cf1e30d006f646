"""Loss and metrics of one batch, as sums over its samples.

A mean over all samples is the sum of the batch sums divided by the number of samples: exact for an uneven last
batch, unlike the mean of batch means. Where the loss of every sample is known, the sum of its squares comes with them,
from which follows how far the mean may be off because the samples are a draw.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Call", "Custom", "Measure", "Objective", "accuracy", "name_of", "public_name"]

Measure: TypeAlias = Callable[[Any, Any], Tensor]
Call: TypeAlias = Callable[..., Any]
Custom: TypeAlias = Callable[[Call, Any], "Tensor | Mapping[str, Tensor]"]

# Of the sum of the losses of single samples, by how many roundings it may differ from what the loss itself gives.
_ROUNDINGS = 32


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Which samples a classifier gets right: a metric for `surface(..., metrics={"accuracy": accuracy})`.

    Args:
        outputs: Scores [n, classes].
        targets: Class numbers [n], int64.

    Returns:
        1.0 where the highest score is the target's, else 0.0; [n], float32.

    Example:
        >>> import torch
        >>> from fastscape import accuracy
        >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1])).tolist()
        [1.0, 0.0]
    """
    return (outputs.argmax(dim=1) == targets).float()


@dataclass(frozen=True)
class Objective:
    """What is measured at every grid point.

    Args:
        loss: `f(outputs, targets)` that returns the mean over the batch, a scalar, or the values of its samples [n].
        metrics: Further functions of the same kind, by name.
        custom: `f(call, batch)` in the place of loss and metrics: `call(*args, **kwargs)` runs the model; it returns
            the loss, or a dictionary with "loss" and further measures, each in one of the two forms above.
        names: Of what is measured, the loss first; known after `known`.
        each: The loss in the form that returns the values of the samples; None where there is none.
        squares: Whether the loss has the form of values of samples, so that their squares are summed too.

    Raises:
        TypeError: When the loss or a metric is not callable, or the metrics are no dict of names.
        ValueError: When a metric is named "loss", or there is a custom objective besides metrics.
    """

    loss: Measure = F.cross_entropy
    metrics: Mapping[str, Measure] = field(default_factory=dict)
    custom: Custom | None = None
    names: tuple[str, ...] = ()
    each: Measure | None = None
    squares: bool = False

    def __post_init__(self) -> None:
        if self.custom is not None:
            if not callable(self.custom):
                raise TypeError(f"objective came as {self.custom!r}; wanted a function f(call, batch)")
            if self.metrics or self.loss is not F.cross_entropy:
                raise ValueError(
                    "loss or metrics came besides an objective; let the objective return all of them, for example "
                    "{'loss': ..., 'accuracy': ...}"
                )
        if not isinstance(self.metrics, Mapping) or not all(isinstance(name, str) for name in self.metrics):
            raise TypeError(f"metrics came as {self.metrics!r}; wanted a dict of name -> f(outputs, targets)")
        if "loss" in self.metrics:
            raise ValueError("a metric is named 'loss', which is the name of the loss itself; give it another name")
        for name, measure in {"loss": self.loss, **self.metrics}.items():
            if not callable(measure):
                raise TypeError(f"{name} came as {measure!r}; wanted a function f(outputs, targets)")

    def known(self, call: Call, content: Any, samples: int) -> tuple[Objective, Tensor | None]:
        """The objective with what one batch shows of it, and what it gives there.

        Args:
            call: Runs the model.
            content: The batch.
            samples: How many samples it counts as.

        Returns:
            The objective with its names; and in the form that gives the losses of the samples, where there is one of
            the same sum. And what its `sums` are; None where only another evaluation can tell.
        """
        if self.custom is not None:
            values = self._custom(call, content)
            found = replace(self, names=tuple(values), squares=values["loss"].dim() == 1)
            return found, found._summed(values, samples)
        outputs = _outputs(call, content[0])
        loss = self.loss(outputs, content[1])
        found, each = replace(self, names=("loss", *self.metrics)), _each(self.loss)
        if isinstance(loss, Tensor) and loss.dim() == 1:
            found = replace(found, squares=True)
        elif each is not None and isinstance(loss, Tensor) and loss.dim() == 0:
            losses = _of_samples(each, outputs, content[1], loss, samples)
            if losses is None:  # it may have written to the outputs
                return found, None
            found, loss = replace(found, each=each, squares=True), losses
        metrics = {name: metric(outputs, content[1]) for name, metric in self.metrics.items()}
        return found, found._summed({"loss": loss, **metrics}, samples)

    def sums(self, call: Call, content: Any, samples: int) -> Tensor:
        """The sum over the samples of a batch of every measure.

        Args:
            call: Runs the model.
            content: The batch: inputs and targets, or for a custom objective anything.
            samples: How many samples n it counts as.

        Returns:
            Sums [measures], float64, in the order of `names`; with `squares` that of the squared losses at the end.

        Raises:
            TypeError: When a measure returns something else than a real tensor.
            ValueError: When a measure returns a tensor of another shape than [] or [n], or a custom objective returns
                other measures than before.
        """
        if self.custom is not None:
            values = self._custom(call, content)
            if self.names and tuple(values) != self.names:
                raise ValueError(
                    f"the objective returned {', '.join(values)} after {', '.join(self.names)}; let it return the "
                    "same measures for every batch"
                )
        else:
            outputs = _outputs(call, content[0])
            measures = {"loss": self.each or self.loss, **self.metrics}
            values = {name: measure(outputs, content[1]) for name, measure in measures.items()}
        return self._summed(values, samples)

    def loss_sum(self, call: Call, content: Any, samples: int) -> Tensor:
        """The sum over the samples of a batch of the loss alone, which can be differentiated.

        Args:
            call: Runs the model.
            content: The batch, as for `sums`.
            samples: How many samples n it counts as.

        Returns:
            The sum [], float64, with the graph that leads to it.
        """
        return _sum("loss", self.losses(call, content, samples), samples)

    def losses(self, call: Call, content: Any, samples: int) -> Tensor:
        """The losses of the samples [n] where these are known, else their mean []; see `loss_sum`."""
        if self.custom is not None:
            return self._custom(call, content)["loss"]
        return (self.each or self.loss)(self.outputs(call, content), content[1])

    def outputs(self, call: Call, content: Any) -> Any:
        """What the model gives for a batch of inputs and targets."""
        return _outputs(call, content[0])

    def loss_of_outputs(self, outputs: Any, targets: Any, samples: int) -> Tensor:
        """The sum of the losses [] as a function of the outputs of the model; see `loss_sum`."""
        return _sum("loss", (self.each or self.loss)(outputs, targets), samples)

    def _summed(self, values: Mapping[str, Any], samples: int) -> Tensor:
        """The sums of every measure."""
        sums = [_sum(name, value, samples).detach() for name, value in values.items()]
        if self.squares:
            sums.append(values["loss"].detach().double().square().sum())
        return torch.stack(sums)

    def _custom(self, call: Call, content: Any) -> dict[str, Tensor]:
        """What a custom objective returns, the loss first."""
        assert self.custom is not None
        with torch.enable_grad():  # it may differentiate the outputs by the inputs; weights ask for no gradients
            found = self.custom(call, content)
        if not isinstance(found, Mapping):
            return {"loss": _checked("the objective", found)}
        if "loss" not in found or not all(isinstance(name, str) for name in found):
            raise ValueError(
                f"the objective returned a dictionary of {', '.join(map(repr, found))}; wanted one with 'loss', and "
                "further measures by name"
            )
        values = {"loss": found["loss"], **{name: value for name, value in found.items() if name != "loss"}}
        return {name: _checked(name, value) for name, value in values.items()}


def _outputs(call: Call, inputs: Any) -> Any:
    """What the model gives for the inputs of a batch: several are its arguments, in their order or by name."""
    if isinstance(inputs, Mapping):
        return call(**inputs)
    return call(*inputs) if type(inputs) in (tuple, list) else call(inputs)


def _each(loss: Measure) -> Measure | None:
    """A loss of torch in the form that returns the values of the samples [n]; None for others."""
    unreduced: Any
    if isinstance(loss, nn.Module) and getattr(loss, "reduction", None) == "mean":
        unreduced = copy.copy(loss)
        unreduced.reduction = "none"
    else:
        inner = loss.func if isinstance(loss, functools.partial) else loss
        try:
            reduced = inspect.signature(loss).parameters.get("reduction")
        except (TypeError, ValueError):  # a built-in function says nothing of its arguments
            return None
        if getattr(inner, "__module__", None) != F.__name__ or reduced is None or reduced.default != "mean":
            return None
        unreduced = functools.partial(loss, **{"reduction": "none"})

    def each(outputs: Any, targets: Any) -> Tensor:
        values = unreduced(outputs, targets)
        return values if values.dim() < 2 else values.flatten(1).mean(1)

    return each


def _of_samples(each: Measure, outputs: Any, targets: Any, loss: Tensor, samples: int) -> Tensor | None:
    """The losses of the samples [n], where their sum is that of the loss to rounding; else None."""
    try:
        values = each(outputs, targets)
        error = abs(float(_sum("loss", values, samples) - _sum("loss", loss, samples)))
        allowed = _ROUNDINGS * torch.finfo(loss.dtype).eps * float(values.double().abs().sum())
    except (TypeError, ValueError, RuntimeError):  # of these outputs the loss has no values of samples
        return None
    return values if values.dim() == 1 and error <= allowed else None


def _checked(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex():
        came = f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} returned {came}; wanted a real tensor: the batch mean, or one value a sample")
    return value


def _sum(name: str, value: Any, samples: int) -> Tensor:
    value = _checked(name, value)
    if value.dim() == 0:
        return value.double() * samples
    if value.shape == (samples,):
        return value.double().sum()
    raise ValueError(
        f"{name} returned shape {tuple(value.shape)} for a batch of {samples} samples; wanted a scalar, the batch "
        f"mean, or shape ({samples},), one value a sample: reduce the other dimensions, for example with .mean(dim=1)"
    )


def name_of(function: Any) -> str:
    """What a function is called, with the module of torch or fastscape that it comes from.

    Args:
        function: A function, or an object that is called.

    Returns:
        Its full name, by which it can be found again; for functions of the user's only what it is called.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    module = getattr(function, "__module__", None) or ""
    return public_name(f"{module}.{name}") if module.split(".")[0] in ("torch", "fastscape") else name


def public_name(name: str) -> str:
    """The name of a function of fastscape without the module that it lies in, which may differ between versions.

    Args:
        name: What `name_of` returned, here or in an earlier version.

    Returns:
        The name, for example "fastscape.accuracy"; those of other functions as they are.
    """
    package, _, leaf = name.partition(".")
    return f"fastscape.{leaf.rpartition('.')[2]}" if package == "fastscape" else name
