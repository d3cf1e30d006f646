"""Which samples a problem is probed on, and what all others must show before few of them suffice.

A pass over all samples costs what a grid point costs, and a dozen of them more than a small grid. What a model does to
a batch shows on a few batches. What a loss does depends on the targets, and a rare one may lie anywhere; so the loss
alone is looked at on all targets, with outputs of the model for a few samples in the place of all outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from fastscape.model.batch_structure import length, mapped, tensors
from fastscape.model.data import Batch, Samples, batches_of, joined_where_alike
from fastscape.model.objective import Measure, Objective, summed
from fastscape.model.problem import Problem
from fastscape.weights import dtype_of

__all__ = ["alike_everywhere", "probed"]

PROBED_SHARE = 50  # one of so many samples, times the points of the grid, is probed
MOST = 512  # samples, as far as a few batches do not have more
LEAST, FEWEST = 8, 4  # samples in all, and in a batch
WORTH = 10**8  # entries of all inputs times entries of the weights: below that, probes take no time
# What the loss is looked at at once: samples, and bytes of outputs.
WINDOW, WINDOW_BYTES = 4096, 8 << 20
SAME = 1e-10  # relative difference in float64 that is none


def probed(problem: Problem, microbatch: int, points: int) -> Problem:
    """The problem with those samples that it is probed on: all of them, where that takes no time or is the only way.

    Args:
        problem: What is evaluated, with batches as the data gave them.
        microbatch: Samples of a microbatch, where batches may be cut.
        points: How many points the grid has.

    Returns:
        The problem with batches from all over the samples; the problem itself where all are to be looked at.
    """
    count = min(max(problem.size * points // PROBED_SHARE, LEAST), MOST)
    if count >= problem.size or problem.objective.custom is not None or problem.batchnorm != "running":
        return problem
    if _entries(problem.samples) * sum(t.numel() for t in problem.model.parameters()) < WORTH:
        return problem
    few = replace(problem, samples=_spread(problem.samples, count, microbatch))
    return few if few.size < problem.size else problem


@torch.no_grad()
def alike_everywhere(problem: Problem, seen: Problem, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the loss and the metrics do to all targets what they do to those that a problem was probed on.

    Args:
        problem: With all samples.
        seen: With those that it was probed on, and what that showed.
        tensors: The tensors that move, by name, at some point.

    Returns:
        Whether they do; False too where that cannot be told.
    """
    given: list[Any] = []

    def note(call: Any, content: Any, samples: int) -> Tensor:
        def kept(*args: Any, **kwargs: Any) -> Any:
            given.append(call(*args, **kwargs))
            return given[-1]

        return seen.objective.sums(kept, content, samples)

    def run(model: Any, held: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        made: Tensor = seen.at(model, held, note, content, samples)
        return made

    objective = seen.objective
    measures = [] if seen.whole else [objective.loss, *objective.metrics.values()]
    if not measures and objective.each is None:
        return True
    (batch, *_) = seen.batches(max(b.samples for b in seen.samples))
    try:
        seen.step({**seen.still, **tensors}, batch, 0, measure=run)
        if length(given[-1]) != batch.samples:
            return False
        outputs = mapped(given[-1], lambda t: t.to(dtype_of(t, torch.float64), copy=True))
        size = _window(outputs, batch.samples)
        targets = joined_where_alike([Batch(b.content[1], b.samples) for b in problem.samples], pairs=False)
        return all(_alike(part.to(torch.float64), outputs, size, objective, measures) for part in targets)
    except Exception:  # the loss wants other outputs than these
        return False


def _entries(samples: Samples) -> int:
    return sum(tensor.numel() for batch in samples for tensor in tensors(batch.inputs))


def _spread(samples: Samples, count: int, microbatch: int) -> Samples:
    """Batches from the first to the last of the data, each of which is a part of one that the data gave."""
    pieces = batches_of(samples, microbatch)
    size = min(max(count // 2, FEWEST), microbatch)
    largest = min(size, max(batch.samples for batch in pieces))
    number = min(max(count // largest, 2), len(pieces))
    places = torch.linspace(0, len(pieces) - 1, number, dtype=torch.float64, device="cpu").long().tolist()
    return [_part(pieces[place], size) for place in dict.fromkeys([0, *places])]


def _part(batch: Batch, size: int) -> Batch:
    return batch.part(0, size) if batch.divisible and batch.samples > size else batch


def _window(outputs: Any, samples: int) -> int:
    """Samples whose losses are looked at at once."""
    bytes_each = max(sum(t.numel() * t.element_size() for t in tensors(outputs)) // samples, 1)
    return min(max(WINDOW_BYTES // bytes_each, 2), WINDOW)


def _alike(targets: Batch, outputs: Any, size: int, objective: Objective, measures: list[Measure]) -> bool:
    """Tells it of some targets, `size` of them at a time.

    The mean of neighbours together is that of both; and the loss of a batch is the sum of the losses of its samples,
    where it is that of few.

    Args:
        targets: Some targets, in float64.
        outputs: Of the model for a few samples, which stand for those of all.
        size: How many targets are looked at at a time.
        objective: What is measured.
        measures: Loss and metrics, where batches may be cut and joined.

    Returns:
        Whether they are alike.
    """
    count = targets.samples
    known = length(outputs) or 1
    starts = range(0, count, min(size, max(count // 2, 1)))

    def sums(measures: list[Measure], start: int, stop: int) -> Tensor:
        rows = torch.arange(start, stop) % known
        own, theirs = mapped(outputs, lambda t: t[rows]), targets.part(start, stop).content
        return torch.stack([summed("a measure", measure(own, theirs), stop - start) for measure in measures])

    edges = [*starts, count]
    if measures:
        apart = [sums(measures, *edge) for edge in pairwise(edges)]
        for k in range(len(apart) - 1):
            if not _same(sums(measures, edges[k], edges[k + 2]), apart[k] + apart[k + 1]):
                return False
    each = objective.each
    return each is None or all(_same(sums([each], *edge), sums([objective.loss], *edge)) for edge in pairwise(edges))


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether sums [measures] differ by no more than float64 rounds; those that are not finite tell nothing."""
    return bool(((a - b).abs() <= SAME * (a.abs() + b.abs() + 1)).all())
