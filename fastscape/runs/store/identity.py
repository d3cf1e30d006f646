"""Whether a run is the one that a store was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.model import public_name

__all__ = ["check_same", "close"]


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses other settings than those of a store.

    Args:
        path: The store.
        before: Its settings.
        now: Those of the run.

    Raises:
        ValueError: When they differ; it names in what.
    """
    names = before.get("metrics", {}).items()
    before = {**before, "metrics": {name: public_name(function) for name, function in names}}
    differ = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differ:
        shown = ", ".join(f"{name} {_short(before.get(name))} (now {_short(now.get(name))})" for name in differ)
        raise ValueError(
            f"{path} was begun with {shown}; call with the same model, data and settings to go on, or give another "
            "store"
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def close(stored: Any, directions: np.ndarray) -> bool:
    """Whether directions are the stored ones, up to what another device rounds differently.

    Args:
        stored: The array of a store [D, P].
        directions: Those of the run [D, P].

    Returns:
        Whether they are.
    """
    if stored.shape != directions.shape:
        return False
    width = stored.chunks[1]
    return all(
        np.allclose(stored[:, a : a + width], directions[:, a : a + width], rtol=1e-4, atol=1e-7, equal_nan=True)
        for a in range(0, stored.shape[1], width)
    )
