"""Checks that the settings, axes and directions of a run match an existing store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.model import public_name
from fastscape.runs.options import RECORDED, USUAL
from fastscape.runs.store.arrays import array_written, described, opened, parts_of, whole_array
from fastscape.runs.store.contents import StoreAsked
from fastscape.runs.store.errors import reading
from fastscape.runs.store.header import digest_of
from fastscape.runs.store.reading import axis_in

__all__ = ["DECISIVE", "check_grids", "check_same", "mended"]

_CURE = "give what the store was begun with, bit for bit, to have it written anew, or give another store"

DECISIVE = (
    "loss", "metrics", "objective", "scheme", "normalize", "perturb", "moving", "directions", "distribution", "seed",
    "repeats", "stream", "order", "model", "samples", "weights_hash", "data_hash", "own_precision", *RECORDED.values(),
)  # fmt: skip
"""The entries of a report that determine the values, and that a resumed run must match."""


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses settings that differ from the settings of a store.

    Args:
        path: The store.
        before: Its settings.
        now: The settings of the run.

    Raises:
        ValueError: When they differ; the message names the differences.
    """
    before = {
        **USUAL,
        "repeats": 1,
        "own_precision": before.get("precision") is None,
        **before,
        **_named_as_now(before),
    }
    differ = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differ:
        shown = ", ".join(f"{name} {_short(before.get(name))} (now {_short(now.get(name))})" for name in differ)
        raise ValueError(
            f"{path} was begun with {shown}; call with the same model, data and settings to go on, or give another "
            "store"
        )


def check_grids(path: Path, header: Mapping[str, Any], asked: StoreAsked) -> None:
    """Refuses axes or directions that differ from a store.

    Args:
        path: The store.
        header: Its header.
        asked: The contents that the run requests.

    Raises:
        ValueError: When they differ, or when the arrays are damaged.
    """
    with reading(path):
        group = opened(path)
        stored = {name: axis_in(path, group, header, name) for name in asked.axes}
        same = asked.directions is None or _close(path, group, header, asked.directions)
    for name, axis in asked.axes.items():
        if not np.array_equal(stored[name], axis):
            raise ValueError(f"{path} has another axis {name}; give the same one, or another store")
    if not same:
        raise ValueError(f"{path} has other directions; give the same ones, or another store")


def _named_as_now(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The functions of a store, with the current names of library functions."""
    functions = {"loss": settings.get("loss"), "objective": settings.get("objective")}
    found: dict[str, Any] = {n: public_name(function) for n, function in functions.items() if function is not None}
    return {**found, "metrics": {n: public_name(function) for n, function in settings.get("metrics", {}).items()}}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _close(path: Path, group: Any, header: Mapping[str, Any], directions: np.ndarray) -> bool:
    """Whether directions [D, P] equal the stored directions, up to the rounding of a different device."""
    if described(path, group, "directions", _CURE).shape != directions.shape:
        return False
    strict = "directions" in header.get("arrays", {})  # version 0.1 wrote no file for zeros
    return all(
        np.allclose(stored, directions[part], rtol=1e-4, atol=1e-7, equal_nan=True)
        for part, stored in parts_of(path, group, "directions", cure=_CURE, strict=strict)
    )


def mended(path: Path, header: Mapping[str, Any], asked: StoreAsked) -> bool:
    """Rewrites damaged axes and directions whose digests equal the requested values bit for bit.

    Args:
        path: The store.
        header: Its header, with the digests of the written arrays.
        asked: The contents that the run requests.

    Returns:
        Whether any were damaged.
    """
    digests = header.get("arrays", {})
    hurt = [
        name
        for name, (values, _) in asked.arrays.items()
        if digests.get(name) == digest_of(values) and not _whole(path, name, digests[name])
    ]
    for name in hurt:
        array_written(path, name, *asked.arrays[name])
    return bool(hurt)


def _whole(path: Path, name: str, digest: str) -> bool:
    try:
        with reading(path):
            whole_array(path, opened(path), name, cure=_CURE, digest=digest)
    except (OSError, ValueError):
        return False
    return True
