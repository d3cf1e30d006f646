"""Draws docs/images/schemes.png: where the schemes put the points of a grid, in a weight space of two dimensions.

python docs/figures/schemes.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib import pyplot as plt

from fastscape.weights.schemes import SURFACES

OUT = Path(__file__).parent.parent / "images" / "schemes.png"
# One segment of two weights: theta, and two directions of other lengths.
VECTORS = torch.tensor([[1.0, 0.0], [0.44, 1.22], [-0.62, 0.51]], dtype=torch.float64)
COLORS = {"theta": "black", "d1": "tab:blue", "d2": "tab:red"}


def main() -> None:
    """Lines of constant y in blue, as x goes from -1 to 1, and of constant x in red."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.5), layout="constrained", sharex=True, sharey=True)
    fine, coarse = torch.linspace(-1, 1, 201, dtype=torch.float64), torch.linspace(-1, 1, 9, dtype=torch.float64)
    for one, (name, scheme) in zip(axes, SURFACES.items(), strict=True):
        basis = VECTORS / VECTORS.norm(dim=1, keepdim=True) if scheme.normalize == "filter" else VECTORS
        gram = (basis @ basis.T)[None]
        for value in coarse:
            width = 1.8 if value == 0 else 0.6
            fixed = torch.full_like(fine, float(value))
            for coordinates, color in (((fine, fixed), "tab:blue"), ((fixed, fine), "tab:red")):
                weights = scheme.coefficients(gram, *coordinates)[:, 0] @ basis
                one.plot(*weights.T, color=color, linewidth=width)
        for (vector, color), place in zip(COLORS.items(), basis, strict=True):
            one.plot(*place, "o", color=color)
            one.annotate(vector, place.tolist(), (4, 5), textcoords="offset points", fontsize=9)
        one.plot(0, 0, "+", color="grey", markersize=10)
        one.set(title=name, aspect="equal", xlabel="first weight")
    axes[0].set_ylabel("second weight")
    figure.savefig(OUT, dpi=120)


if __name__ == "__main__":
    main()
