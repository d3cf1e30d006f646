"""Whether a model generates the right answer if it takes the most likely token at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fastscape.model import Call, name_of
from fastscape.objectives.head_product import inside_a_transform
from fastscape.objectives.model_calls import check_head, logits_of_tokens
from fastscape.objectives.rows import at_the_left, check_tokens, followed_by, is_whole, padded
from fastscape.objectives.token_losses import IGNORED, Reader

__all__ = ["ExactMatch", "Match", "exact_match", "questions"]

Match: TypeAlias = Callable[[list[int], list[int]], bool]

_KEYS = frozenset(("input_ids", "attention_mask", "answer"))
_WANTED = "give a dictionary as fastscape.objectives.questions(prompts, answers) makes it"


@dataclass(frozen=True)
class ExactMatch:
    """The objective that `exact_match` makes.

    Args:
        most: Most tokens that are generated; None for as many as the answer has.
        stops: Tokens that end a text.
        match: Decides whether a generated text is right; None if it must equal the answer.
        head: Name of the head.
        reader: Reads the logits.
    """

    most: int | None = None
    stops: tuple[int, ...] = ()
    match: Match | None = None
    head: str | None = None
    reader: Reader = field(default_factory=lambda: Reader(kernel="torch"))

    differentiates_inputs = False
    measures = ("loss", "accuracy")

    def __repr__(self) -> str:
        said = f"max_new_tokens={self.most!r}, stop={self.stops!r}"
        said += "" if self.match is None else f", match={name_of(self.match)}"
        return f"fastscape.objectives.exact_match({said}, head={self.head!r}, chunk={self.reader.chunk!r})"

    def takes(self, batch: Any) -> bool:
        """Whether a batch has prompts with answers."""
        return isinstance(batch, Mapping) and {"input_ids", "answer"} <= batch.keys() and "ending_mask" not in batch

    def __call__(self, call: Call, batch: Any) -> dict[str, Tensor]:
        """For each prompt [n], minus the log-likelihood of its answer, and whether the generated text is right."""
        if not self.takes(batch):
            came = ", ".join(map(str, batch))[:200] if isinstance(batch, Mapping) else type(batch).__name__
            raise TypeError(f"a batch cannot be read, got {came}; {_WANTED}")
        answer = batch["answer"].long()
        ended = _among(answer, self.stops).cumsum(1) > 0  # an answer ends before the token that stops a text
        answer = answer.masked_fill(ended, IGNORED)
        tokens, lengths = at_the_left(batch["input_ids"], batch.get("attention_mask"))
        others = {name: part for name, part in batch.items() if name not in _KEYS}
        asked = _Asked(call, tokens, lengths, others, self)
        loss, right = asked.along(answer)
        if self.match is not None:
            right = self._matches(asked, answer)
        return {"loss": loss, "accuracy": right}

    def _matches(self, asked: _Asked, answer: Tensor) -> Tensor:
        assert self.match is not None
        assert self.most is not None
        texts = _texts(asked.generated(self.most), self.stops)
        pairs = zip(texts, _texts(answer, ()), strict=True)
        return torch.tensor([bool(self.match(text, right)) for text, right in pairs], device=answer.device)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Prompts that begin at the left, and the model that continues them.

    Args:
        call: Runs the model.
        tokens: Tokens of the prompts [n, L].
        lengths: Numbers of tokens [n].
        others: Further arguments of the model.
        how: The objective.
    """

    call: Call
    tokens: Tensor
    lengths: Tensor
    others: Mapping[str, Any]
    how: ExactMatch

    def along(self, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Minus the log-likelihoods of the answers [n], and whether the model would generate the answers [n].

        The model generates the answer if and only if each answer token is the most likely after the prompt and the
        answer tokens before it. So one call of the model is enough, and nothing is generated.

        Args:
            answer: Tokens of the answers [n, A], `IGNORED` after their ends.

        Returns:
            Both.
        """
        how, there = self.how, answer != IGNORED
        sizes = there.sum(1)
        tokens = followed_by(self.tokens, self.lengths, answer.clamp(min=0))
        # The position before a token gives the token's likelihood.
        labels = followed_by(torch.full_like(self.tokens, IGNORED), self.lengths - 1, answer, pad=IGNORED)
        logits = logits_of_tokens(self.call, tokens, self._mask(tokens, sizes), self.others, how.head)
        read = how.reader.read(logits.values, labels, logits.head, right=True)
        assert read.right is not None
        right = (read.right | (labels == IGNORED)).all(1)
        if how.stops:
            ends = self._likeliest(logits.values, self.lengths + sizes - 1)
            stopped = _among(ends, how.stops)
            right = right & (stopped if how.most is None else stopped | (sizes == how.most))
        if how.most is not None:
            right = right & (sizes <= how.most)
        return read.losses.double().sum(1), right

    def generated(self, count: int) -> Tensor:
        """The most likely tokens, one after another: each needs a call of the model with all tokens before it.

        No cache is kept, so that no grid point sees the cache of another.

        Args:
            count: Most tokens to generate.

        Returns:
            Tokens [n, count or less]. After a token that stops a text the content is arbitrary.
        """
        made = self.tokens.new_zeros((len(self.tokens), 0))
        for step in range(count):
            tokens = followed_by(self.tokens, self.lengths, made)
            sizes = torch.full_like(self.lengths, step)
            logits = logits_of_tokens(self.call, tokens, self._mask(tokens, sizes), self.others, self.how.head)
            ends = self._likeliest(logits.values, self.lengths + step - 1)
            made = torch.cat([made, ends[:, None]], dim=1)
            if not inside_a_transform(made) and bool(_among(made, self.how.stops).any(1).all()):
                break
        return made

    def _mask(self, tokens: Tensor, sizes: Tensor) -> Tensor:
        """The mask of the texts: the tokens of the prompt and the further tokens."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return (places < (self.lengths + sizes)[:, None]).long()

    def _likeliest(self, logits: Any, places: Tensor) -> Tensor:
        """The tokens [n] with the largest logits at one place of each text [n]."""
        length = logits.shape[1]
        numbers = torch.arange(len(places), device=places.device) * length + places
        return torch.cat([part.argmax(dim=-1) for _, part in self.how.reader.chunks(logits, numbers)])


def _among(tokens: Tensor, some: Sequence[int]) -> Tensor:
    """Whether tokens are among some tokens; compared one by one, because a GPU records no copy of a list."""
    found = torch.zeros_like(tokens, dtype=torch.bool)
    for token in some:
        found = found | (tokens == token)
    return found


def _texts(tokens: Tensor, stops: Sequence[int]) -> list[list[int]]:
    """The tokens of every text [n, M] before the first token that stops it, or that is no token."""
    found = []
    for row in tokens.tolist():
        end = next((place for place, token in enumerate(row) if token in stops or token == IGNORED), len(row))
        found.append(row[:end])
    return found


def exact_match(
    *,
    max_new_tokens: int | None = None,
    stop: int | Sequence[int] = (),
    match: Match | None = None,
    head: str | None = None,
    chunk: int | None = None,
) -> ExactMatch:
    """How often greedy generation gives exactly the right answer: `objective=exact_match()`.

        y_1 = argmax_v p(v | prompt),  y_2 = argmax_v p(v | prompt, y_1),  ...
        accuracy = share of prompts whose y_1, y_2, ... are the answer
        loss = mean over prompts of -log p(answer | prompt)

    A text ends before the first token of `stop`, or after `max_new_tokens`. It equals the answer if and only if every
    token of the answer is the most likely after the prompt and the answer's tokens before it. So one call of the model
    covers all tokens, and nothing is generated, unless a function `match` needs the text. The model is then called for
    every token with all tokens before it, without a cache.

    Args:
        max_new_tokens: Most tokens of a text. Default: as many as the answer has, and one token of `stop`.
        stop: Token, or tokens, that end a text. Default: none, so a text that begins with the answer is right.
        match: `f(text, answer)` of two lists of tokens, which returns whether the text is right, for example because
            it contains the right number. It needs `max_new_tokens`. Default: the text must equal the answer.
        head: As for `causal_lm`.
        chunk: As for `causal_lm`.

    Returns:
        An objective for batches that `questions` makes, with "loss" and "accuracy": for every prompt [n] a number, and
        whether the answer is right. `Landscape.binomial_error` gives the standard error of the accuracy.

    Raises:
        TypeError: When `match` is not a function, `stop` not tokens, or `head` not a name.
        ValueError: When `max_new_tokens` is not a number of tokens, or is missing with `match`.

    Example:
        >>> import torch, fastscape
        >>> from fastscape.objectives import exact_match, questions
        >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9))
        >>> data = questions([[1, 2, 3], [4, 5]], [[6], [7, 8]])
        >>> landscape = fastscape.surface(model, data, objective=exact_match(head="1"), x=(-1, 1, 3), y=(-1, 1, 3))
        >>> sorted(landscape.values)
        ['accuracy', 'loss']
    """
    stops = _stops(stop)
    check_head(head)
    whole = isinstance(max_new_tokens, int) and not isinstance(max_new_tokens, bool)
    if max_new_tokens is not None and not (whole and max_new_tokens >= 1):
        raise ValueError(f"max_new_tokens must be a number, got {max_new_tokens!r:.80}; for example 32")
    if match is not None and not callable(match):
        raise TypeError(f"match must be a function f(text, answer) of two lists of tokens, got {match!r:.80}")
    if match is not None and max_new_tokens is None:
        raise ValueError("match sees texts, whose length nobody says; write max_new_tokens=32, for example")
    return ExactMatch(max_new_tokens, stops, match, head, Reader(chunk, "torch"))


def _stops(stop: Any) -> tuple[int, ...]:
    """The tokens that end a text."""
    several = isinstance(stop, Iterable) and not isinstance(stop, str) and not is_whole(stop)
    found = tuple(stop) if several else (stop,)
    if not all(map(is_whole, found)):
        raise TypeError(
            f"stop must be one token or several, as whole numbers, got {stop!r:.80}: give tokenizer.eos_token_id, or "
            "what tokenizer.encode(text, add_special_tokens=False) gives for a text; () for none"
        )
    return tuple(map(int, found))


def questions(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], *, pad: int = 0
) -> dict[str, Tensor]:
    """Makes one batch of prompts with answers, for `exact_match`.

    Args:
        prompts: The tokens of every prompt, at least one token each.
        answers: The tokens of every answer, at least one token each. A token of `stop` ends an answer too.
        pad: The token that fills up shorter prompts. Default 0.

    Returns:
        `input_ids` and `attention_mask` [n, L], and `answer` [n, A], filled up with -100. You may also pass prompts
        that are padded on the left, in the same form.

    Raises:
        TypeError: When text was given instead of its tokens.
        ValueError: When the numbers of prompts and answers differ, or one of them has no token.

    Example:
        >>> from fastscape.objectives import questions
        >>> questions([[1, 2], [3]], [[4], [5, 6]])["answer"].tolist()
        [[4, -100], [5, 6]]
    """
    if len(prompts) != len(answers) or not len(prompts):
        raise ValueError(f"each prompt needs one answer, got {len(prompts)} prompts and {len(answers)} answers")
    for k, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        check_tokens(f"prompt {k}", prompt)
        check_tokens(f"answer {k}", answer)
    if not all(map(len, (*prompts, *answers))):
        raise ValueError("a prompt or an answer has no tokens; give at least one to each")
    return {
        "input_ids": padded(prompts, pad),
        "attention_mask": padded([[1] * len(prompt) for prompt in prompts], 0),
        "answer": padded(answers, IGNORED),
    }
