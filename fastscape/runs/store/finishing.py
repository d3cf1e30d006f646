"""Writes a finished landscape so that readers find either the previous or the new landscape, complete.

The grids are in the folder itself, where xarray looks for them. If there is a finished landscape already, the new
landscape is first written beside it. The header then names that place, the previous grids are replaced, and the
header names the folder itself again. Each of these steps is one rename of the header.
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
    """Writes a landscape into a store when all points are known.

    Args:
        path: The store.
        header: Its header.
        values: The landscape.

    Returns:
        The written header.
    """
    # The mask is written even if it is all true: an earlier call, with a larger tolerance, may have left a mask.
    grids = {**values.measures, "evaluated": values.evaluated, "standard_error": values.standard_error}
    known = {name: np.asarray(grid) for name, grid in grids.items() if grid is not None}
    digests, names = {name: digest_of(grid) for name, grid in known.items()}, tuple(values.axes)
    beside = "finished" in header and bool(header["finished"]["beside"])
    if not _kept(path, header, digests):
        beside = "report" in header and not beside  # at a place without current grids
        _write(path, known, names, beside=beside)
    said: dict[str, Any] = {"report": dict(values.report), "finished": {"beside": beside, "digests": digests}}
    header = write_header(path, {**header, **said})
    if beside:
        _write(path, known, names, beside=False)
        header = write_header(path, {**header, "finished": {"beside": False, "digests": digests}})
    sweep_beside(path, header)
    return header


def _kept(path: Path, header: Mapping[str, Any], digests: Mapping[str, str]) -> bool:
    """Whether the store has these grids already, complete."""
    if "report" not in header or "finished" not in header or header["finished"]["digests"] != digests:
        return False
    try:
        with reading(path):
            for name in digests:
                finished_grid(path, opened(path), header, name)
    except (OSError, ValueError):  # damaged grids are written again
        return False
    return True


def _write(path: Path, grids: Mapping[str, np.ndarray], dimensions: tuple[str, ...], *, beside: bool) -> None:
    for name, grid in grids.items():
        array_written(path, grid_name(name, beside=beside), grid, dimensions)


def sweep_beside(path: Path, header: Mapping[str, Any]) -> None:
    """Deletes grids beside the current grids.

    Args:
        path: The store.
        header: Its header.
    """
    if not header.get("finished", {}).get("beside") and (path / BESIDE).is_dir():
        shutil.rmtree(path / BESIDE)
