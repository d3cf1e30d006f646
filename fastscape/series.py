"""Several models on common directions, so that their landscapes can be laid side by side point by point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from fastscape.basis import basis_of
from fastscape.directions import Distribution, direction_random
from fastscape.selection import Perturb
from fastscape.weights import layout_of

__all__ = ["check_alike", "common_directions", "names_of"]


def common_directions(
    model: nn.Module,
    *,
    count: int = 2,
    normalize: str = "filter",
    perturb: Perturb = "weights",
    distribution: Distribution = "normal",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> list[dict[str, Tensor]]:
    """The random directions that `surface` would take around a model, to be taken around others as well.

    Directions that are drawn for each model are scaled to the weights of each: the same coordinate is another step in
    each of them. Around checkpoints of one training, or models of one architecture, one pair of directions makes
    coordinates, and so pictures, comparable.

    Args:
        model: The model to whose weights the directions are scaled.
        count: How many; 1 for a line. Default 2.
        normalize: Norm of the directions, as for `surface`. Default "filter".
        perturb: What moves, as for `surface`. Default "weights".
        distribution: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 or 1). Default "normal".
        seed: As for `surface`: the same seed gives the same directions. Default 0.
        dtype: Of the directions. Default float32.

    Returns:
        For each direction its tensors by name, on the CPU, to be given as `directions` of `surface` or `line`.

    Raises:
        ValueError: When there is no such norm, distribution or seed, or nothing moves.

    Example:
        >>> import torch, fastscape
        >>> before, after = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.rand(20, 4), torch.randint(3, (20,))
        >>> directions = fastscape.common_directions(after)
        >>> axes = {"x": (-1, 1, 5), "y": (-1, 1, 5)}
        >>> maps = [fastscape.surface(model, data, directions=directions, **axes) for model in (before, after)]
        >>> alone = fastscape.surface(after, data, **axes)
        >>> bool(abs(maps[1].loss - alone.loss).max() < 1e-5)
        True
    """
    layout = layout_of(model, perturb)
    sources = [partial(direction_random, layout, seed, axis, distribution=distribution) for axis in range(count)]
    basis = basis_of(model, layout, sources, normalize, device=torch.device("cpu"), dtype=dtype)
    assert isinstance(basis.vectors, Tensor)  # the kind that basis_of makes
    return [layout.unflatten(vector) for vector in basis.vectors[1:]]


def check_alike(models: Sequence[nn.Module], names: Sequence[str], perturb: Perturb) -> None:
    """Refuses models that have no directions in common.

    Args:
        models: The models.
        names: What each is called in the error.
        perturb: What moves.

    Raises:
        ValueError: When the tensors that move differ from those of the first.
    """
    moving = [{entry.name: entry.shape for entry in layout_of(model, perturb).entries} for model in models]
    for name, tensors in zip(names, moving, strict=True):
        if tensors != moving[0]:
            odd = sorted(n for n in {**moving[0], **tensors} if moving[0].get(n) != tensors.get(n))
            raise ValueError(
                f"{name} has another {odd[0]} than {names[0]}, so they have no directions in common; give models of "
                "one architecture, or each its own directions (--own-directions)"
            )


def names_of(files: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A short name for each of several files, which tells it from the others.

    Args:
        files: The files.

    Returns:
        Their names without endings; with the folders in which they differ, where names occur twice.

    Raises:
        ValueError: When one file came twice.

    Example:
        >>> from fastscape.series import names_of
        >>> names_of(["a/first.safetensors", "a/last.safetensors"])
        ['first', 'last']
        >>> names_of(["runs/a/model.safetensors", "runs/b/model.safetensors"])
        ['a-model', 'b-model']
    """
    paths = [Path(file).resolve() for file in files]
    if len(set(paths)) < len(paths):
        raise ValueError(f"{next(str(p) for p in paths if paths.count(p) > 1)} came twice; give each file once")
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        common = Path(os.path.commonpath(paths))
        names = ["-".join(path.relative_to(common).with_suffix("").parts) for path in paths]
    if len(set(names)) < len(names):  # they differ in their endings alone
        names = [f"{name}{path.suffix}" for name, path in zip(names, paths, strict=True)]
    return names
