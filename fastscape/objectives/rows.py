"""Texts of different lengths as rows of one tensor, and rows that begin at the left."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["at_the_left", "check_tokens", "followed_by", "is_whole", "padded"]


def check_tokens(name: str, tokens: object) -> None:
    """Refuses what is no text as tokens.

    Args:
        name: Of the text, for the error.
        tokens: Numbers of a list, a tensor or an array.

    Raises:
        TypeError: When it is the text itself, a single token, or holds something else than whole numbers.
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
    """Whether it is a whole number, of Python or a tensor or an array."""
    try:
        operator.index(token)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(token, bool)


def padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    """Numbers of different lengths as one tensor.

    Args:
        rows: The numbers.
        pad: What stands behind the end of shorter rows.

    Returns:
        The rows [n, longest], int64, on the CPU.
    """
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], dtype=torch.int64, device="cpu")


def at_the_left(tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Texts that begin at the left, wherever their padding was.

    Args:
        tokens: Of the texts [n, L].
        mask: 1 where there is a token, else 0 [n, L]; None where all are.

    Returns:
        Tokens [n, L], with those of the padding behind them, and numbers of tokens [n].
    """
    tokens = tokens.long()
    if mask is None:
        return tokens, torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
    order = (~mask.bool()).byte().argsort(dim=1, stable=True)
    return tokens.gather(1, order), mask.bool().sum(1)


def followed_by(tokens: Tensor, lengths: Tensor, more: Tensor, *, pad: int = 0) -> Tensor:
    """Texts with further tokens right behind their ends.

    Args:
        tokens: Of texts that begin at the left [n, L].
        lengths: Numbers of tokens [n].
        more: Further tokens [n, M].
        pad: What new columns hold elsewhere. Default 0.

    Returns:
        Tokens [n, L + M].
    """
    places = lengths[:, None] + torch.arange(more.shape[1], device=tokens.device)
    return F.pad(tokens, (0, more.shape[1]), value=pad).scatter(1, places, more)
