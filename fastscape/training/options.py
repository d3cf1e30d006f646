"""The options of a recorder as the callbacks take them."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["RecorderOptions"]


class RecorderOptions(TypedDict, total=False):
    """The options of `fastscape.Recorder` besides its folder; its docstring explains them."""

    every: int
    dtype: str | None
    distance: float | None
    most: int | None
    background: bool
