"""Models that keep, cache, draw or write in a forward pass, or reach their weights in odd ways."""

from __future__ import annotations

import collections
import functools
import random
import types

import numpy as np
import torch
from torch import Tensor, nn


class Base(nn.Module):
    """Two layers, and something besides."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)
        self.set_up()
        self.double().eval()

    def set_up(self) -> None:
        """What besides."""

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)))


class CacheInADict(Base):
    def set_up(self) -> None:
        self.cache: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        if "w" not in self.cache:
            self.cache["w"] = self.b.weight * 2
        return torch.tanh(self.a(x)) @ self.cache["w"].T


class CacheInAnObject(Base):
    def set_up(self) -> None:
        self.kept = types.SimpleNamespace(weight=None, deeper={"list": []})

    def forward(self, x: Tensor) -> Tensor:
        if self.kept.weight is None:
            self.kept.weight = self.b.weight * 2
        self.kept.deeper["list"].append(1)
        return torch.tanh(self.a(x)) @ self.kept.weight.T * len(self.kept.deeper["list"])


class CachedProperty(Base):
    @functools.cached_property
    def doubled(self) -> Tensor:
        return self.b.weight * 2

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.a(x)) @ self.doubled.T


class CachedMethod(Base):
    @functools.cache  # noqa: B019 - as users write it
    def doubled(self) -> Tensor:
        return self.b.weight * 2

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.a(x)) @ self.doubled().T


class Average(Base):
    def set_up(self) -> None:
        self.average = torch.zeros(3, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        self.average.mul_(0.9).add_(out.mean(0), alpha=0.1)
        return out + self.average


class AverageByData(Average):
    def forward(self, x: Tensor) -> Tensor:
        out = Base.forward(self, x)
        self.average.data.mul_(0.9).add_(out.mean(0), alpha=0.1)
        return out + self.average


class Buffer(Base):
    def set_up(self) -> None:
        self.register_buffer("calls", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class BufferBoundAnew(Buffer):
    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return Base.forward(self, x) * self.calls


class Containers(Base):
    def set_up(self) -> None:
        self.items, self.kinds, self.last = [1], {1}, collections.deque([1], maxlen=5)
        self.named = collections.OrderedDict(a=1)

    def forward(self, x: Tensor) -> Tensor:
        factor = len(self.items) + len(self.kinds) + len(self.last) + len(self.named)
        self.items.append(1)
        self.kinds.add(factor)
        self.last.append(1)
        self.named[str(factor)] = 1
        return super().forward(x) * factor


class Counter(Base):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class Arrays(Base):
    def set_up(self) -> None:
        self.array = np.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        self.array += 1
        return super().forward(x) * float(self.array.sum())


class Generators(Base):
    def set_up(self) -> None:
        self.torchs, self.numpys = torch.Generator().manual_seed(1), np.random.default_rng(2)
        self.pythons = random.Random(3)

    def forward(self, x: Tensor) -> Tensor:
        shift = (
            torch.randn(3, generator=self.torchs, dtype=torch.float64) + self.numpys.normal() + self.pythons.random()
        )
        return super().forward(x) * (1 + shift)


class HookOnFirstCall(Base):
    ready = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.ready:
            self.b.register_forward_hook(lambda _m, _i, out: out * 1.5)
            self.ready = True
        return super().forward(x)


class LayerOnFirstCall(Base):
    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "late"):
            self.late = nn.Identity()
        return self.late(super().forward(x)) * len(list(self.children()))


class MaxNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e, self.o = nn.Embedding(6, 5, max_norm=0.7), nn.Linear(5, 3)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.o(self.e((x.abs() * 2).long().clamp(max=5)).mean(1))


class Clamped(Base):
    def forward(self, x: Tensor) -> Tensor:
        self.a.weight.data.clamp_(-0.2, 0.2)
        return super().forward(x)


class Assigned(Base):
    def forward(self, x: Tensor) -> Tensor:
        self.a.weight.data = self.a.weight.data.clamp(-0.2, 0.2)
        return super().forward(x)


class WritesToItsInput(Base):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


class Lambda(Base):
    def set_up(self) -> None:
        self.encode = lambda x: torch.tanh(self.a(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.encode(x))


class LambdasInADict(Base):
    def set_up(self) -> None:
        self.steps = {"a": lambda x: self.a(x), "t": torch.tanh, "b": [lambda x: self.b(x)]}

    def forward(self, x: Tensor) -> Tensor:
        return self.steps["b"][0](self.steps["t"](self.steps["a"](x)))


class Partial(Base):
    def set_up(self) -> None:
        self.run = functools.partial(lambda model, x, factor: model.b(torch.tanh(model.a(x))) * factor, self, factor=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Wrapped(Base):
    def set_up(self) -> None:
        inner = self.a.forward

        def wrapped(x: Tensor) -> Tensor:
            return inner(x) * 2

        self.a.forward = wrapped


class WrappedByDefault(Base):
    def set_up(self) -> None:
        self.a.forward = lambda x, inner=self.a.forward: inner(x) * 2


class WrappedTwice(Wrapped):
    def set_up(self) -> None:
        super().set_up()
        super().set_up()


class HookOverSelf(Base):
    def set_up(self) -> None:
        self.a.register_forward_hook(lambda _m, _i, out: out + self.b.weight.sum())


class ListOfWeights(Base):
    def set_up(self) -> None:
        self.weights, self.by_name = [self.a.weight, self.b.weight], {"bias": self.b.bias}

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.weights[0].T) @ self.weights[1].T + self.by_name["bias"]


class ListOfLayers(Base):
    def set_up(self) -> None:
        self.order = [self.a, self.b]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.order:
            x = torch.tanh(layer(x))
        return x


class Slots:
    """An object without a dictionary of attributes."""

    __slots__ = ("weight",)

    def __init__(self) -> None:
        self.weight: Tensor | None = None


class CacheInSlots(Base):
    def set_up(self) -> None:
        self.kept = Slots()

    def forward(self, x: Tensor) -> Tensor:
        if self.kept.weight is None:
            self.kept.weight = self.b.weight * 2
        return torch.tanh(self.a(x)) @ self.kept.weight.T


class Unregistered(Base):
    """Layers that are no part of the module, and do not move."""

    def set_up(self) -> None:
        self.others = {"layer": nn.Linear(3, 3).double()}
        with torch.no_grad():
            self.others["layer"].weight.copy_(torch.eye(3) + 0.5)
            self.others["layer"].bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.others["layer"](super().forward(x))


class WeightsInAnObject(Base):
    def set_up(self) -> None:
        self.view = types.SimpleNamespace(weight=self.a.weight, of={"b": self.b.weight})

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.view.weight.T) @ self.view.of["b"].T


class FunctionsInATuple(Base):
    def set_up(self) -> None:
        self.steps = (lambda x: self.a(x), torch.tanh, lambda x: self.b(x))

    def forward(self, x: Tensor) -> Tensor:
        return functools.reduce(lambda value, step: step(value), self.steps, x)


class Defaults(Base):
    def set_up(self) -> None:
        self.counts = collections.defaultdict(int)

    def forward(self, x: Tensor) -> Tensor:
        self.counts["calls"] += 1
        return super().forward(x) * self.counts["calls"]


KINDS: list[type[nn.Module]] = [
    Base, CacheInADict, CacheInAnObject, CachedProperty, CachedMethod, Average, AverageByData, Buffer, BufferBoundAnew,
    Containers, Counter, Arrays, Generators, HookOnFirstCall, LayerOnFirstCall, MaxNorm, Clamped, Assigned,
    WritesToItsInput, Lambda, LambdasInADict, Partial, Wrapped, WrappedByDefault, WrappedTwice, HookOverSelf,
    ListOfWeights, ListOfLayers, CacheInSlots, Unregistered, WeightsInAnObject, FunctionsInATuple, Defaults,
]  # fmt: skip
