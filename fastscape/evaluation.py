"""The values of a whole grid: the plan, the chunks, the progress bar, and what to do when a chunk fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from fastscape.basis import Basis
from fastscape.engine import Engine
from fastscape.ledger import Ledger
from fastscape.plan import Plan, plan_looped
from fastscape.planner import plan_measured
from fastscape.probing import draws_random_numbers
from fastscape.problem import Problem
from fastscape.schemes import Scheme
from fastscape.stops import Stops, held

__all__ = ["Evaluated", "evaluate"]

# Below this number of points a search for the best plan has nothing to choose from.
WORTH_PLANNING = 128


@dataclass(frozen=True)
class Evaluated:
    """The values of a grid and how they came about.

    Args:
        values: Means over the samples [G, measures], float64, on the CPU.
        samples: Number of samples.
        plan: The plan that most points were evaluated by.
        reason: Why vmap, or images with their channels last, were given up, or None.
        timings: What the planner measured; empty when a plan was given.
        basis: The basis, in the memory format of the plan.
    """

    values: Tensor
    samples: int
    plan: Plan
    reason: str | None
    timings: list[dict[str, Any]]
    basis: Basis


def evaluate(
    parts: Iterable[Problem],
    basis: Basis,
    scheme: Scheme,
    points: Tensor,
    plan: Plan,
    ledger: Ledger,
    *,
    auto: bool,
    search: bool,
    recut: bool,
    progress: bool,
) -> Evaluated:
    """The means over all samples of every measure, at every point of a grid.

    Args:
        parts: What is evaluated: the same problem with one part of the samples after the other.
        basis: What the points are combinations of. It is used up.
        scheme: How the coordinates combine it.
        points: Grid coordinates [G, D].
        plan: How to evaluate, or what to begin with.
        ledger: Which points are to be evaluated, and what is known of the others.
        auto: Whether a model that refuses the plan may be evaluated by a plainer one.
        search: Whether a better plan may be looked for.
        recut: Whether another microbatch gives the same values.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The values, and how they came about.

    Raises:
        ValueError: When a plan was given that cannot repeat the random numbers that the model draws.
    """
    run = _Run(basis, scheme, plan, recut=recut)
    run.timings, run.reason = ledger.timings, ledger.reason
    total: dict[str, Any] = {"total": ledger.total, "initial": ledger.before}
    # disable=None keeps the bar away from log files and pipes.
    with tqdm(**total, desc="surface", unit="pt", disable=None if progress else True) as bar, _stops(ledger) as stops:
        samples = 0
        try:
            for number, problem in enumerate(parts):
                samples += problem.size
                run.exchange(problem)
                if number >= ledger.parts:
                    run.over(points, ledger, stops, auto=auto, search=search, advance=bar.update)
                    search = False
                    ledger.part_done(samples)
                    stops.act(ledger.say_stopped)
                if number + 1 == ledger.parts and ledger.enough(samples):
                    break
            means = ledger.complete() / samples
        finally:
            run.close()
    return Evaluated(means, samples, run.plan, run.reason, run.timings, run.basis)


@contextmanager
def _stops(ledger: Ledger) -> Iterator[Stops]:
    """Holds signals back where finished blocks are kept; else there is nothing to wait for."""
    if ledger.store is None:
        yield Stops()
    else:
        with held() as stops:
            if ledger.ranks is not None:
                ledger.ranks.while_waiting = partial(stops.act_if_late, ledger.say_stopped)
            yield stops


class _Run:
    """One evaluation of a grid, with the engine that is in use."""

    problem: Problem

    def __init__(self, basis: Basis, scheme: Scheme, plan: Plan, *, recut: bool) -> None:
        self.basis, self.scheme, self.plan = basis, scheme, plan
        self.recut = recut
        self.engine: Engine | None = None
        self.begun = False
        self.reason: str | None = None
        self.timings: list[dict[str, Any]] = []

    def exchange(self, problem: Problem) -> None:
        """Goes on with another part of the samples."""
        first = not hasattr(self, "problem")
        self.problem = problem
        if first:
            self.check()
        elif self.engine is not None:
            self.engine.exchange(problem)

    def prepare(self, plan: Plan) -> Engine:
        """An engine for a plan, with the basis in the plan's memory format."""
        self.basis = self.basis.relaid(channels_last=plan.channels_last)
        return Engine(self.problem, self.basis, self.scheme, plan)

    def close(self) -> None:
        """Ends the engine in use."""
        if self.engine is not None:
            self.engine.close()
        self.engine = None

    @cached_property
    def repeatable(self) -> bool:
        """Whether the model draws no random numbers: threads share the generators, and compiled code has its own."""
        theta = self.basis.theta.to(self.problem.dtype)
        return not draws_random_numbers(self.problem, self.basis.layout.unflatten(theta))

    def check(self) -> None:
        """Refuses a plan that would give other values on every run."""
        if (self.plan.workers > 1 or self.plan.compile) and not self.repeatable:
            raise ValueError(
                "the model or a measure draws random numbers, which workers and compiled code do not repeat; write "
                "workers=1 and compile=False in the plan"
            )

    def over(
        self,
        points: Tensor,
        ledger: Ledger,
        stops: Stops,
        *,
        auto: bool,
        search: bool,
        advance: Callable[[int], Any],
    ) -> None:
        """Evaluates what the ledger has missing of one part of the samples, block by block."""
        missing = points[ledger.indices()]
        planned = torch.empty(0)
        if search and ledger.leads and len(missing) >= max(WORTH_PLANNING, 4 * self.plan.chunk):
            planned = self._planned(missing, advance)
            self.begun = bool(len(planned))
        self.plan = ledger.agreed(self.plan)
        for block in ledger.claims(len(planned)):
            sums, planned = [planned[: len(block)]] if len(planned) else [], planned[len(block) :]
            at = sum(map(len, sums))
            while at < len(block):
                chunk = points[block.points[at : at + self.plan.chunk]]
                sums.append(self._chunk(chunk, auto=auto and not self.begun))
                self.begun = True
                at += len(sums[-1])
                advance(len(sums[-1]))
            whole = torch.cat([part.cpu() for part in sums])
            advance(ledger.keep(block, whole, self.plan, self.timings, self.reason))
            if ledger.keeps_blocks:
                stops.act(ledger.say_stopped)

    def _planned(self, points: Tensor, advance: Callable[[int], Any]) -> Tensor:
        """Looks for the best plan; nothing is done when the plan to begin with fails, so that its error is raised.

        Returns:
            The sums of the points that were evaluated on the way, the first ones, on the CPU.
        """
        options = ["batching", "chunk", *(["microbatch"] if self.recut else [])]
        if isinstance(self.basis.vectors, Tensor):  # regenerated directions have one order and no parts
            options += ["memory_format", "hoist"]
        if self.repeatable:
            options += ["compile", "workers"]
        try:
            found = plan_measured(
                self.plan, self.prepare, points, problem=self.problem, options=options, advance=advance
            )
        except Exception:
            return torch.empty(0)
        self.plan, self.engine, self.timings = found.plan, found.engine, found.timings
        return torch.cat(found.sums).cpu()

    def _chunk(self, chunk: Tensor, *, auto: bool) -> Tensor:
        """The sums of the first points of a chunk: of all, unless memory did not suffice."""
        if self.engine is None:
            self.engine = self.prepare(self.plan)
        try:
            return self.engine.sums(chunk)
        except torch.OutOfMemoryError:
            if self.plan.chunk == 1:
                raise
            self._change(replace(self.plan, chunk=self.plan.chunk // 2))
        except Exception as error:
            vmap = self.plan.batching == "vmap"
            if not auto or not (vmap or self.plan.channels_last):
                raise
            # When the plainer plan raises too, this one was not the cause, and the other error is the clearer one.
            self._change(plan_looped(self.plan) if vmap else replace(self.plan, memory_format="contiguous"))
            sums = self._chunk(chunk[: self.plan.chunk], auto=False)
            self.reason = f"{type(error).__name__}: {error}"
            if vmap:
                message = "vmap cannot batch this model or a measure, so the points are evaluated in a loop"
                warnings.warn(f"{message} ({self.reason})", stacklevel=6)
            return sums
        return self._chunk(chunk[: self.plan.chunk], auto=False)

    def _change(self, plan: Plan) -> None:
        self.close()
        if self.problem.device.type == "cuda":
            torch.cuda.empty_cache()
        self.plan = plan
