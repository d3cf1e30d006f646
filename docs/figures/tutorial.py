"""Draws docs/images/tutorial-*.png: runs the blocks of docs/tutorial.md in an empty folder and keeps their pictures.

python docs/figures/tutorial.py  # half a minute on one core
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt

DOCS = Path(__file__).resolve().parent.parent
PICTURES = "contour", "surface", "walk", "path"


def main() -> None:
    """Every block runs by itself, and a block that begins with the name of a file is written to it first."""
    sys.path.insert(0, str(DOCS))
    import page

    matplotlib.use("Agg")
    plt.rcParams["savefig.dpi"] = 100
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.path.insert(0, folder)
        for block in page.blocks(DOCS / "tutorial.md"):
            page.write_named(block, Path(folder))
            exec(compile(block, "tutorial.md", "exec"), {})
        for name in PICTURES:
            Path(f"{name}.png").replace(DOCS / "images" / f"tutorial-{name}.png")
        os.chdir(DOCS)


if __name__ == "__main__":
    main()
