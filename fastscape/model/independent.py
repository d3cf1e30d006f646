"""An evaluation without this library: a fresh copy of the model, weights loaded into it, and a plain call."""

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

    It shares no step with an evaluation of a `Problem`: nothing is swapped, kept, restored, cut or joined.

    Args:
        model: The user's model. It is not changed.
        mode: The mode in which it is evaluated.
        problem: The problem.
    """

    model: nn.Module
    mode: Mode
    problem: Problem

    @torch.no_grad()
    def sums(self, tensors: Mapping[str, Tensor], batches: Sequence[Batch]) -> Tensor:
        """The sums of every measure over some batches, at one point.

        Args:
            tensors: The tensors to load, by name; other tensors keep their values.
            batches: The batches.

        Returns:
            Sums [measures], float64, in the form of `Objective.sums`.
        """
        changes = self.problem.footprint is None or not self.problem.footprint.nothing
        recalibrates = self.mode.batchnorm == "recalibrate"
        fresh, total = self._fresh(tensors, copies=changes or recalibrates), []
        if recalibrates:
            self._recalibrate(fresh, batches)
        for index, batch in enumerate(batches):
            # The next batch does not see what a call leaves on a model.
            model = whole_copy(fresh) if changes and index + 1 < len(batches) else fresh
            seed_everything(self.problem.device, index)
            sums = self.problem.objective.sums(model, batch.copied(), batch.samples)
            total.append(self.problem.objective.placed(sums, batch.of))
        return torch.stack(total).sum(0)

    def _recalibrate(self, model: nn.Module, batches: Sequence[Batch]) -> None:
        """Estimates the statistics of batch normalisation again, as `torch.optim.swa_utils.update_bn` does."""
        for _, layer in layers(model):
            layer.reset_running_stats()
        with calibrating(model):
            for index, batch in enumerate(batches):
                if batch.of:  # another data set than the first set
                    continue
                seed_everything(self.problem.device, index)
                self.problem.objective.sums(model, batch.copied(), batch.samples)

    def loss(self, microbatch: int) -> float:
        """The mean loss over all samples of the unchanged model; for several data sets, over the first set.

        Args:
            microbatch: Most samples per batch, if batches may be cut.

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
        """A model with these tensors: a separate one if evaluations change it."""
        fresh = whole_copy(self._copied) if copies else self._copied
        own = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
        for name, tensor in tensors.items():
            own[name].data.copy_(tensor)
        return fresh
