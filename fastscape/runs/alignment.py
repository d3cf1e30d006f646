"""Permutes the units of a model to bring it closest to a reference model, and verifies the permuted model."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastscape.model import Batch, Data, Problem, problem_of, reading_of, whole_copy
from fastscape.paths import (
    TOLERANCE,
    ActivationLikeness,
    Symmetry,
    Traced,
    WeightLikeness,
    correlations,
    difference,
    matched,
    outputs_of,
    permuted,
    sound,
    traced,
)
from fastscape.results import AlignmentValues, Permutation, chosen, clipped, warn, with_defaults
from fastscape.runs.checks import check_whole
from fastscape.runs.guarded import guarded
from fastscape.runs.options import AlignOptions, SurfaceOptions
from fastscape.runs.request import Request, request_of
from fastscape.weights import (
    check_present,
    every_tensor,
    listed,
    model_given,
    named_as,
    other_read,
    tensors_of,
    warn_of_other_code,
)

__all__ = ["alignment_of"]

_FEW, _MANY = 2, 64  # number of samples of the trace, and of each evaluation
_NOISE = 1e-6  # a larger difference is not rounding

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both models, ready to be evaluated.

    Args:
        problem: The model that is aligned.
        mine: Its weights by name, float64.
        theirs: The weights of the reference model by name, float64.
        names: The names of the tensors that may be permuted.
    """

    problem: Problem
    mine: Weights
    theirs: Weights
    names: Sequence[str]

    @property
    def parameters(self) -> list[str]:
        """The names of the tensors that are parameters."""
        own = dict(self.problem.model.named_parameters())
        return [name for name in self.names if name in own]


def alignment_of(model: nn.Module, data: Data, given: AlignOptions) -> tuple[AlignmentValues, nn.Module]:
    """Permutes the units of a model to bring it closest to a reference model.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The permutations, and a permuted copy of the model.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value.
    """
    options = with_defaults(AlignOptions, given, "align")
    for name, least in (("restarts", 1), ("samples", 1), ("seed", 0)):
        check_whole(name, options[name], least)  # type: ignore[literal-required]
    chosen("method", options["method"], {"weights": None, "activations": None})
    if options["to"] is None:
        raise TypeError("align needs the model to come near to; write fastscape.align(b, data, to=a)")
    own = {"objective": options["objective"], "device": options["device"], "progress": options["progress"]}
    whole = with_defaults(SurfaceOptions, cast(SurfaceOptions, {**own, "precision": "float64"}), "align")
    request = request_of(model, data, {"x": np.zeros(1)}, whole)
    return guarded(request, partial(_aligned, request, options))


def _aligned(request: Request, options: AlignOptions) -> tuple[AlignmentValues, nn.Module]:
    started = time.perf_counter()
    pair = _pair(request, options)
    batches = _batches(pair.problem, options["samples"])
    seeds = np.random.default_rng(options["seed"])
    # Outputs are compared in batches of the traced size.
    few = batches[0] if options["method"] == "activations" else pair.problem.batches(_FEW)[0]
    found = sound(pair.problem, pair.mine, few, _traced(pair, few), seeds)
    _check_free(found, request.model)
    likeness = _likeness(pair, batches, found, options)
    with tqdm(total=options["restarts"], desc="align", unit="", disable=None if options["progress"] else True) as bar:
        images = matched(
            found.symmetry, likeness, restarts=options["restarts"], seed=options["seed"], told=partial(bar.update, 1)
        )
    indices = found.symmetry.indices(images)
    moved = {**pair.mine, **{name: permuted(pair.mine[name], index) for name, index in indices.items()}}
    error, noise = _proved(pair.problem, pair.mine, moved, batches, found)
    if found.unread:
        warn(
            f"{listed(found.unread)} were not read where the model was followed, and stay where they are: what uses "
            "them together with what changed places is another function then; give data, or an objective, that use all"
        )
    report = {
        "unread": list(found.unread),
        "method": options["method"],
        "seed": options["seed"],
        "restarts": options["restarts"],
        "model": type(request.model).__name__,
        "tolerance": TOLERANCE,
        "seconds": time.perf_counter() - started,
    }
    values = AlignmentValues(
        _permutations(request.model, found.symmetry, indices),
        _distance(pair, pair.mine),
        _distance(pair, moved),
        error,
        noise,
        sum(batch.samples for batch in batches),
        dict(sorted(found.not_understood.items())),
        report,
    )
    return values, _copy(request.model, indices)


def _pair(request: Request, options: AlignOptions) -> _Pair:
    """Both models as tensors by name, after checking that they have the same architecture."""
    assert options["to"] is not None
    other = other_read(options["to"], "to")
    warn_of_other_code(request.model, other)
    there = named_as(list(every_tensor(request.model)), model_given(request.model, other))
    check_present(there, "the model that to gives")
    part = next(reading_of(request.data, request.reading, request.place).parts)
    problem = problem_of(request.model, set(), request.objective, part, request.place, request.mode)
    given = tensors_of(request.model)
    theirs = {}
    for name, tensor in given.items():
        if name not in there and not isinstance(tensor, nn.Parameter):
            theirs[name] = problem.still[name]
            continue
        if name not in there or there[name].shape != tensor.shape:
            came = f"has shape {tuple(there[name].shape)}" if name in there else "is missing"
            raise ValueError(
                f"{name:.100} of the model must have shape {tuple(tensor.shape)}, got {came} from to: give a model of "
                "the same architecture"
            )
        theirs[name] = there[name].detach().to(problem.still[name])
    names = [
        name
        for name, tensor in given.items()
        if _may_move(request.model, name, problem.still[name])
        and (isinstance(tensor, nn.Parameter) or not _masks(problem.still[name], theirs[name]))
    ]
    for whose, tensors in (("the model", problem.still), ("the model that to gives", theirs)):
        odd = [name for name in names if not tensors[name].isfinite().all()]
        if odd:
            raise ValueError(f"{whose} has values that are not finite in {listed(odd)}; give a model that can be used")
    return _Pair(problem, dict(problem.still), theirs, names)


