"""What is evaluated at every point of weight space: one model, one objective, one set of samples."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from fastscape.data import Batch, Samples, batches_of
from fastscape.isolation import attributes_kept, private_copy, seed_everything
from fastscape.objective import Objective
from fastscape.selection import own_buffers, owners
from fastscape.weights import convolutions, in_channels_last

__all__ = ["Measured", "Problem", "problem_of"]

Measured = Callable[[nn.Module, Mapping[str, Tensor], Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Problem:
    """One model, one objective and one set of samples.

    Every evaluation starts from the same state: buffers, samples and attributes as they were, random number
    generators seeded alike. Whatever a forward pass leaves behind, no grid point sees it of another.

    Args:
        model: A private copy of the module; it is called with swapped weights.
        parameters: The parameters that do not move, by name, on the device.
        buffers: The buffers that do not move, by name, on the device.
        objective: What is measured.
        samples: The samples, on the device; in their dtype or a wider one.
        device: Where everything is.
        dtype: Of weights and floating-point inputs.
    """

    model: nn.Module
    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    objective: Objective
    samples: Samples
    device: torch.device
    dtype: torch.dtype

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        return sum(len(inputs) for inputs, _ in self.samples)

    def batches(self, microbatch: int, *, channels_last: bool = False) -> list[Batch]:
        """The samples in microbatches, images with their channels last if asked for."""
        batches = [Batch(self._narrowed(b.inputs), b.targets) for b in batches_of(self.samples, microbatch)]
        if not channels_last:
            return batches
        return [Batch(_image_in_channels_last(batch.inputs), batch.targets) for batch in batches]

    def _narrowed(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs

    def fixed(self, *, channels_last: bool = False) -> dict[str, Tensor]:
        """The parameters that do not move, the weights of convolutions with their channels last if asked for."""
        if not channels_last:
            return dict(self.parameters)
        those = convolutions(self.model)
        return {name: in_channels_last(t) if name in those else t for name, t in self.parameters.items()}

    def measure(self, model: nn.Module, weights: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """The sums of every measure [measures], float64, over one microbatch."""
        outputs = functional_call(model, dict(weights), (inputs,))
        if self.dtype.itemsize < 4:
            outputs = tree_map(_widened, outputs)
        return self.objective.sums(outputs, targets)

    def step(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        index: int,
        *,
        model: nn.Module | None = None,
        measure: Measured | None = None,
    ) -> Tensor:
        """The sums of every measure over one microbatch, from a fresh state.

        Args:
            weights: All parameters, and those buffers that move, by name.
            batch: The microbatch.
            index: Its number, from which the generators are seeded.
            model: A copy of the module; default: the problem's own.
            measure: `measure` in another form, for example compiled.

        Returns:
            Sums [measures], float64.
        """
        model = self.model if model is None else model
        seed_everything(self.device, index)
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        with attributes_kept(model):
            run = self.measure if measure is None else measure
            return run(model, {**buffers, **weights}, batch.inputs.clone(), batch.targets.clone())

    @torch.no_grad()
    def batch_dependence(self, tensors: Mapping[str, Tensor], microbatch: int) -> float:
        """How far the measures are from being means over samples, at one point.

        Every batch is evaluated whole and in two halves, and so are the halves of neighbouring batches together. For
        a mean over samples whose outputs do not depend on the rest of the batch, the sums agree to rounding; they
        differ for class weights and ignored targets in a scalar loss, for batch statistics, and for random outputs.

        Args:
            tensors: The tensors that move, by name.
            microbatch: Samples in a microbatch.

        Returns:
            The largest difference, as a fraction of the sum; infinite when a part is not finite but the whole is.
        """
        weights = {**self.parameters, **tensors}
        largest = 0.0
        before: tuple[Batch, Tensor] | None = None
        for batch in self.batches(microbatch):
            first, second = batch.halves()
            if not first.samples:
                continue
            whole = self.step(weights, batch, 0)
            sums = [self.step(weights, half, 0) for half in (first, second)]
            largest = max(largest, _difference(whole, sums[0] + sums[1], batch.samples))
            if before and before[0].fits(first):
                across = before[0].joined(first)
                whole = self.step(weights, across, 0)
                largest = max(largest, _difference(whole, before[1] + sums[0], across.samples))
            before = second, sums[1]
        return largest

    @torch.no_grad()
    def widest(self, tensors: Mapping[str, Tensor], microbatch: int) -> int:
        """Bytes of the largest tensor that an evaluation of the first microbatch makes, at one point."""
        (batch, *_) = self.batches(microbatch)
        with _Widest() as watching:
            self.step({**self.parameters, **tensors}, batch, 0)
        return watching.bytes

    @torch.no_grad()
    def draws_random_numbers(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether an evaluation moves a global random number generator."""
        (batch, *_) = self.batches(2)
        seed_everything(self.device, 0)
        before = _generators(self.device)
        self.step({**self.parameters, **tensors}, batch, 0)
        return before != _generators(self.device)


