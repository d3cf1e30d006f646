"""Evaluates points of weight space: the weights of a chunk of points at once, all samples for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from fastscape.data import Batch
from fastscape.isolation import seed_model
from fastscape.kernels import interpolate
from fastscape.objective import Objective
from fastscape.plan import Plan
from fastscape.weights import Layout

__all__ = ["Engine"]


@dataclass(frozen=True, eq=False)
class Engine:
    """One model, one objective and one set of samples, to be evaluated at many points of weight space.

    Args:
        model: The module, in evaluation mode; it is called with swapped weights, so it must not be the user's own.
        constants: Every parameter and buffer of the model that does not move, by name, on the device.
        layout: The flat buffer of those that move.
        objective: What is measured.
        batches: The samples.
    """

    model: nn.Module
    constants: Mapping[str, Tensor]
    layout: Layout
    objective: Objective
    batches: list[Batch]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(batch.samples for batch in self.batches)

    @torch.no_grad()
    def evaluate(
        self,
        basis: Tensor,
        points: Tensor,
        coefficients: Callable[[Tensor], Tensor],
        plan: Plan,
        *,
        fallback: bool = False,
        progress: bool = False,
    ) -> tuple[Tensor, Plan, str | None]:
        """The mean over all samples of every measure, at every point.

        Args:
            basis: Vectors [K, P].
            points: Grid coordinates [G, D].
            coefficients: Maps a chunk of coordinates [g, D] to the coefficients [g, S or 1, K] of the basis.
            plan: How to evaluate.
            fallback: Whether a model that vmap cannot batch is evaluated by a loop instead. Default False: the
                error is raised.
            progress: Whether to show a progress bar on a terminal.

        Returns:
            Values [G, measures], float64, on the CPU; the plan that was followed; and, when that is not the plan
            given, the error that vmap raised.
        """
        total = torch.zeros(len(points), len(self.objective.measures), dtype=torch.float64, device=basis.device)
        weights = torch.empty(min(plan.chunk, len(points)), basis.shape[1], dtype=basis.dtype, device=basis.device)
        reason = None
        # disable=None keeps the bar away from log files and pipes.
        with tqdm(total=len(points), desc="surface", unit="pt", disable=None if progress else True) as bar:
            for start in range(0, len(points), plan.chunk):
                chunk = points[start : start + plan.chunk]
                flat = interpolate(
                    basis,
                    coefficients(chunk),
                    self.layout.segments,
                    out=weights[: len(chunk)],
                    backend=plan.kernels,
                )
                try:
                    values = self._sums(flat, plan)
                except Exception as error:
                    if not (fallback and plan.batching == "vmap" and start == 0):
                        raise
                    # When the loop raises too, vmap was not the cause, and the loop's own error is the clearer one.
                    plan = replace(plan, batching="loop")
                    values = self._sums(flat, plan)
                    reason = f"{type(error).__name__}: {error}"
                total[start : start + len(chunk)] = values
                bar.update(len(chunk))
        return total.cpu() / self.samples, plan, reason

    def _sums(self, flat: Tensor, plan: Plan) -> Tensor:
        """The sums over all samples [g, measures] at the points `flat` [g, P]."""
        tensors = self.layout.unflatten(flat)
        if plan.batching == "vmap":
            step = torch.vmap(self._step, in_dims=(0, None, None), randomness="same")
            return torch.stack([step(tensors, batch, index) for index, batch in enumerate(self.batches)]).sum(0)
        return torch.stack([self._point({name: t[g] for name, t in tensors.items()}) for g in range(len(flat))])

    def _point(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self._step(tensors, batch, index) for index, batch in enumerate(self.batches)]).sum(0)

    def _step(self, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        seed_model(batch.targets.device, index)  # a model that draws random numbers gets the same ones at every point
        outputs = functional_call(self.model, {**self.constants, **tensors}, (batch.inputs,))
        return self.objective.sums(outputs, batch.targets)
