"""Chooses how a model is differentiated twice: in forward mode if torch has it for every operation, else in reverse.

Both modes are tried on one microbatch in float64, at up to three points, and compared with finite differences: torch
has no rule for some operations, and a wrong rule for a few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from fastscape.engine.derivatives import loss_at
from fastscape.engine.failures import gpu_is_lost, out_of_memory
from fastscape.engine.further import rows_at
from fastscape.model import (
    Derivatives,
    LossOf,
    Problem,
    forward_over_forward,
    leads_to_weights,
    name_of,
    once_differentiable,
    reverse_over_reverse,
    twice_differentiable,
)
from fastscape.results import axis_names, clipped, derivative_names
from fastscape.weights import Space, check_differentiable, coefficient_rows

__all__ = ["differentiated"]

FRACTIONS = 0.5573, 0.3819, 0.7639  # of the axes: places where models are seldom and no norm jumps
SAME = 1e-2  # of the largest derivative of an order: if the modes differ by more than this rounding, one mode is wrong
ALLOWED = 1e-3  # likewise: the allowed error of finite differences, beyond their own error estimate
ROUNDINGS = 1e4  # times eps times a loss: the rounding error of a finite difference, before it is divided by the step
STILL = 1e-8  # of the norm of the weights: an axis that moves the weights by less does not count as moving them

Way = Callable[[LossOf, Tensor, int], Tensor]


@dataclass
class _Verdict:
    """The outcome of trying a mode.

    Args:
        found: The derivatives [R - 1] at the last point that was tried, in units of the weights.
        error: The exception that the mode raised.
        slopes: The first derivatives there by finite differences, if they disagree with the mode; else None.
        bends: Whether differences of the slopes confirm the second derivatives.
    """

    found: Tensor | None = None
    error: Exception | None = None
    slopes: Tensor | None = None
    bends: bool = True

    @property
    def right(self) -> bool:
        return self.found is not None and self.slopes is None and self.bends


def differentiated(
    problem: Problem, space: Space, axes: Sequence[Tensor], microbatch: int, widened: Callable[[Problem], Problem]
) -> tuple[Derivatives, list[str]]:
    """Chooses the mode in which the loss of a problem is differentiated.

    Args:
        problem: What is evaluated.
        space: The space of the points.
        axes: The coordinates of each axis.
        microbatch: Samples per microbatch.
        widened: Makes the problem in float64.

    Returns:
        The mode, and the warnings to give.

    Raises:
        ValueError: When the loss has no gradient by the weights, or torch cannot differentiate the loss or the
            interpolation scheme.
    """
    points = torch.stack([_within(axes, fraction) for fraction in FRACTIONS])
    check_differentiable(space, points)
    rows = [rows_at(problem, space, coefficients) for coefficients in coefficient_rows(space, points)]
    spans = [float(axis.max() - axis.min()) or 1.0 for axis in axes]
    rows = [_in_units(one.double(), spans) for one in rows]
    loss, rows = _wide(problem, space, rows, microbatch, widened)
    with twice_differentiable(problem):
        if not leads_to_weights(loss, rows[0][0]):
            raise ValueError(
                f"curvature= differentiates the loss, and {_called(problem)} has no gradient by the weights, "
                "as a count has none; give a smooth loss, and this one as a metric"
            )
        backward = _Verdict(None, RuntimeError("it uses a function that is marked once_differentiable"))
        if not once_differentiable(loss, rows[0][0]):
            backward = _tried(reverse_over_reverse, loss, rows, len(axes))
        forward = _tried(forward_over_forward, loss, rows, len(axes))
    if forward.found is None and backward.found is None:
        raise ValueError(
            f"curvature= differentiates the loss twice, and torch has no rule for that: in forward mode "
            f"{_first_line(forward)}, in reverse mode {_first_line(backward)}; leave out curvature, or write the "
            "model with other operations"
        ) from backward.error
    same = backward.found is None or (forward.found is not None and _same(forward.found, backward.found, len(axes)))
    names = derivative_names(axis_names(len(axes)))
    if forward.found is not None and same and (forward.right or not backward.right):
        return Derivatives(names, True), _doubts(forward, names, len(axes))
    reason = (
        "forward mode gives other derivatives" if forward.error is None else f"forward mode: {_first_line(forward)}"
    )
    return Derivatives(names, False, reason), _doubts(backward, names, len(axes))


def _within(axes: Sequence[Tensor], fraction: float) -> Tensor:
    """A point between the ends of all axes."""
    return torch.stack([axis.min() + fraction * (axis.max() - axis.min()) for axis in axes]).double().cpu()


def _wide(
    problem: Problem, space: Space, rows: list[Tensor], microbatch: int, widened: Callable[[Problem], Problem]
) -> tuple[LossOf, list[Tensor]]:
    """The mean loss of the first microbatch and the rows of some points, in float64 if the model runs in it."""
    try:
        wide = problem if problem.narrowest == torch.float64 else widened(problem)
        loss = _mean_loss(wide, space, microbatch)
        with torch.no_grad():
            loss(rows[0][0])
        return loss, rows
    except RuntimeError as error:
        if out_of_memory(error) or gpu_is_lost(error):
            raise
        return _mean_loss(problem, space, microbatch), [one.to(problem.dtype) for one in rows]


def _mean_loss(problem: Problem, space: Space, microbatch: int) -> LossOf:
    first = problem.batches(microbatch, channels_last=space.layout.channels_last)[0]
    total = loss_at(problem, space, first, 0)
    return lambda flat: total(flat) / first.samples


def _in_units(rows: Tensor, spans: Sequence[float]) -> Tensor:
    """The rows of a point in coordinates in which a step of 1 is as long as the weights themselves."""
    length = float(rows[0].norm()) or 1.0
    # Along an axis that moves the weights only by rounding, a step stays short.
    least = [STILL * length / span for span in spans]
    norms = [float(row.norm()) for row in rows[1 : 1 + len(spans)]]
    units = [length / max(norm, low) for norm, low in zip(norms, least, strict=True)]
    pairs = combinations_with_replacement(units, 2)
    factors = torch.tensor([1.0, *units, *(one * other for one, other in pairs)], dtype=rows.dtype, device=rows.device)
    return torch.where(rows.isfinite(), rows, 0.0) * factors[:, None]


def _tried(way: Way, loss: LossOf, several: list[Tensor], axes: int) -> _Verdict:
    """Tries a mode at the points in turn, until its derivatives are right at one point."""
    verdict = _Verdict()
    for rows in several:
        try:
            verdict = _Verdict(way(loss, rows, axes))
            if verdict.found is None or not verdict.found.isfinite().all():
                continue
            verdict.slopes = _other_slopes(loss, rows, verdict.found[:axes])
            verdict.bends = _bends(way, loss, rows, verdict.found, axes)
        except Exception as error:  # an operation without such a rule may raise anything
            if out_of_memory(error) or gpu_is_lost(error):
                raise
            return _Verdict(None, error)
        if verdict.right:
            break
    return verdict


def _moved(rows: Tensor, axes: int, k: int, step: float) -> Tensor:
    """The rows a step along axis k: weights and slopes follow their derivatives."""
    pairs = list(combinations_with_replacement(range(axes), 2))
    second = {pair: rows[1 + axes + number] for number, pair in enumerate(pairs)}
    moved = rows.clone()
    moved[0] += step * rows[1 + k] + step**2 / 2 * second[k, k]
    for j in range(axes):
        moved[1 + j] += step * second[min(j, k), max(j, k)]
    return moved


def _other_slopes(loss: LossOf, rows: Tensor, found: Tensor) -> Tensor | None:
    """The slopes by finite differences of the loss, if they disagree with the slopes found; else None."""
    axes, eps = len(found), torch.finfo(rows.dtype).eps
    step = eps ** (1 / 3)

    def difference(k: int, length: float) -> Tensor:
        with torch.no_grad():
            return (loss(_moved(rows, axes, k, length)[0]) - loss(_moved(rows, axes, k, -length)[0])) / (2 * length)

    close, wide = (torch.stack([difference(k, length) for k in range(axes)]) for length in (step, 2 * step))
    with torch.no_grad():
        rounding = ROUNDINGS * eps * loss(rows[0]).abs() / step
    slack = ALLOWED * torch.maximum(found.abs().max(), close.abs().max()) + 4 * (close - wide).abs() + rounding
    return close if bool(((close - found).abs() > slack).any()) else None


def _bends(way: Way, loss: LossOf, rows: Tensor, found: Tensor, axes: int) -> bool:
    """Whether differences of slopes agree with the second derivatives; differences across a kink count as agreeing."""
    eps = torch.finfo(rows.dtype).eps
    step = eps ** (1 / 2)
    for k in range(axes):
        slopes = [way(loss, _moved(rows, axes, k, times * step), axes)[:axes] for times in (-2, -1, 1, 2)]
        close, wide = (slopes[2] - slopes[1]) / (2 * step), (slopes[3] - slopes[0]) / (4 * step)
        pairs = list(combinations_with_replacement(range(axes), 2))
        exact = torch.stack([found[axes + pairs.index((min(j, k), max(j, k)))] for j in range(axes)])
        rounding = ROUNDINGS * eps * found[:axes].abs().max() / step
        slack = ALLOWED * found[axes:].abs().max() + 4 * (close - wide).abs() + rounding
        if bool(((close - exact).abs() > slack).any()):
            return False
    return True


def _same(forward: Tensor, backward: Tensor, axes: int) -> bool:
    """Whether two modes agree up to rounding, in each order of the derivatives."""
    for one, other in zip(
        forward.split([axes, len(forward) - axes]), backward.split([axes, len(forward) - axes]), strict=True
    ):
        slack = SAME * other.abs().max() + torch.finfo(torch.float32).eps
        if one.isfinite().all() and other.isfinite().all() and bool(((one - other).abs() > slack).any()):
            return False
    return True


def _doubts(verdict: _Verdict, names: Sequence[str], axes: int) -> list[str]:
    """Warnings if torch's derivatives differ from the derivatives of the surface, as torch ignores detached parts."""
    if verdict.right or verdict.found is None:
        return []
    which = names[:axes]
    if verdict.slopes is not None:
        pairs = zip(which, verdict.found.tolist(), verdict.slopes.tolist(), strict=False)
        name, torchs, differences = max(pairs, key=lambda pair: abs(pair[1] - pair[2]))
        said = f"{name} {torchs:.4g} and differences of its loss {differences:.4g}, in units of the weights"
    else:
        said = f"{', '.join(names[len(which) :])} that differences of {' and '.join(which)} do not confirm"
    return [
        f"for the first batch torch has {said}: a part of the model or loss has derivatives that do not match its "
        "values, as it is detached, rounded or passed straight through; the derivatives here are torch's"
    ]


def _called(problem: Problem) -> str:
    objective = problem.objective
    if objective.custom is not None:
        return f"the objective {name_of(objective.custom)}"
    return f"the loss {name_of(objective.loss)}"


def _first_line(verdict: _Verdict) -> str:
    lines = str(verdict.error).strip().splitlines() or [type(verdict.error).__name__]
    return clipped(lines[0])
