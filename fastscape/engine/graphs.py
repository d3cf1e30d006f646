"""A loop over points that a GPU replays: one CUDA graph for each shape of a microbatch, captured at the first point.

    for each point:  weights -> one static buffer [P];  for each microbatch:  samples -> static memory;  replay;
                     sums -> their row of a table [points, microbatches, measures]

A replay reads and writes the memory of its capture, so weights and samples are copied to where it reads. All of that
is queued without waiting for the GPU, and the CPU has a handful of calls to make for a microbatch, however many layers
there are.

A replay does not repeat what an evaluation does on the CPU. So a graph is made only under two conditions. The
footprint of the problem must say that an evaluation draws nothing, writes nothing and keeps nothing from call to call.
A trial must show that no number returns from the GPU and that no tensor comes from the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastscape.engine import gpu
from fastscape.engine.engine import Engine
from fastscape.engine.failures import gpu_is_lost, out_of_memory
from fastscape.engine.in_place import EngineInPlace
from fastscape.engine.layer_major import LayerEngine, LayerEngineInPlace
from fastscape.engine.plan import Plan
from fastscape.model import Batch, Problem, at_rest, kind_of_batch, tensors_of_batch
from fastscape.weights import Space, Tensorwise

__all__ = ["GraphEngine", "engine_for"]

MOST = 64  # graphs; data of more shapes are evaluated in a plain loop


class _Graph(NamedTuple):
    """The graph of one microbatch, or of all microbatches of one shape.

    Args:
        captured: Replays the graph.
        samples: The memory that the graph reads, if several microbatches take turns in it; None if the graph reads the
            samples of its only microbatch.
        sums: The sums that the graph writes [measures].
    """

    captured: gpu.Captured
    samples: list[Tensor] | None
    sums: Tensor


class GraphEngine(Engine):
    """An engine whose loop is replayed. If nothing can be captured, it runs a plain loop, and `fallback` says why.

    Args:
        problem: What is evaluated, on a GPU.
        space: The space of the points; its layout has the plan's memory format.
        plan: How to evaluate: a loop with `graphs`.
    """

    def __init__(self, problem: Problem, space: Space, plan: Plan) -> None:
        super().__init__(problem, space, plan)
        self._weights = torch.empty(space.layout.size, dtype=problem.dtype, device=problem.device)
        self._graphs: list[_Graph] = []  # of each microbatch; empty until they are captured
        self._reason = None if problem.repeats_itself else _changes(problem)

    @property
    def fallback(self) -> str | None:
        """Why no graph is replayed; None if graphs are replayed."""
        return self._reason

    def exchange(self, problem: Problem) -> None:
        """Continues with different samples, which are in other memory and are captured again."""
        self._forget()
        super().exchange(problem)

    def close(self) -> None:
        """Gives the memory of the graphs back."""
        self._forget()
        super().close()

    def _of_weights(self, flat: Tensor, c: Tensor) -> Tensor:
        if self._reason is None and not self._graphs:
            self._begin()
        if self._reason is not None:
            return super()._of_weights(flat, c)
        table = flat.new_empty(len(flat), len(self._batches), len(self._graphs[0].sums), dtype=torch.float64)
        for row, weights in zip(table, flat, strict=True):
            at_rest()  # for signals, which arrive between two points
            self._weights.copy_(weights)
            for sums, batch, graph in zip(row, self._batches, self._graphs, strict=True):
                if graph.samples is not None:
                    for into, tensor in zip(graph.samples, tensors_of_batch(batch.content), strict=True):
                        into.copy_(tensor)
                graph.captured.replay()
                sums.copy_(graph.sums)
        return table.sum(1)

    def _begin(self) -> None:
        """Captures all graphs, or records why that is impossible.

        Graphs are captured at theta. The comparison at a second point shows if a graph does not read weights again.
        """
        self._weights.copy_(self._points.space.basis.theta)
        try:
            self._graphs = self._captured()
        except Exception as error:
            cause = error.__context__ or error  # if a capture fails, its exit raises too
            if out_of_memory(cause) or gpu_is_lost(cause):  # the evaluator makes the plan smaller
                raise
            self._reason = f"no CUDA graph: {type(cause).__name__}: {str(cause)[:300]}"

    def _captured(self) -> list[_Graph]:
        shapes = [_shape(number, batch) for number, batch in enumerate(self._batches)]
        if len(set(shapes)) > MOST:
            raise ValueError(f"the microbatches have {len(set(shapes))} shapes; {MOST} graphs are made at most")
        memory = gpu.pool(self.problem.device)
        made: dict[Hashable, _Graph] = {}
        try:
            for shape, batch in zip(shapes, self._batches, strict=True):
                if shape not in made:
                    alone = shapes.count(shape) == 1
                    slot = batch if alone else replace(batch, content=batch.copied())
                    made[shape] = self._of_batch(slot, memory, alone=alone)
        except BaseException:
            for graph in made.values():
                graph.captured.forget()
            raise
        return [made[shape] for shape in shapes]

    def _of_batch(self, batch: Batch, memory: Any, *, alone: bool) -> _Graph:
        """The graph of a microbatch."""
        problem, (model,), layout = self.problem, self._models, self._points.space.layout
        measure = self._measures.for_batch(batch)

        def evaluated(by: Callable[..., Tensor]) -> Tensor:
            return problem.bare({**self._fixed, **layout.unflatten(self._weights)}, batch, model, by)

        with _Trial() as trial:
            sums = evaluated(self._measures.plain).clone()
        if trial.refused is not None:
            raise ValueError(trial.refused)

        def work() -> None:
            sums.copy_(evaluated(measure))

        captured = gpu.captured(work, problem.device, memory)
        return _Graph(captured, None if alone else tensors_of_batch(batch.content), sums)

    def _forget(self) -> None:
        for graph in {id(graph): graph for graph in self._graphs}.values():
            graph.captured.forget()
        self._graphs = []


def engine_for(problem: Problem, space: Space, plan: Plan) -> Engine:
    """The engine that follows a plan.

    Args:
        problem: What is evaluated.
        space: The space of the points; its layout has the plan's memory format.
        plan: How to evaluate.

    Returns:
        The engine.

    Raises:
        ValueError: When the problem, the space or the device does not allow the plan.
    """
    in_place = isinstance(space.basis.vectors, Tensorwise)
    if plan.batching == "layers":
        return (LayerEngineInPlace if in_place else LayerEngine)(problem, space, plan)
    if in_place:
        return EngineInPlace(problem, space, plan)
    return (GraphEngine if plan.graphs else Engine)(problem, space, plan)


def _changes(problem: Problem) -> str:
    """Why the evaluations of a problem cannot be captured."""
    seen = problem.footprint
    if seen is None or problem.place.lent:
        why = "a lent model is written to" if problem.place.lent else "it is not known what an evaluation changes"
    elif problem.batchnorm == "recalibrate":
        why = "statistics are estimated at every point"
    else:
        why = "random numbers are drawn" if seen.draws else "an evaluation changes tensors, samples or the model"
    return f"no CUDA graph: {why}"


def _shape(number: int, batch: Batch) -> Hashable:
    """A key that is equal for microbatches that share a graph; batches of more than dense tensors share none."""
    kind = kind_of_batch(batch.content)
    return number if kind is None else (batch.of, batch.samples, kind)


class _Trial(TorchDispatchMode):
    """Watches an evaluation for operations that a replay would not repeat.

    `refused` names the first such operation, or is None. Some operations read numbers back from the GPU: the CPU waits
    for the numbers and may branch on them. Other operations copy tensors between CPU and GPU: nothing keeps their
    memory on the CPU.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.refused: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = str(getattr(func, "__name__", func))
        if self.refused is None:
            if name.startswith(("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "_cudnn_rnn_flatten_weight")):
                self.refused = f"{name} reads numbers back, or moves weights"
            elif "copy" in name and len(_devices((args, kwargs, made))) > 1:
                self.refused = f"{name} takes a tensor from one device to another"
        return made


def _devices(values: Any) -> set[str]:
    return {tensor.device.type for tensor in tree_leaves(values) if isinstance(tensor, Tensor)}
