"""What the user gets without this library: a fresh copy of the model, weights loaded into it, and a plain call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from fastscape.model.batch_norm import calibrating, layers
from fastscape.model.copies import whole_copy
from fastscape.model.data import Batch
from fastscape.model.global_state import seed_everything
from fastscape.model.problem import Problem
from fastscape.model.replica import Mode, set_mode
from fastscape.weights import dtype_of

__all__ = ["Independent"]


@dataclass(frozen=True, eq=False)
class Independent:
    """The user's model, copied with all its tensors for every batch, and called by itself.

    No step is shared with an evaluation of a `Problem`: nothing is swapped, kept, put back, cut or joined.

    Args:
        model: The user's model. It is not changed.
        mode: In which mode it is evaluated.
        problem: What is evaluated.
    """

    model: nn.Module
    mode: Mode
    problem: Problem

    @torch.no_grad()
    def sums(self, tensors: Mapping[str, Tensor], batches: Sequence[Batch]) -> Tensor:
        """The sums of every measure over some batches, at one point.

        Args:
            tensors: Those that are to be loaded, by name; others stay as they are.
            batches: The batches.

        Returns:
            Sums [measures], float64, as `Objective.sums` gives them.
        """
        changes = self.problem.footprint is None or not self.problem.footprint.nothing
        recalibrates = self.mode.batchnorm == "recalibrate"
        fresh, total = self._fresh(tensors, copies=changes or recalibrates), []
        if recalibrates:
            self._recalibrate(fresh, batches)
        for index, batch in enumerate(batches):
            # What a call leaves on a model, the next batch does not see.
            model = whole_copy(fresh) if changes and index + 1 < len(batches) else fresh
            seed_everything(self.problem.device, index)
            sums = self.problem.objective.sums(model, batch.copied(), batch.samples)
            total.append(self.problem.objective.placed(sums, batch.of))
        return torch.stack(total).sum(0)

    def _recalibrate(self, model: nn.Module, batches: Sequence[Batch]) -> None:
        """Estimates the statistics of batch normalisation anew, as `torch.optim.swa_utils.update_bn` does."""
        for _, layer in layers(model):
            layer.reset_running_stats()
        with calibrating(model):
            for index, batch in enumerate(batches):
                if batch.of:  # another data set than the first one
                    continue
                seed_everything(self.problem.device, index)
                self.problem.objective.sums(model, batch.copied(), batch.samples)

    def loss(self, microbatch: int) -> float:
        """The mean loss over all samples of the model as it is; of several data sets over the first one.

        Args:
            microbatch: Samples in a batch at most, where batches may be cut.

        Returns:
            The loss.
        """
        place = self.problem.place
        wide = self.problem if place.own else replace(self.problem, place=place.wide)
        return float(self.sums({}, wide.batches(microbatch))[0]) / self.problem.loss_samples

    @cached_property
    def _copied(self) -> nn.Module:
        """A copy in the precision and the mode of the run."""
        place = self.problem.place
        copied = whole_copy(self.model).to(place.device)
        if not place.own:
            # `Module.to` would take the real parts of complex tensors.
            copied._apply(lambda tensor: tensor.to(dtype_of(tensor, place.precision.basis)))
        set_mode(copied, self.mode)
        return copied

    def _fresh(self, tensors: Mapping[str, Tensor], *, copies: bool) -> nn.Module:
        """A model with these tensors: one of its own, where evaluations change it."""
        fresh = whole_copy(self._copied) if copies else self._copied
        own = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
        for name, tensor in tensors.items():
            own[name].data.copy_(tensor)
        return fresh
