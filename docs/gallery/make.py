"""Makes the pictures of this gallery: trains the networks, computes their landscapes and draws them.

python docs/gallery/make.py                       all pictures; it keeps the landscapes in docs/gallery/kept
python docs/gallery/make.py --only resnet20-walk  only this picture
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib

matplotlib.use("Agg")

import alignments
import connections
import curvature
import shortcuts
import surfaces
from networks import HERE, kept

import trainings
from fastscape.cli.pictures import save_picture

EXPLORER = "resnet20-explorer"  # a browser draws it


def path(name: str, task: Callable[[], trainings.Task]) -> Any:
    """The paths of SGD and Adam from the same weights, on the plane in which their checkpoints differ most."""
    return kept(f"{name}.npz", lambda: trainings.path_landscape(task())).contour()


TASKS: dict[str, Callable[[], trainings.Task]] = {
    "mnist-cnn-path": partial(trainings.digits, "mnist-cnn", 6),
    "resnet20-path": partial(trainings.digits, "resnet20", 6),
    "language-model-path": trainings.language,
}

PICTURES: dict[str, Callable[[], Any]] = {
    "resnet20-contour": surfaces.contour,
    "resnet20-walk": surfaces.walk,
    "mnist-cnn-line": surfaces.line,
    "mnist-cnn-directions": surfaces.several,
    "mnist-cnn-spread": surfaces.spread,
    "mnist-cnn-bilinear": surfaces.bilinear,
    "train-and-test": surfaces.sets,
    "mlp-curvature": curvature.curvature,
    "resnet8-ratio": curvature.ratio,
    "mlp-spectrum": curvature.spectrum,
    "mlp-eigenvectors": curvature.eigenvectors,
    "mlp-sharpness": curvature.sharpness,
    "mlp-barrier": connections.hill,
    "mlp-barriers": connections.matrix,
    "mlp-aligned": partial(connections.aligned, "mlp-aligned", alignments.mlps),
    "resnet8-aligned": partial(connections.aligned, "resnet8-aligned", alignments.resnets),
    "resnet8-curves": connections.ways,
    "resnet8-curve-plane": connections.curve_plane,
    **{name: partial(path, name, task) for name, task in TASKS.items()},
    "resnet56-skip": shortcuts.skip,
    "resnet56-basins": shortcuts.basins,
}


def main() -> None:
    """Draws the pictures that are asked for."""
    names = [*PICTURES, EXPLORER]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"pictures to draw: {', '.join(names)}"
    )
    for name in parser.parse_args().only:
        file = HERE / f"{name}.png"
        if name == EXPLORER:
            surfaces.page(file)
        else:
            save_picture(PICTURES[name], file)
        print(file)


if __name__ == "__main__":
    main()
