"""Eigenvectors of a curvature matrix as directions of a landscape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.eigenpairs import Eigenpairs
from fastscape.curvature.matrices import entries_of
from fastscape.weights import Directions, Layout, Perturb, listed

__all__ = ["EigenvectorDirections"]


_TOLD = "samples", "products", "weights_hash", "data_hash"  # of what the eigenvectors were found from


@dataclass(frozen=True, eq=False, repr=False)
class EigenvectorDirections:
    """Eigenvectors of a curvature matrix: what `fastscape.hessian` returns, for `directions=`.

    Args:
        pairs: The eigenpairs, in the order in which axes take them.
        layout: What moves.
        matrix: The name of the matrix.
        perturb: What moves, as `surface` takes it.
        report: How they were found, as plain values.
    """

    normalize: ClassVar[str | None] = "none"

    pairs: Eigenpairs
    layout: Layout
    matrix: str
    perturb: Perturb
    report: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.4g}" for value in self.eigenvalues)
        return f"{type(self).__name__}({self.matrix}, eigenvalues {values}, residuals <= {self.residuals.max():.1g})"

    @property
    def eigenvalues(self) -> np.ndarray:
        """The eigenvalues [k], in the order in which axes take the eigenvectors."""
        return self.pairs.values

    @property
    def residuals(self) -> np.ndarray:
        """`||H v - lambda v||` of each [k], as a fraction of the largest absolute eigenvalue that was seen."""
        return self.pairs.residuals

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions."""
        return {"directions": self.matrix, "distribution": None, "seed": None}

    def tensors(self, k: int) -> dict[str, Tensor]:
        """One eigenvector as tensors.

        Args:
            k: Which, from 0.

        Returns:
            A tensor in the shape of the model for each that moves, by name, float64; of a complex one pairs of real
            numbers, as complex numbers.
        """
        return self.layout.unflatten(self._flat(self.layout, k))

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """An eigenvector for each axis. See `Source.directions`."""
        mine, wanted = ({e.name: e.shape for e in of.entries} for of in (self.layout, layout))
        if mine != wanted:
            odd = sorted(name for name in {*mine, *wanted} if mine.get(name) != wanted.get(name))
            raise ValueError(
                f"the eigenvectors are of other tensors than those that move ({listed(odd)}); give the same perturb= "
                "to fastscape.hessian as here, and a model of the same architecture"
            )
        if axes > len(self.eigenvalues):
            raise ValueError(
                f"the Hessian must have {axes} eigenvectors, one per axis, got {len(self.eigenvalues)}: write "
                f"fastscape.hessian(..., k={axes}), or fastscape.line for one axis"
            )
        shown = self.eigenvalues[:axes]
        plane = {
            "kind": self.matrix,
            "orthonormal": True,
            "eigenvalues": self.eigenvalues.tolist(),
            "residuals": self.residuals.tolist(),
        }
        return Directions(
            tuple(partial(self._write, layout, k) for k in range(axes)),
            labels=[f"eigenvector {k}, eigenvalue {value:.4g}" for k, value in enumerate(shown, start=1)],
            facts=plane | {name: self.report[name] for name in _TOLD if name in self.report},
        )

    def _write(self, layout: Layout, k: int, *, out: Tensor) -> None:
        out.copy_(self._flat(layout, k))

    def _flat(self, layout: Layout, k: int) -> Tensor:
        flat = torch.zeros(layout.size, dtype=torch.float64, device="cpu")
        flat[entries_of(layout)] = torch.from_numpy(self.pairs.vectors[k])
        return flat
