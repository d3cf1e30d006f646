"""Models put together at random from parts that keep, write, draw, hook and close over: the law, or an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law import AXIS, by_law, directions_of
from torch import Tensor, nn

import fastscape
from fastscape import Plan


class Part(NamedTuple):
    """What a model has besides its layers.

    Args:
        set_up: Prepares the model.
        apply: Changes what comes out of a layer [n, 4].
        draws: Whether it draws from the global generators.
    """

    set_up: Callable[[nn.Module], None]
    apply: Callable[[nn.Module, Tensor], Tensor]
    draws: bool = False


def nothing(_: nn.Module) -> None:
    return None


def cached(model: nn.Module, h: Tensor) -> Tensor:
    if "w" not in model.cache:
        model.cache["w"] = model.layers[0].weight.sum() * 0.1
    return h + model.cache["w"]


def counted(model: nn.Module, h: Tensor) -> Tensor:
    model.calls.append(len(model.calls))
    return h * (1 + 0.1 * len(model.calls))


def averaged(model: nn.Module, h: Tensor) -> Tensor:
    model.average.mul_(0.5).add_(h.detach().mean(0))
    return h - model.average


def gathered(model: nn.Module, h: Tensor) -> Tensor:
    model.seen.add_(1)
    return h / model.seen


def clamped(model: nn.Module, h: Tensor) -> Tensor:
    model.layers[-1].weight.data.clamp_(-0.4, 0.4)
    return h


def hooked_late(model: nn.Module, h: Tensor) -> Tensor:
    if not model.ready:
        model.layers[-1].register_forward_hook(lambda _m, _i, out: out * 1.25)
        model.ready = True
    return h


def noisy(_: nn.Module, h: Tensor) -> Tensor:
    return h + 0.1 * torch.randn_like(h)


def noisy_alone(model: nn.Module, h: Tensor) -> Tensor:
    return h + 0.1 * torch.randn(4, generator=model.generator, dtype=h.dtype)


def normalised(_: nn.Module, h: Tensor) -> Tensor:
    return h - h.mean(0)


def hooked(model: nn.Module) -> None:
    model.layers[0].register_forward_hook(lambda _m, _i, out: out + model.layers[-1].weight.mean())


def wrapped(model: nn.Module) -> None:
    inner = model.layers[0].forward
    model.layers[0].forward = lambda x: inner(x) * 0.9


def set_attribute(name: str, make: Callable[[], object]) -> Callable[[nn.Module], None]:
    return lambda model: setattr(model, name, make())


PARTS = {
    "cache": Part(set_attribute("cache", dict), cached),
    "counter": Part(set_attribute("calls", list), counted),
    "average": Part(set_attribute("average", lambda: torch.zeros(4, dtype=torch.float64)), averaged),
    "buffer": Part(lambda m: m.register_buffer("seen", torch.ones((), dtype=torch.float64)), gathered),
    "clamp": Part(nothing, clamped),
    "hook": Part(hooked, lambda _m, h: h),
    "late hook": Part(set_attribute("ready", bool), hooked_late),
    "noise": Part(nothing, noisy, draws=True),
    "own noise": Part(set_attribute("generator", lambda: torch.Generator().manual_seed(5)), noisy_alone, draws=True),
    "batch mean": Part(nothing, normalised),
    "closure": Part(lambda m: setattr(m, "extra", lambda h: h + m.layers[0].weight.mean()), lambda m, h: m.extra(h)),
    "weights in a list": Part(
        lambda m: setattr(m, "tied", [m.layers[0].weight]), lambda m, h: h @ m.tied[0] * 0.1 + h
    ),
    "partial": Part(
        lambda m: setattr(m, "late", functools.partial(lambda own, h: h + own.layers[0].bias.sum(), m)),
        lambda m, h: m.late(h),
    ),
    "wrapped": Part(wrapped, lambda _m, h: h),
    "dropout": Part(set_attribute("drop", lambda: nn.Dropout(0.3)), lambda m, h: m.drop(h), draws=True),
}


class Composed(nn.Module):
    """Layers, with parts behind each."""

    def __init__(self, names: tuple[str, ...], depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4, dtype=torch.float64) for _ in range(depth)])
        self.parts = [PARTS[name] for name in names]
        for part in self.parts:
            part.set_up(self)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
            for part in self.parts:
                x = part.apply(self, x)
        return x


PLANS = st.sampled_from(["auto", Plan("loop", 2), Plan("loop", 4, workers=2), Plan(microbatch=3), Plan("vmap", 5, 4)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(st.sampled_from(sorted(PARTS)), max_size=4, unique=True).map(tuple),
    depth=st.integers(1, 3),
    plan=PLANS,
    sizes=st.lists(st.integers(2, 7), min_size=1, max_size=3),
    train=st.booleans(),
    called=st.booleans(),
    seed=st.integers(0, 9),
)
def test_the_law_or_an_error(names, depth, plan, sizes, train, called, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(sum(sizes), 4, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (sum(sizes),), generator=generator)
    batches = list(zip(x.split(sizes), y.split(sizes), strict=True))

    def make() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return Composed(names, depth).train(train)

    model = make()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    directions = directions_of(model, seed)
    measure = lambda m, batch: F.cross_entropy(m(batch[0]), batch[1])  # noqa: E731
    right = by_law(make, model, batches, measure, directions, seeds=True)
    keeps = {"cache", "counter", "average", "buffer", "clamp", "late hook", "own noise"} & set(names)
    if called and not keeps:  # what such a part keeps belongs to the state in which the model is given
        with torch.random.fork_rng(devices=[]):
            model(x[:2])
    options = {"directions": directions, "train_mode": train, "plan": plan, "progress": False}
    try:
        found = fastscape.surface(model, batches, x=AXIS, y=AXIS, **options)
    except (ValueError, RuntimeError):
        # Threads do not repeat random numbers, and a plan that was asked for is not replaced.
        draws = any(PARTS[name].draws for name in names)
        assert isinstance(plan, Plan)
        assert plan.batching == "vmap" or (plan.workers > 1 and draws)
        return
    np.testing.assert_allclose(found.loss, right, rtol=1e-9)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
