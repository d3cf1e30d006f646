"""Which plans suit a model on a GPU, by fixed rules, and which alternatives are measured there.

Each operation costs a GPU some microseconds before it begins, so few and large operations are best: thousands of
samples in a microbatch, as far as memory allows, hundreds of points under vmap, and a loop as one graph. On an H100,
graphs and vmap were measured to be faster; the other numbers below were not tuned there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from fastscape.engine import gpu
from fastscape.engine.plan import MICROBATCH, Plan
from fastscape.engine.plan_rules import SMALL_CHUNK, plan_looped
from fastscape.engine.probing import widest
from fastscape.model import Problem

__all__ = ["alternatives_on_gpu", "options_on_gpu", "plan_begun_on_gpu", "plan_filling", "plan_fitted_on_gpu"]

LARGEST = 4096  # samples of a microbatch to begin with; the search continues from there
FEW = 256  # samples of a microbatch under vmap, below which its chunk is made smaller first
LIVE = 4  # activations of the widest layer that are in memory at once
CHUNKS_OF_A_GRID = 20  # each try takes two or four of them
WORTH_BATCHING = 32  # points under vmap: fewer points do not share enough of the cost of the calls
SHARE = 0.25  # of the free memory, for activations


def plan_begun_on_gpu(plan: Plan, problem: Problem, tensors: Mapping[str, Tensor]) -> Plan:
    """The plan that a run on a GPU begins with.

    Args:
        plan: The plan of fixed rules.
        problem: What is evaluated.
        tensors: The tensors that move, by name, at some point.

    Returns:
        The plan; on a GPU it is fitted to the activations of the model and to the free memory. Under vmap, the rule of
        `perturbed_linear` decides for each layer whether its weights are made.
    """
    if not gpu.on_gpu(problem.device):
        return plan
    samples = problem.batches(MICROBATCH)[0].samples
    bytes_a_sample = widest(problem, tensors, MICROBATCH) / samples
    filling = plan_filling(plan, bytes_a_sample, gpu.free_memory(problem.device), problem.size)
    return replace(filling, products="auto") if filling.batching == "vmap" else filling


def plan_filling(plan: Plan, widest_a_sample: float, free: int, samples: int) -> Plan:
    """The plan with a microbatch, and under vmap a chunk, whose activations fit into a share of the free memory.

    Args:
        plan: The plan of fixed rules.
        widest_a_sample: Bytes of the widest activation of a sample, at one point; 0 if unknown.
        free: Bytes of memory that may be taken.
        samples: How many samples there are.

    Returns:
        The plan; a loop instead of vmap if only a few points would fit.
    """
    fitting = max(int(SHARE * free / (LIVE * max(widest_a_sample, 1.0))), 1)  # samples times points
    # At least two microbatches: only then can the run show that batches may be cut.
    wanted = max(min(LARGEST, max(samples // 2, MICROBATCH)), 1)
    if plan.batching == "vmap":
        points = min(plan.chunk, fitting // min(wanted, FEW))
        if points < WORTH_BATCHING:
            return plan_filling(plan_looped(plan), widest_a_sample, free, samples)
        plan, fitting = replace(plan, chunk=points), fitting // points
    if fitting < wanted:
        wanted = 1 << (fitting.bit_length() - 1)
    return replace(plan, microbatch=wanted)


def plan_fitted_on_gpu(plan: Plan, problem: Problem, points: int) -> Plan | None:
    """The plan, under vmap with a chunk so small that a few chunks remain of a grid.

    Args:
        plan: The plan.
        problem: What is evaluated.
        points: Points of the grid.

    Returns:
        The plan; None on a CPU.
    """
    if not gpu.on_gpu(problem.device):
        return None
    if plan.batching != "vmap":
        return plan
    return replace(plan, chunk=min(plan.chunk, max(points // CHUNKS_OF_A_GRID, SMALL_CHUNK)))


def options_on_gpu(problem: Problem) -> list[str]:
    """The options of a plan that exist only on a GPU, if a problem allows them.

    Args:
        problem: What is evaluated.

    Returns:
        Their names.
    """
    if not gpu.on_gpu(problem.device) or problem.place.lent:
        return []
    return ["overlap", "products", *(["graphs"] if problem.repeats_itself else [])]


def alternatives_on_gpu(
    best: Callable[[], Plan], problem: Problem, compiled: Callable[[], Plan]
) -> Iterator[tuple[str, Plan]]:
    """The plans that differ in one option from the best so far.

    Args:
        best: Gives the best plan so far.
        problem: What is evaluated.
        compiled: Gives the best plan so far with compiled code.

    Yields:
        The option and the plan.
    """
    if best().batching == "vmap":
        yield "batching", replace(plan_looped(best()), graphs=problem.repeats_itself)
    elif not problem.layers.convolutions and not problem.layers.recurrent:
        yield "batching", replace(best(), batching="vmap", graphs=False)
    if best().batching == "loop" and not best().graphs:
        yield "graphs", replace(best(), graphs=True)
    while best().microbatch < problem.size:  # doubled for as long as that is faster
        larger = replace(best(), microbatch=min(2 * best().microbatch, problem.size))
        yield "microbatch", larger
        if best() != larger:
            break
    yield "overlap", replace(best(), overlap=True)
    if best().batching == "vmap":
        yield "products", replace(best(), products="auto" if best().products == "materialised" else "materialised")
        yield "hoist", replace(best(), hoist=not best().hoist)
        for chunk in (2 * best().chunk, best().chunk // 4):
            if chunk:
                yield "chunk", replace(best(), chunk=chunk)
    if problem.convolutions:
        other = replace(best(), memory_format="contiguous" if best().channels_last else "channels_last")
        yield "memory_format", other
    if best().batching == "loop":
        yield "compile", compiled()
