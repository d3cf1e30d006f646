"""Interprets errors of a GPU, and chooses the plan by which an evaluation continues when memory does not suffice."""

from __future__ import annotations

from dataclasses import replace

import torch

from fastscape.engine.plan import MICROBATCH, Plan
from fastscape.engine.plan_rules import CHUNKS, plan_looped

__all__ = ["gpu_is_lost", "out_of_memory", "plan_smaller", "vmap_refused"]

# Libraries allocate memory themselves, and report in their own words that there is none.
_NO_MEMORY = "out of memory", "ALLOC_FAILED", "CUDNN_STATUS_NOT_SUPPORTED_WORKSPACE", "failed to allocate"
_VMAP = "Batching rule", "vmap", "functorch transform"  # how torch names what it cannot map over points
# After these errors, every call to the GPU fails until the process ends.
_LOST = "device-side assert", "illegal memory access", "unspecified launch failure", "misaligned address"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, whoever raised it.

    Args:
        error: The error.

    Returns:
        Whether it does.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def gpu_is_lost(error: BaseException) -> bool:
    """Whether an error has made the GPU unusable for this process.

    A label or an index out of range causes such an error. The error appears at a later operation, so it says nothing
    about the plan under which it appears.

    Args:
        error: The error.

    Returns:
        Whether it is.
    """
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _LOST)


def vmap_refused(error: BaseException, plan: Plan) -> str | None:
    """A message for an error that comes from evaluating several points as one, if the plan asks for that.

    Args:
        error: The error.
        plan: The plan that was followed.

    Returns:
        What the plan asks for and what to write instead; None for other errors.
    """
    said = str(error)
    if plan.batching != "vmap" or not isinstance(error, RuntimeError) or not any(words in said for words in _VMAP):
        return None
    asked = "batching='vmap'" + ("" if plan.products == "materialised" else f" and products={plan.products!r}")
    return (
        f"a plan with {asked} evaluates several points as one, which the model cannot ({said.splitlines()[0]:.200}); "
        "write plan='auto', or a plan with batching='loop'"
    )


def plan_smaller(plan: Plan, samples: int, *, recut: bool) -> Plan | None:
    """A plan that needs less memory.

    Under vmap, the activations of all points of a chunk are in memory at once. In a loop, the activations of a
    microbatch take most memory, and the weights of a chunk come next.

    Args:
        plan: The plan whose memory did not suffice.
        samples: Samples of the largest microbatch.
        recut: Whether a different microbatch gives the same values.

    Returns:
        The plan; None if there is no smaller plan.
    """
    if plan.overlap:
        return replace(plan, overlap=False)
    if plan.batching == "vmap" and plan.chunk <= CHUNKS["loop"][0]:
        return plan_looped(plan)
    half = min(plan.microbatch, samples) // 2
    if plan.batching == "loop" and recut and half >= MICROBATCH:
        return replace(plan, microbatch=half)
    if plan.chunk > 1:
        return replace(plan, chunk=plan.chunk // 2)
    return replace(plan, microbatch=half) if recut and half else None
