"""Values as an `xarray.Dataset`, which lives in memory and not in a file."""

from __future__ import annotations

import json
from typing import Any

from fastscape.results.formats.columns import columns
from fastscape.results.optional import package
from fastscape.results.values import Values

__all__ = ["to_xarray"]


def to_xarray(values: Values) -> Any:
    """Measures over named coordinates, the report as JSON in the attributes.

    Args:
        values: The values.

    Returns:
        The dataset.

    Raises:
        ImportError: When xarray is not installed.
        ValueError: When a metric has the name of something else in the dataset.
    """
    names = tuple(values.axes)
    grids = {name: (names, grid) for name, grid in columns(values).items()}
    return package("xarray", "xarray").Dataset(grids, dict(values.axes), {"report": json.dumps(dict(values.report))})
