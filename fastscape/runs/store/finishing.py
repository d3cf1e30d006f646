"""Writing a finished landscape, so that whoever reads finds the one before or this one, whole.

The grids lie where xarray looks for them, in the folder itself. Where a finished landscape lies there already, the new
one is first written beside it; the header then names that place, the grids before are replaced, and the header names
the folder itself again. Each of these steps is one rename of the header.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results import Values
from fastscape.runs.store.arrays import array_written, opened
from fastscape.runs.store.errors import reading
from fastscape.runs.store.folder import BESIDE, grid_name
from fastscape.runs.store.header import digest_of, write_header
from fastscape.runs.store.reading import finished_grid

__all__ = ["finish", "sweep_beside"]


def finish(path: Path, header: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Writes a landscape into a store, once all points are known.

    Args:
        path: The store.
        header: Its header.
        values: The landscape.

    Returns:
        The header that is written.
    """
    # The mask is written also where it is all true: a call before, with a larger tolerance, may have left another one.
    grids = {**values.measures, "evaluated": values.evaluated, "standard_error": values.standard_error}
    known = {name: np.asarray(grid) for name, grid in grids.items() if grid is not None}
    digests, names = {name: digest_of(grid) for name, grid in known.items()}, tuple(values.axes)
    beside = "finished" in header and bool(header["finished"]["beside"])
    if not _kept(path, header, digests):
        beside = "report" in header and not beside  # where none are that count
        _write(path, known, names, beside=beside)
    said: dict[str, Any] = {"report": dict(values.report), "finished": {"beside": beside, "digests": digests}}
    header = write_header(path, {**header, **said})
    if beside:
        _write(path, known, names, beside=False)
        header = write_header(path, {**header, "finished": {"beside": False, "digests": digests}})
    sweep_beside(path, header)
    return header


def _kept(path: Path, header: Mapping[str, Any], digests: Mapping[str, str]) -> bool:
    """Whether the grids of a store are whole, and these already."""
    if "report" not in header or "finished" not in header or header["finished"]["digests"] != digests:
        return False
    try:
        with reading(path):
            for name in digests:
                finished_grid(path, opened(path), header, name)
    except (OSError, ValueError):  # what is damaged is written anew
        return False
    return True


def _write(path: Path, grids: Mapping[str, np.ndarray], dimensions: tuple[str, ...], *, beside: bool) -> None:
    for name, grid in grids.items():
        array_written(path, grid_name(name, beside=beside), grid, dimensions)


def sweep_beside(path: Path, header: Mapping[str, Any]) -> None:
    """Deletes grids that lie beside those that count.

    Args:
        path: The store.
        header: Its header.
    """
    if not header.get("finished", {}).get("beside") and (path / BESIDE).is_dir():
        shutil.rmtree(path / BESIDE)
