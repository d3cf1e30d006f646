"""What is checked before a grid is evaluated: at the model itself, and how far the values depend on the batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fastscape.model.data import Batch
from fastscape.model.problem import Problem
from fastscape.results import warn

__all__ = ["at_the_model", "batch_dependence", "depends_on_batches"]


def at_the_model(
    problem: Problem, theta: Mapping[str, Tensor], microbatch: int, *, plain: Problem | None
) -> tuple[dict[str, Any], list[str]]:
    """The loss at the model, its agreement with the model called as its user calls it, and whether it repeats.

    Args:
        problem: What is evaluated.
        theta: The model's own tensors that move, by name, in the precision of the run.
        microbatch: Samples in a microbatch.
        plain: The problem of the model as it is, see `Problem.plain`; None where that is not to be compared.

    Returns:
        For the report "centre" with the loss, that of the plain model and the difference as a fraction of it, and
        "deterministic"; and the warnings that were given.
    """
    loss = float(problem.total(theta, microbatch)[0]) / problem.size
    (batch, *_) = problem.batches(microbatch)
    weights = {**problem.parameters, **theta}
    with torch.no_grad():
        first, again = (problem.step(weights, batch, 0) for _ in range(2))
    repeats = torch.equal(first.nan_to_num(), again.nan_to_num())
    messages = []
    if not repeats:
        messages.append(
            "two evaluations of the same point differ: usual causes are sums in another order on a GPU (index_add, "
            "scatter; torch.use_deterministic_algorithms(True) avoids them), cuDNN's choice of convolutions "
            "(torch.backends.cudnn.benchmark = False), and random numbers from a generator of the model's own"
        )
    centre: dict[str, Any] = {"loss": loss, "plain": None, "difference": None}
    if plain is not None:
        called = float(plain.total({}, microbatch)[0]) / plain.size
        difference = abs(loss - called) / max(abs(called), 1e-3)
        centre |= {"plain": called, "difference": difference}
        if repeats and depends_on_batches(difference, problem.dtype):
            messages.append(
                f"the loss at the model is {loss:.6g}, but the model itself, called on the same samples, gives "
                f"{called:.6g}: does it use tensors that are no parameters or buffers of its modules, or a precision "
                f"wider than {problem.dtype}?"
            )
    for message in messages:
        warn(message)
    return {"centre": centre, "deterministic": repeats}, messages


@torch.no_grad()
def batch_dependence(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> float:
    """How far the measures are from being means over samples, at one point.

    Every batch is evaluated whole and in two halves, and so are the halves of neighbouring batches together. For
    a mean over samples whose outputs do not depend on the rest of the batch, the sums agree to rounding; they
    differ for class weights and ignored targets in a scalar loss, for batch statistics, and for random outputs.

    Args:
        problem: What is evaluated.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        The largest difference, as a fraction of the sum; infinite when a part is not finite but the whole is.
    """
    weights = {**problem.parameters, **tensors}
    largest = 0.0
    before: tuple[Batch, Tensor] | None = None
    for batch in problem.batches(microbatch):
        if batch.samples < 2 or not batch.divisible:
            continue
        first, second = batch.part(0, batch.samples // 2), batch.part(batch.samples // 2, batch.samples)
        whole = problem.step(weights, batch, 0)
        sums = [problem.step(weights, half, 0) for half in (first, second)]
        largest = max(largest, _difference(whole, sums[0] + sums[1], batch.samples))
        if before and before[0].fits(first):
            across = before[0].joined(first)
            whole = problem.step(weights, across, 0)
            largest = max(largest, _difference(whole, before[1] + sums[0], across.samples))
        before = second, sums[1]
    return largest


def depends_on_batches(dependence: float, dtype: torch.dtype) -> bool:
    """Whether a difference between a batch and its parts is more than rounding makes.

    Args:
        dependence: The largest relative difference.
        dtype: Of the computation.

    Returns:
        Whether the values depend on how the samples are batched.
    """
    return dependence > torch.finfo(dtype).eps ** 0.5


def _difference(whole: Tensor, parts: Tensor, samples: int) -> float:
    """The largest relative difference between sums [measures] over the whole and over its parts."""
    # Below 1e-3 a loss may be all rounding: log-softmax subtracts nearly equal numbers.
    relative = (parts - whole).abs() / (whole.abs() + 1e-3 * samples)
    return max([0.0, *relative[whole.isfinite()].nan_to_num(nan=torch.inf).tolist()])
