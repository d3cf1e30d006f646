"""Writing on a thread, while the training goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Background"]


class Background:
    """Does one thing after the other, on a thread of its own. When the interpreter ends, it finishes what it has.

    Args:
        threaded: Whether there is a thread; else things are done at once.
    """

    def __init__(self, threaded: bool) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fastscape-recorder") if threaded else None
        self._doing: Future[None] | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Does something. What it did before must be settled.

        Args:
            job: What is done.
        """
        if self._pool is None:
            job()
        else:
            self._doing = self._pool.submit(job)

    def failed(self) -> bool:
        """Whether what it did last is over, with an error."""
        doing = self._doing
        return doing is not None and doing.done() and doing.exception() is not None

    def settle(self) -> None:
        """Waits until all is done, and raises the error of what has failed."""
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.result()

    def close(self) -> None:
        """Ends the thread, once all is done, and raises the error of what has failed."""
        if self._pool is not None:
            self._pool.shutdown()
        self.settle()
