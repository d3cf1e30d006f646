"""Loss and metrics of one batch, as sums over its samples.

A mean over all samples is the sum of the batch sums divided by the number of samples: exact for an uneven last
batch, unlike the mean of batch means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["Measure", "Objective", "accuracy"]

Measure: TypeAlias = Callable[[Any, Tensor], Tensor]


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

    Raises:
        TypeError: When the loss or a metric is not callable, or the metrics are no dict of names.
        ValueError: When a metric is named "loss".
    """

    loss: Measure
    metrics: Mapping[str, Measure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.metrics, Mapping) or not all(isinstance(name, str) for name in self.metrics):
            raise TypeError(f"metrics came as {self.metrics!r}; wanted a dict of name -> f(outputs, targets)")
        if "loss" in self.metrics:
            raise ValueError("a metric is named 'loss', which is the name of the loss itself; give it another name")
        for name, measure in self.measures.items():
            if not callable(measure):
                raise TypeError(f"{name} came as {measure!r}; wanted a function f(outputs, targets)")

    @property
    def measures(self) -> dict[str, Measure]:
        """The loss, first, and the metrics, by name."""
        return {"loss": self.loss, **self.metrics}

    def sums(self, outputs: Any, targets: Tensor) -> Tensor:
        """The sum over the samples of a batch of every measure.

        Args:
            outputs: What the model returned.
            targets: Targets [n, ...].

        Returns:
            Sums [measures], float64, in the order of `measures`.

        Raises:
            TypeError: When a measure returns something else than a real tensor.
            ValueError: When a measure returns a tensor of another shape than [] or [n].
        """
        return torch.stack(
            [_sum(name, measure(outputs, targets), len(targets)) for name, measure in self.measures.items()]
        )


def _sum(name: str, value: Any, samples: int) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex():
        came = f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} returned {came}; wanted a real tensor: the batch mean, or one value a sample")
    if value.dim() == 0:
        return value.double() * samples
    if value.shape == (samples,):
        return value.double().sum()
    raise ValueError(
        f"{name} returned shape {tuple(value.shape)} for a batch of {samples} samples; wanted a scalar, the batch "
        f"mean, or shape ({samples},), one value a sample: reduce the other dimensions, for example with .mean(dim=1)"
    )
