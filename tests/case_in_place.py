"""Small models of every kind that may be written in place, and what they hold, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES = torch.sin(torch.arange(9 * 12, dtype=torch.float64)).view(9, 12)
TARGETS = torch.arange(9) % 3


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.float() if outputs.dtype == torch.bfloat16 else outputs, targets)


def bits(model: nn.Module) -> dict[str, Any]:
    """Every tensor of a model: which object it is, its bytes, strides and flags; and the modes of the modules."""
    found: dict[str, Any] = {"modes": [module.training for module in model.modules()]}
    for name, tensor in model.state_dict(keep_vars=True).items():
        numbers = tensor.detach().resolve_conj().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        found[name] = id(tensor), numbers, tensor.stride(), tensor.requires_grad, tensor.data_ptr()
    return found


class Convolutions(nn.Module):
    """Filters in every order of storage, grouped and transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.ConvTranspose2d(4, 6, 3, groups=2)
        self.third = nn.Conv2d(6, 2, (1, 2), groups=2)
        self.last = nn.Linear(2 * 5 * 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x.view(-1, 1, 3, 4)))
        return self.last(torch.tanh(self.third(torch.tanh(self.second(x)))).flatten(1))


class Tied(nn.Module):
    """The first layer's weight is also the last one's; a buffer is a parameter under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 12), nn.Linear(12, 12)
        self.last.weight = self.first.weight
        self.out = nn.Linear(12, 3)
        self.register_buffer("again", self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.last(torch.tanh(self.first(x))), self.again)


class Complex(nn.Module):
    """A complex weight, whose real numbers move."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Parameter(torch.randn(7, 5, dtype=torch.complex128))
        self.out = nn.Linear(5, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.out((torch.fft.rfft(x) @ self.spectrum).abs().sqrt())


class Conjugate(Complex):
    """The same, with the conjugate view of other numbers as its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Parameter(torch.randn(7, 5, dtype=torch.complex128).conj())


class Counting(nn.Module):
    """A forward pass writes to a buffer and to an attribute, and what it gives depends on both."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 3)
        self.register_buffer("calls", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(12))
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen += 1
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return self.layer(x - self.mean) * (1 + 0.1 * self.calls + 0.1 * self.seen)


class NotContiguous(nn.Module):
    """Parameters that are transposed, a part of a larger memory, and in channels last."""

    def __init__(self) -> None:
        super().__init__()
        wide = {"dtype": torch.float64}
        self.weight = nn.Parameter(torch.randn(12, 8, **wide).t())
        self.part = nn.Parameter(torch.randn(8, 16, **wide)[:, ::2])
        self.kernel = nn.Parameter(torch.randn(3, 8, 2, 2, **wide).contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(F.linear(torch.tanh(F.linear(x, self.weight)), self.part))
        return F.conv2d(x[:, :, None, None].expand(-1, -1, 2, 2), self.kernel).flatten(1)


def normalised() -> nn.Module:
    layers = nn.Linear(12, 6), nn.BatchNorm1d(6), nn.Linear(6, 5), nn.Dropout(0.3), nn.Tanh(), nn.Linear(5, 3)
    model = nn.Sequential(*layers).double()
    model(SAMPLES)  # running statistics that are not 0 and 1
    return model


def spectral() -> nn.Module:
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(12, 6).double())
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(6, 3).double())


class Narrow(nn.Module):
    """A model in bfloat16, with samples that it narrows itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3)).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.to(self.layers[0].weight.dtype))


def mixed() -> nn.Module:
    """Two precisions, each of which stays."""

    class Widening(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.double()

    return nn.Sequential(Narrow(), Widening(), nn.Linear(3, 3).double())


def _seeded(make: Callable[[], nn.Module], *, double: bool = True) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = make()
            return (model.double() if double else model).eval()

    return made


KINDS: dict[str, Callable[[], nn.Module]] = {
    "normalised": _seeded(normalised),
    "convolutions": _seeded(Convolutions),
    "tied": _seeded(Tied),
    "complex": _seeded(Complex, double=False),
    "conjugate": _seeded(Conjugate, double=False),
    "counting": _seeded(Counting),
    "not contiguous": _seeded(NotContiguous, double=False),
    "spectral": _seeded(spectral),
    "bfloat16": _seeded(Narrow, double=False),
    "mixed": _seeded(mixed, double=False),
}
