"""Several objectives as one, each for the data sets whose batches it accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fastscape.model import Batch, Call
from fastscape.objectives.choices import ChoiceAccuracy
from fastscape.objectives.language import CausalLM
from fastscape.objectives.matches import ExactMatch

__all__ = ["Combined", "combined"]

_Part: TypeAlias = CausalLM | ChoiceAccuracy | ExactMatch

_MADE_BY = {CausalLM: "causal_lm", ChoiceAccuracy: "choice_accuracy", ExactMatch: "exact_match"}


@dataclass(frozen=True)
class Combined:
    """The objective that `combined` makes.

    Args:
        parts: The objectives; the first objective that accepts a batch measures it.
    """

    parts: tuple[_Part, ...]

    differentiates_inputs = False

    def __repr__(self) -> str:
        return f"fastscape.objectives.combined({', '.join(map(repr, self.parts))})"

    def _of(self, batch: Any) -> _Part:
        for part in self.parts:
            if part.takes(batch):
                return part
        named = ", ".join(_MADE_BY[type(part)] for part in self.parts)
        came = f"with {', '.join(map(str, batch)):.200}" if isinstance(batch, Mapping) else f"as {_kind(batch)}"
        raise TypeError(
            f"a batch came {came}, which none of {named} takes; add causal_lm(accuracy=True) for texts, or make it by "
            "multiple_choice or questions"
        )

    def __call__(self, call: Call, batch: Any) -> dict[str, Tensor]:
        """The measures of a batch."""
        return self._of(batch)(call, batch)

    def weights(self, batch: Any) -> Tensor:
        """The weights of the samples of a batch [n], float64."""
        part = self._of(batch)
        if isinstance(part, CausalLM):
            return part.weights(batch)
        answers = batch["answer"]
        return torch.ones(len(answers), dtype=torch.float64, device=answers.device)

    def truths(self, batch: Any) -> tuple[str, ...]:
        """The measures of a batch that are true or false for each sample."""
        part = self._of(batch)
        return () if isinstance(part, CausalLM) else ("accuracy",)

    def over(self, samples: Sequence[Batch]) -> Combined:
        """The objectives with the mean weights of the samples."""
        parts: list[_Part] = []
        for part in self.parts:
            own = [batch for batch in samples if self._of(batch.content) is part]
            if isinstance(part, CausalLM) and part.weight is None:
                # Any other weight gives the same means, because all weights are divided by it.
                part = part.over(own) if own else replace(part, weight=1.0)
            parts.append(part)
        return Combined(tuple(parts))


def combined(*objectives: _Part) -> Combined:
    """Combines objectives for several data sets: each batch is measured by the objective that accepts it.

    `choice_accuracy` accepts batches of `multiple_choice`, `exact_match` accepts batches of `questions`, and
    `causal_lm` accepts all other batches. All of them have the measures "loss" and "accuracy", so each data set has
    both, under its own name.

    Args:
        *objectives: Made by `causal_lm(accuracy=True)`, `choice_accuracy()` and `exact_match()`.

    Returns:
        An objective for `data=fastscape.DataSets(...)`.

    Raises:
        TypeError: When an argument is something else.
        ValueError: When there is no objective, or their measures differ.

    Example:
        >>> import torch, fastscape
        >>> from fastscape.objectives import causal_lm, choice_accuracy, combined, multiple_choice
        >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9))
        >>> choices = multiple_choice([[1, 2, 3], [4, 5]], [[[6], [7, 8]], [[1], [2]]], answers=[0, 1])
        >>> data = fastscape.DataSets(text=torch.randint(9, (8, 6)), choices=choices)
        >>> objective = combined(choice_accuracy(head="1"), causal_lm(head="1", accuracy=True))
        >>> list(fastscape.surface(model, data, objective=objective, x=(-1, 1, 3), y=(-1, 1, 3)).values)
        ['loss', 'accuracy', 'loss of choices', 'accuracy of choices']
    """
    for one in objectives:
        if not isinstance(one, CausalLM | ChoiceAccuracy | ExactMatch):
            raise TypeError(_instead(one))
    if not objectives:
        raise ValueError(
            "combined needs at least one objective; write for example combined(choice_accuracy(), "
            "causal_lm(accuracy=True))"
        )
    if len({one.measures for one in objectives}) > 1:
        raise ValueError("causal_lm has no accuracy beside objectives that have one; write causal_lm(accuracy=True)")
    # All batches that no other objective accepts are texts.
    return Combined(tuple(sorted(objectives, key=lambda one: isinstance(one, CausalLM))))


def _instead(one: Any) -> str:
    """Explains what is wrong with an objective, and what to write."""
    if isinstance(one, nn.Module):  # this is how an objective gets it
        return (
            "objective must be what combined returns, got combined itself; write "
            "objective=combined(choice_accuracy(), exact_match())"
        )
    if isinstance(one, list | tuple):
        return f"combined takes objectives one by one, got a {type(one).__name__}; write combined(*objectives)"
    if getattr(one, "__name__", None) in _MADE_BY.values():
        return f"an objective must be made first, got the function that makes it; write {one.__name__}()"
    return f"an objective must be made by causal_lm, choice_accuracy or exact_match, got {one!r:.80}"


def _kind(value: Any) -> str:
    return f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
