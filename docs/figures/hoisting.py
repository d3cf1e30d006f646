"""Draws docs/images/hoisting.png: what all points share of the first layer.

python docs/figures/hoisting.py
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

OUT = Path(__file__).parent.parent / "images" / "hoisting.png"
SHARED, OWN = "#cfe3f7", "#fbe3c8"
ROWS = (2.0, 1.0, 0.0)


def main() -> None:
    """Boxes from left to right, as the samples go through them."""
    figure, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
    samples = box(axes, 0.6, 1.0, 1.0, "samples x", "#eeeeee")
    parts = [
        box(axes, 2.6, y, 1.9, f"layer(x, {name})", SHARED)
        for y, name in zip(ROWS, ("theta", "d1", "d2"), strict=True)
    ]
    for part in parts:
        join(axes, samples, part)
    for y, g in zip(ROWS, ("0", "1", "2"), strict=True):
        mixed = box(axes, 5.4, y, 2.2, f"sum over k of c[{g}, k] layer k", OWN)
        rest = box(axes, 8.1, y, 2.1, f"the other layers, w[{g}]", OWN)
        loss = box(axes, 10.2, y, 1.2, f"loss[{g}]", OWN)
        for part in parts:
            join(axes, part, mixed)
        join(axes, mixed, rest)
        join(axes, rest, loss)
    axes.text(7.75, -0.5, "...", rotation=90, ha="center", va="center", fontsize=14)
    axes.text(2.6, 2.75, "once for all points: K products", ha="center", fontsize=10)
    own = "at every point: K multiplications an output, then the rest of the network"
    axes.text(7.7, 2.75, own, ha="center", fontsize=10)
    axes.set(xlim=(0, 10.9), ylim=(-0.75, 3.0))
    axes.axis("off")
    figure.savefig(OUT, dpi=120)


def box(axes: Axes, x: float, y: float, width: float, text: str, color: str) -> tuple[float, float, float]:
    """A box around (x, y), with its place and width."""
    axes.add_patch(plt.Rectangle((x - width / 2, y - 0.27), width, 0.54, facecolor=color, edgecolor="grey"))
    axes.text(x, y, text, ha="center", va="center", fontsize=9)
    return x, y, width


def join(axes: Axes, left: tuple[float, float, float], right: tuple[float, float, float]) -> None:
    """An arrow from the right side of one box to the left side of another."""
    start, end = (left[0] + left[2] / 2, left[1]), (right[0] - right[2] / 2, right[1])
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "grey", "linewidth": 0.9})


if __name__ == "__main__":
    main()
