"""Makes the report of a landscape: what was computed, from what, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fastscape.kernels import choose
from fastscape.model import Origin, Problem, depends_on_batches, name_of, named
from fastscape.results import warn
from fastscape.runs.environment import environment, peak_megabytes
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.options import RECORDED
from fastscape.runs.request import Request
from fastscape.sampling import Refinement, Trust
from fastscape.weights import Space, keeps_dtypes, packed_modules

__all__ = ["about", "changed_late", "counts", "evaluated", "refined", "warned"]


def about(request: Request, origin: Origin, space: Space) -> dict[str, Any]:
    """The entries on what is computed, and from what.

    Args:
        request: The request.
        origin: The user's model.
        space: The space of the points.

    Returns:
        Plain values by name.
    """
    options, objective = request.options, request.objective
    custom, perturb = objective.custom, request.space.perturb
    unsaid = {"directions": "given", "distribution": None, "seed": None}
    return {
        **unsaid,
        **request.space.source.facts,  # they must not replace other entries
        **_repeated(space, request.space.repeats),
        "loss": None if custom else name_of(objective.loss),
        "metrics": {name: name_of(metric) for name, metric in objective.metrics.items()},
        "objective": name_of(custom) if custom else None,
        **{key: dict(options)[name] for name, key in RECORDED.items()},
        "own_precision": keeps_dtypes(request.model, request.place),
        "lend": options["lend"],
        "keep": (options["keep"] if isinstance(options["keep"], str) else "disk") if options["lend"] else None,
        "scheme": request.space.scheme_name,
        "normalize": request.space.normalize,
        "perturb": perturb if isinstance(perturb, str) else name_of(perturb),
        **space.drawn,
        "stream": request.reading.part if request.streams else None,
        "tolerance": options["tolerance"],
        "log": options["tolerance_scale"] == "log10",
        "model": origin.name,
        "parameters": origin.parameters,
        "perturbed": space.layout.perturbed,
        "moving": [entry.name for entry in space.layout.entries],
        "still": space.still,
        "untouched": origin.untouched,
        "packed": list(packed_modules(request.model)),
        "weights_hash": request.expected.found("weights_hash", origin.hash),
        "norms": space.lengths,
        "cosine": space.cosine,
    }


def _repeated(space: Space, repeats: int) -> dict[str, Any]:
    """The number of repeats of random directions, with their seeds."""
    seeds = {} if space.repeats is None else {"seeds": list(space.repeats.seeds)}
    return {"repeats": repeats, **seeds}


def refined(refinement: Refinement, measures: Sequence[str]) -> dict[str, Any]:
    """The number of evaluated points, and the errors of the predicted points.

    Args:
        refinement: The refinement.
        measures: Names, the loss first.

    Returns:
        Plain values by name; errors are fractions of the range of each measure.
    """
    known, names = refinement.known, measures[1:]
    last = Trust(0.0, 0.0, 0.0, 0.0, 0, 0, [0.0] * len(names))  # if nothing is predicted
    if not known.all() and refinement.trust is not None:
        last = refinement.trust
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
        **({} if (topology := refinement.topology()) is None else {"topology": topology}),
    }


def evaluated(
    request: Request,
    done: Evaluated,
    grids: Mapping[str, np.ndarray],
    error: np.ndarray | None,
    available: int | None,
) -> dict[str, Any]:
    """The entries on how the values were computed, and on the values.

    Args:
        request: The request.
        done: The evaluation.
        grids: The measures by name.
        error: Standard errors of the loss, if they are known.
        available: Total number of samples, if the data state it.

    Returns:
        Plain values by name.
    """
    device, aim = request.place.device, request.enough
    finite = np.empty(0) if error is None else error[np.isfinite(error)]
    errors: dict[str, Any] | None = None
    if finite.size or aim is not None:
        known = (float(np.median(finite)), float(finite.max())) if finite.size else (None, None)
        errors = dict(zip(("median", "largest"), known, strict=True))
        errors |= {} if aim is None else aim.reported(grids["loss"], error, done.samples, available)
    return {
        "plan": done.plan.as_dict(),
        "plans_measured": done.timings,
        "kernels": choose(device, done.plan.kernels),
        "fallback": done.reason,
        "not_finite": counts(grids),
        "standard_error": errors,
        "peak_megabytes": peak_megabytes(device),
        **environment(device),
    }


def counts(values: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
    """The number of values that are NaN or infinite, per measure.

    Args:
        values: Arrays by name.

    Returns:
        The numbers of "nan" and "inf" values by name.
    """
    return {
        name: {"nan": int(np.isnan(array).sum()), "inf": int(np.isinf(array).sum())} for name, array in values.items()
    }


def warned(
    loss: np.ndarray, report: Mapping[str, Any], dependence: float, dtype: torch.dtype, microbatch: int
) -> list[str]:
    """Warns of a landscape that is probably not what its user expects.

    Args:
        loss: Values [H, W].
        report: The report so far.
        dependence: The largest relative difference between a batch and its parts.
        dtype: The dtype of the computation, which bounds the difference from rounding.
        microbatch: Samples per batch.

    Returns:
        The warnings.
    """
    messages = []
    if depends_on_batches(dependence, dtype):
        messages.append(
            f"the values depend on how samples are batched, here {microbatch} at a time (batched in another way they "
            f"differ by {dependence:.1e}): the loss or a metric is no plain mean over samples (class weights, ignored "
            "targets), or the outputs depend on the rest of the batch or are random; give the batches that you mean "
            "as a DataLoader or a list, without stream_samples"
        )
    moves = any(
        length != 0 for vector, length in report["norms"].items() if vector != "theta"
    )  # else warned of before
    finite = np.isfinite(loss)
    if not finite.any() and math.isfinite(report["centre"]["loss"]):
        messages.append(
            "the loss is finite at no point, although it is at the model on the first samples: do later ones hold NaN "
            "or infinite values, or is the range too large?"
        )
    if loss.size > 1 and moves and finite.all() and (loss == loss.flat[0]).all():
        messages.append(
            "the loss is the same at every point: does the model use its own parameters in its forward pass, and "
            "none that were bound to functions or lists elsewhere? Does the loss depend on what the model returns "
            "(a cross-entropy over one class is always 0)?"
        )
    if report["repeats"] > 1 and (some := finite.any(axis=0) & ~finite.all(axis=0)).any():
        messages.append(
            f"at {some.sum()} of {some.size} points the loss is not finite along some of the {report['repeats']} "
            "random directions, and neither is the mean; Landscape.repeats has those along each"
        )
    for message in messages:
        warn(message)
    return messages


def changed_late(problem: Problem) -> list[str]:
    """Warns of a forward pass that changed tensors at some points, but not while it was watched.

    Args:
        problem: What was evaluated.

    Returns:
        The warnings.
    """
    state = problem.footprint.state if problem.footprint else None
    changed = ", ".join(named(way) for way in (state.changed() if state else [])[:3])
    if not changed:
        return []
    message = (
        f"at some points the forward pass has changed {changed} of the model, and on the first batches it did not; "
        "values may depend on the order of the points: let a forward pass leave that as it is"
    )
    warn(message)
    return [message]
