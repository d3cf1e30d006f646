"""The options of a recorder as the callbacks take them."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["RecorderOptions"]


class RecorderOptions(TypedDict, total=False):
    """What `fastscape.Recorder` takes besides its folder, and says the meaning of."""

    every: int
    dtype: str | None
    distance: float | None
    most: int | None
    background: bool
