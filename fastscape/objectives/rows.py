"""Texts of different lengths as rows of one tensor, and rows that begin at the left."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["at_the_left", "followed_by", "padded"]


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
