"""The report of a landscape: what was computed, of what, and how the values came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fastscape import norms
from fastscape.basis import Basis
from fastscape.evaluation import Evaluated
from fastscape.inspection import hash_of_weights
from fastscape.kernels import choose
from fastscape.schemes import Scheme
from fastscape.selection import Perturb
from fastscape.settings import Settings
from fastscape.trust import counts, environment, name_of, peak_megabytes
from fastscape.weights import Layout

__all__ = ["about", "evaluated"]


def about(
    model: nn.Module,
    layout: Layout,
    basis: Basis,
    scheme: tuple[str, Scheme],
    axes: Sequence[np.ndarray],
    settings: Settings,
    *,
    between: Sequence[bool],
    perturb: Perturb,
    norm: str,
) -> dict[str, Any]:
    """What is computed and of what.

    Args:
        model: The model.
        layout: The tensors that move.
        basis: Theta and the directions.
        scheme: How the coordinates combine them, and its name.
        axes: Coordinates of one or two axes.
        settings: The arguments of the call.
        between: For each direction that was given, whether it leads to another model.
        perturb: What moves.
        norm: Of the directions.

    Returns:
        Plain values by name.
    """
    random = not between
    moving = [entry.name for entry in layout.entries]
    lengths = basis.gram.diagonal(dim1=1, dim2=2).sum(0).sqrt().tolist()
    return {
        "loss": None if settings.objective else name_of(settings.loss),
        "metrics": {name: name_of(metric) for name, metric in (settings.metrics or {}).items()},
        "objective": name_of(settings.objective) if settings.objective else None,
        "batchnorm": settings.batchnorm,
        "training": settings.training,
        "scheme": scheme[0],
        "normalize": norm,
        "perturb": perturb if isinstance(perturb, str) else name_of(perturb),
        "directions": "random" if random else ["between models" if b else "given" for b in between],
        "distribution": settings.distribution if random else None,
        "seed": int(settings.seed) if random else None,
        "low_memory": settings.low_memory,
        "marks": _marks(basis, scheme[1], between),
        "precision": settings.precision,
        "stream": settings.stream,
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perturbed": layout.perturbed,
        "moving": moving,
        "untouched": [name for name, _ in model.named_parameters() if name not in set(moving)],
        "weights_hash": settings.check_hash("weights_hash", hash_of_weights(model)),
        "norms": dict(zip(("theta", "d1", "d2"), lengths, strict=False)),
        "cosine": norms.cosine(basis.gram, 1, 2) if len(axes) == 2 else None,
    }


def evaluated(
    done: Evaluated, grids: Mapping[str, np.ndarray], error: np.ndarray | None, place: torch.device
) -> dict[str, Any]:
    """How the values came about and what they are.

    Args:
        done: The evaluation.
        grids: The measures by name.
        error: Standard errors of the loss, where they are known.
        place: Where it was computed.

    Returns:
        Plain values by name.
    """
    finite = None if error is None else error[np.isfinite(error)]
    return {
        "plan": done.plan.as_dict(),
        "plans_measured": done.timings,
        "kernels": choose(place, done.plan.kernels),
        "fallback": done.reason,
        "not_finite": counts(grids),
        "standard_error": None
        if finite is None or not finite.size
        else {"median": float(np.median(finite)), "largest": float(finite.max())},
        "peak_megabytes": peak_megabytes(place),
        **environment(place),
    }


def _marks(basis: Basis, scheme: Scheme, between: Sequence[bool]) -> dict[str, list[float]]:
    """The coordinates at which the scheme passes through the model itself, and through those it is led to."""
    axes = basis.gram.shape[2] - 1
    found = {}
    there = basis.gram[:, 0, 0] > 0  # where theta is 0, and in the padding, a norm has nothing to keep
    ends = {f"model {chr(ord('B') + k)}": k for k, is_model in enumerate(between) if is_model}
    for name, end in {"the model": None, **ends}.items():
        at = [float(k == end) for k in range(axes)]
        c = basis.coefficients(scheme, torch.tensor([at], dtype=torch.float64, device="cpu"))
        wanted = torch.tensor([1.0, *at], dtype=c.dtype, device="cpu")
        if torch.allclose(c[:, there] if c.shape[1] > 1 else c, wanted):
            found[name] = at
    return found
