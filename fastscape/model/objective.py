"""Loss and metrics of one batch, as sums over its samples.

A mean over all samples is the sum of the batch sums divided by the number of samples. This is exact for an uneven last
batch, unlike the mean of batch means. If the loss of every sample is known, `weighing` gives its moments too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fastscape.model.batch import Batch
from fastscape.model.columns import Columns
from fastscape.model.given_functions import check_function
from fastscape.model.values_of_samples import checked, each_of, of_samples, sum_of
from fastscape.model.weighing import moments_of, number_of_moments, size_by, weighed

__all__ = ["Call", "Custom", "Derivatives", "Eigenvalues", "Loss", "Measure", "Objective", "accuracy"]

Measure: TypeAlias = Callable[[Any, Any], Tensor]
Loss: TypeAlias = Callable[[Any, Any], "Tensor | Mapping[str, Tensor]"]
Call: TypeAlias = Callable[..., Any]
Custom: TypeAlias = Callable[[Call, Any], "Tensor | Mapping[str, Tensor]"]


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Whether a classifier gets each sample right: for `surface(..., metrics={"accuracy": accuracy})`.

    Args:
        outputs: Scores [n, classes].
        targets: Class numbers [n], int64.

    Returns:
        1.0 if the highest score is the target's, else 0.0; [n], float32.

    Example:
        >>> import torch
        >>> from fastscape import accuracy
        >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1])).tolist()
        [1.0, 0.0]
    """
    return (outputs.argmax(dim=1) == targets).float()


class Derivatives(NamedTuple):
    """How the derivatives of the loss along the axes are measured.

    Args:
        names: Names of the derivatives, the first derivatives first.
        forward: Whether forward over forward mode is used, else reverse over reverse mode.
        reason: Why forward mode is not used, or None.
    """

    names: tuple[str, ...]
    forward: bool
    reason: str | None = None


