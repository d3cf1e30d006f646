"""Threads that evaluate points side by side, each with a model of its own and a share of the processor's cores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

from fastscape.model import twin

__all__ = ["Workers"]

W = TypeVar("W")


class Workers:
    """One worker in the thread of the caller, or several in threads of their own.

    Args:
        model: A private copy of a module. Weights are swapped into the module, so threads cannot share one.
        count: How many workers.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        self.models = [model] if count == 1 else [twin(model) for _ in range(count)]
        self._threads = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        if count > 1:
            share = max(self._threads // count, 1)
            self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(share,))

    def shares(self, points: int) -> list[slice]:
        """Neighbouring points for each worker, as evenly as can be; none of them is empty."""
        cuts = [points * k // len(self.models) for k in range(len(self.models) + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(cuts) if a < b]

    def run(self, evaluate: Callable[[W, nn.Module], Tensor], work: Sequence[W]) -> Tensor:
        """What the workers make of their shares, one behind the other.

        Args:
            evaluate: What one worker does with its share and its model.
            work: A share for each worker, or for the first ones.

        Returns:
            The results, joined.
        """
        if self._pool is None:
            return evaluate(work[0], self.models[0])
        return torch.cat(list(self._pool.map(evaluate, work, self.models)))

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            torch.set_num_threads(self._threads)  # the workers have changed what threads to come start with
            self._pool = None
