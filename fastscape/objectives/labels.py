"""The right token at every position of a batch: given labels, or the next token of the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fastscape.objectives.token_losses import IGNORED

__all__ = ["Labelled", "doubts", "labelled", "next_tokens"]

_WANTED = (
    "give a dictionary with 'input_ids' [n, L] and perhaps 'labels' and 'attention_mask', a pair (tokens, labels), "
    "or tokens [n, L]"
)


class Labelled(NamedTuple):
    """A batch of texts.

    Args:
        args: The positional arguments of the model.
        kwargs: The keyword arguments of the model.
        labels: At each position the right next token [n, L]; `IGNORED` at positions that do not count.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    labels: Tensor


def labelled(batch: Any, *, shift: bool | None, ignored: int) -> Labelled:
    """The arguments of the model, and the labels of a batch.

    Args:
        batch: A dictionary, a pair, or tokens.
        shift: Whether the label at a position is the token at this position, and so belongs to the position before, as
            in `labels` of transformers. Default: yes in dictionaries, no in pairs.
        ignored: The label that does not count.

    Returns:
        The batch.

    Raises:
        TypeError: When it is something else.
        ValueError: When labels are not a matrix.
    """
    if isinstance(batch, tuple | list) and len(batch) == 1:
        (batch,) = batch
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    labels: Any
    if isinstance(batch, Tensor):
        args, labels, moved = (batch,), batch, True
    elif isinstance(batch, Mapping):
        kwargs = {name: part for name, part in batch.items() if name != "labels"}
        labels, moved = batch.get("labels"), shift is not False
        if labels is None:
            return Labelled(args, kwargs, _own(batch))
    elif isinstance(batch, tuple | list) and len(batch) == 2:
        inputs, labels = batch
        _check_pair(inputs, labels)
        args, kwargs = ((), dict(inputs)) if isinstance(inputs, Mapping) else ((inputs,), {})
        moved = bool(shift)
    else:
        raise TypeError(f"a batch cannot be read, got {type(batch).__name__}; {_WANTED}")
    _check(labels)
    labels = labels.long() if labels.dtype.itemsize < 8 else labels
    if ignored != IGNORED:
        labels = labels.masked_fill(labels == ignored, IGNORED)
    return Labelled(args, kwargs, next_tokens(labels) if moved else labels)


def next_tokens(tokens: Tensor) -> Tensor:
    """The token after each token, and none after the last.

    Args:
        tokens: Tokens [n, L].

    Returns:
        Tokens [n, L], `IGNORED` in the last column.
    """
    return F.pad(tokens[:, 1:], (0, 1), value=IGNORED)


def _own(batch: Mapping[str, Any]) -> Tensor:
    """The next tokens of a text: none if the token or the next is padding, or another document begins."""
    tokens: Any = batch.get("input_ids")
    if not isinstance(tokens, Tensor):
        raise TypeError(f"a batch cannot be read, got the keys {', '.join(map(str, batch))[:200]}; {_WANTED}")
    _check(tokens)
    labels = next_tokens(tokens.long())
    mask, places = _mask(batch), batch.get("position_ids")
    if mask is not None:
        there = mask.bool()
        labels = labels.masked_fill(~(there & F.pad(there[:, 1:], (0, 1))), IGNORED)
    if isinstance(places, Tensor) and places.dim() == 2:
        labels = labels.masked_fill(next_tokens(places) == 0, IGNORED)
    return labels


def _mask(batch: Mapping[str, Any]) -> Tensor | None:
    """Which tokens [n, L] are no padding, if a batch tells; masks of more dimensions are the model's own."""
    mask, tokens = batch.get("attention_mask"), batch.get("input_ids")
    if not isinstance(mask, Tensor) or not isinstance(tokens, Tensor) or mask.dim() != 2:
        return None
    if mask.shape != tokens.shape:
        raise ValueError(
            f"attention_mask must have the shape of input_ids, {list(tokens.shape)}, got {list(mask.shape)}"
        )
    return mask


def doubts(batch: Any, *, shift: bool | None, ignored: int) -> list[str]:
    """Warnings about labels of a batch that may be meant differently.

    Args:
        batch: The batch, as for `labelled`.
        shift: Whether a label belongs to the position before it; None if the user did not choose.
        ignored: The label that does not count.

    Returns:
        Warnings.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2 and shift is None:
        tokens = batch[0].get("input_ids") if isinstance(batch[0], Mapping) else batch[0]
        if isinstance(tokens, Tensor) and isinstance(batch[1], Tensor) and torch.equal(tokens, batch[1]):
            return [
                "the labels of a pair belong to their own positions, and here they are the tokens themselves, so that "
                "each token predicts itself; write shift=True, {'input_ids': ..., 'labels': ...}, or the tokens alone"
            ]
    if isinstance(batch, Mapping) and isinstance(labels := batch.get("labels"), Tensor):
        mask = _mask(batch)
        padding = 0 if mask is None or mask.shape != labels.shape else int(((labels != ignored) & (mask == 0)).sum())
        if padding:
            return [
                f"labels count at {padding} positions of a batch where attention_mask is 0; set them to {ignored}, or "
                "leave out labels, and padding does not count"
            ]
    return []


def _check_pair(inputs: Any, labels: Any) -> None:
    if isinstance(inputs, Tensor) and isinstance(labels, Tensor) and inputs.shape[:2] != labels.shape[:2]:
        raise ValueError(
            f"a pair must have one label per token, got tokens {list(inputs.shape)} and labels {list(labels.shape)}. "
            "Two batches of tokens are [{'input_ids': ...}, {'input_ids': ...}]"
        )


def _check(labels: Any) -> None:
    if not isinstance(labels, Tensor) or labels.dim() != 2 or labels.is_floating_point():
        came = f"{labels.dtype} {list(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        how = "" if isinstance(labels, Tensor) else ": write torch.tensor(...), or return_tensors='pt' for a tokenizer"
        raise ValueError(f"tokens and labels must be int64 [n, L], one row per text{how}, got {came}")
