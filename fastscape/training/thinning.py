"""Chooses which steps of a training are recorded: every `every`-th step, and at most `most` records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Thinning", "thinned"]

T = TypeVar("T")


class Thinning:
    """Says when the next record is due.

    When there would be more than `most` records, every second record is dropped, and `every` doubles. So the records
    of a training of any length are evenly spaced, and the first and the last record stay.

    Args:
        every: Number of steps from one record to the next.
        most: Largest number of records. Default: no limit.
    """

    def __init__(self, every: int, most: int | None = None) -> None:
        self.every, self.most = every, most
        self._count = 0
        self._next: int | None = None  # the step from which a record is due; None: at the next step

    def take_up(self, every: int, steps: Sequence[int]) -> None:
        """Continues after existing records.

        Args:
            every: Steps from one record to the next when the last of them was written.
            steps: The steps of the records.
        """
        if self.most is not None:
            self.every = max(self.every, every)
        self._count, self._next = len(steps), None
        if steps:
            self._wait_from(steps[-1])

    def go_back(self, left: int) -> None:
        """The training has gone back to a state that is due.

        Args:
            left: Number of records before it.
        """
        self._count, self._next = left, None

    def due(self, step: int) -> bool:
        """Whether a record is due.

        Args:
            step: The step of the training.

        Returns:
            Whether it is due.
        """
        return self._next is None or step >= self._next

    def passed(self, step: int) -> None:
        """Notes that a step was due and is not recorded.

        Args:
            step: The step of the training.
        """
        self._next = step + self.every

    def taken(self, step: int) -> bool:
        """Notes a record.

        Args:
            step: The step of the training.

        Returns:
            Whether to call `thinned` now.
        """
        self._count += 1
        thins = self.most is not None and self._count > self.most
        if thins:
            self._count = len(thinned(range(self._count)))
            self.every *= 2
        self._wait_from(step)
        return thins

    def _wait_from(self, step: int) -> None:
        self._next = step + self.every
        if self.most is not None and self.most % 2 and self._count == self.most:
            self._next += self.every  # the place of the next record among the records that thinning keeps


def thinned(rows: Sequence[T]) -> list[T]:
    """Every second row, with the first and the last.

    Args:
        rows: The rows in order.

    Returns:
        The rows that stay.
    """
    last = rows[-1:] if len(rows) % 2 == 0 else rows[:0]
    return [*rows[::2], *last]
