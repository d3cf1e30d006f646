"""Chooses a plan for a model by fixed rules, and fits a plan to a grid. Nothing is measured here."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from fastscape.engine.plan import Batching, Plan
from fastscape.engine.room import free_memory
from fastscape.model import Layers, Problem, units_of
from fastscape.weights import Space, Tensorwise

__all__ = ["plan_begun", "plan_fixed", "plan_looped", "plan_recut", "plan_settled", "plan_shared", "plan_sized"]

# Points in a chunk, and bytes for their weights. In a loop, two points of a VGG already fill the caches of any
# processor, and the interpolation is read-bound only for the first few points. vmap shares its overhead, a few
# milliseconds, among the points; the memory of hoisted weights is reserved, but never written. In layers, the weights
# of one block are in memory, however many points there are.
CHUNKS: dict[Batching, tuple[int, int]] = {
    "loop": (16, 512 << 20),
    "vmap": (512, 256 << 20),
    "layers": (16, 1 << 62),
}
# Limits of a chunk under vmap. A grid must have several chunks, so that the search has some to choose a plan by. The C
# library must keep the activations when they are freed. `SMALL_CHUNK` is the least: its points share the overhead of a
# call. A transformer was a third slower with chunks of 128 points than with 16.
CHUNKS_OF_A_GRID = 5
ACTIVATIONS = 16 << 20
SMALL_CHUNK = 32
# Bytes of the largest activation in a loop, if its microbatch is larger than the microbatch of fixed rules.
CACHED = 2 << 20

ROOM = 4  # times the memory that layers need besides activations must be free
STACK = 8 << 20  # bytes of a thread's stack

# Bytes of the largest activation of one point up to which vmap is faster than a loop on a CPU.
SMALL_BYTES = 256 << 10


def plan_begun(given: Plan | str, problem: Problem, space: Space) -> Plan:
    """The plan that a run begins with.

    Args:
        given: The user's plan, or "auto" for the plan of fixed rules.
        problem: What is evaluated.
        space: The space of the points.

    Returns:
        The plan.
    """
    if isinstance(given, Plan) and given.batching != "auto" and given.chunk:
        return given
    low_memory = not isinstance(space.basis.vectors, torch.Tensor)
    options: dict[str, Any] = {"device": problem.device, "dtype": problem.dtype, "low_memory": low_memory}
    fixed = plan_fixed(problem.layers, space.layout.size, **options)
    if problem.batchnorm == "recalibrate" or problem.place.lent:
        fixed = replace(plan_looped(fixed), memory_format="contiguous" if problem.place.lent else fixed.memory_format)
    if _moves_weights(problem, space) and _room_for_layers(problem, space):
        fixed = replace(fixed, batching="layers", chunk=chunk_of("layers", space.layout.size, problem.dtype))
    if not isinstance(given, Plan):
        return fixed
    batching = given.batching
    if batching == "auto":
        batching = "loop" if given.compile or given.graphs else fixed.batching
    return replace(given, batching=batching, chunk=given.chunk or chunk_of(batching, space.layout.size, problem.dtype))


def _moves_weights(problem: Problem, space: Space) -> bool:
    """Whether theta is kept outside the device, and is read from there per point, or once for several points."""
    lent = problem.place.lent
    alone = problem.place.sharing is None  # else each process would make a whole block, not only its part
    return alone and isinstance(space.basis.vectors, Tensorwise) and lent is not None and lent.keep != "device"


def _room_for_layers(problem: Problem, space: Space) -> bool:
    """Whether layers need little of the free memory: for the vectors and one point of a block, and for threads."""
    free = free_memory(problem.device)
    blocks = [f"{unit.path}." for unit in units_of(problem.model)]
    largest = max(
        (sum(entry.numel for entry in space.layout.entries if entry.name.startswith(path)) for path in blocks),
        default=space.layout.size,
    )
    held = (space.basis.gram.shape[2] + 1) * largest * problem.place.precision.basis.itemsize
    # If the free memory is unknown, it counts as little, since the user keeps weights outside the device.
    return free is not None and ROOM * (held + CHUNKS["layers"][0] * STACK) <= free


def plan_settled(plan: Plan, problem: Problem, *, auto: bool) -> Plan:
    """Adapts a plan to a problem.

    If the result depends on the batches, the microbatch is the largest batch. A model that draws random numbers keeps
    the memory format of the user's tensors, as the numbers are drawn in that order.

    Args:
        plan: The plan.
        problem: What is evaluated.
        auto: Whether fixed rules chose the plan, not the user.

    Returns:
        The plan.
    """
    if problem.whole:
        plan = replace(plan, microbatch=max(batch.samples for batch in problem.samples))
    draws = problem.footprint is None or problem.footprint.draws
    return replace(plan, memory_format="contiguous") if auto and draws else plan


def plan_sized(plan: Plan, widest: int, points: int) -> Plan:
    """The plan, with a smaller chunk, or with a loop instead of vmap, if the activations of a point are large.

    vmap shares the overhead of the calls among the points of a chunk. If activations are large, this overhead is
    small, and the activations of a whole chunk leave the caches, or do not fit into memory.

    Args:
        plan: The plan.
        widest: Bytes of the largest activation of one microbatch at one point.
        points: Points of the grid.

    Returns:
        The plan.
    """
    if plan.batching != "vmap":
        return plan
    if widest <= SMALL_BYTES:
        few = min(points // CHUNKS_OF_A_GRID, ACTIVATIONS // max(widest, 1))
        return replace(plan, chunk=min(plan.chunk, max(few, SMALL_CHUNK)))
    return plan_looped(plan)


def plan_recut(plan: Plan, widest: int, points: int, samples: int) -> Plan:
    """The plan with a microbatch so large that calls cost little beside what they compute.

    A call costs as much time as torch takes to compute some thousand numbers. As long as the results of a call fit
    into the caches, or under vmap into memory that the C library keeps, more samples per call cost nothing.

    Args:
        plan: The plan.
        widest: Bytes of the largest activation of one microbatch at one point; 0 if unknown.
        points: Points of the grid.
        samples: How many samples may be cut and joined.

    Returns:
        The plan; its microbatches have one size if possible. There are at least two, as a single microbatch would not
        show whether batches may be cut and joined.
    """
    if not widest or samples <= 2 * plan.microbatch:
        return plan
    memory = ACTIVATIONS // min(plan.chunk, points) if plan.batching == "vmap" else CACHED
    largest = max(plan.microbatch * memory // widest, plan.microbatch)
    if largest < 2 * plan.microbatch:
        return plan
    return replace(plan, microbatch=math.ceil(samples / max(math.ceil(samples / largest), 2)))


def plan_shared(plan: Plan, points: int, processes: int) -> Plan:
    """The plan, with a chunk so small that each of several processes gets a few chunks.

    Args:
        plan: The plan.
        points: Points that all processes evaluate together.
        processes: How many processes share the points.

    Returns:
        The plan.
    """
    return replace(plan, chunk=max(min(plan.chunk, points // (processes * CHUNKS_OF_A_GRID)), 1))


def plan_looped(plan: Plan) -> Plan:
    """The plan with a loop instead of vmap or layers, and with the chunk of a loop.

    Args:
        plan: The plan.

    Returns:
        The plan; the same plan if it is a loop.
    """
    if plan.batching == "loop":
        return plan
    chunk = min(plan.chunk, CHUNKS["loop"][0])
    return replace(plan, batching="loop", hoist=False, products="materialised", chunk=chunk)


def plan_fixed(
    layers: Layers, size: int, *, device: torch.device, dtype: torch.dtype, low_memory: bool = False
) -> Plan:
    """The plan that fixed rules give, without measuring.

    A model without convolutions and recurrent layers runs under vmap: its matrix products then become one larger
    product for all points of the chunk, and its first layer is hoisted. vmap turns convolutions into grouped
    convolutions, which are slower than a loop. On a CPU, so is everything larger than the caches. On a CPU, images
    have their channels last, which makes pooling and narrow convolutions several times faster; but not in float64, for
    which there are no such convolutions.

    Args:
        layers: Which layers the model has.
        size: Entries P of a point.
        device: Where it runs.
        dtype: Of the weights.
        low_memory: Whether directions are recomputed, always in contiguous format. Default False.

    Returns:
        The plan.
    """
    on_cpu = device.type == "cpu"
    # The statistics of BatchNorm stay float32, which vmap cannot mix with narrower activations.
    mixed = dtype.itemsize < 4 and layers.batchnorm
    # torch has no batching rule for recurrent layers.
    batching: Batching = "loop" if layers.convolutions or mixed or layers.recurrent else "vmap"
    return Plan(
        batching=batching,
        chunk=chunk_of(batching, size, dtype),
        memory_format="channels_last"
        if on_cpu and layers.images and dtype != torch.float64 and not low_memory
        else "contiguous",
        hoist=batching == "vmap" and not low_memory and dtype.itemsize >= 4,
    )


def chunk_of(batching: Batching, size: int, dtype: torch.dtype) -> int:
    """How many points a chunk has by fixed rules.

    Args:
        batching: How they are evaluated.
        size: Entries P of a point.
        dtype: Of the weights.

    Returns:
        The number.
    """
    points, memory = CHUNKS[batching]
    return min(max(memory // (size * dtype.itemsize), 1), points)
