"""Graphs, weights made ahead, and what follows from errors: with real values, on a CPU that is taken for a GPU.

A graph is replaced by a record of its operations, which are done again on the memory of the first time, as a GPU does.
"""

import contextlib
import gc
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from pretended import cpu_as_gpu, recorded

import fastscape
from cases import CASES
from fastscape import Plan
from fastscape.engine import Engine, gpu, gpu_rules, graphs, planner
from fastscape.engine.failures import plan_smaller
from fastscape.engine.gpu_rules import plan_filling
from tolerance import assert_close

GRID = {"x": (-1.0, 0.5, 3), "y": (-0.5, 1.0, 3), "progress": False, "precision": "float64"}
PLANS = {
    "graphs": Plan("loop", 2, 4, graphs=True),
    "graphs, channels last, ahead": Plan("loop", 2, 4, memory_format="channels_last", graphs=True, overlap=True),
    "ahead": Plan("loop", 2, 4, overlap=True),
    "vmap, ahead": Plan("vmap", 2, 4, hoist=True, overlap=True),
}
MODEL, DATA = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), (torch.randn(80, 3), torch.randn(80, 2))


def surface(model=MODEL, data=DATA, **options):
    return fastscape.surface(model, data, **{"loss": F.mse_loss, **GRID, **options})


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("scheme", ["plane", "barycentric", "linear2x"])
@pytest.mark.parametrize("name", ["mlp", "mnist-cnn", "resnet8"])
def test_every_plan_gives_the_values_of_a_plain_loop(name, scheme, plan):
    case = CASES[name]()
    options = {"loss": case.loss, "perturb": "all", "scheme": scheme}
    plain = surface(case.model, (case.inputs, case.targets), plan=Plan("loop", 1, 4), **options)
    with cpu_as_gpu():
        found = surface(case.model, (case.inputs, case.targets), plan=PLANS[plan], **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["plan"] == PLANS[plan].as_dict()
    assert found.report["fallback"] is None


@pytest.mark.parametrize("plan", PLANS)
def test_data_sets_and_classes_have_sums_of_their_own(plan):
    """Batches of both sets have one shape, and so may share what is captured."""
    inputs, targets = DATA[0], torch.arange(80) % 2
    data = {"train": (inputs[:40], targets[:40]), "test": (inputs[40:], targets[40:])}
    options = {"loss": F.cross_entropy, "per_class": True}
    plain = surface(data=data, plan=Plan("loop", 1, 4), **options)
    with cpu_as_gpu():
        found = surface(data=data, plan=PLANS[plan], **options)
    assert found.report["fallback"] is None
    assert len(found.values) == 6
    for name, values in plain.values.items():
        assert_close(found.values[name], values, 1e-12)


def test_the_numbers_of_batches_of_many_shapes_are_their_own():
    data = [(torch.randn(n, 3), torch.randn(n, 2)) for n in (5, 3, 5, 2, 5)]
    options = {"batchnorm": "batch"}  # batches stay as they are
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    plain = surface(model, data, plan=Plan("loop", 1), **options)
    captured = []
    with cpu_as_gpu(captured=lambda *a: (captured.append(1), recorded(*a))[1]):
        found = surface(model, data, plan=Plan("loop", 4, graphs=True), **options)
    assert len(captured) == 3
    assert_close(found.loss, plain.loss, 1e-12)


def test_samples_that_are_read_in_parts_are_captured_anew():
    plain = surface(plan=Plan("loop", 1, 16))
    with cpu_as_gpu():
        found = surface(plan=Plan("loop", 4, 16, graphs=True), stream_samples=32)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["plan"]["graphs"]


class Reading(nn.Linear):
    """Decides by its weights."""

    def forward(self, x):
        out = super().forward(x)
        return out * 2 if self.weight.mean().item() > 0 else out


class Drawing(nn.Linear):
    def forward(self, x):
        return super().forward(x) + torch.randn(2, dtype=x.dtype)


class Counting(nn.Linear):
    """Keeps something from call to call."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) + self.calls


class Writing(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return super().forward(x) * self.seen


REASONS = {
    Reading: "_local_scalar_dense.default reads numbers back",
    Drawing: "random numbers are drawn",
    Counting: "an evaluation changes tensors, samples or the model",
    Writing: "an evaluation changes tensors, samples or the model",
}


@pytest.mark.filterwarnings("ignore:the values depend")
@pytest.mark.parametrize("kind", REASONS)
def test_what_a_graph_would_not_do_again_is_evaluated_in_a_loop_and_the_report_says_so(kind):
    model = kind(3, 2)
    plain = surface(model, plan=Plan("loop", 2))
    with cpu_as_gpu():
        found = surface(model, plan=Plan("loop", 2, graphs=True))
    assert (found.loss == plain.loss).all()
    assert REASONS[kind] in found.report["fallback"]
    assert found.report["fallback"].startswith("no CUDA graph: ")
    assert not found.report["plan"]["graphs"]


def test_statistics_that_are_estimated_anew_are_not_captured():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with cpu_as_gpu():
        found = surface(model, plan=Plan("loop", 2, graphs=True), batchnorm="recalibrate")
    assert "statistics are estimated at every point" in found.report["fallback"]
    assert_close(found.loss, surface(model, plan=Plan("loop", 2), batchnorm="recalibrate").loss, 1e-12)


def test_too_many_shapes_are_not_captured(monkeypatch):
    monkeypatch.setattr(graphs, "MOST", 2)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    data = [(torch.randn(n, 3), torch.randn(n, 2)) for n in (5, 3, 2)]
    with cpu_as_gpu():
        found = surface(model, data, plan=Plan("loop", 2, graphs=True), batchnorm="batch")
    assert "the microbatches have 3 shapes; 2 graphs are made at most" in found.report["fallback"]


def test_a_capture_that_fails_is_no_end():
    def failing(work, device, memory):
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:
            raise RuntimeError("capture was invalidated")

    plain = surface(plan=Plan("loop", 2))
    with cpu_as_gpu(captured=failing):
        found = surface(plan=Plan("loop", 2, graphs=True))
    assert (found.loss == plain.loss).all()
    assert found.report["fallback"] == (
        "no CUDA graph: RuntimeError: operation not permitted when stream is capturing"
    )


def test_a_graph_that_does_not_read_the_weights_anew_is_refused():
    """It was captured at the model, and is compared elsewhere."""

    def stale(work, device, memory):
        captured = recorded(work, device, memory)
        return captured._replace(replay=lambda: None)

    with cpu_as_gpu(captured=stale), pytest.raises(ValueError, match="by this plan the loss at a point is"):
        surface(plan=Plan("loop", 2, graphs=True))


@pytest.mark.parametrize("option", ["graphs", "overlap"])
def test_a_cpu_has_neither(option):
    with pytest.raises(
        ValueError, match="graphs and overlap act on a GPU, and this run is on cpu; write graphs=False"
    ):
        surface(plan=Plan("loop", 2, **{option: True}))


def test_auto_tries_graphs_and_what_is_made_ahead(monkeypatch):
    monkeypatch.setattr(planner, "OVERHEAD", 1e9)
    plain = surface(plan=Plan("vmap", 128), x=(-1, 1, 50), y=(-1, 1, 50))
    with cpu_as_gpu():
        found = surface(x=(-1, 1, 50), y=(-1, 1, 50))
    rows = found.report["plans_measured"]
    assert rows[0]["batching"] == "vmap"
    assert rows[0]["microbatch"] == 64
    assert any(row["graphs"] for row in rows)
    assert any(row["overlap"] for row in rows)
    assert not any("error" in row for row in rows)
    assert_close(found.loss, plain.loss, 1e-12)


def test_auto_tries_no_graphs_of_what_draws(monkeypatch):
    monkeypatch.setattr(planner, "OVERHEAD", 1e9)
    with cpu_as_gpu():
        found = surface(Drawing(3, 2), x=(-1, 1, 40), y=(-1, 1, 40))
    rows = found.report["plans_measured"]
    assert rows
    assert not any(row["graphs"] for row in rows)


class TestMemory:
    """Memory that does not suffice."""

    def test_the_microbatch_is_halved_and_then_the_chunk(self):
        plan, found = Plan("loop", 4, 300), []
        while plan is not None:
            found.append((plan.chunk, plan.microbatch))
            plan = plan_smaller(plan, 10**6, recut=True)
        assert found == [
            (4, 300),
            (4, 150),
            (4, 75),
            (2, 75),
            (1, 75),
            (1, 37),
            (1, 18),
            (1, 9),
            (1, 4),
            (1, 2),
            (1, 1),
        ]

    def test_batches_that_are_one_thing_stay(self):
        assert plan_smaller(Plan("loop", 2, 300), 300, recut=False) == Plan("loop", 1, 300)
        assert plan_smaller(Plan("loop", 1, 300), 300, recut=False) is None

    def test_vmap_becomes_a_loop(self):
        assert plan_smaller(Plan("vmap", 40, hoist=True), 64, recut=True) == Plan("vmap", 20, hoist=True)
        assert plan_smaller(Plan("vmap", 16, hoist=True), 64, recut=True) == Plan("loop", 16)

    def test_what_is_made_ahead_goes_first(self):
        assert plan_smaller(Plan("loop", 4, overlap=True), 64, recut=True) == Plan("loop", 4)

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (torch.OutOfMemoryError, "no room"),
            (RuntimeError, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            (RuntimeError, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        ],
    )
    def test_a_run_goes_on_with_less_after_all_of_the_failed_try_is_gone(self, kind, said, monkeypatch):
        sums, tried, held = Engine.sums, [], []

        def limited(self, points):
            gc.collect()
            tried.append((self.plan.chunk, self.plan.microbatch))
            assert not any(reference() is not None for reference in held)
            activations = torch.zeros(3)
            held.append(weakref.ref(activations))
            if self.plan.microbatch > 100:
                raise kind(said)
            del activations
            return sums(self, points)

        monkeypatch.setattr(Engine, "sums", limited)
        data = torch.randn(800, 3), torch.randn(800, 2)
        found = surface(data=data, plan=Plan("loop", 16, 400))
        assert tried[:3] == [(16, 400), (16, 200), (16, 100)]
        assert found.report["plan"]["microbatch"] == 100
        monkeypatch.setattr(Engine, "sums", sums)
        assert_close(found.loss, surface(data=data, plan=Plan("loop", 16, 400)).loss, 1e-12)

    def test_an_error_of_the_gpu_is_not_taken_for_one_of_the_plan(self, monkeypatch):
        tried = []

        def failing(self, points):
            tried.append(self.plan.batching)
            raise RuntimeError("CUDA error: device-side assert triggered")

        monkeypatch.setattr(Engine, "sums", failing)
        for side in (3, 40):
            with pytest.raises(RuntimeError, match="device-side assert triggered"):
                surface(x=(-1, 1, side), y=(-1, 1, side))
        assert tried == ["vmap", "vmap"]


@pytest.mark.parametrize(
    ("plan", "widest", "free", "samples", "wanted"),
    [
        (Plan("loop", 16), 0, 1 << 30, 1000, Plan("loop", 16, 500)),  # half of them
        (Plan("loop", 16), 1 << 10, 80 << 30, 10**5, Plan("loop", 16, 4096)),
        (Plan("loop", 16), 1 << 22, 16 << 30, 10**5, Plan("loop", 16, 256)),  # a quarter of the memory
        (Plan("loop", 16), 1 << 40, 16 << 30, 10**5, Plan("loop", 16, 1)),
        (Plan("vmap", 512, hoist=True), 1 << 10, 80 << 30, 10**5, Plan("vmap", 512, 4096, hoist=True)),
        (Plan("vmap", 512, hoist=True), 1 << 16, 80 << 30, 10**5, Plan("vmap", 320, 256, hoist=True)),
        (Plan("vmap", 512, hoist=True), 1 << 22, 80 << 30, 10**5, Plan("loop", 16, 1024)),
    ],
)
def test_a_plan_fills_a_share_of_the_memory(plan, widest, free, samples, wanted):
    assert plan_filling(plan, widest, free, samples) == wanted


def test_microbatches_are_doubled_for_as_long_as_that_is_faster():
    class Problem:
        size, convolutions, repeats_itself = 1000, set(), True

        class layers:
            convolutions, recurrent = True, False

    best = [Plan("loop", 16, 64)]
    offered = []
    for option, plan in gpu_rules.alternatives_on_gpu(lambda: best[0], Problem, lambda: Plan("loop", 1, compile=True)):
        offered.append((option, plan.microbatch if option == "microbatch" else None))
        if option == "graphs" or (option == "microbatch" and plan.microbatch <= 512):
            best[0] = plan
    assert [microbatch for _, microbatch in offered if microbatch] == [128, 256, 512, 1000]
    assert [option for option, _ in offered] == [
        "graphs", "microbatch", "microbatch", "microbatch", "microbatch", "overlap", "compile",
    ]  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="has no GPU")
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["mlp", "mnist-cnn", "resnet8"])
def test_every_plan_gives_the_values_of_a_plain_loop_on_a_gpu(name, plan):
    case = CASES[name]()
    data, options = (case.inputs, case.targets), {"loss": case.loss, "perturb": "all", "device": "cuda"}
    plain = surface(case.model, data, plan=Plan("loop", 1, 4), **options)
    found = surface(case.model, data, plan=PLANS[plan], **options)
    assert_close(found.loss, plain.loss, 1e-10)
    assert found.report["fallback"] is None


class TestCapture:
    """What torch is asked for when work is captured."""

    @pytest.fixture
    def said(self, monkeypatch):
        said, current = [], ["main"]

        class Stream:
            def __init__(self, name):
                self.name = name

            def wait_stream(self, other):
                said.append(f"{self.name} waits for {other.name}")

        @contextlib.contextmanager
        def on(stream):
            before = current[:]
            current.append(stream.name)
            try:
                yield
            finally:
                current[:] = before

        class Capture:
            def __init__(self, graph, *, pool, stream, capture_error_mode):
                assert (pool, capture_error_mode) == ("memory", "thread_local")
                self.stream = stream

            def __enter__(self):
                current.append(self.stream.name)
                said.append("begin")

            def __exit__(self, *error):
                said.append("end")
                if error[0] is None:
                    current.pop()  # torch leaves the stream in place where a capture ends badly

        graph = SimpleNamespace(replay=lambda: said.append("replay"), reset=lambda: said.append("reset"))
        for name, stand_in in {
            "Stream": lambda device: Stream("side"), "current_stream": lambda device: Stream("main"), "stream": on,
            "graph": Capture, "CUDAGraph": lambda: graph,
        }.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, stand_in)
        self.work = lambda: said.append(f"work on {current[-1]}")
        self.current = current
        return said

    def test_it_is_warmed_up_on_the_stream_of_the_capture(self, said):
        captured = gpu.captured(self.work, torch.device("cuda:0"), "memory")
        captured.replay()
        captured.forget()
        assert said == [
            "side waits for main", *["work on side"] * gpu.WARM_UPS, "main waits for side", "begin", "work on side",
            "end", "replay", "reset",
        ]  # fmt: skip

    def test_one_that_fails_finds_back_to_the_stream_of_before(self, said):
        calls = iter([self.work] * gpu.WARM_UPS)
        with pytest.raises(StopIteration):
            gpu.captured(lambda: next(calls)(), torch.device("cuda:0"), "memory")
        assert said[-2:] == ["begin", "end"]
        assert self.current == ["main"]
