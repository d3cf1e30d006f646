"""Threads that evaluate points side by side, each with a share of the processor's cores."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from fastscape.model import at_rest

__all__ = ["Workers"]


class Workers:
    """One worker in the thread of the caller, or several workers, each in a new thread.

    Args:
        count: How many workers.
    """

    def __init__(self, count: int) -> None:
        self._count, threads = count, torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        if count > 1:
            # Workers change the thread count of later threads; it is restored even if nobody closes the workers.
            self._put_back = weakref.finalize(self, torch.set_num_threads, threads)
            share = max(threads // count, 1)
            self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(share,))

    def shares(self, points: int) -> list[slice]:
        """Neighbouring points for each worker, as even as possible; no share is empty."""
        cuts = [points * k // self._count for k in range(self._count + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(cuts) if a < b]

    def run(self, work: Sequence[Callable[[], Tensor]]) -> Tensor:
        """Runs the shares of the workers and joins their results.

        Args:
            work: The share of each worker; with fewer shares, only the first workers run.

        Returns:
            The results, joined.
        """
        if self._pool is None:
            return work[0]()
        at_rest()  # for signals, which do not reach the workers
        return torch.cat([running.result() for running in [self._pool.submit(share) for share in work]])

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._put_back()
            self._pool = None
