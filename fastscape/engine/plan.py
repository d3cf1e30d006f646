"""How the points of a landscape are evaluated. A plan changes the time of a run, never its values beyond rounding."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from fastscape.kernels import Backend
from fastscape.model import Layers, Problem
from fastscape.results import write_whole
from fastscape.weights import Space

__all__ = ["Plan", "plan_begun", "plan_fixed", "plan_looped", "plan_shared", "plan_sized"]

Batching = Literal["vmap", "loop"]
MemoryFormat = Literal["contiguous", "channels_last"]

# Points in a chunk, and memory for their weights. In a loop, two points of a VGG already fill the caches of any
# processor, and the interpolation is read-bound only for the first few. vmap shares its overhead among the points, a
# few milliseconds; those of weights that are hoisted are reserved, but never written.
CHUNKS: dict[Batching, tuple[int, int]] = {"loop": (16, 512 << 20), "vmap": (512, 256 << 20)}
MICROBATCH = 64

# Of the points and of the activations under vmap: so many points that a few chunks remain to choose a plan by, and
# activations that the C library keeps when they are freed. Below so many points a larger chunk is always faster.
CHUNKS_OF_A_GRID = 5
ACTIVATIONS = 16 << 20
SMALL_CHUNK = 128

# The largest activation of one point, up to which vmap is faster than a loop on a CPU.
SMALL_BYTES = 256 << 10


@dataclass(frozen=True)
class Plan:
    """How points are evaluated.

    Args:
        batching: "vmap" runs the model once for a whole chunk of points, "loop" once for each point.
        chunk: Grid points whose weights are in memory at once, from one launch of the interpolation.
        microbatch: Samples in one forward pass. Default 64.
        kernels: "auto", Triton on a GPU and torch elsewhere; or "triton" or "torch". Default "auto".
        memory_format: Order of images and of the weights of two-dimensional convolutions: "contiguous", channels
            first, or "channels_last". Default "contiguous".
        workers: Threads that evaluate points side by side and share the processor's cores. Default 1.
        compile: Whether `torch.compile` makes one program of the forward pass and the measures; needs the loop.
            Default False.
        hoist: Whether what is the same at every point is computed once for all of them: under vmap the layers whose
            input is, in a compiled loop the patches that the first convolution reads. Default False.

    Raises:
        ValueError: When an option is unknown, a number is below 1, or options exclude each other.

    Example:
        >>> from fastscape import Plan
        >>> plan = Plan(batching="loop", chunk=4, microbatch=128)
        >>> plan.microbatch, plan.memory_format
        (128, 'contiguous')
    """

    batching: Batching
    chunk: int
    microbatch: int = MICROBATCH
    kernels: Backend = "auto"
    memory_format: MemoryFormat = "contiguous"
    workers: int = 1
    compile: bool = False
    hoist: bool = False

    def __post_init__(self) -> None:
        choices = {"batching": Batching, "kernels": Backend, "memory_format": MemoryFormat}
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown; wanted {' or '.join(map(repr, get_args(known)))}"
                )
        for name in ("chunk", "microbatch", "workers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} cannot be used; wanted an integer from 1")
        for name in ("compile", "hoist"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} cannot be used; wanted True or False")
        if self.batching == "vmap" and self.compile:
            raise ValueError("compile acts on single points; with it write batching='loop'")
        if self.batching == "loop" and self.hoist and not self.compile:
            raise ValueError("hoist has to know what all points share; with it write batching='vmap', or compile=True")
        if self.compile and self.workers > 1:
            raise ValueError("a compiled step takes all cores by itself; with compile=True write workers=1")

    @property
    def channels_last(self) -> bool:
        """Whether images and convolutions have their channels last."""
        return self.memory_format == "channels_last"

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values, for the report."""
        return asdict(self)

    def save(self, path: str | Path) -> Path:
        """Writes the plan as JSON.

        Args:
            path: The file.

        Returns:
            The path.

        Example:
            >>> import tempfile
            >>> from fastscape import Plan
            >>> plan = Plan("loop", chunk=2, workers=4)
            >>> Plan.load(plan.save(tempfile.mkdtemp() + "/plan.json")) == plan
            True
        """
        path = Path(path)
        write_whole(path, (json.dumps(self.as_dict(), indent=2) + "\n").encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Reads a plan that `save` has written.

        Args:
            path: The file.

        Returns:
            The plan.

        Raises:
            OSError: When the file cannot be read.
            ValueError: When the file is no plan, or names an option that does not exist.
        """
        try:
            options = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no plan ({error}); give a file that Plan.save has written") from error
        known = {field.name for field in fields(cls)}
        if not isinstance(options, dict) or not {"batching", "chunk"} <= options.keys() <= known:
            raise ValueError(f"{path} is no plan; wanted a JSON object with {', '.join(sorted(known))}")
        return cls(**options)


def plan_begun(given: Plan | str, problem: Problem, space: Space) -> Plan:
    """The plan that a run begins with.

    Args:
        given: The user's plan, or "auto" for that of fixed rules.
        problem: What is evaluated.
        space: Where the points lie.

    Returns:
        The plan. Where batches belong to the result, its microbatch is the largest of them.
    """
    if isinstance(given, Plan):
        plan = given
    else:
        low_memory = not isinstance(space.basis.vectors, torch.Tensor)
        options: dict[str, Any] = {"device": problem.device, "dtype": problem.dtype, "low_memory": low_memory}
        plan = plan_fixed(problem.layers, space.layout.size, **options)
        if problem.batchnorm == "recalibrate":
            plan = replace(plan, batching="loop", hoist=False)
    if problem.batchnorm == "running":
        return plan
    return replace(plan, microbatch=max(batch.samples for batch in problem.samples))


def plan_sized(plan: Plan, widest: int, points: int) -> Plan:
    """The plan, with a smaller chunk, or a loop in the place of vmap, where the activations of a point are large.

    vmap shares the overhead of the calls among the points of a chunk. Where activations are large that overhead is
    small, and those of a whole chunk leave the caches, or do not fit into memory.

    Args:
        plan: The plan.
        widest: Bytes of the largest activation of one microbatch at one point.
        points: Points of the grid.

    Returns:
        The plan.
    """
    if plan.batching == "loop":
        return plan
    if widest <= SMALL_BYTES:
        few = min(points // CHUNKS_OF_A_GRID, ACTIVATIONS // max(widest, 1))
        return replace(plan, chunk=min(plan.chunk, max(few, SMALL_CHUNK)))
    return plan_looped(plan)


def plan_shared(plan: Plan, points: int, processes: int) -> Plan:
    """The plan, with a chunk so small that every process of several gets a few.

    Args:
        plan: The plan.
        points: Points that are evaluated by all.
        processes: How many share them.

    Returns:
        The plan.
    """
    return replace(plan, chunk=max(min(plan.chunk, points // (processes * CHUNKS_OF_A_GRID)), 1))


def plan_looped(plan: Plan) -> Plan:
    """The plan with a loop in the place of vmap, and with the chunk of one.

    Args:
        plan: The plan.

    Returns:
        The plan; the same, where it is a loop.
    """
    if plan.batching == "loop":
        return plan
    return replace(plan, batching="loop", hoist=False, chunk=min(plan.chunk, CHUNKS["loop"][0]))


def plan_fixed(
    layers: Layers, size: int, *, device: torch.device, dtype: torch.dtype, low_memory: bool = False
) -> Plan:
    """The plan that fixed rules give, without measuring.

    On the CPU a model without convolutions runs under vmap: its matrix products then become one larger product
    for all points of the chunk, and its first layer is hoisted. Grouped convolutions, which vmap makes of
    convolutions, are slower there than a loop, and so is everything larger than the caches. Images have their channels
    last, because pooling and narrow convolutions are several times faster so; but not in float64, for which there are
    no such convolutions.

    Args:
        layers: Which layers the model has.
        size: Entries P of a point.
        device: Where it runs.
        dtype: Of the weights.
        low_memory: Whether directions are recomputed, which have the contiguous order. Default False.

    Returns:
        The plan.
    """
    on_cpu = device.type == "cpu"
    # Its statistics keep float32, which vmap cannot mix with narrower activations.
    mixed = dtype.itemsize < 4 and layers.batchnorm
    batching: Batching = "vmap" if on_cpu and not layers.convolutions and not mixed else "loop"
    points, memory = CHUNKS[batching]
    return Plan(
        batching=batching,
        chunk=min(max(memory // (size * dtype.itemsize), 1), points),
        memory_format="channels_last"
        if on_cpu and layers.images and dtype != torch.float64 and not low_memory
        else "contiguous",
        hoist=batching == "vmap" and not low_memory and dtype.itemsize >= 4,
    )
