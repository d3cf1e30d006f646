"""Every plan gives the values of every other, whatever the model."""

import functools
import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import CASES
from fastscape import Plan
from fastscape.engine import Engine, engine
from fastscape.engine.layers.hoisting import HoistedWeight
from tolerance import assert_close

PLANS = {
    "channels last": Plan("loop", 2, 4, memory_format="channels_last"),
    "workers": Plan("loop", 3, 64, workers=2),
    "more workers than points": Plan("loop", 2, 64, workers=5, memory_format="channels_last"),
    "hoisted": Plan("vmap", 3, 4, hoist=True),
    "hoisted, one point": Plan("vmap", 1, 64, hoist=True),
    "hoisted, workers": Plan("vmap", 5, 4, hoist=True, workers=2),
}
GRID = {"x": (-1.0, 0.5, 3), "y": (-0.5, 1.0, 3), "progress": False, "precision": "float64"}


def planned(name, plan):
    case = CASES[name]()
    data = case.inputs, case.targets
    return fastscape.surface(case.model, data, loss=case.loss, perturb="all", plan=plan, **GRID).loss


@functools.cache
def plain(name):
    return planned(name, Plan("loop", 1))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", sorted(set(CASES) - {"vgg13"}))
def test_every_plan_gives_the_values_of_a_plain_loop(name, plan):
    before = torch.get_num_threads()
    assert_close(planned(name, PLANS[plan]), plain(name), 1e-12)
    assert torch.get_num_threads() == before


def test_threads_that_begin_after_workers_have_the_threads_of_before():
    case = CASES["mlp"]()
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        fastscape.surface(case.model, (case.inputs, case.targets), plan=Plan("loop", 4, workers=2), **GRID)
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 4
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("scheme", ["plane", "linear2x", "barycentric", "bilinear"])
@pytest.mark.parametrize("perturb", ["weights", "all"])
def test_hoisting_follows_every_scheme(scheme, perturb):
    """Schemes with coefficients of their own for each filter, and biases that move too."""
    case = CASES["mlp"]()
    options = {"loss": case.loss, "scheme": scheme, "perturb": perturb, **GRID}
    data = case.inputs, case.targets
    plain = fastscape.surface(case.model, data, plan=Plan("loop", 1), **options)
    assert_close(fastscape.surface(case.model, data, plan=PLANS["hoisted"], **options).loss, plain.loss, 1e-12)


