"""Pictures as files."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from fastscape.cli.values import either
from fastscape.landscape import Landscape
from fastscape.results import clipped, write_whole

__all__ = ["ENDINGS", "save_picture", "save_pictures"]

ENDINGS = ".png", ".pdf", ".svg", ".eps", ".jpg"
"""The endings of picture files, as the help names them."""

FONTS: Any = {"pdf.fonttype": 42, "ps.fonttype": 42}  # TrueType, whole: publishers refuse Type 3
PIXELS = "png", "jpg"
PRINTED = 300  # pixels per inch of the rasterised parts of a vector file


def save_pictures(landscape: Landscape, contour: Path, surface3d: Path, **options: Any) -> tuple[Path, Path]:
    """Draws a landscape as a contour map and as a surface into two image files.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        contour: File of the contour map.
        surface3d: File of the surface.
        **options: Options of both pictures, for example `scale`.

    Returns:
        Both files.
    """
    return (
        save_picture(partial(landscape.contour, **options), contour),
        save_picture(partial(landscape.surface3d, **options), surface3d),
    )


def save_picture(draw: Callable[[], Any], path: Path) -> Path:
    """Draws one picture into an image file.

    Args:
        draw: A function that draws and returns the axes.
        path: The file, whose ending gives the format. Missing folders are created.

    Returns:
        The file.

    Raises:
        OSError: When the file cannot be written; an older file stays as it was.
        ValueError: When the name does not have the ending of a picture file.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"a picture must end in {either(ENDINGS)}, got {clipped(path.name)}")
    kind, content = path.suffix[1:].lower(), io.BytesIO()
    figure = draw().figure
    try:
        with plt.rc_context(FONTS):
            figure.savefig(content, dpi=150 if kind in PIXELS else PRINTED, format=kind)
    finally:
        plt.close(figure)
    write_whole(path, content.getvalue())
    return path
