"""Evaluates points of weight space: the weights of a chunk of points at once, all samples for each of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from fastscape.data import Batch
from fastscape.isolation import attributes_kept, seed_everything
from fastscape.kernels import Seeded, interpolate
from fastscape.objective import Objective
from fastscape.plan import Plan
from fastscape.weights import Layout

__all__ = ["Engine"]


@dataclass(frozen=True, eq=False)
class Engine:
    """One model, one objective and one set of samples, to be evaluated at many points of weight space.

    Every evaluation starts from the same state: buffers, samples and attributes as they were, random number
    generators seeded alike. Whatever a forward pass leaves behind, no grid point sees it of another.

    Args:
        model: The private copy of the module; it is called with swapped weights.
        parameters: The parameters that do not move, by name, on the device.
        buffers: The buffers that do not move, by name, on the device.
        layout: The flat buffer of the tensors that move.
        objective: What is measured.
        batches: The samples.
    """

    model: nn.Module
    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
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
        basis: Tensor | Seeded,
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
            fallback: Whether a model that vmap cannot batch is evaluated by a loop instead, with a warning. Default
                False: the error is raised.
            progress: Whether to show a progress bar on a terminal.

        Returns:
            Values [G, measures], float64, on the CPU; the plan that was followed; and, when that is not the plan
            given, the error that vmap raised.
        """
        total = torch.zeros(len(points), len(self.objective.measures), dtype=torch.float64, device=basis.device)
        weights = torch.empty(min(plan.chunk, len(points)), basis.shape[1], dtype=basis.dtype, device=basis.device)
        segments = self.layout.segments.to(basis.device)
        reason = None
        # disable=None keeps the bar away from log files and pipes.
        with tqdm(total=len(points), desc="surface", unit="pt", disable=None if progress else True) as bar:
            for start in range(0, len(points), plan.chunk):
                chunk = points[start : start + plan.chunk]
                out = weights[: len(chunk)]
                flat = interpolate(basis, coefficients(chunk), segments, out=out, backend=plan.kernels)
                try:
                    values = self._sums(flat, plan)
                except Exception as error:
                    if not (fallback and plan.batching == "vmap" and start == 0):
                        raise
                    # When the loop raises too, vmap was not the cause, and the loop's own error is the clearer one.
                    plan = replace(plan, batching="loop")
                    values = self._sums(flat, plan)
                    reason = f"{type(error).__name__}: {error}"
                    warnings.warn(
                        f"vmap cannot batch this model or a measure, so the points are evaluated in a loop ({reason})",
                        stacklevel=5,
                    )
                total[start : start + len(chunk)] = values
                bar.update(len(chunk))
        return total.cpu() / self.samples, plan, reason

    @torch.no_grad()
    def batch_dependence(self, point: Tensor) -> float:
        """How far the measures are from being means over samples, at one point.

        Every batch is evaluated whole and in two halves, and so are the halves of neighbouring batches together. For
        a mean over samples whose outputs do not depend on the rest of the batch, the sums agree to rounding; they
        differ for class weights and ignored targets in a scalar loss, for batch statistics, and for random outputs.

        Args:
            point: Weights [P].

        Returns:
            The largest difference, as a fraction of the sum; infinite when a part is not finite but the whole is.
        """
        tensors = self.layout.unflatten(point)
        largest = 0.0
        before: tuple[Batch, Tensor] | None = None
        for batch in self.batches:
            first, second = batch.halves()
            if not first.samples:
                continue
            whole = self._step(tensors, batch, 0)
            sums = [self._step(tensors, half, 0) for half in (first, second)]
            largest = max(largest, _difference(whole, sums[0] + sums[1], batch.samples))
            if before and before[0].fits(first):
                across = before[0].joined(first)
                whole = self._step(tensors, across, 0)
                largest = max(largest, _difference(whole, before[1] + sums[0], across.samples))
            before = second, sums[1]
        return largest

    def _sums(self, flat: Tensor, plan: Plan) -> Tensor:
        """The sums over all samples [g, measures] at the points `flat` [g, P]."""
        tensors = self.layout.unflatten(flat)
        if plan.batching == "vmap":
            step = torch.vmap(self._step, in_dims=(0, None, None), randomness="same")
            with warnings.catch_warnings():
                # Where torch has no batching rule, vmap loops inside: the planner's concern, not the user's.
                warnings.filterwarnings("ignore", message="There is a performance drop")
                return torch.stack([step(tensors, batch, index) for index, batch in enumerate(self.batches)]).sum(0)
        return torch.stack([self._point({name: t[g] for name, t in tensors.items()}) for g in range(len(flat))])

    def _point(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self._step(tensors, batch, index) for index, batch in enumerate(self.batches)]).sum(0)

    def _step(self, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        seed_everything(batch.targets.device, index)
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        with attributes_kept(self.model):
            weights = {**self.parameters, **buffers, **tensors}
            outputs = functional_call(self.model, weights, (batch.inputs.clone(),))
            return self.objective.sums(outputs, batch.targets.clone())


def _difference(whole: Tensor, parts: Tensor, samples: int) -> float:
    """The largest relative difference between sums [measures] over the whole and over its parts."""
    # Below 1e-3 a loss may be all rounding: log-softmax subtracts nearly equal numbers.
    relative = (parts - whole).abs() / (whole.abs() + 1e-3 * samples)
    return max([0.0, *relative[whole.isfinite()].nan_to_num(nan=torch.inf).tolist()])
