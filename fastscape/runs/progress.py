"""What a terminal shows of a run: a sentence while it prepares, and a bar with an end and words while it evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from tqdm import tqdm

from fastscape.runs.schedules import Schedule

__all__ = ["Bar", "Say", "quiet", "said_before"]

Say: TypeAlias = Callable[[str], Any]

_Part = TypeVar("_Part")


def quiet(said: str) -> None:
    """Shows nothing.

    Args:
        said: What would be shown.
    """


@contextmanager
def said_before(title: str, shown: bool) -> Iterator[Say]:
    """Shows what a run does before it evaluates points, in one line that vanishes at the end.

    Args:
        title: What is computed.
        shown: Whether to show it; it is quiet when standard error is no terminal.

    Yields:
        A function of what the run does now; of nothing, when something else will be written there.
    """
    with tqdm(bar_format="{desc}", leave=False, disable=None if shown else True) as line:

        def say(said: str) -> None:
            line.set_description_str(f"{title}: {said}", refresh=bool(said))
            if not said:
                line.clear()

        yield say


class Bar:
    """The bar of a schedule, with its words. Its end is that of what is known to be evaluated so far.

    Args:
        schedule: Whose points are counted.
        title: What is computed.
        shown: Whether to show it; it is quiet when standard error is no terminal.
    """

    def __init__(self, schedule: Schedule, title: str, *, shown: bool) -> None:
        self._schedule, self._title = schedule, ", ".join(filter(None, [title, schedule.title]))
        # disable=None keeps the bar away from log files and pipes.
        count = {"total": schedule.total, "initial": schedule.counted, "unit": "pt"}
        self._bar: tqdm[Any] = tqdm(**count, desc=self._said, disable=None if shown else True)

    @property
    def _said(self) -> str:
        return ", ".join(filter(None, [self._title, self._schedule.said]))

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.now("")
        self._bar.close()

    def advance(self, points: int) -> None:
        """Counts points that were evaluated.

        Args:
            points: How many.
        """
        self.follow()
        self._bar.update(points)

    def follow(self) -> None:
        """Takes words and end from the schedule."""
        self._bar.total = self._schedule.total
        self._bar.set_description(self._said, refresh=False)

    def now(self, said: str) -> None:
        """Shows what is done besides evaluating.

        Args:
            said: What; nothing when points are evaluated.
        """
        if not self._bar.disable:
            self.follow()
            self._bar.set_postfix_str(said)

    def reading(self, parts: Iterable[_Part]) -> Iterator[_Part]:
        """Parts of the data, with what is shown while the next one is read.

        Args:
            parts: The parts, of which the first one was read before.

        Yields:
            The parts.
        """
        said = "" if self._schedule.keeps_blocks else "reading data"  # else there is one part
        for part in parts:
            self.now("")
            yield part
            self.now(said)
