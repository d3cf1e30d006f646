"""Evaluates layer by layer: the points of a chunk go through the model together, and each block is read once for all.

    for each block:  theta and the directions of the block -> memory
        for each point:  the block's weights -> its pass continues to the next block

Forward passes are unchanged Python code: every pass has its own thread, and waits in front of each block until all
other passes are there. Memory holds theta and the directions of one block, its weights at one point, and the
activations between two blocks, once for each waiting pass: for each point and microbatch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.engine import gpu
from fastscape.engine.block_weights import Blocks, Sweep
from fastscape.engine.engine import Engine
from fastscape.engine.failures import gpu_is_lost, out_of_memory
from fastscape.engine.in_place import EngineInPlace
from fastscape.engine.lock_step import Entangled
from fastscape.engine.plan import Plan
from fastscape.model import Batch, Modes, Problem, modes_here, modes_of
from fastscape.weights import (
    BasisRows,
    Gathered,
    Rows,
    Space,
    Tensorwise,
    dtype_of,
    local,
    never_gathered,
    tensors_of,
    ungathered,
)

__all__ = ["LayerEngine", "LayerEngineInPlace"]

AT_ONCE = 64  # passes, each with a thread
HELD = 1 << 30  # bytes that waiting passes may hold, as far as known
FIRST = 2  # passes at once, until a sweep shows how much they hold


class LayerEngine(Engine):
    """An engine whose points go through the model together, block by block.

    If passes share more state than allowed, points are evaluated one by one, and `fallback` says why.

    Args:
        problem: What is evaluated.
        space: The space of the points; its layout has the plan's memory format.
        plan: How to evaluate: in layers.
    """

    def __init__(self, problem: Problem, space: Space, plan: Plan) -> None:
        super().__init__(problem, space, plan)
        self._reason, self._blocks = _shared(problem, space), None
        if self._reason is None:
            self._blocks = self._found(space)
            if not self._blocks.usable:
                self._reason = "no layers: other weights cannot be put into this model"

    def _found(self, space: Space) -> Blocks:
        """The blocks of the model."""
        problem, (model,), entries = self.problem, self._models, space.layout.entries
        moving = {entry.name for entry in entries}
        own = tensors_of(problem.model)
        dtypes = {name: problem.dtypes.get(name, dtype_of(own[name], problem.dtype)) for name in moving}
        gathered = None
        if problem.place.sharing is not None:
            assert problem.place.lent is not None  # sharded models are lent
            gathered = Gathered(model, problem.place.lent, problem.device)
            dtypes |= {name: t.dtype for name, t in own.items() if local(t) is not t and name not in moving}
        if problem.place.lent:
            still = {name: t.detach() for name, t in tensors_of(model).items() if name not in dtypes}
        else:
            still = dict(problem.in_own_dtypes(self._fixed))
        return Blocks(model, still, entries, dtypes, problem.place, gathered)

    @property
    def fallback(self) -> str | None:
        """Why points are evaluated one by one; None if they are not."""
        return self._reason

    def _evaluated(self, points: Tensor) -> Tensor:
        if self._blocks is None or self._reason is not None:
            return super()._evaluated(points)
        try:
            return self._by_layers(points, self._blocks)
        except Exception as error:
            begun = self._blocks.held is not None
            if out_of_memory(error) or gpu_is_lost(error) or (begun and not isinstance(error, Entangled)):
                raise
            # If the model itself raised the error, the evaluation below raises it again.
            self._reason = f"no layers: {type(error).__name__}: {str(error)[:300]}"
        return super()._evaluated(points)

    def _by_layers(self, points: Tensor, blocks: Blocks) -> Tensor:
        """The sums [g, measures] at some points."""
        c, begun = self._points.coefficients(points), 0
        sums: list[Tensor] = []
        while begun < len(points):
            most = FIRST if blocks.held is None else max(min(AT_ONCE, HELD // max(blocks.held, 1)), 1)
            part = c[begun : begun + most]
            sums.append(self._together(part, blocks, max(most // len(part), 1)))
            begun += len(part)
        return torch.cat(sums)

    def _together(self, c: Tensor, blocks: Blocks, step: int) -> Tensor:
        """The sums [g, measures] at points with coefficients [g, S or 1, K], `step` batches at a time."""
        problem, (model,) = self.problem, self._models
        stream = gpu.here(problem.device) if gpu.on_gpu(problem.device) else None
        surrounding = partial(_surrounding, modes_here(), stream)
        sums: list[list[Tensor]] = [[] for _ in c]
        for first in range(0, len(self._batches), step):
            batches = self._batches[first : first + step]
            numbers = [point for point in range(len(c)) for _ in batches]
            passes = [partial(self._pass, model, batch) for _ in c for batch in batches]
            with self._together_with_others(model, len(passes)), _switches_kept():
                made = Sweep(blocks, self._rows, c, numbers, surrounding).run(passes)
            for point, found in zip(numbers, made, strict=True):
                sums[point].append(found)
        return torch.stack([problem.objective.over_batches(row, self._batches) for row in sums])

    @property
    def _rows(self) -> Rows:
        """The vectors of the basis, tensor by tensor."""
        basis = self._points.space.basis
        if self._blocks is not None and self._blocks.gathered is not None:
            assert isinstance(basis.vectors, Tensorwise)  # else nothing is gathered
            return basis.vectors.gathered(self._blocks.gathered)
        return basis.vectors if isinstance(basis.vectors, Tensorwise) else BasisRows(basis, self.plan.kernels)

    @contextmanager
    def _together_with_others(self, model: nn.Module, passes: int) -> Iterator[None]:
        """The context of a sweep; all processes that share the model begin it together."""
        with self.problem.place.evaluating(model, f"{passes} passes in layers"), ungathered(model):
            yield

    def _pass(self, model: nn.Module, batch: Batch) -> Tensor:
        """The sums of every measure over one microbatch."""
        return self.problem.objective.sums(model, batch.content, batch.samples)


class LayerEngineInPlace(LayerEngine, EngineInPlace):
    """A `LayerEngine` for a lent model: a loop would write points over the model, layers write nothing to it."""


@contextmanager
def _surrounding(modes: Modes, stream: Any) -> Iterator[None]:
    """A context with the modes of a different thread, and on a GPU with its stream."""
    with ExitStack() as stack:
        stack.enter_context(modes_of(modes))
        if stream is not None:
            stack.enter_context(gpu.queued_on(stream))
        yield


@contextmanager
def _switches_kept() -> Iterator[None]:
    """Restores afterwards where the process prints, and the settings that choose how torch computes.

    A pass that restores a setting at its end may restore the value that a different pass has set.
    """
    printing = sys.stdout, sys.stderr
    fixed = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    onednn, cudnn = bool(torch.backends.mkldnn.enabled), torch.backends.cudnn.enabled
    try:
        yield
    finally:
        sys.stdout, sys.stderr = printing
        torch.use_deterministic_algorithms(fixed[0], warn_only=fixed[1])
        if bool(torch.backends.mkldnn.enabled) != onednn:
            torch._C._set_mkldnn_enabled(onednn)  # `set_flags` warns on some machines
        torch.backends.cudnn.enabled = cudnn


def _shared(problem: Problem, space: Space) -> str | None:
    """Why passes of a problem cannot run side by side; None if they can."""
    seen = problem.footprint
    if seen is None:
        return "no layers: it is not known what an evaluation changes"
    if problem.place.sharing is not None:
        if not isinstance(space.basis.vectors, Tensorwise):
            return "no layers: a process has its part of the directions in memory; write low_memory=True"
        if (reason := never_gathered(problem.model)) is not None:
            return f"no layers: {reason}"
    if problem.batchnorm == "recalibrate":
        return "no layers: statistics are estimated at every point"
    if seen.draws:
        return "no layers: random numbers are drawn, in the order of the points"
    return None if seen.nothing else "no layers: an evaluation changes tensors, samples or the model"
