"""Texts of different lengths as rows of one tensor, and rows that begin at the left."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["at_the_left", "check_tokens", "followed_by", "is_whole", "padded"]


def check_tokens(name: str, tokens: object) -> None:
    """Refuses a value that is not a text as tokens.

    Args:
        name: Name of the text in the error.
        tokens: A list, a tensor or an array of numbers.

    Raises:
        TypeError: When it is the text itself, a single token, or holds anything but whole numbers.
    """
    if isinstance(tokens, str):
        raise TypeError(
            f"{name} must be tokens, got text, {tokens!r:.80}: write tokenizer.encode(text), with "
            "add_special_tokens=False for a text that continues a prompt"
        )
    each = list(tokens) if isinstance(tokens, Iterable) and not is_whole(tokens) else None
    odd = [tokens] if each is None else [token for token in each if not is_whole(token)]
    if odd:
        holds = "got" if each is None else "but holds"
        raise TypeError(f"{name} must be a list of tokens, whole numbers, {holds} {odd[0]!r:.80}")


def is_whole(token: object) -> bool:
    """Whether it is a whole number, from Python, a tensor or an array."""
    try:
        operator.index(token)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(token, bool)


def padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    """Numbers of different lengths as one tensor.

    Args:
        rows: The numbers.
        pad: The number that fills up shorter rows.

    Returns:
        The rows [n, longest], int64, on the CPU.
    """
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], dtype=torch.int64, device="cpu")


def at_the_left(tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Texts moved to the left, from any position of their padding.

    Args:
        tokens: Tokens of the texts [n, L].
        mask: 1 at tokens, else 0 [n, L]; None if there is no padding.

    Returns:
        Tokens [n, L], followed by the padding, and numbers of tokens [n].
    """
    tokens = tokens.long()
    if mask is None:
        return tokens, torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
    order = (~mask.bool()).byte().argsort(dim=1, stable=True)
    return tokens.gather(1, order), mask.bool().sum(1)


def followed_by(tokens: Tensor, lengths: Tensor, more: Tensor, *, pad: int = 0) -> Tensor:
    """Texts with further tokens directly after their ends.

    Args:
        tokens: Tokens of texts that begin at the left [n, L].
        lengths: Numbers of tokens [n].
        more: Further tokens [n, M].
        pad: The token in the rest of the new columns. Default 0.

    Returns:
        Tokens [n, L + M].
    """
    places = lengths[:, None] + torch.arange(more.shape[1], device=tokens.device)
    return F.pad(tokens, (0, more.shape[1]), value=pad).scatter(1, places, more)
