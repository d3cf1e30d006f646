"""Evaluates points of weight space by a plan: makes the weights of a chunk of points, and evaluates all samples."""

from __future__ import annotations

import time
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fastscape.engine import gpu
from fastscape.engine.layers import BatchedFunctions, Hoist, Patches, skip_padding
from fastscape.engine.plan import Plan
from fastscape.engine.point_weights import PointWeights
from fastscape.engine.streams import AheadWeights
from fastscape.engine.workers import Workers
from fastscape.kernels import Seeded
from fastscape.model import Batch, Measured, Problem, twin
from fastscape.weights import Space, Tensorwise

__all__ = ["Engine"]

LARGEST_KEPT = 31 << 20  # bytes; see `_keep_freed_memory`

# Memory for results of hoisted layers, or for patches, that are kept from chunk to chunk.
SHARED_BYTES = 256 << 20


_PRODUCTS = "mm.", "mv.", "convol", "linear", "attention"  # in the names of torch's operations


class _Measures(NamedTuple):
    """The functions that measure one microbatch.

    Args:
        compiled: The function, compiled for batches of one size if the plan says so; else the same as `plain`.
        plain: The function of the problem.
        samples: Samples of the batches that `compiled` was compiled for.
    """

    compiled: Measured
    plain: Measured
    samples: int

    def for_batch(self, batch: Batch) -> Measured:
        """`plain` for a batch of a different size, often only the last, which would need a second compilation."""
        return self.compiled if batch.samples == self.samples else self.plain


