"""Writes ParaView files: surfaces (.vts, .vtp) at the heights of the picture, and volumes (.vti, .vtr), with measures.

A volume is .vti, which renders fastest, if the coordinates of each axis are evenly spread, and else .vtr.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results.formats.columns import columns, mesh
from fastscape.results.optional import package
from fastscape.results.scale import heights
from fastscape.results.values import Values

__all__ = ["written"]

_VOLUMES = ".vti", ".vtr"
_EVEN = 1e-9  # of an axis: the tolerance for evenly spread coordinates


def written(values: Values, ending: str) -> bytes:
    """The surface or the volume as a file.

    Args:
        values: The values.
        ending: ".vts" or ".vtp" for a plane, ".vti" or ".vtr" for three axes.

    Returns:
        The content of the file.

    Raises:
        ImportError: When pyvista is not installed.
        ValueError: When the landscape has a different number of axes, or the axes of a .vti are not evenly spread.
    """
    named = columns(values)
    _check_axes(values, ending)
    pyvista = package("pyvista", "paraview")
    shape = _volume(values, named, ending, pyvista) if ending in _VOLUMES else _surface(values, named, pyvista)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"landscape{ending}"
        (shape.extract_surface(algorithm=None) if ending == ".vtp" else shape).save(file)
        return file.read_bytes()


def _check_axes(values: Values, ending: str) -> None:
    """Refuses a landscape that does not fit such a file."""
    axes = len(values.axes)
    if ending not in _VOLUMES:
        if axes == 1:
            raise ValueError("a line has no surface; export it as .csv or .h5")
        if axes > 2:
            raise ValueError(
                f"a landscape of {axes} axes is no surface; export three axes as .vti, or take a plane first, for "
                "example by landscape.slice or landscape.project"
            )
        return
    if axes != 3:
        instead = {1: "export a line as .csv", 2: "export a plane as .vts"}
        more = "export it as .csv, or take three of them first by landscape.slice or landscape.project"
        raise ValueError(f"{ending} is of three axes, and the landscape has {axes}; {instead.get(axes, more)}")
    uneven = [name for name, axis in values.axes.items() if not _even(np.sort(axis))]
    if ending == ".vti" and uneven:
        raise ValueError(f"the axis {uneven[0]} is not evenly spread, as .vti has it; export the landscape as .vtr")


def _even(axis: np.ndarray) -> bool:
    return bool(np.abs(axis - np.linspace(axis[0], axis[-1], len(axis))).max() <= _EVEN * np.ptp(axis))


def _surface(values: Values, named: dict[str, np.ndarray], pyvista: Any) -> Any:
    z, _ = heights(values)
    surface = pyvista.StructuredGrid(*(np.ascontiguousarray(a)[..., None] for a in (*mesh(values), np.nan_to_num(z))))
    for name, grid in named.items():
        surface.point_data[name] = grid.ravel(order="F")
    return surface


def _volume(values: Values, named: dict[str, np.ndarray], ending: str, pyvista: Any) -> Any:
    orders = [np.argsort(axis) for axis in values.axes.values()]
    axes = [axis[order] for axis, order in zip(values.axes.values(), orders, strict=True)]
    if ending == ".vti":
        steps = [np.ptp(axis) / (len(axis) - 1) if len(axis) > 1 else 1.0 for axis in axes]
        volume = pyvista.ImageData(dimensions=values.shape, spacing=steps, origin=[axis[0] for axis in axes])
    else:
        volume = pyvista.RectilinearGrid(*axes)
    for name, grid in named.items():
        volume.point_data[name] = grid[np.ix_(*orders)].ravel(order="F")
    return volume
