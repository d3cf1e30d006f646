"""Directions that several models share, so that their landscapes can be compared point by point."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastscape.kernels import Distribution
from fastscape.weights.basis import basis_of
from fastscape.weights.directions import Random
from fastscape.weights.layout import layout_of
from fastscape.weights.norms import by_input
from fastscape.weights.precision import Place, Precision
from fastscape.weights.selection import Perturb, tensors_of

__all__ = ["random_directions"]


def random_directions(
    model: nn.Module,
    *,
    count: int = 2,
    normalize: str = "filter",
    perturb: Perturb = "weights",
    distribution: Distribution = "normal",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> list[dict[str, Tensor]]:
    """The random directions that `surface` would use for a model, for use around other models as well.

    Directions that are drawn per model are scaled to each model's weights, so the same coordinate is a different step
    in each model. With one pair of directions for the checkpoints of one training, or for models of one architecture,
    coordinates and pictures are comparable.

    Args:
        model: The model to whose weights the directions are scaled.
        count: Number of directions; 1 for a line. Default 2.
        normalize: Norm of the directions, as for `surface`. Default "filter".
        perturb: What moves, as for `surface`. Default "weights".
        distribution: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 or 1). Default "normal".
        seed: As for `surface`: the same seed gives the same directions. Default 0.
        dtype: Dtype of the directions; complex tensors get complex128 for float64, else complex64. Default float32.

    Returns:
        For each direction its tensors by name, on the CPU: pass them as `directions` to `surface` or `line`.

    Raises:
        ValueError: When the norm, the distribution or the seed is invalid, or nothing moves.

    Example:
        >>> import torch, fastscape
        >>> before, after = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.rand(20, 4), torch.randint(3, (20,))
        >>> directions = fastscape.random_directions(after)
        >>> axes = {"x": (-1, 1, 5), "y": (-1, 1, 5)}
        >>> maps = [fastscape.surface(model, data, directions=directions, **axes) for model in (before, after)]
        >>> alone = fastscape.surface(after, data, **axes)
        >>> bool(abs(maps[1].loss - alone.loss).max() < 1e-5)
        True
    """
    layout = layout_of(model, perturb, by_input=by_input(normalize))
    theta = tensors_of(model)
    directions = Random(seed, distribution).directions(layout, theta, count)
    basis = basis_of(theta, layout, directions.writers, normalize, Place(torch.device("cpu"), Precision(dtype, dtype)))
    assert isinstance(basis.vectors, Tensor)  # basis_of makes this kind
    return [layout.unflatten(vector) for vector in basis.vectors[1:]]
