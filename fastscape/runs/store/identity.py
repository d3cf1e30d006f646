"""Whether a run is the one that a store was begun with: settings, axes, directions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.model import public_name
from fastscape.runs.options import RECORDED
from fastscape.runs.store.contents import StoreAsked
from fastscape.runs.store.reading import reading

__all__ = ["DECISIVE", "check_grids", "check_same"]

DECISIVE = (
    "loss", "metrics", "objective", "scheme", "normalize", "perturb", "moving", "directions", "distribution", "seed",
    "stream", "order", "model", "samples", "weights_hash", "data_hash", "own_precision", *RECORDED.values(),
)  # fmt: skip
"""What of a report determines the values: a run is taken up again with the same."""


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses other settings than those of a store.

    Args:
        path: The store.
        before: Its settings.
        now: Those of the run.

    Raises:
        ValueError: When they differ; it names in what.
    """
    before = {"own_precision": before.get("precision") is None, **before, **_named_as_now(before)}
    differ = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differ:
        shown = ", ".join(f"{name} {_short(before.get(name))} (now {_short(now.get(name))})" for name in differ)
        raise ValueError(
            f"{path} was begun with {shown}; call with the same model, data and settings to go on, or give another "
            "store"
        )


def check_grids(path: Path, group: Any, asked: StoreAsked) -> None:
    """Refuses other axes or directions than those of a store.

    Args:
        path: The store.
        group: Its arrays.
        asked: What the run asks for.

    Raises:
        ValueError: When they differ, or when the arrays are damaged.
    """
    with reading(path):  # what it raises itself must stay outside
        stored = {name: group[name][:] for name in asked.axes}
        same = asked.directions is None or _close(group["directions"], asked.directions)
    for name, axis in asked.axes.items():
        if not np.array_equal(stored[name], axis):
            raise ValueError(f"{path} has another axis {name}; give the same one, or another store")
    if not same:
        raise ValueError(f"{path} has other directions; give the same ones, or another store")


def _named_as_now(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The functions of a store, with the present names of those of the library."""
    functions = {"loss": settings.get("loss"), "objective": settings.get("objective")}
    found: dict[str, Any] = {n: public_name(function) for n, function in functions.items() if function is not None}
    return {**found, "metrics": {n: public_name(function) for n, function in settings.get("metrics", {}).items()}}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _close(stored: Any, directions: np.ndarray) -> bool:
    """Whether directions [D, P] are the stored ones, up to what another device rounds differently."""
    if stored.shape != directions.shape:
        return False
    width = stored.chunks[1]
    return all(
        np.allclose(stored[:, a : a + width], directions[:, a : a + width], rtol=1e-4, atol=1e-7, equal_nan=True)
        for a in range(0, stored.shape[1], width)
    )