def problem_of(
    model: nn.Module,
    moving: set[str],
    objective: Objective,
    samples: Samples,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Problem:
    """The problem with copies of all that does not move: a forward pass may write to it.

    Args:
        model: The user's model. It is not changed.
        moving: Names of the tensors that move.
        objective: What is measured.
        samples: The samples, on the device.
        device: Where to compute.
        dtype: Of what is floating-point. Batch normalisation keeps float32 when it is narrower.

    Returns:
        The problem.
    """
    wide = _batch_normalisation(model, moving) if dtype.itemsize < 4 else set()

    def kind(name: str) -> torch.dtype:
        return torch.float32 if name in wide else dtype

    def fixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: tensor.detach().to(device, kind(name) if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in tensors.items()
            if name not in moving
        }

    return Problem(
        private_copy(model, device=device, dtype=dtype),
        fixed(dict(model.named_parameters())),
        fixed(own_buffers(model)),
        objective,
        samples,
        device,
        dtype,
    )


def _batch_normalisation(model: nn.Module, moving: set[str]) -> set[str]:
    """The parameters and buffers of batch normalisation, without the layers of which some move: torch mixes none."""
    layers = {
        n: owner for n, (owner, _) in owners(model).items() if isinstance(owner, nn.modules.batchnorm._BatchNorm)
    }
    narrow = {id(owner) for name, owner in layers.items() if name in moving}
    return {name for name, owner in layers.items() if id(owner) not in narrow}


class _Widest(TorchDispatchMode):
    """Watches how large the tensors are that operations make; views of others are not made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            sizes = [t.numel() * t.element_size() for t in tree_leaves(made) if isinstance(t, Tensor)]
            self.bytes = max([self.bytes, *sizes])
        return made


def _widened(output: object) -> object:
    return output.float() if isinstance(output, Tensor) and output.is_floating_point() else output


def _image_in_channels_last(inputs: Tensor) -> Tensor:
    return in_channels_last(inputs) if inputs.dim() == 4 and inputs.is_floating_point() else inputs


def _generators(device: torch.device) -> tuple[object, ...]:
    """The states of the global generators, to be compared."""
    gpu = torch.cuda.get_rng_state(device).numpy().tobytes() if device.type == "cuda" else b""
    numpy = str(np.random.get_state(legacy=False))  # noqa: NPY002 - models draw from the legacy global generator
    return torch.get_rng_state().numpy().tobytes(), gpu, random.getstate(), numpy


def _difference(whole: Tensor, parts: Tensor, samples: int) -> float:
    """The largest relative difference between sums [measures] over the whole and over its parts."""
    # Below 1e-3 a loss may be all rounding: log-softmax subtracts nearly equal numbers.
    relative = (parts - whole).abs() / (whole.abs() + 1e-3 * samples)
    return max([0.0, *relative[whole.isfinite()].nan_to_num(nan=torch.inf).tolist()])
