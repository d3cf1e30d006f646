"""Coefficients of a scheme, computed on the device of the weights, to save sending many filters' to a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastscape.weights.schemes import LINES, SURFACES, Scheme, plane
from fastscape.weights.space import Space

__all__ = ["Resident"]

_OWN = {scheme.coefficients for scheme in (*SURFACES.values(), *LINES.values())}


@dataclass(frozen=True, eq=False)
class Resident:
    """A scheme with everything that it reads on one device.

    Args:
        scheme: The scheme.
        grams: Gram matrices of its segments or layers [S, K, K], float64.
        layer: For each segment its layer [S], if the scheme is over layers; else None.
        factors: The factors that normalise the vectors [S, K]; None when they are normalised.
    """

    scheme: Scheme
    grams: Tensor
    layer: Tensor | None
    factors: Tensor | None

    @classmethod
    def of(cls, space: Space, device: torch.device) -> Resident | None:
        """The scheme of a space.

        Args:
            space: The space.
            device: The device for its coefficients.

        Returns:
            The scheme on the device. None for a scheme of the user's own, which may hold tensors on the CPU, and for a
            scheme with so few coefficients that they are sent instead.
        """
        basis, scheme = space.basis, space.scheme
        if scheme.coefficients not in _OWN or (scheme.coefficients is plane and basis.factors is None):
            return None
        layered = scheme.over == "layer"
        grams = basis.gram_of_layers if layered else basis.gram
        layer = space.layout.layer_of_segment.to(device) if layered else None
        return cls(scheme, grams.to(device), layer, None if basis.factors is None else basis.factors.to(device))

    def coefficients(self, points: Tensor) -> Tensor:
        """The coefficients [G, S or 1, K] of points [G, D] on the device; equal to `Space.coefficients`."""
        c = self.scheme.coefficients(self.grams, *points.unbind(1))
        if self.layer is not None and c.shape[1] > 1:
            c = c[:, self.layer]
        return c if self.factors is None else c * self.factors
