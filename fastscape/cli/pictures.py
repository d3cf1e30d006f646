"""Pictures as files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from fastscape.landscape import Landscape

__all__ = ["save_picture", "save_pictures"]


def save_pictures(landscape: Landscape, contour: Path, surface3d: Path, **options: Any) -> tuple[Path, Path]:
    """Draws a landscape as a contour map and as a surface into two image files.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        contour: File of the contour map.
        surface3d: File of the surface.
        **options: Of both pictures, for example `scale`.

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
        draw: Returns the axes that it drew on.
        path: The file. Missing folders are created.

    Returns:
        The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = draw().figure
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
