"""How a kernel is judged: memory that is poisoned before, guards around what it writes, and what rounding allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.setting import Setting, poisoned

__all__ = ["Worst", "fresh", "guarded", "stored", "sums_of", "unit"]

GUARD = -7.0


class Worst:
    """The largest error of many cases, as a multiple of what is allowed."""

    def __init__(self) -> None:
        self.cases, self.share, self.case = 0, 0.0, ""

    def take(self, made: Tensor, truth: Tensor, allowed: Tensor, case: str) -> None:
        """Judges one result, entry by entry."""
        self.cases += 1
        error = (made.double() - truth.to(made.device)).abs()
        share = torch.where(error == 0, 0.0, error / allowed.to(made.device)).nan_to_num(
            nan=float("inf"), posinf=float("inf")
        )
        largest = float(share.max()) if share.numel() else 0.0
        if largest > self.share or not self.case:
            self.share, self.case = largest, case

    def broken(self, case: str) -> None:
        """Notes that memory beside an output was written to."""
        self.share, self.case = float("inf"), f"{case}: memory beside the output was written to"

    def found(self) -> dict[str, Any]:
        """Plain values."""
        return {"cases": self.cases, "error": self.share, "case": self.case, "wrong": not self.share <= 1}


@contextmanager
def fresh(setting: Setting, poison: float) -> Iterator[None]:
    """Memory that is asked for holds NaN, or garbage."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    poisoned(setting, poison)
    # Under this switch torch fills what it allocates with NaN.
    torch.use_deterministic_algorithms(poison != poison, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def guarded(
    setting: Setting, worst: Worst, poison: float, shape: tuple[int, int], dtype: torch.dtype, case: str
) -> tuple[Tensor, Callable[[], None]]:
    """An output between guards, full of poison, and what looks at the guards afterwards."""
    points, size = shape
    memory = torch.full((points + 2, size + 5), GUARD, dtype=dtype, device=setting.device)
    out = memory[1 : points + 1, 2 : size + 2]
    out.fill_(poison)

    def look() -> None:
        beside = torch.ones_like(memory, dtype=torch.bool)
        beside[1 : points + 1, 2 : size + 2] = False
        if not bool((memory[beside] == GUARD).all()):
            worst.broken(case)

    return out, look


def sums_of(dtype: torch.dtype) -> torch.dtype:
    """The dtype of sums over a basis of this dtype."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def unit(dtype: torch.dtype) -> float:
    """The unit roundoff of sums over a basis of this dtype."""
    return torch.finfo(sums_of(dtype)).eps / 2


def stored(truth: Tensor, dtype: torch.dtype) -> Tensor:
    """What storing in a dtype may change."""
    info = torch.finfo(dtype)
    return truth.abs() * info.eps / 2 + info.smallest_normal * info.eps
