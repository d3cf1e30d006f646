"""Several objectives as one, each for the data sets whose batches it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from torch import Tensor

from fastscape.model import Batch, Call
from fastscape.objectives.choices import ChoiceAccuracy
from fastscape.objectives.language import CausalLM
from fastscape.objectives.matches import ExactMatch

__all__ = ["Combined", "combined"]

_Part: TypeAlias = CausalLM | ChoiceAccuracy | ExactMatch


@dataclass(frozen=True)
class Combined:
    """What `combined` makes.

    Args:
        parts: The objectives; the first one that takes a batch measures it.
    """

    parts: tuple[_Part, ...]

    differentiates_inputs = False

    def __repr__(self) -> str:
        return f"fastscape.objectives.combined({', '.join(map(repr, self.parts))})"

    def _of(self, batch: Any) -> _Part:
        for part in self.parts:
            if part.takes(batch):
                return part
        named = ", ".join(type(part).__name__ for part in self.parts)
        raise TypeError(f"a batch came as {type(batch).__name__} that none of {named} takes; add another objective")

    def __call__(self, call: Call, batch: Any) -> dict[str, Tensor]:
        """The measures of a batch."""
        return self._of(batch)(call, batch)

    def size(self, batch: Any) -> float:
        """How many samples a batch counts as, by weight."""
        part = self._of(batch)
        return part.size(batch) if isinstance(part, CausalLM) else float(len(batch["answer"]))

    def truths(self, batch: Any) -> tuple[str, ...]:
        """The measures of a batch that are true or not for each sample."""
        part = self._of(batch)
        return () if isinstance(part, CausalLM) else ("accuracy",)

    def over(self, samples: Sequence[Batch]) -> Combined:
        """The objectives with the mean weights of the samples."""
        parts: list[_Part] = []
        for part in self.parts:
            own = [batch for batch in samples if self._of(batch.content) is part]
            if isinstance(part, CausalLM) and part.weight is None:
                # Any other weight gives the same means, as all of the weights are divided by it.
                part = part.over(own) if own else replace(part, weight=1.0)
            parts.append(part)
        return Combined(tuple(parts))


def combined(*objectives: _Part) -> Combined:
    """Several objectives as one, for several data sets: each batch is measured by the objective that takes it.

    `choice_accuracy` takes batches of `multiple_choice`, `exact_match` those of `questions`, and `causal_lm` all
    others. All have the same measures, "loss" and "accuracy", so that each data set has both, under its own name.

    Args:
        *objectives: Made by `causal_lm(accuracy=True)`, `choice_accuracy()` and `exact_match()`.

    Returns:
        An objective for `data=fastscape.DataSets(...)`.

    Raises:
        TypeError: When one is something else.
        ValueError: When there is none, or they have other measures than each other.

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
            raise TypeError(
                f"an objective came as {one!r:.80}; wanted what causal_lm, choice_accuracy or exact_match makes"
            )
    if not objectives:
        raise ValueError("no objective came; write for example combined(choice_accuracy(), causal_lm(accuracy=True))")
    if len({one.measures for one in objectives}) > 1:
        raise ValueError("causal_lm has no accuracy beside objectives that have one; write causal_lm(accuracy=True)")
    # Texts are whatever nobody else takes.
    return Combined(tuple(sorted(objectives, key=lambda one: isinstance(one, CausalLM))))
