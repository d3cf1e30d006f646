"""What is evaluated at every point of weight space: one model, one objective, one set of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.batch_norm import BatchNorm, calibrating, unset_statistics
from fastscape.model.batch_structure import mapped
from fastscape.model.calling import at_weights
from fastscape.model.contents import same_values
from fastscape.model.data import Batch, Samples, batches_of, joined_where_alike
from fastscape.model.footprint import Footprint, Watched, watched
from fastscape.model.global_state import seed_everything
from fastscape.model.lending import written_into
from fastscape.model.objective import Objective
from fastscape.model.replica import Layers, layers_of
from fastscape.model.state import Snapshot, put_at, restored
from fastscape.weights import Place, convolutions, in_channels_last, tensors_here

__all__ = ["Measured", "Problem"]

Measured = Callable[[nn.Module, Mapping[str, Tensor], Any, int], Tensor]


@dataclass(frozen=True, eq=False)
class Problem:
    """One model, one objective and one set of samples.

    Every evaluation of a batch starts from the same state: tensors, samples and everything else in the model are
    restored, and random number generators are seeded alike. No grid point sees state left behind by another.

    Args:
        model: A private copy of the module, which is called with swapped weights; or the user's own model, lent.
        still: The parameters and buffers that do not move, by name, on the device.
        objective: The measures.
        samples: The samples, on the device; in their dtype or a wider one.
        place: The device, and the dtype of weights and floating-point inputs.
        batchnorm: What batch normalisation uses.
        begun: Microbatches of the data before these samples, which were evaluated elsewhere.
        footprint: What an evaluation changes; None if this is not known, so that everything is restored.
        whole: Whether batches stay as the data gave them; else they may be cut and joined.
        dtypes: The dtype of each parameter and buffer, if they differ and must stay. Default: the dtype of the place.
    """

    model: nn.Module
    still: Mapping[str, Tensor]
    objective: Objective
    samples: Samples
    place: Place
    batchnorm: BatchNorm = "running"
    begun: int = 0
    footprint: Footprint | None = None
    whole: bool = False
    dtypes: Mapping[str, torch.dtype] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return self.place.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of weights and floating-point inputs."""
        return self.place.precision.weights

    @property
    def narrowest(self) -> torch.dtype:
        """The dtype with the coarsest rounding."""
        own = [dtype for dtype in self.dtypes.values() if dtype.is_floating_point]
        return max([self.dtype, *own], key=lambda dtype: torch.finfo(dtype).eps)

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        return sum(batch.samples for batch in self.samples)

    @cached_property
    def counts(self) -> Tensor:
        """The number of samples of each sum [sums] or, if all sums have the same, []; float64, on the CPU."""
        return self.objective.counts(self.samples)

    @property
    def loss_samples(self) -> float:
        """The number of samples, by weight, of the loss: of all samples, or of those of the first data set."""
        return float(self.counts.flatten()[0])

    @cached_property
    def layers(self) -> Layers:
        """The kinds of layers in the model."""
        return layers_of(self.model)

    @cached_property
    def convolutions(self) -> set[str]:
        """The names of the weights of two-dimensional convolutions."""
        return convolutions(self.model)

    def batches(self, microbatch: int, *, channels_last: bool = False) -> list[Batch]:
        """The samples in microbatches, images with their channels last if requested.

        Args:
            microbatch: Most samples per microbatch, if batches may be cut.
            channels_last: Whether images get their channels last. Default False.

        Returns:
            The microbatches, in the order of the data.
        """

        def prepared(batch: Batch) -> Batch:
            # It may need its inputs in full precision; the model narrows its arguments.
            if self.objective.custom is not None:
                return replace(batch, content=mapped(batch.content, order))
            inputs, targets = batch.content
            return replace(batch, content=(mapped(mapped(inputs, self._narrowed), order), targets))

        order = _image_in_channels_last if channels_last else lambda tensor: tensor
        return [prepared(batch) for batch in (self.samples if self.whole else batches_of(self.samples, microbatch))]

    def would_change(self, microbatch: int) -> bool:
        """Whether microbatches would differ from the batches that the data gave."""
        cut = any(batch.divisible and batch.samples > microbatch for batch in self.samples)
        return cut or any(a.fits(b) for a, b in pairwise(self.samples))

    def free(self) -> Problem:
        """The problem with batches that may be cut and joined, because this was seen not to change the values."""
        return replace(
            self, samples=joined_where_alike(self.samples, pairs=self.objective.custom is None), whole=False
        )

    def _narrowed(self, inputs: Tensor) -> Tensor:
        return inputs if self.dtypes or not inputs.is_floating_point() else inputs.to(self.dtype)

    def in_own_dtypes(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights in the dtypes that they have in the model."""
        if not self.dtypes:
            return weights
        return {name: tensor.to(self.dtypes.get(name, tensor.dtype)) for name, tensor in weights.items()}

    def fixed(self, *, channels_last: bool = False) -> dict[str, Tensor]:
        """The tensors that do not move, with convolution weights in channels-last order if requested."""
        moved = self.convolutions if channels_last else set[str]()
        return {name: in_channels_last(t) if name in moved else t for name, t in self.still.items()}

    def measure(self, model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        """The sums of every measure of its data set [measures], float64, over the content of one microbatch."""
        return self.at(model, weights, self.objective.sums, content, samples)

    def at(self, model: nn.Module, weights: Mapping[str, Tensor], run: Any, content: Any, samples: int) -> Any:
        """The result of `run(call, content, samples)`; see `at_weights`."""
        if self.place.lent is not None:
            changed = None if self.footprint is None else self.footprint.tensors
            wanted = {n: t for n, t in weights.items() if changed is None or n not in self.still or n in changed}
            with self.place.evaluating(model, f"{samples} samples"):
                written_into(model, wanted, self.place.lent, anew=changed)
                return run(model, content, samples)
        return at_weights(model, weights, run, content, samples, custom=self.objective.custom is not None)

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
            weights: All parameters and buffers, by name.
            batch: The microbatch.
            index: Its number, from which the generators are seeded.
            model: A copy of the module; default: the problem's own.
            measure: `measure` in another form, for example compiled.

        Returns:
            Sums [measures], float64; 0 for other data sets than the batch's.
        """
        return self.objective.placed(self.evaluated(weights, batch, index, model=model, measure=measure), batch.of)

    def evaluated(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        index: int,
        *,
        model: nn.Module | None = None,
        measure: Measured | None = None,
    ) -> Tensor:
        """The result of `measure`, or of another function in its place, for one microbatch; see `step`."""
        model = self.model if model is None else model
        run = self.measure if measure is None else measure
        seed_everything(self.device, self.begun + index)
        changed, weights = self.footprint, self.in_own_dtypes(weights)
        if changed is None:
            return self.watched(run, model, weights, batch, Snapshot(model)).made
        held = dict(weights)
        if self.place.lent is None:  # a lent model is written to itself
            held |= {name: weights[name].clone() for name in changed.tensors if name in weights}
        with restored(changed.parts_in(model)), put_at(model, changed.aliases, held):
            return run(model, held, batch.copied() if changed.samples else batch.content, batch.samples)

    @property
    def repeats_itself(self) -> bool:
        """Whether an evaluation is known to leave nothing behind and to draw nothing, so that it may be recorded."""
        known = self.footprint is not None and self.footprint.nothing and not self.footprint.draws
        return known and self.batchnorm != "recalibrate" and self.place.lent is None

    def bare(self, weights: Mapping[str, Tensor], batch: Batch, model: nn.Module, measure: Measured) -> Tensor:
        """`step` of a problem that repeats itself: nothing is seeded, copied or restored.

        Args:
            weights: All parameters and buffers, by name.
            batch: The microbatch.
            model: The problem's own module, or a copy.
            measure: As for `step`.

        Returns:
            Sums [measures], float64.
        """
        assert self.footprint is not None
        held = self.in_own_dtypes(weights)
        with put_at(model, self.footprint.aliases, held):
            return self.objective.placed(measure(model, held, batch.content, batch.samples), batch.of)

    def watched(
        self, run: Measured, model: nn.Module, weights: Mapping[str, Tensor], batch: Batch, state: Snapshot
    ) -> Watched:
        """One evaluation in separate memory, and what it changed.

        Args:
            run: As `measure`.
            model: The problem's own module, or a copy.
            weights: All parameters and buffers, by name.
            batch: The microbatch.
            state: What the parts of the model hold.

        Returns:
            The result and the changes. Everything else in the model is restored.
        """
        aliases = () if self.place.lent is not None else state.aliases
        written: set[str] = set()

        def evaluate(held: Mapping[str, Tensor], own: Batch) -> Tensor:
            with put_at(model, aliases, held):
                made = run(model, held, own.content, own.samples)
            if self.place.lent is not None:  # it has written to its own tensors
                written.update(n for n, t in tensors_here(model).items() if not same_values(t.detach(), weights[n]))
            return made

        made, changed = watched(evaluate, weights, batch, self.device, state)
        return Watched(made, replace(changed, tensors=changed.tensors | written, aliases=aliases))

    def calibrated(
        self, weights: Mapping[str, Tensor], batches: Sequence[Batch], model: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The weights of one point with their statistics of batch normalisation.

        With `batchnorm="recalibrate"` these are means over the batches of the first data set, each batch normalised by
        its own statistics, as `torch.optim.swa_utils.update_bn` estimates them. Otherwise nothing changes.

        Args:
            weights: All parameters and buffers, by name.
            batches: The microbatches.
            model: A copy of the module; default: the problem's own.

        Returns:
            The weights, with the buffers of batch normalisation.

        Source: Izmailov et al. 2018, arXiv 1803.05407, section 3.2.
        """
        if self.batchnorm != "recalibrate":
            return dict(weights)
        model = self.model if model is None else model
        whole = {**weights, **unset_statistics(model, weights)}
        with calibrating(model):
            for index, batch in enumerate(batches):
                if not batch.of:
                    self.evaluated(whole, batch, index, model=model)  # this writes to the statistics
        return whole

    @torch.no_grad()
    def total(self, tensors: Mapping[str, Tensor], microbatch: int) -> Tensor:
        """The sums of every measure over all samples, at one point.

        Args:
            tensors: The tensors that move, by name.
            microbatch: Samples in a microbatch.

        Returns:
            Sums [measures], float64, in the form of `Objective.sums`.
        """
        return torch.stack(self.each(tensors, microbatch)).sum(0)

    @torch.no_grad()
    def each(self, tensors: Mapping[str, Tensor], microbatch: int, *, only: int | None = None) -> list[Tensor]:
        """The sums over each microbatch, at one point.

        Args:
            tensors: The tensors that move, by name.
            microbatch: Samples in a microbatch.
            only: The number of a single microbatch. Default: all.

        Returns:
            Sums [measures] of each microbatch.
        """
        batches = self.batches(microbatch)
        weights = self.calibrated({**self.still, **tensors}, batches)
        numbers = range(len(batches)) if only is None else [only]
        return [self.step(weights, batches[index], index) for index in numbers]


def _image_in_channels_last(tensor: Tensor) -> Tensor:
    return in_channels_last(tensor) if tensor.dim() == 4 and tensor.is_floating_point() else tensor
