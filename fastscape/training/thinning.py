"""Which steps of a training are recorded: every so many, and not more than so many in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Thinning", "thinned"]

T = TypeVar("T")


class Thinning:
    """When the next record is due.

    One record more than `most` makes the recording coarser: every second record is dropped, and `every` doubles. So
    the records of a training of any length are evenly spread, and the first and the last one stay.

    Args:
        every: Steps from one record to the next.
        most: How many records there are at most. Default: any number.
    """

    def __init__(self, every: int, most: int | None = None) -> None:
        self.every, self.most = every, most
        self._count = 0
        self._next: int | None = None  # the step from which on a record is due; None: the next one, whichever it is

    def take_up(self, every: int, steps: Sequence[int]) -> None:
        """Goes on after records that are there.

        Args:
            every: Steps from one record to the next when the last of them was written.
            steps: Of the records.
        """
        if self.most is not None:
            self.every = max(self.every, every)
        self._count, self._next = len(steps), None
        if steps:
            self._wait_from(steps[-1])

    def go_back(self, left: int) -> None:
        """The training has gone back, to a state that is due.

        Args:
            left: How many records are before it.
        """
        self._count, self._next = left, None

    def due(self, step: int) -> bool:
        """Whether a record is due.

        Args:
            step: Of the training.

        Returns:
            Whether it is.
        """
        return self._next is None or step >= self._next

    def passed(self, step: int) -> None:
        """Notes that a step was due, and is not recorded.

        Args:
            step: Of the training.
        """
        self._next = step + self.every

    def taken(self, step: int) -> bool:
        """Notes a record.

        Args:
            step: Of the training.

        Returns:
            Whether the records are to be `thinned` now.
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
            self._next += self.every  # the place of the next record among those that thinning leaves


def thinned(rows: Sequence[T]) -> list[T]:
    """Every second one, the first and the last among them.

    Args:
        rows: One after the other.

    Returns:
        Those that stay.
    """
    last = rows[-1:] if len(rows) % 2 == 0 else rows[:0]
    return [*rows[::2], *last]