class Eigenvalues(NamedTuple):
    """How the eigenvalues of the loss's Hessian are measured.

    Args:
        names: Names of the measures of the eigenvalues.
        of: Takes a problem, a layout of its weights and a number of samples per pass. Returns the function that gives
            these measures at a point [P], float64.
    """

    names: tuple[str, ...]
    of: Callable[[Any, Any, int], Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Objective:
    """The measures at every grid point.

    Args:
        loss: `f(outputs, targets)` that returns the mean over the batch, a scalar, or the values of its samples [n];
            or a dictionary of such values, with "loss" and its terms.
        metrics: Further functions of the same kind, by name.
        custom: `f(call, batch)` in place of loss and metrics: `call(*args, **kwargs)` runs the model. It returns
            the loss, or a dictionary with "loss" and further measures, each in one of the two forms above.
        columns: The names of the measures, and the samples of each; the names are known after `known`.
        each: The loss in the form that returns the values of the samples; None if there is none.
        moments: Number of moments of the loss; 0 if the loss does not have the form of values of samples.
        derivatives: The derivatives of the loss to measure. Default: they are not measured.
        eigenvalues: The eigenvalues of the loss's Hessian to measure. Default: they are not measured.

    Raises:
        TypeError: When loss, metric or objective is no function of two arguments, or metrics are no dict of names.
        ValueError: When a metric is named "loss", or both a custom objective and metrics are given.
    """

    loss: Loss = F.cross_entropy
    metrics: Mapping[str, Measure] = field(default_factory=dict)
    custom: Custom | None = None
    columns: Columns = field(default_factory=Columns)
    each: Measure | None = None
    moments: int = 0
    derivatives: Derivatives | None = None
    eigenvalues: Eigenvalues | None = None

    def __post_init__(self) -> None:
        if self.custom is not None:
            check_function("objective", self.custom, "f(call, batch)")
            if self.metrics or self.loss is not F.cross_entropy:
                raise ValueError(
                    "loss or metrics came besides an objective; let the objective return all of them, for example "
                    "{'loss': ..., 'accuracy': ...}"
                )
        if not isinstance(self.metrics, Mapping) or not all(isinstance(name, str) for name in self.metrics):
            raise TypeError(
                f"metrics must be a dict of name -> f(outputs, targets), got {self.metrics!r:.200}; for example "
                "metrics={'accuracy': fastscape.accuracy}"
            )
        if "loss" in self.metrics:
            raise ValueError("a metric is named 'loss', which is the name of the loss itself; give it another name")
        for name, measure in {"loss": self.loss, **self.metrics}.items():
            check_function(name, measure, "f(outputs, targets)")

    @property
    def grids(self) -> tuple[str, ...]:
        """The names of all grids: the measures of `sums`, and the other measures of the loss at a point."""
        further = (more.names for more in (self.derivatives, self.eigenvalues) if more is not None)
        return (*self.names, *chain.from_iterable(further))

    def known(self, call: Call, content: Any, samples: int) -> tuple[Objective, Tensor | None]:
        """The objective with what one batch shows of it, and its sums for this batch.

        Args:
            call: Runs the model.
            content: The batch.
            samples: The number of samples that the batch counts as.

        Returns:
            The objective with its names, in the form that gives the losses of the samples if there is one with the
            same sum. And its `sums`; None if only another evaluation can tell them.

        Raises:
            ValueError: When a term of the loss has the name of a metric, or for the reasons of `Columns.seen`.
        """
        if self.custom is not None:
            values = self._custom(call, content)
            return self._seen(values, content, samples)
        outputs = _outputs(call, content[0])
        loss, found, each = self.loss(outputs, content[1]), self, each_of(self.loss)
        if each is not None and isinstance(loss, Tensor) and loss.dim() == 0:
            losses = of_samples(each, outputs, content[1], loss, samples)
            if losses is None:  # the function may have written to the outputs
                return replace(
                    self, columns=self.columns.seen({"loss": loss, **dict.fromkeys(self.metrics, loss)})
                ), None
            found, loss = replace(self, each=each), losses
        terms = _by_name(loss, "the loss")
        if twice := terms.keys() & self.metrics.keys():
            raise ValueError(f"the loss and a metric both give {min(twice)[:80]!r}; give one of them another name")
        return found._seen({**terms, **self._measured(outputs, content[1])}, content, samples)

    def _seen(self, values: Mapping[str, Tensor], content: Any, samples: int) -> tuple[Objective, Tensor]:
        """The objective with the names of its measures, and its sums."""
        own = [name for name, metric in self.metrics.items() if metric is accuracy]
        moments = number_of_moments(self.custom) if values["loss"].dim() == 1 else 0
        found = replace(self, columns=self.columns.seen(values, own), moments=moments)
        return found, found._summed(values, content, samples)

    def sums(self, call: Call, content: Any, samples: int) -> Tensor:
        """The sum over the samples of a batch of every measure.

        Args:
            call: Runs the model.
            content: The batch: inputs and targets, or for a custom objective anything.
            samples: The number n of samples that the batch counts as.

        Returns:
            Sums [measures], float64, as in `names`, followed by the moments of the loss.

        Raises:
            TypeError: When a measure returns something else than a real tensor.
            ValueError: When a measure returns a tensor of a shape other than [] or [n], or a custom objective returns
                different measures than before.
        """
        return self._summed(self.values(call, content), content, samples)

    def values(self, call: Call, content: Any) -> dict[str, Tensor]:
        """Every measure of a batch by name, the loss first: the values of its samples [n], or their mean []."""
        if self.custom is not None:
            values = self._custom(call, content)
        else:
            outputs = _outputs(call, content[0])
            loss = _by_name((self.each or self.loss)(outputs, content[1]), "the loss")
            values = {**loss, **self._measured(outputs, content[1])}
        if self.columns.returned:
            self.check_same(tuple(values))
        return values

    def check_same(self, returned: tuple[str, ...]) -> None:
        """Refuses a batch whose measures differ from the measures of the first batch."""
        before = self.columns.returned
        if returned != before:
            source = "loss" if self.custom is None else "objective"
            raise ValueError(
                f"the {source} returned {', '.join(returned)[:99]} after {', '.join(before)[:99]}; let it return the "
                "same measures for every batch"
            )

    def over_batches(self, sums: Sequence[Tensor], batches: Sequence[Batch]) -> Tensor:
        """The sums [..., of all sets] over batches, each of which gives the sums of its own set [..., of a set]."""
        if len(self.columns.sets) < 2:
            return torch.stack(list(sums)).sum(0)
        pairs = list(zip(sums, batches, strict=True))
        numbers = dict.fromkeys(batch.of for batch in batches)
        own = {of: torch.stack([row for row, batch in pairs if batch.of == of]).sum(0) for of in numbers}
        return torch.stack([self.placed(row, of) for of, row in own.items()]).sum(0)

    def placed(self, sums: Tensor, of: int) -> Tensor:
        """The sums of a batch among those of all data sets; see `Columns.placed`."""
        return self.columns.placed(sums, of, moments=self.moments)

    def counts(self, samples: Sequence[Batch]) -> Tensor:
        """The number of samples of each sum; see `Columns.counts`."""
        return self.columns.counts(samples, moments=self.moments, size=size_by(self.custom))

    def over(self, samples: Sequence[Batch]) -> Objective:
        """The objective with what it needs to know about all samples; see `weighed`."""
        return replace(self, custom=weighed(self.custom, samples))

    def counts_of_grids(self, samples: Sequence[Batch]) -> Tensor:
        """The same with the other measures of the loss of the first set, before the moments."""
        found, named = self.counts(samples), len(self.names)
        if not found.dim():
            return found
        return torch.cat([found[:named], found[:1].expand(len(self.grids) - named), found[named:]])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the measures at a point, the loss first; known after `known`."""
        return self.columns.names

    @property
    def plain(self) -> Objective:
        """The objective for one data set, and without classes."""
        return replace(self, columns=Columns(returned=self.columns.returned))

    def loss_sum(self, call: Call, content: Any, samples: int) -> Tensor:
        """The sum of the loss alone over the samples of a batch, which can be differentiated.

        Args:
            call: Runs the model.
            content: The batch, as for `sums`.
            samples: The number n of samples that the batch counts as.

        Returns:
            The sum [], float64, with the graph that leads to it.
        """
        return sum_of("loss", self.losses(call, content, samples), samples)

    def losses(self, call: Call, content: Any, samples: int) -> Tensor:
        """The losses of the samples [n] if these are known, else their mean []; see `loss_sum`."""
        if self.custom is not None:
            return self._custom(call, content)["loss"]
        return self._loss(self.outputs(call, content), content[1])

    def outputs(self, call: Call, content: Any) -> Any:
        """The outputs of the model for a batch of inputs and targets."""
        return _outputs(call, content[0])

    def loss_of_outputs(self, outputs: Any, targets: Any, samples: int) -> Tensor:
        """The sum of the losses [] as a function of the outputs of the model; see `loss_sum`."""
        return sum_of("loss", self._loss(outputs, targets), samples)

    def _loss(self, outputs: Any, targets: Any) -> Tensor:
        """The loss of a batch, without its terms."""
        return _by_name((self.each or self.loss)(outputs, targets), "the loss")["loss"]

    def _measured(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        """The metrics of a batch."""
        return {name: checked(name, metric(outputs, targets)) for name, metric in self.metrics.items()}

    def _summed(self, values: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        """The sums of every measure."""
        sums = torch.stack([sum_of(name, value, samples).detach() for name, value in values.items()])
        if self.columns.classes:
            sums = torch.cat([sums, self.columns.over_classes(values, content[1]).detach()])
        if self.moments:
            sums = torch.cat([sums, moments_of(self.custom, values["loss"].detach(), content)])
        return sums

    def _custom(self, call: Call, content: Any) -> dict[str, Tensor]:
        """The values that a custom objective returns, the loss first."""
        assert self.custom is not None
        # It may differentiate the outputs by the inputs; weights need no gradients, except for lent weights.
        with torch.enable_grad() if getattr(self.custom, "differentiates_inputs", True) else nullcontext():
            found = self.custom(call, content)
        return _by_name(found, "the objective")


def _by_name(found: Any, source: str) -> dict[str, Tensor]:
    """The values that a loss or an objective has returned, by name, the loss first."""
    if not isinstance(found, Mapping):
        return {"loss": checked(source if source != "the loss" else "loss", found)}
    if "loss" not in found or not all(isinstance(name, str) for name in found):
        raise ValueError(
            f"{source} must return a dictionary with 'loss', and further measures by name, got "
            f"{', '.join(map(repr, found))[:200]}"
        )
    values = {"loss": found["loss"], **{name: value for name, value in found.items() if name != "loss"}}
    return {name: checked(name, value) for name, value in values.items()}


def _outputs(call: Call, inputs: Any) -> Any:
    """The model's outputs for the inputs of a batch: several inputs are its arguments, in order or by name."""
    if isinstance(inputs, Mapping):
        return call(**inputs)
    return call(*inputs) if type(inputs) in (tuple, list) else call(inputs)
