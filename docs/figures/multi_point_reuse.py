"""Draws docs/images/multi-point-reuse.png from the formulas of kernels/interpolate.py.

python docs/figures/multi_point_reuse.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

VECTORS = 3  # theta, d1, d2
BANDWIDTH = 3.35e12  # bytes a second, H100 SXM, from its data sheet
OUT = Path(__file__).parent.parent / "images" / "multi-point-reuse.png"


def main() -> None:
    """Bytes a point and entry, and the time that they take at the data sheet's bandwidth, against points a launch."""
    points = np.arange(1, 65)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, size, color in (("float32", 4, "tab:blue"), ("bfloat16", 2, "tab:orange")):
        fused = size * (VECTORS / points + 1)
        loop = np.full(len(points), size * (VECTORS + 1.0))
        left.plot(points, fused, color=color, label=f"{name}, one launch for G points")
        left.plot(points, loop, "--", color=color, label=f"{name}, one launch a point")
        left.axhline(size, color=color, linewidth=0.7, linestyle=":")
        right.plot(points, fused * 26.5e6 / BANDWIDTH * 1e6, color=color, label=name)
    left.set(xlabel="points in a launch, G", ylabel="bytes moved per point and entry", ylim=0, xlim=(1, 64))
    left.text(63, 2.9, "dotted: the write alone", color="grey", ha="right")
    left.legend(loc="upper right", bbox_to_anchor=(1.0, 0.94))
    right.set(
        xlabel="points in a launch, G",
        ylabel="microseconds per point",
        ylim=0,
        xlim=(1, 64),
        title="26.5 million weights on an H100, calculated",
    )
    right.legend()
    left.set_title("K = 3 vectors: K/G + 1 instead of K + 1 accesses")
    figure.savefig(OUT, dpi=120)


if __name__ == "__main__":
    main()
