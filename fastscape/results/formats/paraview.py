"""ParaView's surfaces (.vts, .vtp) at the heights of the picture, with the measures at their points."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from fastscape.results.formats.columns import columns, mesh
from fastscape.results.optional import package
from fastscape.results.scale import heights
from fastscape.results.values import Values

__all__ = ["written"]


def written(values: Values, ending: str) -> bytes:
    """The surface as a file.

    Args:
        values: The values.
        ending: ".vts" or ".vtp".

    Returns:
        The content of the file.

    Raises:
        ImportError: When pyvista is not installed.
        ValueError: When the values lie along a line.
    """
    named = columns(values)
    if len(values.axes) != 2:
        raise ValueError("a line has no surface; export it as .csv or .h5")
    pyvista = package("pyvista", "paraview")
    z, _ = heights(values)
    surface = pyvista.StructuredGrid(*(np.ascontiguousarray(a)[..., None] for a in (*mesh(values), np.nan_to_num(z))))
    for name, grid in named.items():
        surface.point_data[name] = grid.ravel(order="F")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"surface{ending}"
        (surface if ending == ".vts" else surface.extract_surface(algorithm=None)).save(file)
        return file.read_bytes()
