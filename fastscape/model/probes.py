"""Checks before a grid is evaluated: the values at the model itself, and how far they depend on the batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastscape.model.data import Batch
from fastscape.model.independent import Independent
from fastscape.model.observed import observed
from fastscape.model.problem import Problem

__all__ = [
    "Settled",
    "agrees_far_away",
    "at_the_model",
    "depends_on_batches",
    "differs",
    "settled",
]


# Relative differences between a batch and its parts. A difference of more than the first number of float32 roundings
# is judged in float64, where a difference of more than the second number counts as real.
ROUNDINGS = 16
FLOAT64_DEPENDENCE = 1e-10


class Settled(NamedTuple):
    """A problem whose batches are settled, and the evaluations made on the way.

    Args:
        problem: The problem, with batches that are cut and joined if this was seen not to matter.
        given: The same with batches as the data gave them, or cut if they are larger than a microbatch.
        dependence: How far the values depend on the batches, see `batch_dependence`.
        centre: The sums [measures] of each batch of `given` at the model; None if they were not seen.
        far: The same far from the model.
    """

    problem: Problem
    given: Problem
    dependence: float = 0.0
    centre: list[Tensor] | None = None
    far: list[Tensor] | None = None

    @property
    def far_total(self) -> Tensor | None:
        """The sums over all samples far from the model."""
        return None if self.far is None else torch.stack(self.far).sum(0)


def settled(
    problem: Problem,
    theta: Mapping[str, Tensor],
    far: Callable[[], Mapping[str, Tensor]],
    microbatch: int,
    *,
    widened: Callable[[Problem], Problem],
    cut: bool = False,
) -> Settled:
    """The problem with the findings from its batches, with batches cut and joined if this was seen not to matter.

    Args:
        problem: The problem, with batches as the data gave them, unless they are read in parts.
        theta: The model's own tensors that move, by name.
        far: Returns these tensors at a point far from the model.
        microbatch: Samples per microbatch, if batches may be cut.
        widened: Makes a problem in float64.
        cut: Whether batches stay cut in any case, as for data that are read in parts. Default False.

    Returns:
        The problem, and the evaluations made on the way.
    """
    if cut and not problem.whole:
        seen = observed(problem, theta, microbatch)
        dependence, sums = batch_dependence(seen.problem, seen.problem.free(), far(), microbatch)
        draws = seen.problem.footprint is not None and seen.problem.footprint.draws
        # Random numbers are drawn per batch, whatever its size.
        return Settled(seen.problem, seen.problem, math.inf if draws else dependence, seen.sums, sums)
    if problem.whole or not problem.would_change(microbatch):
        seen = observed(problem if problem.whole else replace(problem, whole=True), theta, microbatch)
        return Settled(seen.problem, seen.problem, centre=seen.sums)
    dependence = math.inf
    try:
        seen = observed(problem, theta, microbatch)
        free = seen.problem.free()
        dependence, sums = batch_dependence(seen.problem, free, far(), microbatch)
        rounding = _is_rounding(seen.problem, dependence, far, microbatch, widened)
        draws = seen.problem.footprint is not None and seen.problem.footprint.draws  # again for every batch
        if rounding and not draws:
            return Settled(free, seen.problem, dependence, seen.sums, sums)
    except Exception:  # the model may require batches of one size, or parts that belong together
        pass
    seen = observed(replace(problem, whole=True), theta, microbatch)
    return Settled(seen.problem, seen.problem, dependence, seen.sums)


def _is_rounding(
    known: Problem,
    dependence: float,
    far: Callable[[], Mapping[str, Tensor]],
    microbatch: int,
    widened: Callable[[Problem], Problem],
) -> bool:
    """Whether a difference is small enough to be rounding, or does not appear in float64."""
    if depends_on_batches(dependence, known.dtype):
        return False
    if dependence <= ROUNDINGS * torch.finfo(known.dtype).eps or known.dtype.itemsize < 4:
        return True
    if known.dtype == torch.float64:
        return dependence < FLOAT64_DEPENDENCE
    try:
        wide = widened(known)
        tensors = {name: tensor.to(wide.dtype) for name, tensor in far().items()}
        return batch_dependence(wide, wide.free(), tensors, microbatch)[0] < FLOAT64_DEPENDENCE
    except RuntimeError:  # not every model runs in float64
        return True


def at_the_model(
    found: Settled, theta: Mapping[str, Tensor], microbatch: int, *, plain: Callable[[int], float] | None
) -> tuple[dict[str, Any], list[str]]:
    """The loss at the model, its agreement with the model called as the user calls it, and whether it repeats.

    Args:
        found: The problem, and what is known of it.
        theta: The model's own tensors that move, by name, in the precision of the run.
        microbatch: Samples in a microbatch.
        plain: Returns the loss of the model called by itself, see `Independent.loss`; None to skip the comparison.

    Returns:
        For the report: "centre" with the loss, the loss of the plain model and their difference as a fraction of the
        latter, and "deterministic"; and the warnings.
    """
    problem = found.given
    sums = found.centre or problem.each(theta, microbatch)
    loss = float(torch.stack(sums).sum(0)[0]) / problem.loss_samples
    repeats = _repeats(found, theta, microbatch, sums)
    messages = []
    if not repeats:
        messages.append(
            "two evaluations of the same point differ: usual causes are sums in another order on a GPU (index_add, "
            "scatter; torch.use_deterministic_algorithms(True) avoids them), cuDNN's choice of convolutions "
            "(torch.backends.cudnn.benchmark = False), and random numbers from a generator of the model's own"
        )
    centre: dict[str, Any] = {"loss": loss, "plain": None, "difference": None}
    if plain is not None:
        called = plain(microbatch)
        difference = abs(loss - called) / max(abs(called), 1e-3)
        centre |= {"plain": called, "difference": difference}
        if repeats and depends_on_batches(difference, problem.dtype):
            messages.append(
                f"the loss at the model is {loss:.6g}, but the model itself, called on the same samples, gives "
                f"{called:.6g}: does it use tensors that are no parameters or buffers of its modules, or a precision "
                f"wider than {problem.dtype}?"
            )
    return {"centre": centre, "deterministic": repeats}, messages


def _repeats(found: Settled, theta: Mapping[str, Tensor], microbatch: int, sums: list[Tensor]) -> bool:
    """Whether a second evaluation of a batch gives the same bits."""
    problem, index = found.given, 0
    once = sums[0]
    if found.centre is not None:
        # While it is watched torch may use different kernels, so the first batch's earlier result is not compared.
        index = min(1, len(sums) - 1)
        once = sums[1] if index else problem.each(theta, microbatch, only=0)[0]
    again = problem.each(theta, microbatch, only=index)[0]
    return torch.equal(once.nan_to_num(), again.nan_to_num())


def agrees_far_away(
    found: Settled,
    far: Mapping[str, Tensor],
    independent: Independent,
    microbatch: int,
    *,
    widened: Callable[[Problem], Problem],
) -> None:
    """Compares the first batch at a point far from the model with a fresh copy of the model at this point.

    A difference that does not appear in float64 is rounding.

    Args:
        found: The problem, and what is known of it.
        far: The tensors that move there, by name.
        independent: The model called by itself.
        microbatch: Samples in a microbatch.
        widened: Makes the problem in float64.

    Raises:
        ValueError: When they differ: the landscape would have the values of something else.
    """
    problem = found.given
    (batch, *_) = problem.batches(microbatch)
    ours = found.far[0] if found.far else _first_sums(problem, far, batch)
    theirs = independent.sums(far, [batch])
    if not depends_on_batches(_difference(theirs, ours, batch.samples), problem.dtype):
        return
    try:
        wide = widened(problem)
        tensors = {name: tensor.to(wide.dtype) for name, tensor in far.items()}
        (precise, *_) = wide.batches(microbatch)
        wanted = replace(independent, problem=wide).sums(tensors, [precise])
        own = _first_sums(wide, tensors, precise)
        if not depends_on_batches(_difference(wanted, own, batch.samples), torch.float32):
            return
    except RuntimeError:  # not every model runs in float64
        pass
    values = [f"{float(sums[0]) / batch.samples:.6g}" for sums in (theirs, ours)]
    raise ValueError(
        f"with other weights loaded into a copy of it, {type(problem.model).__name__} gives a loss of {values[0]}, "
        f"but {values[1]} where they are swapped in: it keeps results of its weights, or reads them, outside of its "
        "modules; write lend=True, if your own model gives the right values when weights are loaded into it"
    )


@torch.no_grad()
def _first_sums(problem: Problem, tensors: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """The sums of the first batch at a point."""
    return problem.step({**problem.still, **tensors}, batch, 0)


@torch.no_grad()
def batch_dependence(
    problem: Problem, free: Problem, tensors: Mapping[str, Tensor], microbatch: int
) -> tuple[float, list[Tensor]]:
    """How far the measures are from being means over samples, at one point.

    Every batch is evaluated whole and in two halves, the halves of neighbouring batches together, and all samples in
    the batches into which they would be joined. For a mean over samples whose outputs do not depend on the rest of the
    batch, the sums agree to rounding. They differ for class weights and ignored targets in a scalar loss, for batch
    statistics, and for random outputs.

    Args:
        problem: The problem, with batches as the data gave them.
        free: The same with batches joined.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        The largest difference, as a fraction of the sum; infinite when a part is not finite but the whole is. And the
        sums [measures] of each batch.
    """
    weights = {**problem.still, **tensors}
    batches, largest = problem.batches(microbatch), 0.0
    sums = [problem.step(weights, batch, index) for index, batch in enumerate(batches)]
    before: tuple[Batch, Tensor] | None = None
    for index, (batch, whole) in enumerate(zip(batches, sums, strict=True)):
        if batch.samples < 2 or not batch.divisible:
            continue
        first, second = batch.part(0, batch.samples // 2), batch.part(batch.samples // 2, batch.samples)
        parts = [problem.step(weights, half, index) for half in (first, second)]
        largest = max(largest, _difference(whole, parts[0] + parts[1], batch.samples))
        if before and before[0].fits(first):  # samples that are sorted show it only here
            across = before[0].joined(first)
            largest = max(largest, _difference(problem.step(weights, across, 0), before[1] + parts[0], across.samples))
        before = second, parts[1]
    if [batch.samples for batch in free.batches(microbatch)] != [batch.samples for batch in batches]:
        together = free.total(tensors, microbatch)
        largest = max(largest, _difference(together, torch.stack(sums).sum(0), problem.counts))
    return largest, sums


def depends_on_batches(dependence: float, dtype: torch.dtype) -> bool:
    """Whether a difference between a batch and its parts is larger than rounding.

    Args:
        dependence: The largest relative difference.
        dtype: Dtype of the computation.

    Returns:
        Whether the values depend on how the samples are batched.
    """
    return dependence > torch.finfo(dtype).eps ** 0.5


def differs(found: Tensor, wanted: Tensor, samples: Tensor, dtype: torch.dtype) -> bool:
    """Whether sums differ by more than rounding.

    Args:
        found: Sums [measures].
        wanted: The expected sums.
        samples: Number of samples of each sum [measures] or [].
        dtype: Dtype of the computation.

    Returns:
        Whether they differ.
    """
    return depends_on_batches(_difference(wanted, found, samples), dtype)


def _difference(whole: Tensor, parts: Tensor, samples: int | Tensor) -> float:
    """The largest relative difference between sums [measures] over the whole and over its parts."""
    least = 1e-3 * samples
    if isinstance(least, Tensor):
        least = least.clamp(min=1e-3).to(whole.device)  # some classes or sets may have no samples here
    # Below 1e-3 a loss may be all rounding: log-softmax subtracts nearly equal numbers.
    relative = (parts - whole).abs() / (whole.abs() + least)
    return max([0.0, *relative[whole.isfinite()].nan_to_num(nan=torch.inf).tolist()])
