"""A GPU where there is none: torch's `FakeTensorMode` runs everything on a pretended "cuda" device, without values.

Tensors of two devices in one operation raise there, and so does whatever reads a number back. What asks the GPU itself
(`engine/gpu.py`, seeds, kernels) is replaced by stand-ins that write down what they are asked.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastscape.engine import Plan, engine_for, gpu, point_weights
from fastscape.engine.layers import products
from fastscape.kernels import Segments
from fastscape.model import Batch, Columns, Footprint, Objective, Problem, problem, problem_of
from fastscape.weights import PRECISIONS, SURFACES, Place, Space, layout_of
from fastscape.weights.basis import Basis
from fastscape.zoo import models

GPU = torch.device("cuda")
NO_WORK = "empty", "new_empty", "detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias", "unbind"


class Encoder(nn.Module):
    """A small transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(8, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.embedding(x)).mean(1))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP": (lambda: models.build("mlp"), (1, 28, 28)),
    "LeNet": (lambda: models.build("mnist-cnn"), (1, 28, 28)),
    "ResNet-20": (lambda: models.build("resnet20"), (1, 28, 28)),
    "encoder": (Encoder, (5, 8)),
}
"""Builders of models, and the shapes of their samples."""


class Watch(TorchDispatchMode):
    """Counts what a GPU would be given to do, and what the CPU would wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.waits: list[str] = []

    @property
    def operations(self) -> int:
        """All operations, but for views, memory, and copies from the CPU."""
        return sum(self.done.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0]
        read = {t.device.type for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        written = {t.device.type for t in tree_leaves(made) if isinstance(t, Tensor)}
        if name == "_local_scalar_dense" and read == {"cuda"}:
            self.waits.append(name)
        elif "copy" in name and read | written == {"cpu", "cuda"}:
            # A copy to the GPU is waited for unless it may go on alone; one from there always.
            alone = (kwargs or {}).get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2])
            self.copies["to the GPU" if "cuda" in written else "from the GPU"] += 1
            if not alone or "cuda" not in written:
                self.waits.append(f"{name} {sorted(read)} -> {sorted(written)}")
        elif "cuda" in written and not getattr(func, "is_view", False) and name not in NO_WORK:
            self.done[name] += 1
        return made


@dataclass
class Log:
    """What the stand-ins were asked, in order."""

    said: list[str] = field(default_factory=list)


@contextmanager
def pretended(log: Log):
    """Everything inside is on a GPU that is not there.

    Args:
        log: Is told what the GPU is asked.

    Yields:
        What counts operations. Nothing is counted before it is entered.
    """
    watch = Watch()

    class Stream:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait_stream(self, other: Any) -> None:
            log.said.append(f"{self.name} waits for {other.name}")

        def wait_event(self, event: Any) -> None:
            log.said.append(f"{self.name} waits for event {event.number}")

    class Event:
        def __init__(self) -> None:
            self.number = sum(said.endswith("marked") for said in log.said)

        def record(self, stream: Stream) -> None:
            log.said.append(f"{stream.name}: event {self.number} marked")

    current = [Stream("main")]

    @contextmanager
    def queued_on(stream: Stream):
        current.append(stream)
        try:
            yield
        finally:
            current.pop()

    def sent(tensor: Tensor, device: torch.device) -> Tensor:
        assert tensor.device.type == "cpu"
        return tensor.to(device, non_blocking=True)

    def captured(work: Callable[[], None], device: torch.device, memory: Any) -> gpu.Captured:
        assert device.type == "cuda"
        before = watch.done.copy()
        work()
        watch.done = before  # what is captured is not done: a replay is one call, whatever it holds
        log.said.append("captured")

        def replay() -> None:
            watch.done["replay"] += 1

        return gpu.Captured(replay, lambda: log.said.append("forgotten"))

    def interpolate(basis: Any, c: Tensor, segments: Segments, *, out: Tensor, backend: str) -> Tensor:
        assert {basis.device.type, c.device.type, segments.starts.device.type, out.device.type} == {"cuda"}
        assert out.shape == (len(c), basis.shape[1])
        log.said.append(f"{current[-1].name}: weights of {len(c)}")
        watch.done["interpolate"] += 1
        return out

    def perturbed_linear(x: Any, basis: Any, c: Tensor, bias: Any, *, method: str, backend: str) -> Tensor:
        assert {t.device.type for t in (x, basis, c, bias) if t is not None} == {"cuda"}
        assert (len(x), basis.shape[0]) == (len(c), c.shape[2])
        log.said.append(f"{method}: {tuple(x.shape)}")
        watch.done["perturbed_linear"] += 1
        outputs = basis.shape[1] if isinstance(basis, Tensor) else basis.shape[1] // x.shape[2]
        assert bias is None or bias.shape == (len(x), outputs)
        return x.new_empty(*x.shape[:2], outputs)

    def between(self: Segments, start: int, stop: int, whole: Any = Segments.between) -> Any:
        with unset_fake_temporarily():  # numbers of the CPU, which it may read
            touched, made = whole(self, start, stop)
            assert made.size
            assert made.runs
        return touched, made

    stand_ins = {
        (gpu, "sent"): sent,
        (gpu, "here"): lambda device: current[-1],
        (gpu, "second_stream"): lambda device: Stream("second"),
        (gpu, "queued_on"): queued_on,
        (gpu, "event"): Event,
        (gpu, "kept_for"): lambda stream, tensor: None,
        (gpu, "pool"): lambda device: "memory",
        (gpu, "captured"): captured,
        (gpu, "free_memory"): lambda device: 8 << 30,
        (gpu, "release"): lambda device: log.said.append("released"),
        (point_weights, "interpolate"): interpolate,
        (products, "perturbed_linear"): perturbed_linear,
        (products, "method_for"): lambda rows, *given, **options: "shared" if rows < 4 else "materialised",
        (problem, "seed_everything"): lambda device, seed: None,
        (Segments, "between"): between,
    }
    with ExitStack() as stack:
        for (owner, name), stand_in in stand_ins.items():
            stack.enter_context(mock.patch.object(owner, name, stand_in))
        stack.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
        torch.use_deterministic_algorithms(False)  # which may fill new memory, and count as operations then
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of addresses, which pretended tensors do not have
        stack.enter_context(torch.no_grad())
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield watch


class Recorded(TorchDispatchMode):
    """Stands for a CUDA graph on the CPU: the same operations again, from and to the memory of the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0]
        if not getattr(func, "is_view", False) and name not in NO_WORK:
            self.calls.append((func, args, kwargs or {}, made))
        return made

    def replay(self) -> None:
        """Does it all again."""
        for func, args, kwargs, made in self.calls:
            for old, new in zip(tree_leaves(made), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor) and old is not new:
                    old.copy_(new)


