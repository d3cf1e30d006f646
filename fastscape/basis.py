"""The basis: theta and the normalised directions as rows of one matrix, with the Gram matrices of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from fastscape import norms
from fastscape.kernels import Backend, gram, interpolate
from fastscape.schemes import Scheme
from fastscape.selection import own_buffers
from fastscape.weights import Layout

__all__ = ["Basis", "basis_of"]


@dataclass(frozen=True, eq=False)
class Basis:
    """What every point of a landscape is a combination of.

    Args:
        vectors: (theta, d1, ...) [K, P], on the device of the run.
        gram: Gram matrices [S, K, K], float64, on the CPU.
        layout: What the P entries are.
    """

    vectors: Tensor
    gram: Tensor
    layout: Layout

    @cached_property
    def _gram_of_layers(self) -> Tensor:
        return norms.per_layer(self.gram, self.layout.layer_of_segment)

    def coefficients(self, scheme: Scheme, points: Tensor) -> Tensor:
        """The coefficients that a scheme gives to the vectors, filter by filter.

        Args:
            scheme: The scheme.
            points: Grid coordinates [G, D].

        Returns:
            Coefficients [G, S or 1, K].

        Raises:
            ValueError: When the scheme returns another shape.
        """
        layered = scheme.over == "layer"
        grams = self._gram_of_layers if layered else self.gram
        c = scheme.coefficients(grams, *points.unbind(1))
        wanted = (len(points), len(grams), len(self.vectors))
        if not isinstance(c, Tensor) or c.dim() != 3 or c.shape not in (wanted, (wanted[0], 1, wanted[2])):
            came = tuple(c.shape) if isinstance(c, Tensor) else type(c).__name__
            raise ValueError(
                f"the scheme returned coefficients of shape {came}; wanted {wanted} or ({wanted[0]}, 1, {wanted[2]}): "
                "points, segments or 1, basis vectors"
            )
        return c[:, self.layout.layer_of_segment] if layered and c.shape[1] > 1 else c


def basis_of(
    model: nn.Module,
    layout: Layout,
    directions: Sequence[Tensor],
    normalize: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    backend: Backend = "auto",
) -> Basis:
    """Stacks the model's weights and the directions, and normalises the directions.

    Args:
        model: The model, whose weights are theta.
        layout: The flat buffer.
        directions: Directions [P], float64, on the CPU.
        normalize: One of `fastscape.norms.NORMS`.
        device: Where the basis goes.
        dtype: Of the basis.
        backend: Of the kernels. Default "auto".

    Returns:
        The basis.
    """
    vectors = torch.empty(1 + len(directions), layout.size, dtype=dtype, device=device)
    layout.flatten({**dict(model.named_parameters()), **own_buffers(model)}, out=vectors[0])
    for row, direction in zip(vectors[1:], directions, strict=True):
        row.copy_(direction)
    if normalize == "weight":
        vectors[1:] *= vectors[0]
    raw = gram(vectors, layout.segments, backend=backend).cpu()
    factors = norms.directions_first(raw, layout.layer_of_segment, normalize)
    if not bool((factors == 1).all()):
        for k in range(1, len(vectors)):
            row = vectors[k : k + 1]
            interpolate(row, factors[None, :, k : k + 1], layout.segments, out=row, backend=backend)
    return Basis(vectors, norms.rescaled(raw, factors), layout)