class Layers(nn.Module):
    """Layers that can be hoisted, and uses of weights that cannot."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.embedding = nn.Embedding(7, 6, padding_idx=0)
        self.convolution = nn.Conv1d(6, 4, 2, padding=1, groups=2)
        self.frozen = nn.Linear(4, 5).requires_grad_(False)
        self.linear = nn.Linear(5, 5)
        self.head = nn.Linear(5, 2, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens) if self.kind != "behind a frozen layer" else tokens.double()[..., None] / 7
        if self.kind == "embedding":
            return self.head(self.linear(self.frozen(x[..., :4]))).mean(1)
        if self.kind == "convolution":
            return self.head(self.linear(self.frozen(self.convolution(x.mT).mean(-1))))
        if self.kind == "behind a frozen layer":
            return self.head(torch.relu(self.linear(torch.relu(self.frozen(x.expand(-1, -1, 4)))))).mean(1)
        if self.kind == "twice":  # the second call depends on the point
            x = self.linear(torch.relu(self.linear(x[..., :5])))
            return self.head(x).mean(1)
        # Uses that are no layers: a norm, an index, a product, a shape, a copy.
        w = self.linear.weight
        penalty = w.norm() + w[0].sum() + (w * w).mean() + w.shape[0] + w.clone().detach().abs().max() + len(w)
        return self.head(self.linear(x[..., :5])).mean(1) + 0.01 * penalty


@pytest.mark.parametrize("kind", ["embedding", "convolution", "behind a frozen layer", "twice", "no layer"])
@pytest.mark.parametrize("scheme", ["plane", "barycentric"])
def test_layers_and_other_uses_of_hoisted_weights(kind, scheme):
    model = Layers(kind)
    data = torch.randint(7, (9, 3)), torch.randn(9, 2)
    moving = [n for n, p in model.named_parameters() if p.requires_grad and p.dim() > 1]
    options = {"loss": F.mse_loss, "scheme": scheme, "perturb": lambda name, parameter: name in moving, **GRID}
    plain = fastscape.surface(model, data, plan=Plan("loop", 1), **options)
    assert np.ptp(plain.loss) > 0
    assert_close(fastscape.surface(model, data, plan=PLANS["hoisted"], **options).loss, plain.loss, 1e-12)


class Differentiating(nn.Module):
    """Differentiates its output with respect to its input."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.first, self.second = kind, nn.Linear(2, 4), nn.Linear(4, 1)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x))).sum()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "grad":
            return torch.func.grad(self.inner)(x)
        if self.kind == "jvp":
            return torch.func.jvp(lambda x: x * self.second(torch.tanh(self.first(x))), (x,), (x.cos(),))[1]
        return torch.vmap(torch.func.grad(self.inner))(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated")  # torch's own, inside jvp
@pytest.mark.parametrize("kind", ["grad", "vmap of grad", "jvp"])
def test_layers_that_are_differentiated_are_not_shared(kind):
    model, data = Differentiating(kind), (torch.randn(7, 2), torch.randn(7, 2))
    plain = fastscape.surface(model, data, loss=F.mse_loss, plan=Plan("loop", 1), **GRID)
    assert_close(
        fastscape.surface(model, data, loss=F.mse_loss, plan=PLANS["hoisted"], **GRID).loss, plain.loss, 1e-12
    )


class Tied(nn.Module):
    """A weight whose filters lie along its second dimension, used by a layer with filters along the first too."""

    def __init__(self) -> None:
        super().__init__()
        self.transposed, self.straight = nn.ConvTranspose1d(3, 3, 2, bias=False), nn.Conv1d(3, 3, 2, bias=False)
        self.straight.weight = self.transposed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.straight(x).flatten(1)


@pytest.mark.parametrize("scheme", ["plane", "barycentric"])
def test_filters_along_another_dimension_are_not_hoisted(scheme):
    options = {**GRID, "loss": F.mse_loss, "scheme": scheme}
    model, data = Tied(), (torch.randn(5, 3, 4), torch.randn(5, 9))
    plain = fastscape.surface(model, data, plan=Plan("loop", 1), **options)
    assert_close(fastscape.surface(model, data, plan=PLANS["hoisted"], **options).loss, plain.loss, 1e-12)


def test_a_hoisted_first_layer_is_never_materialised(monkeypatch):
    monkeypatch.setattr(HoistedWeight, "plain", lambda self: pytest.fail("the weight was read"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    data = torch.randn(5, 2, 3), torch.randn(5, 3)
    fastscape.surface(model, data, loss=F.mse_loss, plan=Plan("vmap", 2, hoist=True), **GRID)


def test_channels_last_reaches_the_convolution():
    """One channel is the case in which torch by itself takes channels last for contiguous."""
    seen = []

    class Watching(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = super().forward(x)
            seen.append((x.stride(1), self.weight.stride(1), out.stride(1)))
            return out

    model = nn.Sequential(Watching(1, 4, 3), nn.ReLU(), Watching(4, 2, 3), nn.Flatten())
    data = torch.randn(3, 1, 8, 8), torch.randn(3, 32)
    plan = Plan("loop", 2, memory_format="channels_last")
    fastscape.surface(model, data, loss=F.mse_loss, x=(0, 1, 2), y=(0, 1, 2), plan=plan, progress=False)
    assert set(seen[-2:]) == {(1, 1, 1)}


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("hoist", [False, True])
def test_a_compiled_step_gives_the_same_values(hoist):
    case = CASES["mnist-cnn"]()
    options = {"loss": case.loss, "x": (-1.0, 0.5, 3), "y": (-0.5, 1.0, 2), "progress": False}
    data = case.inputs, case.targets
    plain = fastscape.surface(case.model, data, plan=Plan("loop", 2, 5), **options)
    plan = Plan("loop", 2, 5, memory_format="channels_last", compile=True, hoist=hoist)
    compiled = fastscape.surface(case.model, data, plan=plan, **options)
    assert_close(compiled.loss, plain.loss, 1e-5)


def test_memory_that_does_not_suffice_halves_the_chunk(monkeypatch):
    model, data = nn.Linear(3, 2), (torch.randn(4, 3), torch.randn(4, 2))
    plain = fastscape.surface(model, data, loss=F.mse_loss, plan=Plan("loop", 8), **GRID)
    sums, sizes = Engine.sums, []

    def limited(self: Engine, points: torch.Tensor) -> torch.Tensor:
        sizes.append(len(points))
        if len(points) > 2:
            raise torch.OutOfMemoryError("no room")
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", limited)
    short = fastscape.surface(model, data, loss=F.mse_loss, plan=Plan("loop", 8), **GRID)
    assert (short.loss == plain.loss).all()
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    assert short.report["plan"]["chunk"] == 2


def test_plans_that_need_directions_in_memory_refuse_others():
    model, data = nn.Conv2d(1, 1, 2), (torch.randn(4, 1, 3, 3), torch.randn(4, 1, 2, 2))
    options = {"loss": lambda a, b: ((a - b) ** 2).mean((1, 2, 3)), "low_memory": True, **GRID}
    with pytest.raises(ValueError, match="write that in the plan"):
        fastscape.surface(model, data, plan=Plan("loop", 2, memory_format="channels_last"), **options)
    with pytest.raises(ValueError, match="leave out low_memory=True and a reduced precision, or hoist=True"):
        fastscape.surface(model, data, plan=Plan("vmap", 2, hoist=True), **options)


@pytest.mark.parametrize("products", [0, 3])
def test_the_share_of_products_is_seen(monkeypatch, products):
    seen = []
    clock = itertools.count()
    monkeypatch.setattr(engine, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))  # a second each
    original = engine._Timed

    class Timed(original):
        def __exit__(self, *arguments):
            seen.append(self)
            return super().__exit__(*arguments)

    monkeypatch.setattr(engine, "_Timed", Timed)
    monkeypatch.setattr(
        Engine, "sums", lambda self, points, sums=Engine.sums: (self.products(), sums(self, points))[1]
    )
    layers = [nn.Linear(4, 4, bias=False), *[nn.Linear(4, 4, bias=False) for _ in range(products)], nn.Softplus()]
    data = torch.rand(3, 4), torch.rand(3, 4)
    fastscape.surface(nn.Sequential(*layers), data, loss=F.mse_loss, x=(0, 1, 2), y=(0, 0, 1), plan=Plan("loop", 2))
    assert seen[0].products == 1 + products
    assert seen[0].seconds > seen[0].products