def recorded(work: Callable[[], None], device: torch.device, memory: Any) -> gpu.Captured:
    """What `gpu.captured` does, on the CPU."""
    with Recorded() as graph:
        work()
    return gpu.Captured(graph.replay, graph.calls.clear)


@contextmanager
def cpu_as_gpu(**stand_ins: Any):
    """The CPU is taken for a GPU: real values, by plans of a GPU."""

    class Stream:
        wait_stream = wait_event = lambda self, other: None

    class Event:
        def record(self, stream: Any) -> None:
            pass

    class Clock:
        def __init__(self, device: torch.device) -> None:
            self.started = time.perf_counter()

        def seconds(self) -> float:
            return time.perf_counter() - self.started

    stand_ins = {
        "on_gpu": lambda device: True,
        "sent": lambda tensor, device: tensor.clone(),
        "here": lambda device: Stream(),
        "second_stream": lambda device: Stream(),
        "queued_on": lambda stream: nullcontext(),
        "event": Event,
        "kept_for": lambda stream, tensor: None,
        "pool": lambda device: None,
        "captured": recorded,
        "free_memory": lambda device: 8 << 30,
        "release": lambda device: None,
        "Clock": Clock,
        **stand_ins,
    }
    with ExitStack() as stack:
        for name, stand_in in stand_ins.items():
            stack.enter_context(mock.patch.object(gpu, name, stand_in))
        yield


