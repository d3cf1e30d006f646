"""The findings of a problem's first evaluations: the results of its objective, and what a forward pass changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastscape.model.data import Batch
from fastscape.model.footprint import Footprint, Reads
from fastscape.model.global_state import seed_everything
from fastscape.model.objective import Objective
from fastscape.model.problem import Measured, Problem
from fastscape.model.state import Snapshot
from fastscape.weights import tensors_of

__all__ = ["Observed", "observed"]

WATCHED = 2  # batches that are watched for what a forward pass changes


class Observed(NamedTuple):
    """The findings of the first evaluations.

    Args:
        problem: The problem with the names of its objective, its moments if every batch has them, and its footprint.
        sums: The sums of every microbatch [measures], as `Problem.each` gives them; None if they were not seen.
    """

    problem: Problem
    sums: list[Tensor] | None


@torch.no_grad()
def observed(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> Observed:
    """Evaluates a problem at one point, and finds what this shows of the objective and changes in the model.

    Args:
        problem: The problem.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        The findings.

    Raises:
        ValueError: When the objective returns different measures for a batch than for the first batch, or the model
            reads some of its weights from outside the problem's copy.
    """
    weights = problem.in_own_dtypes({**problem.still, **tensors})
    given: dict[int, tuple[Objective, Tensor | None]] = {}
    batches = problem.batches(microbatch)
    changed, index = Footprint(), 0

    def note(call: Any, content: Any, samples: int) -> Tensor:
        given[index] = problem.objective.known(call, content, samples)
        return torch.zeros(())

    def measure(model: nn.Module, held: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        made: Tensor = problem.at(model, held, note, content, samples)
        return made

    reads = Reads({name: tensor for name, tensor in tensors_of(problem.model).items() if name in tensors})
    state = Snapshot(problem.model)
    for index, batch in enumerate(batches):
        seed_everything(problem.device, problem.begun + index)
        if index == 0 and not problem.place.lent:
            changed = _first(problem, measure, weights, batch, state, reads)
        elif index < WATCHED:
            changed = changed.with_(problem.watched(measure, problem.model, weights, batch, state).changed)
        else:
            replace(problem, footprint=changed).evaluated(weights, batch, index, measure=measure)
    reads.judge(type(problem.model).__name__)
    first, alike = given[0][0], True
    for objective, _ in given.values():
        first.check_same(objective.columns.returned)
        if objective.columns.by_class != first.columns.by_class:
            raise ValueError(
                "per_class needs measures that give one value a sample for every batch or for none, and one gives "
                "them for some; let it return the same for all"
            )
    if not all(objective.moments == first.moments for objective, _ in given.values()):
        first, alike = replace(first, each=None, moments=0), False
    sums = [first.placed(sums, batches[k].of) for k, (_, sums) in given.items() if sums is not None]
    # If statistics are estimated again, no evaluation with the model's own statistics is valid for the model.
    known = alike and len(sums) == len(given) and problem.batchnorm != "recalibrate"
    seen = replace(problem, objective=first, footprint=changed.with_(reads.footprint))
    return Observed(seen, sums if known else None)


def _first(
    problem: Problem,
    run: Measured,
    weights: Mapping[str, Tensor],
    batch: Batch,
    state: Snapshot,
    reads: Reads,
) -> Footprint:
    """What one evaluation changes, and what it reads if this can be watched."""
    generator = torch.get_rng_state()

    def seen(model: nn.Module, held: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        with reads.watching(model):  # the hooks are removed before changes are looked for
            return run(model, held, content, samples)

    try:
        return problem.watched(seen, problem.model, weights, batch, state).changed
    except Exception:  # not every operation can be watched; an error of the model itself is raised again
        torch.set_rng_state(generator)
        return problem.watched(run, problem.model, weights, batch, state).changed
