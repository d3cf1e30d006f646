"""The library's own format: one .npz file without pickle, which holds every value bit for bit.

header              JSON: format, version, names of the axes and measures, report
x, y, ...           coordinates of each axis
values              every measure [measures, H, W, ...], the loss first
standard_error      of the loss, where it is known
evaluated           which points were computed, where some were predicted
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results.formats.columns import by_name
from fastscape.results.values import AXES, Values

__all__ = ["check_path", "read", "written"]

FORMAT, VERSION = "fastscape-landscape", 1


def check_path(path: str | os.PathLike[str]) -> Path:
    """Refuses a name that a landscape cannot be saved under.

    Args:
        path: A file name that ends in .npz.

    Returns:
        The path.

    Raises:
        ValueError: When the name has another ending.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"a landscape cannot be saved as {path.name!r}; wanted a name that ends in .npz")
    return path


def written(values: Values, _: str) -> bytes:
    """The content of a file."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "axes": list(values.axes),
        "measures": list(values.measures),
        "report": dict(values.report),
    }
    content = io.BytesIO()
    arrays: dict[str, Any] = {**values.axes, "values": np.stack(list(values.measures.values()))}
    if values.standard_error is not None:
        arrays["standard_error"] = values.standard_error
    if not values.evaluated.all():
        arrays["evaluated"] = values.evaluated
    np.savez(content, header=np.array(json.dumps(header)), **arrays)
    return content.getvalue()


def read(path: Path) -> Values:
    """Reads a file that `written` made.

    Args:
        path: The file.

    Returns:
        The values, bit for bit.

    Raises:
        OSError: When there is no such file, or it cannot be read.
        ValueError: When the file is damaged, or is no landscape.
    """
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            if header["format"] != FORMAT or header["version"] != VERSION:
                raise ValueError(f"its header says {header['format']!r}, version {header['version']!r}")
            # A header without names is older than axes of other names.
            axes = {name: file[name] for name in header.get("axes", [name for name in AXES if name in file])}
            measures = by_name(zip(header["measures"], file["values"], strict=True))
            loss = measures.pop("loss")
            grids = file.get("standard_error"), file.get("evaluated")
            return Values(axes, {"loss": loss, **measures}, header["report"], *grids)
    except Exception as error:  # a damaged file can make the zip and number readers raise anything
        raise ValueError(
            f"{path} is no landscape that this version can read ({error}); give a .npz file that Landscape.save wrote"
        ) from error