def _may_move(model: nn.Module, name: str, tensor: Tensor) -> bool:
    """Whether a tensor is learned: a tensor in no state dict is a constant."""
    path, _, leaf = name.rpartition(".")
    stays = leaf in model.get_submodule(path)._non_persistent_buffers_set
    return (tensor.is_floating_point() or tensor.is_complex()) and not stays and tensor.dim() > 0


def _masks(mine: Tensor, theirs: Tensor) -> bool:
    """Whether a buffer is the same in both models and has infinite entries, as the mask of an attention has."""
    return bool(mine.isinf().any()) and torch.equal(mine, theirs)


def _batches(problem: Problem, samples: int) -> list[Batch]:
    """The first batches, until they have this number of samples."""
    found: list[Batch] = []
    for batch in problem.batches(_MANY):
        if sum(one.samples for one in found) >= samples:
            break
        found.append(batch)
    return found


def _traced(pair: _Pair, few: Batch) -> Traced:
    try:
        return traced(pair.problem, pair.mine, few, pair.names)
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"the model cannot be evaluated in double precision and followed ({clipped(error)}); nothing is known of "
            "its units, so that it cannot be aligned"
        ) from error


def _check_free(found: Traced, model: nn.Module) -> None:
    """Refuses a model in which nothing can be permuted."""
    if found.symmetry.cells:
        return
    names = list(found.not_understood)
    why = (
        f"the operation {names[0]!r:.80} was not understood"
        + (f", nor were {listed(map(repr, names[1:]))}" if names[1:] else "")
        if names
        else "it has no hidden units, channels or heads that could change places"
    )
    raise ValueError(f"{type(model).__name__} cannot be aligned: {why}")


def _likeness(
    pair: _Pair, batches: Sequence[Batch], found: Traced, options: AlignOptions
) -> WeightLikeness | ActivationLikeness:
    if options["method"] == "activations":
        alike = [batch for batch in batches if batch.samples == batches[0].samples]
        return ActivationLikeness(found.symmetry, correlations(pair.problem, pair.theirs, pair.mine, alike, found))
    theirs, mine = ({n: _real(held[n]).cpu() for n in pair.parameters} for held in (pair.theirs, pair.mine))
    return WeightLikeness(found.symmetry, theirs, mine)


def _real(tensor: Tensor) -> Tensor:
    """A complex tensor as pairs of real numbers, along a new last axis."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _proved(
    problem: Problem, before: Weights, after: Weights, batches: Sequence[Batch], found: Traced
) -> tuple[float, float]:
    """The largest difference of outputs before and after, and the largest difference of two evaluations before."""
    first, again, moved = (outputs_of(problem, held, batches) for held in (before, before, after))
    error, noise = difference(first, moved), difference(first, again)
    if not error <= max(TOLERANCE, 4 * noise) or noise > _NOISE:
        names = list(found.not_understood)
        known = f"; not understood were {listed(names)}" if names else "; every operation was taken for understood"
        if noise > _NOISE:
            known = f", and two evaluations alike by {noise:.1e}: let it draw nothing at random"
        raise ValueError(
            f"the aligned {type(problem.model).__name__} would compute something else: its outputs differ by "
            f"{error:.1e} of their scale{known}. It is not given out"
        )
    return error, noise


def _distance(pair: _Pair, mine: Weights) -> float:
    return math.sqrt(sum(float((mine[n] - pair.theirs[n]).abs().square().sum()) for n in pair.parameters))


def _permutations(
    model: nn.Module, symmetry: Symmetry, indices: Mapping[str, Sequence[Any]]
) -> dict[str, Permutation]:
    """The axes that share a permutation; tied tensors appear under all of their names."""
    free = np.zeros(symmetry.count, dtype=bool)
    for cell in symmetry.cells:
        free[cell.rows] = True
    tied = defaultdict(list)
    for name, tensor in every_tensor(model).items():
        tied[id(tensor)].append(name)
    names = {name: tied[id(tensor)] or [name] for name, tensor in tensors_of(model).items()}
    found: dict[bytes, tuple[list[tuple[str, int]], Any]] = {}
    for name, axes in symmetry.axes.items():
        for axis, atoms in enumerate(axes):
            if atoms is not None and free[atoms].any():
                index = indices[name][axis]
                shown = np.arange(len(atoms)) if index is None else index
                found.setdefault(atoms.tobytes(), ([], shown))[0].extend((one, axis) for one in names[name])
    return {f"{axes[0][0]}[{axes[0][1]}]": Permutation(tuple(axes), index) for axes, index in found.values()}


@torch.no_grad()
def _copy(model: nn.Module, indices: Mapping[str, Sequence[Any]]) -> nn.Module:
    """A permuted copy of the model."""
    copied = whole_copy(model)
    for name, tensor in tensors_of(copied).items():
        if name in indices:
            tensor.copy_(permuted(tensor.detach(), indices[name]).clone())
    return copied
