"""Multiple choice without generation: the model's answer is the ending that it finds most likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fastscape.model import Call
from fastscape.objectives.labels import next_tokens
from fastscape.objectives.model_calls import check_head, logits_of_tokens
from fastscape.objectives.rows import check_tokens, is_whole, padded
from fastscape.objectives.token_losses import IGNORED, Kernel, Reader

__all__ = ["ChoiceAccuracy", "Normalise", "choice_accuracy", "multiple_choice"]

Normalise = Literal["none", "tokens", "lengths"]

_KEYS = frozenset(("input_ids", "ending_mask", "attention_mask", "lengths", "answer"))
_WANTED = "give a dictionary as fastscape.objectives.multiple_choice(contexts, endings, answers) makes it"


@dataclass(frozen=True)
class ChoiceAccuracy:
    """The objective that `choice_accuracy` makes.

    Args:
        normalise: The divisor of log-likelihoods.
        head: Name of the head.
        reader: Reads the logits.
    """

    normalise: Normalise = "none"
    head: str | None = None
    reader: Reader = field(default_factory=Reader)

    differentiates_inputs = False
    measures = ("loss", "accuracy")

    def __repr__(self) -> str:
        said = f"normalise={self.normalise!r}, head={self.head!r}, chunk={self.reader.chunk!r}"
        return f"fastscape.objectives.choice_accuracy({said}, kernel={self.reader.kernel!r})"

    def takes(self, batch: Any) -> bool:
        """Whether a batch has questions with endings to choose from."""
        return isinstance(batch, Mapping) and {"input_ids", "ending_mask", "answer"} <= batch.keys()

    def __call__(self, call: Call, batch: Any) -> dict[str, Tensor]:
        """For each question [n], minus the log-likelihood of the right ending, and whether it is the most likely."""
        if not self.takes(batch):
            came = ", ".join(map(str, batch))[:200] if isinstance(batch, Mapping) else type(batch).__name__
            raise TypeError(f"a batch cannot be read, got {came}; {_WANTED}")
        tokens, ending = batch["input_ids"], batch["ending_mask"].bool()
        if tokens.dim() != 3 or ending.shape != tokens.shape:
            raise ValueError(
                f"input_ids and ending_mask must both be [questions, endings, tokens], got {list(tokens.shape)} and "
                f"{list(ending.shape)}: {_WANTED}"
            )
        questions, endings, _ = tokens.shape
        labels = next_tokens(tokens.long().masked_fill(~ending, IGNORED).flatten(0, 1))
        mask = batch.get("attention_mask")
        others = {name: part.flatten(0, 1) for name, part in batch.items() if name not in _KEYS}
        logits = logits_of_tokens(
            call, tokens.flatten(0, 1), None if mask is None else mask.flatten(0, 1), others, self.head
        )
        losses = self.reader.read(logits.values, labels, logits.head).losses
        likelihoods = -losses.double().sum(1).view(questions, endings)
        likelihoods = likelihoods.gather(1, _firsts(batch, tokens, ending))
        counted = (labels != IGNORED).sum(1).view(questions, endings)
        likelihoods = likelihoods / self._lengths(batch, counted)
        # A missing ending, if other questions have more of them.
        likelihoods = likelihoods.masked_fill(counted == 0, -torch.inf)
        answer = batch["answer"].long()
        right = likelihoods.gather(1, answer[:, None])[:, 0]
        return {"loss": -right, "accuracy": likelihoods.argmax(dim=1) == answer}

    def _lengths(self, batch: Mapping[str, Any], counted: Tensor) -> Tensor:
        if self.normalise == "none":
            return torch.ones((), dtype=torch.float64, device=counted.device)
        if self.normalise == "tokens":
            return counted.clamp(min=1).double()
        if "lengths" not in batch:
            raise ValueError(
                "normalise='lengths' divides by the lengths of the endings, and the batch says none; give lengths "
                "[questions, endings], such as numbers of bytes, or write normalise='tokens'"
            )
        lengths: Tensor = batch["lengths"]
        return lengths.double().clamp(min=1)


def _firsts(batch: Mapping[str, Any], tokens: Tensor, ending: Tensor) -> Tensor:
    """For each ending [n, m], the index of the first ending of its question that is the same to the model.

    Args:
        batch: The questions, with the mask and further arguments of the model.
        tokens: Their tokens [n, m, L].
        ending: Whether each token belongs to an ending [n, m, L].

    Returns:
        Indices [n, m], int64.
    """
    mask, pairs = batch.get("attention_mask"), tokens.shape[:2]
    read = [tokens, ending] if mask is None else [tokens.masked_fill(mask == 0, 0), ending, mask]
    others = (part for name, part in batch.items() if name not in _KEYS)
    parts = [part.reshape(*pairs, -1) for part in (*read, *others)]
    firsts = torch.arange(pairs[1], device=tokens.device).expand(pairs)
    for k in reversed(range(pairs[1])):  # one after another, because all pairs at once would take m^2 n L numbers
        same = torch.stack([(part == part[:, k : k + 1]).all(2) for part in parts]).all(0)
        firsts = firsts.masked_fill(same, k)
    return firsts


def choice_accuracy(
    *, normalise: Normalise = "none", head: str | None = None, chunk: int | None = None, kernel: Kernel = "auto"
) -> ChoiceAccuracy:
    """How often the most likely ending of a text is the right one: `objective=choice_accuracy()`.

        s_ij = 1 / m_ij  sum over tokens t of ending j of log p(x_t | context i, x_<t)
        accuracy = share of questions i with argmax_j s_ij = answer_i
        loss = mean over i of -s_i,answer(i)

    Nothing is generated: context and ending go through the model once per ending. If several endings have the same
    score, the first counts as the most likely. Equal endings of a question share one log-likelihood, bit for bit: the
    value of the first of them. Rounding depends on the chunk of a token, so without this rule `chunk` could change the
    choice between them.

    Args:
        normalise: The divisor m: "none", 1; "tokens", the number of tokens of the ending; "lengths", the batch's
            `lengths` [questions, endings], such as numbers of bytes. Default "none".
        head: As for `causal_lm`.
        chunk: As for `causal_lm`.
        kernel: As for `causal_lm`.

    Returns:
        An objective for batches that `multiple_choice` makes, with "loss" and "accuracy": for every question [n] a
        number, and whether the answer is right. `Landscape.binomial_error` gives the standard error of the accuracy.

    Raises:
        ImportError: When a kernel is asked for and its package is not installed.
        TypeError: When `head` is not a name.
        ValueError: When an option has an unknown value.

    Example:
        >>> import torch, fastscape
        >>> from fastscape.objectives import choice_accuracy, multiple_choice
        >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9))
        >>> data = multiple_choice([[1, 2, 3], [4, 5]], [[[6], [7, 8]], [[1], [2]]], answers=[0, 1])
        >>> landscape = fastscape.surface(model, data, objective=choice_accuracy(head="1"), x=(-1, 1, 3), y=(-1, 1, 3))
        >>> sorted(landscape.values), landscape.binomial_error("accuracy").shape
        (['accuracy', 'loss'], (3, 3))

    Source: Brown et al. 2020, arXiv 2005.14165, section 2.4.
    """
    if normalise not in get_args(Normalise):
        raise ValueError(f"normalise must be one of {', '.join(get_args(Normalise))}, got {normalise!r:.80}")
    check_head(head)
    return ChoiceAccuracy(normalise, head, Reader(chunk, kernel))


def multiple_choice(
    contexts: Sequence[Sequence[int]],
    endings: Sequence[Sequence[Sequence[int]]],
    answers: Sequence[int],
    *,
    lengths: Sequence[Sequence[float]] | None = None,
    pad: int = 0,
) -> dict[str, Tensor]:
    """Makes one batch of questions with endings to choose from, for `choice_accuracy`.

    Args:
        contexts: The tokens of every context, at least one token each.
        endings: For each context the tokens of every ending, at least one token each. The number of endings may differ
            between contexts.
        answers: The index of the right ending of each context.
        lengths: The divisor of every ending for `normalise="lengths"`. Default: none.
        pad: The token that fills up shorter texts. Default 0.

    Returns:
        `input_ids`, `attention_mask` and `ending_mask` [questions, endings, tokens], `answer` [questions], and
        `lengths` [questions, endings] if they are given.

    Raises:
        TypeError: When text was given instead of its tokens, or an answer is not a number.
        ValueError: When the numbers of contexts, endings, answers or lengths do not match, or a context or an ending
            has no token.

    Example:
        >>> from fastscape.objectives import multiple_choice
        >>> multiple_choice([[1, 2]], [[[3], [4, 5]]], [1])["input_ids"].tolist()
        [[[1, 2, 3, 0], [1, 2, 4, 5]]]
    """
    if not len(contexts) == len(endings) == len(answers) or not len(contexts):
        raise ValueError(
            f"each context needs one answer and some endings, got {len(contexts)} contexts, endings for "
            f"{len(endings)} and {len(answers)} answers"
        )
    for number, (context, some, answer) in enumerate(zip(contexts, endings, answers, strict=True)):
        check_tokens(f"the context of question {number}", context)
        for k, ending in enumerate(some):
            check_tokens(f"ending {k} of question {number}", ending)
        if not len(context) or not len(some) or not all(map(len, some)):
            raise ValueError(f"question {number} has a context or an ending without tokens; give at least one to each")
        if not is_whole(answer):
            raise TypeError(
                f"the answer of question {number} must be the number of the right ending, counted from 0, got "
                f"{answer!r:.80}"
            )
        if not 0 <= answer < len(some):
            raise ValueError(f"answer {answer} of question {number} is none of its {len(some)} endings, from 0 on")
    most = max(map(len, endings))
    texts = [[*c, *e] for c, some in zip(contexts, endings, strict=True) for e in (*some, *[[]] * (most - len(some)))]
    ends = [
        [0] * len(c) + [1] * len(e)
        for c, some in zip(contexts, endings, strict=True)
        for e in (*some, *[[]] * (most - len(some)))
    ]
    shape = len(contexts), most, -1
    found = {
        "input_ids": padded(texts, pad).view(shape),
        "attention_mask": padded([[1] * len(text) for text in texts], 0).view(shape),
        "ending_mask": padded(ends, 0).view(shape),
        "answer": torch.tensor(list(answers), device="cpu"),
    }
    if lengths is not None:
        if [len(row) for row in lengths] != [len(some) for some in endings]:
            raise ValueError(
                "lengths must have one number for each ending, got others than the endings; count them again"
            )
        rows = [[*map(float, row), *[1.0] * (most - len(row))] for row in lengths]
        found["lengths"] = torch.tensor(rows, dtype=torch.float64, device="cpu")
    return found
