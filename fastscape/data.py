"""The user's data as fixed microbatches: read once, the same samples for every grid point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

__all__ = ["Batch", "Data", "Samples", "batches_of", "fixed_samples"]

Data: TypeAlias = "tuple[Tensor, Tensor] | Dataset[Any] | DataLoader[Any] | Iterable[tuple[Tensor, Tensor]]"

Samples: TypeAlias = "list[tuple[Tensor, Tensor]]"

_READ = 64  # samples of a Dataset that are read at a time

_WANTED = "wanted (inputs, targets) tensors, a Dataset, a DataLoader, or an iterable of (inputs, targets) batches"


@dataclass(frozen=True, eq=False)
class Batch:
    """One microbatch: `inputs` [n, ...] and `targets` [n, ...]."""

    inputs: Tensor
    targets: Tensor

    @property
    def samples(self) -> int:
        """Number of samples n."""
        return len(self.inputs)

    def halves(self) -> tuple[Batch, Batch]:
        """The first half of the samples, and the rest."""
        half = self.samples // 2
        return Batch(self.inputs[:half], self.targets[:half]), Batch(self.inputs[half:], self.targets[half:])

    def fits(self, other: Batch) -> bool:
        """Whether the samples of both have one shape and dtype."""
        return _kind(self.inputs, self.targets) == _kind(other.inputs, other.targets)

    def joined(self, other: Batch) -> Batch:
        """The samples of both, these first."""
        return Batch(torch.cat([self.inputs, other.inputs]), torch.cat([self.targets, other.targets]))


def fixed_samples(data: Data, *, device: torch.device, dtype: torch.dtype) -> Samples:
    """All samples, on the device.

    The data are read once and copied, so a loader that shuffles or augments gives every grid point the same
    samples. Neighbouring batches of one sample shape are joined, so the user's batch size does not matter there.
    Floating-point tensors get `dtype`; other tensors keep theirs.

    Args:
        data: `(inputs, targets)`, a Dataset, a DataLoader, or any iterable of `(inputs, targets)` batches.
        device: Where the samples go.
        dtype: Of floating-point inputs and targets.

    Returns:
        Groups of samples of one shape, in the order of the data: inputs [n, ...] and targets [n, ...].

    Raises:
        TypeError: When the data, or a batch, is something else.
        ValueError: When there are no samples, or a batch has more inputs than targets or the reverse.

    Example:
        >>> import torch
        >>> from fastscape.data import batches_of, fixed_samples
        >>> pair = (torch.rand(100, 3), torch.zeros(100))
        >>> samples = fixed_samples(pair, device=torch.device("cpu"), dtype=torch.float32)
        >>> [batch.samples for batch in batches_of(samples, 64)]
        [64, 36]
    """
    groups: list[list[tuple[Tensor, Tensor]]] = []
    kind = None
    for inputs, targets in _pairs(data):
        inputs, targets = (_fixed(tensor, device, dtype) for tensor in (inputs, targets))
        if kind != _kind(inputs, targets):
            groups.append([])
        kind = _kind(inputs, targets)
        groups[-1].append((inputs, targets))
    joined = [_joined(group) for group in groups]
    if not any(len(inputs) for inputs, _ in joined):
        raise ValueError(f"the data have no samples ({type(data).__name__}); give at least one")
    return joined


def batches_of(samples: Samples, microbatch: int) -> list[Batch]:
    """The samples cut into microbatches, without a copy.

    Args:
        samples: What `fixed_samples` returns.
        microbatch: Samples in a microbatch at most.

    Returns:
        The microbatches, in the order of the data.
    """
    return [
        Batch(*pair)
        for inputs, targets in samples
        for pair in zip(inputs.split(microbatch), targets.split(microbatch), strict=True)
        if len(pair[0])
    ]


def _pairs(data: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches as the data give them, each checked to be a pair of tensors of one length."""
    if (
        isinstance(data, tuple | list)
        and len(data) == 2
        and all(isinstance(part, Tensor | np.ndarray) for part in data)
    ):
        data = [data]
    elif isinstance(data, Dataset):
        data = DataLoader(data, batch_size=_READ)
    elif isinstance(data, Tensor | np.ndarray | dict | str) or not isinstance(data, Iterable):
        raise TypeError(f"the data came as {type(data).__name__}; {_WANTED}")
    for batch in data:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
            raise TypeError(f"a batch came as {type(batch).__name__}{size}; {_WANTED}")
        inputs, targets = (_tensor(part) for part in batch)
        if len(inputs) != len(targets):
            raise ValueError(
                f"a batch has {len(inputs)} inputs but {len(targets)} targets; give one target for each input"
            )
        yield inputs, targets


def _tensor(part: Any) -> Tensor:
    if isinstance(part, np.ndarray):
        try:
            part = torch.from_numpy(part)
        except (TypeError, ValueError) as error:
            raise TypeError(f"a batch holds an array that torch cannot take ({error}); give numbers") from error
    if not isinstance(part, Tensor):
        raise TypeError(f"a batch holds a {type(part).__name__} where a tensor belongs; {_WANTED}")
    if part.dim() == 0:
        raise TypeError(f"a batch holds a tensor without a sample dimension; {_WANTED}")
    return part


def _fixed(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A copy of its own: a loader may reuse its buffers, and a model may write to its inputs."""
    return tensor.detach().to(device=device, dtype=dtype if tensor.is_floating_point() else None, copy=True)


def _kind(inputs: Tensor, targets: Tensor) -> tuple[Any, ...]:
    return inputs.shape[1:], inputs.dtype, targets.shape[1:], targets.dtype


def _joined(group: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    if len(group) == 1:
        return group[0]
    inputs, targets = (torch.cat(parts) for parts in zip(*group, strict=True))
    return inputs, targets
