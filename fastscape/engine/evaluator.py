"""Evaluates the points of a run: searches for the fastest plan, and chooses a plainer plan when a chunk fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import gpu
from fastscape.engine.comparison import Comparison
from fastscape.engine.derivatives import DerivativeEngine
from fastscape.engine.eigenvalues import EigenvalueEngine
from fastscape.engine.engine import Engine
from fastscape.engine.failures import gpu_is_lost, out_of_memory, plan_smaller, vmap_refused
from fastscape.engine.gpu_rules import options_on_gpu
from fastscape.engine.graphs import engine_for
from fastscape.engine.plan import Plan
from fastscape.engine.plan_rules import plan_looped
from fastscape.engine.planner import plan_measured
from fastscape.engine.small_grids import plan_for_few
from fastscape.model import Problem
from fastscape.weights import Space

__all__ = ["Evaluator"]

# With fewer points, plans are compared by a few samples; see `small_grids`.
WORTH_PLANNING = 128


class Evaluator:
    """Evaluates points by the best plan that it finds.

    `plan` is the plan that is followed, and `space` is the space in the memory format of this plan. `timings` are the
    measurements of the planner. `reason` says why a plainer plan than requested is followed; None if none is.

    Args:
        space: The space of the points. The evaluator takes it over.
        plan: The plan to follow, or the first plan of a search.
        auto: Whether a plainer plan may evaluate a model that refuses the plan.
        recut: Whether a different microbatch gives the same values.
        comparison: Compares a plan with a plain evaluation before it is followed; None if evaluations are not
            repeatable.
    """

    problem: Problem

    def __init__(self, space: Space, plan: Plan, *, auto: bool, recut: bool, comparison: Comparison | None) -> None:
        self.space, self.plan = space, plan
        self.auto, self.recut, self.comparison = auto, recut, comparison
        self.engine: Engine | None = None
        self.begun = False
        self.reason: str | None = None
        self.timings: list[dict[str, Any]] = []

    def exchange(self, problem: Problem) -> None:
        """Continues with a different part of the samples.

        Args:
            problem: What is evaluated from now on.

        Raises:
            ValueError: When a plan was given that cannot repeat the random numbers that the model draws.
        """
        first = not hasattr(self, "problem")
        self.problem = problem
        if first:
            self._check()
        elif self.engine is not None:
            self.engine.exchange(problem)

    def prepare(self, plan: Plan) -> Engine:
        """Makes the engine of a plan, with the basis in the plan's memory format, and compares its values at a point.

        Args:
            plan: The plan.

        Returns:
            The engine.

        Raises:
            ValueError: When its values differ from a plain evaluation.
        """
        self.space = self.space.relaid(channels_last=plan.channels_last)
        engine = engine_for(self.problem, self.space, plan)
        if self.comparison is not None and self.comparison.wanted(plan):
            try:
                self.comparison.check(engine, self.problem, self.space)
            except BaseException:
                engine.close()
                raise
        return self._with_more(engine)

    def _with_more(self, engine: Engine) -> Engine:
        """An engine that also gives further requested values of the loss; the same engine if there are none."""
        objective = self.problem.objective
        if objective.derivatives is not None:
            engine = DerivativeEngine(engine, self.problem, self.space)
        if objective.eigenvalues is not None:
            engine = EigenvalueEngine(engine, self.problem, self.space)
        return engine

    def close(self) -> None:
        """Ends the engine in use."""
        if self.engine is not None:
            self.engine.close()
        self.engine = None

    @property
    def facts(self) -> dict[str, Any]:
        """Facts about the plan, as plain values by name."""
        return {"plan": self.plan.as_dict(), "plans_measured": self.timings, "fallback": self.reason}

    @property
    def repeatable(self) -> bool:
        """Whether the model draws no random numbers: threads share generators, and compiled code has its own."""
        return self.problem.footprint is not None and not self.problem.footprint.draws

    def _check(self) -> None:
        """Refuses a plan that would give different values on every run."""
        if (self.plan.workers > 1 or self.plan.compile or self.plan.channels_last) and not self.repeatable:
            raise ValueError(
                "the model or a measure draws random numbers, which workers, compiled code and another memory format "
                "do not repeat; write workers=1, compile=False and memory_format='contiguous' in the plan"
            )

    def planned(self, points: Tensor, advance: Callable[[int], Any]) -> Tensor:
        """Searches for the best plan. If the first plan fails, nothing changes, and `sums` raises its error.

        Args:
            points: Grid coordinates [n, D].
            advance: Called with the number of points after each chunk.

        Returns:
            The sums of the first points, which the search has evaluated, on the CPU.
        """
        if len(points) < max(WORTH_PLANNING, 4 * self.plan.chunk):
            self._plan_for_few(points)
            return torch.empty(0)
        options = ["batching", "chunk", *(["microbatch"] if self.recut else []), *options_on_gpu(self.problem)]
        if isinstance(self.space.basis.vectors, Tensor):  # regenerated directions have one format and no parts
            options += ["hoist", *(["memory_format"] if self.repeatable else [])]
            # Weights of a reduced precision are rounded when they are made.
            options += ["products"] if self.space.basis.vectors.dtype == self.problem.dtype else []
        if self.repeatable:
            options += ["compile", "workers"]
        if self.problem.place.lent:
            options = ["microbatch"] if self.recut else []
        try:
            found = plan_measured(
                self.plan, self.prepare, points, problem=self.problem, options=options, advance=advance
            )
        except Exception as error:
            if gpu_is_lost(error):
                raise
            return torch.empty(0)
        self.plan, self.engine, self.timings, self.begun = found.plan, found.engine, found.timings, True
        return torch.cat(found.sums).cpu()

    def _plan_for_few(self, points: Tensor) -> None:
        """Searches for the best plan by timing a few samples; an error leaves the plan as it is."""
        if self.problem.place.lent or not len(points):
            return
        formats = self.repeatable and isinstance(self.space.basis.vectors, Tensor)

        def prepare(plan: Plan, problem: Problem) -> Engine:
            self.space = self.space.relaid(channels_last=plan.channels_last)
            return Engine(problem, self.space, plan)

        options: dict[str, Any] = {"formats": formats, "recut": self.recut}
        self.plan, self.timings = plan_for_few(self.plan, prepare, points, self.problem, **options)

    def sums(self, chunk: Tensor) -> Tensor:
        """The sums over the samples at the first points of a chunk: one repeat, or fewer points if memory is short.

        Args:
            chunk: Grid coordinates [n, D], at most as many as the plan's chunk.

        Returns:
            Sums [m, measures], float64, on the device of the problem; m is at least 1. With repeated directions,
            these are points of one repeat.
        """
        (_, first), *_ = self.space.by_repeat(chunk)
        found = self._chunk(chunk[: len(first)], auto=self.auto and not self.begun)
        self.begun = True
        return found

    def _chunk(self, chunk: Tensor, *, auto: bool) -> Tensor:
        try:
            if self.engine is None:
                self.engine = self.prepare(self.plan)
            sums = self.engine.sums(chunk)
            if self.engine.fallback is not None:
                self.reason = self.reason or self.engine.fallback
                self.plan = replace(plan_looped(self.plan), graphs=False)
            return sums
        except Exception as error:
            plainer = self._plainer(error, auto=auto)
            if plainer is None:
                if (said := vmap_refused(error, self.plan)) is not None:
                    raise RuntimeError(said) from error
                raise
            reason = f"{type(error).__name__}: {error}"
            short = out_of_memory(error)
        # Outside the handler, as the error keeps all tensors of the failed evaluation.
        once_more = self.plan.together or plainer.microbatch != self.plan.microbatch
        self._change(plainer)
        if short:
            return self._chunk(chunk[: self.plan.chunk], auto=False)
        sums = self._chunk(chunk[: self.plan.chunk], auto=once_more)
        # The user did not ask for this plan, and no value changes: the report says so, and no warning.
        self.reason = (self.reason or reason) if once_more else reason
        return sums

    def _plainer(self, error: Exception, *, auto: bool) -> Plan | None:
        """The plan to continue with after an error.

        If the plainer plan raises too, the current plan was not the cause, and the error of the plainer plan is
        clearer.

        Returns:
            The plan; None if the error is to be raised.
        """
        if gpu_is_lost(error):
            return None
        if out_of_memory(error):
            largest = max(batch.samples for batch in self.problem.batches(self.plan.microbatch))
            return plan_smaller(self.plan, largest, recut=self.recut)
        if not auto:
            return None
        if self.recut and self.comparison is not None and self.plan.microbatch != self.comparison.microbatch:
            return replace(self.plan, microbatch=self.comparison.microbatch)
        if self.plan.batching == "layers":
            return plan_looped(self.plan)
        vmap = self.plan.batching == "vmap"
        if not (vmap or self.plan.channels_last):
            return None
        if self.plan.together:
            return replace(self.plan, hoist=False, products="materialised")
        return plan_looped(self.plan) if vmap else replace(self.plan, memory_format="contiguous")

    def _change(self, plan: Plan) -> None:
        self.close()
        gpu.release(self.problem.device)
        self.plan = plan
