"""Draws docs/images/basis.png: the basis, the Gram matrices of its segments, and four points made from it.

python docs/figures/basis.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch

OUT = Path(__file__).parent.parent / "images" / "basis.png"
SEGMENTS = [("conv, 3 filters", 9), ("", 9), ("", 9), ("dense, 2 neurons", 6), ("", 6)]
POINTS = ((-1.0, 0.0), (0.0, 0.0), (0.5, 0.5), (1.0, -1.0))


def main() -> None:
    """Everything that is drawn is computed, by the formulas of the page."""
    torch.manual_seed(3)
    lengths = [length for _, length in SEGMENTS]
    theta, *drawn = torch.randn(3, sum(lengths)).split(1)
    sizes = torch.cat([torch.full((n,), size) for n, size in zip(lengths, (1.3, 0.9, 0.6, 1.1, 0.8), strict=True)])
    parts = [list(vector[0].split(lengths)) for vector in (theta * sizes, *drawn)]
    for direction in parts[1:]:
        direction[:] = [d * t.norm() / d.norm() for d, t in zip(direction, parts[0], strict=True)]
    basis = torch.stack([torch.cat(vector) for vector in parts])
    grams = [segment @ segment.T for segment in basis.split(lengths, dim=1)]
    points = torch.stack([basis[0] + x * basis[1] + y * basis[2] for x, y in POINTS])

    figure = plt.figure(figsize=(10, 5.8), layout="constrained")
    rows = figure.add_gridspec(3, sum(lengths), height_ratios=(3, 4, 4))
    top, bottom = figure.add_subplot(rows[0, :]), figure.add_subplot(rows[2, :])
    strip(top, basis, ["theta", "d1", "d2"], lengths)
    strip(bottom, points, [f"x {x:g}, y {y:g}" for x, y in POINTS], lengths)
    top.set_title(
        "The basis B[K, P]: three vectors, cut into segments. Every segment of d1 and d2 has the norm of theta's.",
        pad=18,
    )
    bottom.set_xlabel("the weights of four points, w = sum of c B, from one read of the basis", fontsize=11)
    start = 0
    for k, (length, gram) in enumerate(zip(lengths, grams, strict=True)):
        middle = figure.add_subplot(rows[1, start : start + length])
        middle.imshow(gram, cmap="RdBu_r", vmin=-gram.max(), vmax=gram.max())
        for i in range(3):
            for j in range(3):
                color = "white" if abs(gram[i, j]) > 0.6 * gram.max() else "black"
                middle.text(j, i, f"{gram[i, j]:.1f}", ha="center", va="center", fontsize=7, color=color)
        middle.set(xticks=[], yticks=[])
        middle.set_title(f"M[{k}]", loc="left", fontsize=9)
        for axes, y in ((top, 2.5), (bottom, -0.5)):
            arrow(figure, axes, (start + length / 2 - 0.5, y), middle, up=axes is bottom)
        start += length
    figure.savefig(OUT, dpi=120)


def strip(axes: Axes, vectors: torch.Tensor, names: list[str], lengths: list[int]) -> None:
    """Vectors as rows of colours, with a line between two segments."""
    axes.imshow(vectors, cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([])
    start = 0
    for (name, length), following in zip(SEGMENTS, [*SEGMENTS[1:], ("end", 0)], strict=True):
        axes.axvline(start - 0.5, color="black", linewidth=2 if name else 0.8)
        if name and len(names) == 3:
            count = 3 if length == 9 else 2
            axes.text(start + count * length / 2 - 0.5, -0.62, name, ha="center", va="bottom", fontsize=9)
        start += length
        if following[0] == "end":
            axes.axvline(start - 0.5, color="black", linewidth=2)


def arrow(figure: plt.Figure, axes: Axes, place: tuple[float, float], gram: Axes, up: bool) -> None:
    """From a segment to its Gram matrix, and from there to the points."""
    edge = (0.5, 0.0 if up else 1.0)
    ends = (edge, place) if up else (place, edge)
    frames = (gram.transAxes, axes.transData) if up else (axes.transData, gram.transAxes)
    figure.add_artist(ConnectionPatch(*ends, *frames, arrowstyle="->", color="grey", linewidth=0.8))


if __name__ == "__main__":
    main()
