"""The values of single samples for every measure at one point, so that two points can be compared by sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.problem import Problem
from fastscape.model.weighing import weights_of

__all__ = ["by_sample", "weights_by_sample"]


@torch.no_grad()
def by_sample(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> dict[str, Tensor]:
    """The values of single samples, whose means a landscape holds.

    Args:
        problem: The problem.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        Values [samples that count] by the name of the measure, float64, on the CPU, in the order of the data. Measures
        that give a single value for some batch are left out.
    """
    columns, batches = problem.objective.columns, problem.batches(microbatch)
    weights = problem.calibrated({**problem.still, **tensors}, batches)
    found: dict[str, list[Tensor]] = {}
    means: set[str] = set()

    def seen(call: Any, content: Any, _: int) -> dict[str, Tensor]:
        return problem.objective.values(call, content)

    def run(model: nn.Module, held: Mapping[str, Tensor], content: Any, samples: int) -> Any:
        return problem.at(model, held, seen, content, samples)

    for index, batch in enumerate(batches):
        made: Any = problem.evaluated(weights, batch, index, measure=run)
        values = {name: value for name, value in made.items() if value.shape == (batch.samples,)}
        others = {name: value for name, value in made.items() if name not in values}
        means |= columns.of_samples(others, batch.content, batch.of).keys()
        for name, column in columns.of_samples(values, batch.content, batch.of).items():
            found.setdefault(name, []).append(column.detach().to("cpu", torch.float64))
    return {name: torch.cat(columns) for name, columns in found.items() if name not in means}


def weights_by_sample(problem: Problem, microbatch: int) -> dict[str, Tensor]:
    """The weights by which the values of single samples are multiplied.

    Args:
        problem: The problem.
        microbatch: Samples in a microbatch.

    Returns:
        Weights [samples that count] by the name of the measure, float64, on the CPU; all 1 for a plain mean.
    """
    objective = problem.objective
    found: dict[str, list[Tensor]] = {}
    for batch in problem.batches(microbatch):
        weights = dict.fromkeys(objective.columns.returned, weights_of(objective.custom, batch))
        for name, column in objective.columns.of_samples(weights, batch.content, batch.of).items():
            found.setdefault(name, []).append(column)
    return {name: torch.cat(columns) for name, columns in found.items()}
