"""The growing arrays of a store: sums, their order, and sums over parts of the data.

Their files have checksums, and zarr describes each array in one more file. The header has the digest of this file,
and the size of a block, so a damaged description can be written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.runs.store.arrays import array_made, description_of, ill_described
from fastscape.runs.store.contents import StoreAsked

__all__ = ["described_anew", "sums_made"]


def sums_made(path: Path, asked: StoreAsked, size: int) -> dict[str, Any]:
    """Makes the arrays, without values.

    Args:
        path: The store.
        asked: The contents that the run requests.
        size: Points of a block.

    Returns:
        Their entries in the header.
    """
    for name in _names(asked):
        _made(path, name, asked, size)
    return {"block": size, "described": {name: description_of(path, name) for name in _names(asked)}}


def described_anew(path: Path, header: Mapping[str, Any], asked: StoreAsked) -> dict[str, Any]:
    """Rewrites the missing or damaged descriptions of arrays; their values stay.

    Args:
        path: The store.
        header: Its header.
        asked: The contents that the run requests.

    Returns:
        The new entries for the header; empty if all descriptions are intact.
    """
    damaged = ill_described(path, header)
    for name in damaged:
        (path / name / "zarr.json").unlink(missing_ok=True)
        _made(path, name, asked, int(header["block"]), overwrite=False)
    return (
        {"described": {**header["described"], **{name: description_of(path, name) for name in damaged}}}
        if damaged
        else {}
    )


def _names(asked: StoreAsked) -> list[str]:
    parts = ["sums_0", "sums_1"] if asked.settings["stream"] is not None else []
    return ["sums", *parts, *([] if asked.ordered else ["order"])]


def _made(path: Path, name: str, asked: StoreAsked, size: int, *, overwrite: bool = True) -> None:
    rows, measures = asked.rows(size)
    if name == "order":
        options: dict[str, Any] = {"dtype": "int64", "fill_value": -1, "dimension_names": ("point",)}
        array_made(path, name, (rows,), (size,), overwrite=overwrite, **options)
    else:
        options = {"dtype": "float64", "fill_value": np.nan, "dimension_names": ("point", "measure")}
        array_made(path, name, (rows, measures), (size, measures), overwrite=overwrite, **options)
