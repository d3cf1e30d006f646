"""What is evaluated at every point of weight space: one model, one objective, one set of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from fastscape.model.batch_norm import BatchNorm, calibrating, unset_statistics
from fastscape.model.batch_structure import mapped
from fastscape.model.data import Batch, Samples, batches_of
from fastscape.model.global_state import seed_everything
from fastscape.model.objective import Objective
from fastscape.model.replica import Layers, Mode, attributes_kept, layers_of, private_copy, set_mode
from fastscape.weights import Place, convolutions, dtype_of, in_channels_last, own_buffers, owners

__all__ = ["Measured", "Problem", "problem_of"]

Measured = Callable[[nn.Module, Mapping[str, Tensor], Any, int], Tensor]


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
        batchnorm: What batch normalisation uses.
        begun: Microbatches of the data before these samples, which were evaluated elsewhere.
    """

    model: nn.Module
    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    objective: Objective
    samples: Samples
    device: torch.device
    dtype: torch.dtype
    batchnorm: BatchNorm = "running"
    begun: int = 0

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        return sum(batch.samples for batch in self.samples)

    @cached_property
    def layers(self) -> Layers:
        """Which layers the model has."""
        return layers_of(self.model)

    @cached_property
    def convolutions(self) -> set[str]:
        """The names of the weights of two-dimensional convolutions."""
        return convolutions(self.model)

    def plain(self, dtype: torch.dtype) -> Problem:
        """The problem of the model as it is: its own parameters and buffers, none of them swapped.

        Args:
            dtype: Of parameters, buffers and inputs.

        Returns:
            The problem, with a copy of the model.
        """
        # `model.to(dtype)` would take the real parts of complex tensors.
        model = copy.deepcopy(self.model)._apply(lambda tensor: tensor.to(self.device, dtype_of(tensor, dtype)))
        buffers = dict(model.named_buffers())
        return replace(self, model=model, parameters={}, buffers=buffers, dtype=dtype)

    def batches(self, microbatch: int, *, channels_last: bool = False) -> list[Batch]:
        """The samples in microbatches, images with their channels last if asked for.

        Where batch normalisation uses statistics of batches, these are the batches as the data gave them.

        Args:
            microbatch: Samples in a microbatch at most.
            channels_last: Whether images get their channels last. Default False.

        Returns:
            The microbatches, in the order of the data.
        """

        def prepared(batch: Batch) -> Batch:
            if self.objective.custom is not None:  # it may need what it reads in full; the model narrows its arguments
                return Batch(mapped(batch.content, order), batch.samples)
            inputs, targets = batch.content
            return Batch((mapped(mapped(inputs, self._narrowed), order), targets), batch.samples)

        order = _image_in_channels_last if channels_last else _as_it_is
        whole = self.batchnorm != "running"
        return [prepared(batch) for batch in (self.samples if whole else batches_of(self.samples, microbatch))]

    def _narrowed(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs

    def fixed(self, *, channels_last: bool = False) -> dict[str, Tensor]:
        """The parameters that do not move, the weights of convolutions with their channels last if asked for."""
        if not channels_last:
            return dict(self.parameters)
        return {name: in_channels_last(t) if name in self.convolutions else t for name, t in self.parameters.items()}

    def measure(self, model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        """The sums of every measure [measures], float64, over the content of one microbatch."""
        return self.objective.sums(self._call(model, weights), content, samples)

    def _call(self, model: nn.Module, weights: Mapping[str, Tensor]) -> Callable[..., Any]:
        """What runs the model with these weights, and widens what it returns in a reduced precision."""
        reduced = self.dtype.itemsize < 4

        def call(*args: Any, **kwargs: Any) -> Any:
            if reduced:
                args, kwargs = mapped((args, kwargs), self._narrowed)
            outputs = functional_call(model, dict(weights), args, kwargs)
            return tree_map(_widened, outputs) if reduced else outputs

        return call

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
        seed_everything(self.device, self.begun + index)
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        with attributes_kept(model):
            run = self.measure if measure is None else measure
            return run(model, {**buffers, **weights}, mapped(batch.content, Tensor.clone), batch.samples)

    def calibrated(
        self, weights: Mapping[str, Tensor], batches: Sequence[Batch], model: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The weights of one point with the statistics of batch normalisation that belong to them.

        With `batchnorm="recalibrate"` they are means over the batches, each normalised by its own, as
        `torch.optim.swa_utils.update_bn` estimates them; otherwise nothing changes.

        Args:
            weights: All parameters, and those buffers that move, by name.
            batches: The microbatches.
            model: A copy of the module; default: the problem's own.

        Returns:
            The weights, with the buffers of batch normalisation.

        Source: Izmailov et al. 2018, arXiv 1803.05407, section 3.2.
        """
        if self.batchnorm != "recalibrate":
            return dict(weights)
        model = self.model if model is None else model
        whole = {**weights, **unset_statistics(model, {**self.buffers, **weights})}
        with calibrating(model):
            for index, batch in enumerate(batches):
                self.step(whole, batch, index, model=model)  # writes to the statistics
        return whole

    @torch.no_grad()
    def total(self, tensors: Mapping[str, Tensor], microbatch: int) -> Tensor:
        """The sums of every measure over all samples, at one point.

        Args:
            tensors: The tensors that move, by name.
            microbatch: Samples in a microbatch.

        Returns:
            Sums [measures], float64, as `Objective.sums` gives them.
        """
        batches = self.batches(microbatch)
        weights = self.calibrated({**self.parameters, **tensors}, batches)
        return torch.stack([self.step(weights, batch, index) for index, batch in enumerate(batches)]).sum(0)

    @torch.no_grad()
    def known(self, tensors: Mapping[str, Tensor], microbatch: int) -> Problem:
        """The problem with what its batches show of the objective, at one point.

        Args:
            tensors: The tensors that move, by name.
            microbatch: Samples in a microbatch.

        Returns:
            The problem; its objective has its names, and its squares where every batch has them.
        """
        weights = {**self.parameters, **tensors}
        found: list[Objective] = []

        def note(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
            found.append(self.objective.known(self._call(model, weights), content, samples))
            return torch.zeros(())

        for index, batch in enumerate(self.batches(microbatch)):
            self.step(weights, batch, index, measure=note)
        first = found[0]
        if not all(objective.squares for objective in found):
            first = replace(first, each=None, squares=False)
        return replace(self, objective=first)


def problem_of(
    model: nn.Module,
    moving: set[str],
    objective: Objective,
    samples: Samples,
    place: Place,
    mode: Mode = Mode(),  # noqa: B008 - it is a tuple
) -> Problem:
    """The problem with copies of all that does not move: a forward pass may write to it.

    Args:
        model: The user's model. It is not changed.
        moving: Names of the tensors that move.
        objective: What is measured.
        samples: The samples, on the device.
        place: Where to compute. Batch normalisation keeps float32 where the weights are narrower.
        mode: In which mode the model is evaluated. Default: as in use.

    Returns:
        The problem.
    """
    device, dtype = place.device, place.precision.weights
    wide = _batch_normalisation(model, moving) if dtype.itemsize < 4 else set()

    def kind(name: str) -> torch.dtype:
        return torch.float32 if name in wide else dtype

    def fixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: tensor.detach().to(device, dtype_of(tensor, kind(name)), copy=True)
            for name, tensor in tensors.items()
            if name not in moving
        }

    copied = private_copy(model, device=device, dtype=dtype)
    set_mode(copied, mode)
    return Problem(
        copied,
        fixed(dict(model.named_parameters())),
        fixed(own_buffers(model)),
        objective,
        samples,
        device,
        dtype,
        mode.batchnorm,
    )


def _batch_normalisation(model: nn.Module, moving: set[str]) -> set[str]:
    """The parameters and buffers of batch normalisation, without the layers of which some move: torch mixes none."""
    layers = {
        n: owner for n, (owner, _) in owners(model).items() if isinstance(owner, nn.modules.batchnorm._BatchNorm)
    }
    narrow = {id(owner) for name, owner in layers.items() if name in moving}
    return {name for name, owner in layers.items() if id(owner) not in narrow}


def _widened(output: object) -> object:
    return output.float() if isinstance(output, Tensor) and output.is_floating_point() else output


def _image_in_channels_last(tensor: Tensor) -> Tensor:
    return in_channels_last(tensor) if tensor.dim() == 4 and tensor.is_floating_point() else tensor


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