class Engine:
    """One problem in one space, evaluated by one plan.

    Args:
        problem: What is evaluated.
        space: The space of the points; its layout has the plan's memory format.
        plan: How to evaluate.

    Raises:
        ValueError: When the basis has a different memory format than the plan, when layers are hoisted without
            directions in memory, when layers are computed from the basis although weights are rounded, when complex
            weights are to be compiled, or when the problem or the device does not allow the plan.
    """

    def __init__(self, problem: Problem, space: Space, plan: Plan) -> None:
        basis = space.basis
        if basis.layout.channels_last != plan.channels_last:
            raise ValueError(f"the plan wants {plan.memory_format} weights; relay the basis first")
        if plan.compile and basis.layout.complex:
            raise ValueError(
                "torch.compile makes no code for complex weights that move; write compile=False in the plan"
            )
        if problem.batchnorm == "recalibrate" and plan.batching == "vmap":
            raise ValueError("batchnorm='recalibrate' estimates statistics point by point; write batching='loop'")
        if (plan.graphs or plan.overlap) and not gpu.on_gpu(problem.device):
            raise ValueError(
                f"graphs and overlap act on a GPU, and this run is on {problem.device}; write graphs=False and "
                "overlap=False in the plan, or device='cuda'"
            )
        if plan.batching == "vmap" and problem.layers.recurrent and gpu.on_gpu(problem.device):
            raise ValueError("the recurrent layers of a GPU take the weights of one point; write batching='loop'")
        self.problem, self.plan = problem, plan
        if problem.place.lent is None or not problem.place.lent.in_place:  # else there may be no memory to spare
            _keep_freed_memory(problem.device)
        self._batches = problem.batches(plan.microbatch, channels_last=plan.channels_last)
        self._fixed = problem.fixed(channels_last=plan.channels_last)
        self._points = (AheadWeights if plan.overlap else PointWeights)(space, problem.dtype, plan.kernels)
        self._shared: Hoist | None = None
        if plan.together:
            assert not isinstance(basis.vectors, Tensorwise)  # points of such a basis are evaluated one by one
            _check_together(plan, basis.vectors, problem.dtype)
            self._shared = Hoist(space, problem.dtype, plan, SHARED_BYTES)
        bare = replace(problem, samples=[])  # compiled code must keep no samples alive
        compiled = _compiled(bare, graphed=not plan.graphs) if plan.compile else bare.measure
        self._measures = _Measures(compiled, bare.measure, self._batches[0].samples)
        self._patches: Patches | None = None
        model = problem.model
        if plan.hoist and plan.batching == "loop":
            self._patches = Patches(
                problem, self._somewhere(), self._batches, channels_last=plan.channels_last, budget=SHARED_BYTES
            )
            model = self._patches.model
        if plan.batching != "vmap" and plan.channels_last and problem.device.type == "cpu":
            model = twin(model)
            skip_padding(model)
        # Weights are swapped into a model, so threads cannot share one.
        self._models = [model] if plan.workers == 1 else [twin(model) for _ in range(plan.workers)]
        self._workers = Workers(plan.workers)

    def exchange(self, problem: Problem) -> None:
        """Continues with different samples of the same kind, for which compiled code is used again.

        Args:
            problem: The same problem with different samples, no more than before.
        """
        self.problem = problem
        self._batches = problem.batches(self.plan.microbatch, channels_last=self.plan.channels_last)
        if self._shared:
            self._shared.forget()
        if self._patches:
            self._patches.exchange(self._batches)

    def close(self) -> None:
        """Ends the workers."""
        self._workers.close()

    @torch.no_grad()
    def sums(self, points: Tensor) -> Tensor:
        """The sums over all samples of every measure at some points, as `Objective.sums` gives them.

        Args:
            points: Grid coordinates [g, D], at most `plan.chunk` of them; with repeated directions, the points of one
                repeat together, as the next repeat draws different directions.

        Returns:
            Sums [g, measures], float64, on the device.
        """
        parts = []
        for repeat, part in self._points.first.by_repeat(points):
            if repeat != self._points.repeat:
                self._points.turn(repeat)
                if self._shared:
                    self._shared.turn(self._points.space)
            parts.append(self._sums(part))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _sums(self, points: Tensor) -> Tensor:
        """The sums [g, measures] at points of one repeat."""
        if self._shared and not self._shared.seen and len(points) > 1:
            self._evaluated(points[:1])  # shows which weights are never read, before a whole chunk of them is written
        return self._evaluated(points)

    @torch.no_grad()
    def products(self) -> float:
        """The share of a point's time, on a CPU, that matrix products and convolutions take.

        torch.compile calls the same libraries for products and convolutions, so it gains only on the other operations.

        Returns:
            The share, from 0 to 1.
        """
        weights, _ = self._somewhere()
        with _Timed() as watching:
            self.problem.step(weights, self._batches[0], 0, model=self._models[0])
        return watching.products / watching.seconds if watching.seconds else 0.0

    @property
    def fallback(self) -> str | None:
        """Why points are not evaluated by the plan; None if they are."""
        return None

    def _evaluated(self, points: Tensor) -> Tensor:
        """The sums [g, measures] at some points."""
        c = self._points.coefficients(points)
        ranges = self._shared.ranges(self._points.space.layout) if self._shared else None
        sums = self._of_weights(self._points.at(c, ranges=ranges), c)
        self._points.read()
        return sums

    def _of_weights(self, flat: Tensor, c: Tensor) -> Tensor:
        """The sums [g, measures] at points with some weights [g, P] and coefficients [g, S or 1, K]."""
        layout = self._points.space.layout
        tensors = self._points.space.basis.held.unflatten(flat)
        factors = self._shared.coefficients(c, layout) if self._shared else {}
        evaluate = self._vmapped if self.plan.batching == "vmap" else self._looped

        def share(part: slice, model: nn.Module) -> Callable[[], Tensor]:
            own, scaled = ({name: t[part] for name, t in of.items()} for of in (tensors, factors))
            return partial(evaluate, own, scaled, model)

        work = list(map(share, self._workers.shares(len(flat)), self._models))
        with warnings.catch_warnings():
            # If torch has no batching rule, vmap loops inside: the planner's concern, not the user's. All threads
            # share the filters, so the workers do not set them.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            sums = self._workers.run(work)
        if self._shared:
            self._shared.seen = True
        return sums

    def _somewhere(self) -> list[dict[str, Tensor]]:
        """All weights at theta, and at theta plus the directions."""
        space = self._points.space
        c = torch.ones(2, 1, space.basis.gram.shape[2], dtype=torch.float64, device="cpu")
        c[0, :, 1:] = 0
        tensors = space.basis.held.unflatten(self._points.at(c))
        return [{**self._fixed, **{name: t[k] for name, t in tensors.items()}} for k in range(2)]

    @torch.no_grad()  # the gradient mode belongs to a thread
    def _vmapped(self, tensors: Mapping[str, Tensor], c: Mapping[str, Tensor], model: nn.Module) -> Tensor:
        """The sums [g, measures] of some points at once; `c` are the coefficients of hoisted weights."""
        shared = self._shared

        def step(tensors: Mapping[str, Tensor], c: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
            weights = {**self._fixed, **(shared.weights(tensors, c, index) if shared else tensors)}
            with BatchedFunctions():
                return self.problem.evaluated(weights, batch, index, model=model, measure=self._measures.compiled)

        mapped = torch.vmap(step, in_dims=(0, 0, None, None), randomness="same")
        sums = [mapped(tensors, c, batch, index) for index, batch in enumerate(self._batches)]
        return self.problem.objective.over_batches(sums, self._batches)

    @torch.no_grad()
    def _looped(self, tensors: Mapping[str, Tensor], _: Mapping[str, Tensor], model: nn.Module) -> Tensor:
        """The sums [g, measures] of some points, one by one."""
        points = zip(*(t.unbind() for t in tensors.values()), strict=True)
        return torch.stack([self._point(dict(zip(tensors, point, strict=True)), model) for point in points])

    def _point(self, tensors: Mapping[str, Tensor], model: nn.Module) -> Tensor:
        own = self.problem.in_own_dtypes({**self._fixed, **tensors})
        weights = self.problem.calibrated(own, self._batches, model)
        sums = []
        for index, batch in enumerate(self._batches):
            measure = self._measures.for_batch(batch)
            patches = self._patches.of(index) if self._patches else {}
            sums.append(self.problem.evaluated({**weights, **patches}, batch, index, model=model, measure=measure))
        return self.problem.objective.over_batches(sums, self._batches)


def _check_together(plan: Plan, vectors: Tensor | Seeded, dtype: torch.dtype) -> None:
    """Refuses to compute layers from a basis if that would change the weights of a point.

    Weights of a reduced precision are rounded when they are made, and the rounding is a part of the value. "fused"
    makes weights and rounds them; "shared" and hoisted layers never make weights.

    Raises:
        ValueError: When the plan would do so.
    """
    if plan.hoist and (not isinstance(vectors, Tensor) or vectors.dtype != dtype):
        raise ValueError(
            "hoist needs the directions in memory, in the precision of the weights; leave out low_memory=True "
            "and a reduced precision, or hoist=True"
        )
    if plan.products == "shared" and vectors.dtype != dtype:
        raise ValueError(
            "products='shared' never makes the weights, which a reduced precision rounds; leave that out, or write "
            "products='fused' or 'materialised'"
        )


class _Timed(TorchDispatchMode):
    """Measures the time of all operations, and of the products and convolutions among them."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = self.products = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        started = time.perf_counter()
        made = func(*args, **(kwargs or {}))
        seconds = time.perf_counter() - started
        self.seconds += seconds
        if any(part in func.__name__ for part in _PRODUCTS):
            self.products += seconds
        return made


def _keep_freed_memory(device: torch.device) -> None:
    """Makes the C library keep the memory of freed activations, as far as that needs no lasting settings.

    glibc gives freed blocks above a threshold back to the system, and each of their pages costs a page fault at its
    next use: half the time of a small network. The threshold follows the largest block below 32 MiB that was ever
    freed.
    """
    if device.type == "cpu":
        torch.empty(LARGEST_KEPT, dtype=torch.uint8, device=device)


def _compiled(problem: Problem, *, graphed: bool) -> Measured:
    """`problem.measure`, compiled whole for one set of shapes; on a GPU as a CUDA graph if `graphed`."""

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        return problem.measure(model, weights, content, samples)

    # torch keeps compiled code with the code object, for eight models at most. A copy of the object starts with none.
    fresh = types.FunctionType(
        measure.__code__.replace(), measure.__globals__, closure=measure.__closure__, name="measure"
    )
    if problem.device.type == "cpu":
        # Without this option, trying out which instructions the C++ compiler knows takes three quarters of the time.
        return torch.compile(fresh, fullgraph=True, dynamic=False, options={"cpp.vec_isa_ok": True})
    if not graphed:  # a replay checks neither guards nor whether weights have moved in memory
        return torch.compile(fresh, fullgraph=True, dynamic=False)
    compiled = torch.compile(fresh, fullgraph=True, dynamic=False, mode="reduce-overhead")
    return lambda *arguments: compiled(*arguments).clone()  # a CUDA graph writes the next result to the same memory
