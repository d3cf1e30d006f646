"""Evaluates a network to trace it, and to verify that the permuted network computes the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.model import Batch, Problem, tensors_of_batch, twice_differentiable
from fastscape.paths.alignment.ground import Ground
from fastscape.paths.alignment.likeness import permuted
from fastscape.paths.alignment.symmetry import Cell, NoSymmetryError, Symmetry, symmetry_of
from fastscape.paths.alignment.tracing import Seen, Tracing
from fastscape.paths.alignment.wide import Wide, tensors_in

__all__ = ["TOLERANCE", "Traced", "difference", "outputs_of", "run_in", "sound", "traced"]

TOLERANCE = 1e-9
"""Largest difference of two outputs that counts as rounding, as a fraction of the largest value."""

_BRACE = 4  # multiple of the noise between two evaluations with the same weights

Weights = Mapping[str, Tensor]
Mode = Callable[[Weights, Any], Wide]


@dataclass(frozen=True, eq=False)
class Traced:
    """The result of tracing one evaluation of a network.

    Args:
        symmetry: The symmetry, with the units that may be permuted.
        seen: The activations of its units, by the number of the operation.
        names: The names of all operations, in order.
        unread: Names of the tensors that the evaluation did not read, and that are not permuted.
        not_understood: Counts of the unknown operations, whose units are not permuted.
    """

    symmetry: Symmetry
    seen: Sequence[Seen]
    names: Sequence[str]
    unread: Sequence[str]
    not_understood: Counter[str]


def run_in(
    mode: Mode, problem: Problem, weights: Weights, batch: Batch, index: int, heard: Callable[[Wide, Any], None]
) -> None:
    """Evaluates one batch by plain operations, in double precision.

    Args:
        mode: Makes the mode that watches the evaluation, from the weights and the batch.
        problem: What is evaluated.
        weights: All parameters and buffers, by name.
        batch: The samples.
        index: The number of the batch.
        heard: A function that gets the mode, and every value that the model or the objective returns.
    """

    def measure(model: nn.Module, held: Weights, content: Any, samples: int) -> Any:
        with mode(held, content) as watching:
            hook = model.register_forward_hook(lambda _module, _args, made: heard(watching, made))
            try:
                made = problem.at(model, held, called, content, samples)
            finally:
                hook.remove()
            if problem.objective.custom is not None:
                heard(watching, made)
        return torch.zeros(())

    def called(call: Any, content: Any, samples: int) -> Any:
        custom = problem.objective.custom
        return problem.objective.outputs(call, content) if custom is None else custom(call, content)

    with twice_differentiable(problem), torch.no_grad():
        problem.evaluated(weights, batch, index, measure=measure)


def traced(problem: Problem, weights: Weights, batch: Batch, names: Collection[str]) -> Traced:
    """Follows one evaluation.

    Args:
        problem: What is evaluated.
        weights: All parameters and buffers, by name.
        batch: Some samples.
        names: Names of the tensors that may be permuted.

    Returns:
        The trace.
    """
    ground, made = Ground(), []

    def mode(held: Weights, content: Any) -> Tracing:
        made.append(Tracing(ground, {name: held[name] for name in names}, tensors_of_batch(content)))
        return made[0]

    def heard(watching: Wide, value: Any) -> None:
        assert isinstance(watching, Tracing)
        watching.outputs(value)

    run_in(mode, problem, weights, batch, 0, heard)
    (tracing,) = made
    unread = tracing.finish()
    symmetry, seen = symmetry_of(ground, tracing.axes), tuple(tracing.seen_by(ground))
    return Traced(symmetry, seen, tracing.names, unread, tracing.not_understood)


def outputs_of(problem: Problem, weights: Weights, batches: Sequence[Batch]) -> list[Tensor]:
    """All outputs of a network for some batches.

    Args:
        problem: What is evaluated.
        weights: All parameters and buffers, by name.
        batches: The samples.

    Returns:
        Copies of the tensors.
    """
    found: list[Tensor] = []
    for index, batch in enumerate(batches):
        run_in(
            lambda _held, _content: Wide(),
            problem,
            weights,
            batch,
            index,
            lambda _mode, made: found.extend(tensor.detach().clone() for tensor in tensors_in(made)),
        )
    return found


def difference(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """The largest difference of outputs, as a fraction of the largest value of the same output.

    Args:
        one: Outputs.
        other: Other outputs.

    Returns:
        The fraction; infinity if they differ in kind or in their values that are not finite.
    """
    if len(one) != len(other):
        return float("inf")
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if not (a.is_floating_point() or a.is_complex()):
            worst = worst if torch.equal(a, b) else float("inf")
            continue
        same = (a == b) | (a.isnan() & b.isnan())
        scale = float(a[a.isfinite()].abs().max()) if a.isfinite().any() else 0.0
        largest = float((a - b).abs()[~same].max()) if not same.all() else 0.0
        if largest > 0 or largest != largest:
            worst = max(worst, largest / scale) if scale > 0 and largest == largest else float("inf")
    return worst


def sound(problem: Problem, weights: Weights, batch: Batch, found: Traced, generator: np.random.Generator) -> Traced:
    """Drops cells that change the outputs when permuted at random: rules of operations may be wrong.

    Args:
        problem: What is evaluated.
        weights: All parameters and buffers, by name.
        batch: Some samples.
        found: The trace.
        generator: Generator of the random permutations.

    Returns:
        The remaining symmetry.
    """
    before = outputs_of(problem, weights, [batch])
    noise = difference(before, outputs_of(problem, weights, [batch]))
    every = found.symmetry

    def holds(cells: Sequence[Cell]) -> bool:
        left = every.without([cell for cell in every.cells if cell not in cells])
        try:
            indices = left.indices(left.random(generator))
        except NoSymmetryError:
            return False
        moved = {**weights, **{name: permuted(weights[name], index) for name, index in indices.items()}}
        return difference(before, outputs_of(problem, moved, [batch])) <= max(TOLERANCE, _BRACE * noise)

    def held(cells: Sequence[Cell]) -> list[Cell]:
        if not cells or holds(cells):
            return list(cells)
        half = len(cells) // 2
        return [*held(cells[:half]), *held(cells[half:])] if half else []

    kept = held(every.cells)
    if len(kept) == len(every.cells):
        return found
    odd = Counter({"units that a trial has shown to be none": len(every.cells) - len(kept)})
    left = every.without([cell for cell in every.cells if cell not in kept])
    symmetry = left if holds(kept) else every.without(every.cells)
    return replace(found, symmetry=symmetry, not_understood=found.not_understood + odd)