def problem_on_gpu(name: str | nn.Module, sizes: list[int], *, precision: str = "float32", **changes: Any) -> Problem:
    """A problem on the pretended GPU, with batches of these sizes; inside of `pretended`."""
    build, shape = MODELS[name] if isinstance(name, str) else (lambda: name, (4,))
    with torch.device(GPU):
        model = build().eval()
        samples = [Batch((torch.empty(n, *shape), torch.empty(n, dtype=torch.long)), n) for n in sizes]
    moving = {found for found, _ in model.named_parameters()}
    made = problem_of(
        model,
        moving,
        Objective(F.cross_entropy, columns=Columns(returned=("loss",))),
        samples,
        Place(GPU, PRECISIONS[precision]),
    )
    return replace(made, **{"footprint": Footprint(), "whole": True, **changes})


def space_on_gpu(real: Any, scheme: str = "plane") -> Space:
    """A space on the pretended GPU; `real` is its layout, whose numbers the CPU may read."""
    vectors = torch.empty(3, real.size, device=GPU)
    with unset_fake_temporarily():  # numbers of the CPU, which it may read
        basis = Basis(vectors, torch.zeros(real.segments.count, 3, 3, dtype=torch.float64), real)
        assert len(basis.gram_of_layers) == len(real.entries)
    return Space(basis, SURFACES[scheme])


def layout_for(name: str, *, channels_last: bool = False) -> Any:
    """The layout of a model, with all that is computed of it once; outside of `pretended`."""
    layout = layout_of(MODELS[name][0](), "all")
    if channels_last:
        layout = layout.relaid(torch.zeros(3, layout.size), channels_last=True)
    assert layout.segments.size == layout.size
    assert layout.segments.runs
    assert len(layout.layer_of_segment) == layout.segments.count
    assert layout.segments_of
    return layout


def counted(
    name: str, plan: Plan, points: int, batches: int, *, scheme: str = "plane", **options: Any
) -> tuple[Any, Log]:
    """What a second chunk of points gives a GPU to do; at the first, layers are found and graphs captured."""
    layout, log = layout_for(name, channels_last=plan.channels_last), Log()
    with pretended(log) as watch:
        problem = problem_on_gpu(name, [3] * batches, **options)
        space = space_on_gpu(layout, scheme)
        engine = engine_for(problem, space, plan)
        where = torch.empty(points, 2, dtype=torch.float64)
        for _ in range(1 + plan.hoist):  # what is hoisted shows at the first, and is not written from the second on
            engine.sums(where[:1])
        log.said.clear()
        watch.done.clear()
        with watch:
            sums = engine.sums(where)
        assert sums.device.type == "cuda"
        assert sums.shape == (points, 1)
        assert engine.fallback is None
        engine.close()
    return watch, log


def own_operations(name: str, **options: Any) -> int:
    """The operations of the model itself on one microbatch."""
    log = Log()
    with pretended(log) as watch:
        problem = problem_on_gpu(name, [3], **options)
        with watch:
            problem.model(problem.batches(3)[0].inputs)
    return watch.operations


def costs(name: str, plan: Plan, **options: Any) -> dict[str, int]:
    """The operations of a chunk [a + b points + c points x microbatches], or under vmap [a + c microbatches].

    Args:
        name: Of the model.
        plan: How it is evaluated.
        **options: As for `counted`.

    Returns:
        a, b and c, by "chunk", "point" and "microbatch", copies from the CPU in a chunk, and what the CPU waits for.
    """
    base, _ = counted(name, plan, 2, 2, **options)
    longer, _ = counted(name, plan, 2, 3, **options)
    if plan.batching == "vmap":  # which gives all points to one operation
        each = longer.operations - base.operations
        found = {"chunk": base.operations - 2 * each, "point": 0, "microbatch": each}
    else:
        more, _ = counted(name, plan, 3, 2, **options)
        each, odd = divmod(longer.operations - base.operations, 2)
        point = more.operations - base.operations - 2 * each
        assert not odd
        found = {"chunk": base.operations - 2 * point - 4 * each, "point": point, "microbatch": each}
    assert base.copies == longer.copies
    return {**found, "sent": base.copies["to the GPU"], "waits": len(base.waits)}
