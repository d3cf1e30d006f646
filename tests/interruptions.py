"""Exceptions that come between any two instructions of Python, as a signal or another thread raises them."""

from __future__ import annotations

import dis
import signal
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

HOUSE = Path(__file__).parent.parent / "fastscape"

# After these Python looks whether a signal has come.
_LOOKS = {"RESUME", "JUMP_BACKWARD", "SEND"}


class Place(NamedTuple):
    """Between two instructions."""

    code: CodeType
    instruction: int

    def __str__(self) -> str:
        return f"{Path(self.code.co_filename).name}: {self.code.co_qualname} {self.instruction}"


class Thrown(BaseException):
    """What another thread throws into this one."""


def _looks(code: CodeType, last: int | None, now: int) -> bool:
    """Whether Python looks for signals between two instructions, and what catches them is the same for both.

    An exception that is raised here belongs to the second one, and in earnest to the first.
    """
    name = "RESUME" if last is None else dis.opname[code.co_code[last]]
    looks = name in _LOOKS or name.startswith("CALL")
    return looks and (last is None or _caught(code, last) == _caught(code, now))


@cache
def _caught(code: CodeType, instruction: int) -> int | None:
    """Where an instruction's exceptions are caught."""
    regions = dis._parse_exception_table(code)
    return next((region.target for region in regions if region.start <= instruction < region.end), None)


def _traced(files: Iterable[str], met: Callable[[Place], None], run: Callable[[], Any]) -> None:
    """Runs something, and says whenever it is at a place of some files of the house."""
    wanted = {str(HOUSE / name) for name in files}

    def called(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in wanted:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        last: list[int | None] = [None]

        def step(frame: FrameType, event: str, _: Any) -> Any:
            if event == "opcode":
                if _looks(frame.f_code, last[0], frame.f_lasti):
                    met(Place(frame.f_code, frame.f_lasti))
                last[0] = frame.f_lasti
            return step

        return step

    before = sys.gettrace()
    sys.settrace(called)
    try:
        run()
    finally:
        sys.settrace(before)


def places(files: Iterable[str], run: Callable[[], Any]) -> list[Place]:
    """Where a run may be interrupted in some files of the house, each place once, in the order of the run."""
    found: dict[Place, None] = {}
    _traced(files, lambda place: found.setdefault(place), run)
    return list(found)


def interrupted(place: Place, how: str, run: Callable[[], Any]) -> None:
    """Runs something that is interrupted when it is at a place the first time: by a "signal", or "thrown"."""
    waiting = [place]

    def met(at: Place) -> None:
        if waiting and at == place:
            waiting.clear()
            if how == "thrown":
                raise Thrown
            signal.raise_signal(signal.SIGINT)

    try:
        _traced([str(Path(place.code.co_filename).relative_to(HOUSE))], met, run)
    except (KeyboardInterrupt, Thrown):
        return
    raise AssertionError(f"nothing has come of an interruption at {place}")
