"""The report of a landscape: what was computed, of what, and how the values came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn

from fastscape import norms
from fastscape.basis import Basis
from fastscape.enough import Enough
from fastscape.evaluation import Evaluated
from fastscape.inspection import hash_of_weights
from fastscape.kernels import choose
from fastscape.parts import Parts
from fastscape.refine import Refinement, Trust
from fastscape.schemes import Scheme
from fastscape.selection import Perturb
from fastscape.settings import Settings
from fastscape.trust import counts, environment, name_of, peak_megabytes
from fastscape.weights import Layout

__all__ = ["about", "evaluated", "filled", "refined", "show"]


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
        "tolerance": settings.tolerance,
        "log": settings.log,
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perturbed": layout.perturbed,
        "moving": moving,
        "untouched": [name for name, _ in model.named_parameters() if name not in set(moving)],
        "weights_hash": settings.check_hash("weights_hash", hash_of_weights(model)),
        "norms": dict(zip(("theta", "d1", "d2"), lengths, strict=False)),
        "cosine": norms.cosine(basis.gram, 1, 2) if len(axes) == 2 else None,
    }


def filled(
    grids: Mapping[str, np.ndarray], error: np.ndarray | None, refinement: Refinement, *, quickly: bool = False
) -> tuple[dict[str, np.ndarray], np.ndarray | None, np.ndarray]:
    """The measures where some were predicted.

    Args:
        grids: The measures by name, the loss first, NaN at points that were not evaluated.
        error: Standard errors of the loss, likewise.
        refinement: What predicts them.
        quickly: Whether a linear interpolation will do. Default False.

    Returns:
        The measures, the standard errors, and which points were evaluated.
    """
    arrays = [*grids.values(), *([] if error is None else [error])]
    shape = arrays[0].shape
    values = np.stack([array.ravel() for array in arrays], axis=1)
    whole = refinement.filled(values, quickly=quickly).T.reshape(len(arrays), *shape)
    errors = None if error is None else whole[-1]
    return dict(zip(grids, whole, strict=False)), errors, refinement.known.reshape(shape).copy()


def refined(refinement: Refinement, measures: Sequence[str]) -> dict[str, Any]:
    """How many points were evaluated, and how good the others are.

    Args:
        refinement: The refinement, which has come to its end.
        measures: Names, the loss first.

    Returns:
        Plain values by name; errors are fractions of the range of each measure.
    """
    known, names = refinement.known, measures[1:]
    last = Trust(0.0, 0.0, 0.0, 0.0, 0, 0, [0.0] * len(names))  # where nothing is predicted
    if not known.all():
        last = refinement.trusts[-1]
    return {
        "tolerance": refinement.tolerance,
        "scale": "log10" if refinement.logarithmic else "linear",
        "met": refinement.met,
        "rms": last.rms,
        "at_most": last.at_most,
        "largest": last.largest,
        "left_out": last.left_out,
        "metrics_rms": dict(zip(names, last.others, strict=True)),
        "held_out": last.held_out,
        "rounds": refinement.rounds,
        "evaluated": int(known.sum()),
        "saved": int((~known).sum()),
        "widest_gap": refinement.widest_gap(),
    }


def show(
    shown: Callable[[Parts], Any],
    axes: Sequence[np.ndarray],
    names: Sequence[str],
    report: Mapping[str, Any],
    refinement: Refinement,
    means: np.ndarray,
) -> None:
    """Shows what is known of a surface after a round, the other points predicted linearly.

    Args:
        shown: Gets the parts of a landscape.
        axes: Coordinates of both axes [H] and [W].
        names: Of the measures, the loss first.
        report: What is known of the run.
        refinement: The refinement.
        means: The measures [H * W, measures]; NaN at points that were not evaluated.
    """
    x, y = axes
    known = {name: means[:, k].reshape(len(x), len(y)) for k, name in enumerate(names)}
    grids, _, mask = filled(known, None, refinement, quickly=True)
    facts = deepcopy(dict(report)) | {"refinement": refined(refinement, names)}  # what is shown may be written to
    shown(Parts(x, y, grids.pop("loss"), grids, facts, None, mask))


def evaluated(
    done: Evaluated,
    grids: Mapping[str, np.ndarray],
    error: np.ndarray | None,
    place: torch.device,
    *,
    aim: Enough | None = None,
    available: int | None = None,
) -> dict[str, Any]:
    """How the values came about and what they are.

    Args:
        done: The evaluation.
        grids: The measures by name.
        error: Standard errors of the loss, where they are known.
        place: Where it was computed.
        aim: How small the standard errors were to be. Default: nothing was asked for.
        available: How many samples there are, where the data say it.

    Returns:
        Plain values by name.
    """
    finite = np.empty(0) if error is None else error[np.isfinite(error)]
    errors: dict[str, Any] | None = None
    if finite.size or aim is not None:
        known = (float(np.median(finite)), float(finite.max())) if finite.size else (None, None)
        errors = dict(zip(("median", "largest"), known, strict=True))
        errors |= {} if aim is None else aim.reported(grids["loss"], error, done.samples, available)
    return {
        "plan": done.plan.as_dict(),
        "plans_measured": done.timings,
        "kernels": choose(place, done.plan.kernels),
        "fallback": done.reason,
        "not_finite": counts(grids),
        "standard_error": errors,
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
