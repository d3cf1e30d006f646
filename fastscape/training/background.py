"""Writes on a thread while the training continues."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Background"]


class Background:
    """Does one job after the other on its own thread. When the interpreter exits, the current job is finished.

    Args:
        threaded: Whether to use a thread; else jobs are done at once.
    """

    def __init__(self, threaded: bool) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fastscape-recorder") if threaded else None
        self._doing: Future[None] | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Does a job. The job before must be settled.

        Args:
            job: The job.
        """
        if self._pool is None:
            job()
        else:
            self._doing = self._pool.submit(job)

    def failed(self) -> bool:
        """Whether the last job has ended with an error."""
        doing = self._doing
        return doing is not None and doing.done() and doing.exception() is not None

    def settle(self) -> None:
        """Waits until all jobs are done, and raises the error of a failed job."""
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.result()

    def close(self) -> None:
        """Ends the thread when all jobs are done, and raises the error of a failed job."""
        if self._pool is not None:
            self._pool.shutdown()
        self.settle()
