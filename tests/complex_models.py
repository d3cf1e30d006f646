"""Models with complex numbers, one small one of each kind, and the plain loops that judge their landscapes.

The loops are in complex128 and float64, tensor by tensor and filter by filter, and share no step with the library.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.kernels import draw

Weights = Mapping[str, Tensor]


class Spectral(nn.Module):
    """A Fourier neural operator of one block: the complex weights multiply the lowest modes."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.out = nn.Linear(1, 4), nn.Linear(4, 2)
        self.modes = nn.Parameter(0.3 * torch.randn(4, 4, 3, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        h = self.lift(x).transpose(1, 2)
        z = torch.einsum("bim,iom->bom", torch.fft.rfft(h)[..., :3], self.modes)
        return self.out((h + torch.fft.irfft(z, n=h.shape[-1])).relu().transpose(1, 2)).mean(1)


class SpectralInPlace(Spectral):
    """The same, written into zeros: vmap refuses it."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.lift(x).transpose(1, 2)
        f = torch.fft.rfft(h)
        z = torch.zeros_like(f)
        z[..., :3] = torch.einsum("bim,iom->bom", f[..., :3], self.modes)
        return self.out((h + torch.fft.irfft(z, n=h.shape[-1])).relu().transpose(1, 2)).mean(1)


class ComplexLayers(nn.Module):
    """Two complex linear layers with biases, on complex inputs; the second is hoistable by its form."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5, dtype=torch.cfloat), nn.Linear(5, 2, dtype=torch.cfloat)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.second(torch.complex(h.real.relu(), h.imag.relu())).abs()


class StateSpace(nn.Module):
    """As S4D: the poles are a complex buffer, the output a complex parameter, the step a real one of one dimension."""

    def __init__(self) -> None:
        super().__init__()
        poles = torch.complex(-0.5 * torch.ones(4), torch.pi * torch.arange(4.0))
        self.register_buffer("poles", poles.repeat(3, 1))
        self.readout = nn.Parameter(torch.randn(3, 4, dtype=torch.cfloat))
        self.step = nn.Parameter(torch.randn(3) - 2)
        self.mix = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        poles = torch.complex(-self.poles.real.abs(), self.poles.imag) * self.step.exp()[:, None]
        at = poles[..., None] * torch.arange(x.shape[1], device=x.device)
        kernel = 2 * torch.einsum("hn,hnl->hl", self.readout, at.exp()).real
        spectrum = torch.fft.rfft(x.transpose(1, 2), n=2 * x.shape[1]) * torch.fft.rfft(kernel, n=2 * x.shape[1])
        return self.mix(torch.fft.irfft(spectrum)[..., : x.shape[1]].transpose(1, 2).tanh()).mean(1)


class Phases(nn.Module):
    """A complex scalar, a complex vector, a complex constant as a plain attribute, and a list with another."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.8 - 0.6j))
        self.phases = nn.Parameter(torch.randn(4, dtype=torch.cfloat))
        self.weight = nn.Parameter(torch.randn(2, 4))
        self.turn, self.others = torch.polar(torch.ones(4), torch.arange(4.0)), [torch.tensor(0.3 + 0.4j)]

    def forward(self, x: Tensor) -> Tensor:
        z = x * self.phases * self.turn * self.scale + self.others[0]
        return torch.view_as_real(z).flatten(1).cos() @ self.weight.repeat(1, 2).T


class ComplexImages(nn.Module):
    """Complex convolutions, one of them transposed and in groups, behind a real one."""

    def __init__(self) -> None:
        super().__init__()
        self.real = nn.Conv2d(2, 4, 3, padding=1)
        self.complex = nn.Conv2d(4, 4, 3, dtype=torch.cfloat)
        self.transposed = nn.ConvTranspose2d(4, 6, 2, groups=2, dtype=torch.cfloat)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.complex(self.real(x).relu() * (1 + 0.5j))
        return self.head(self.transposed(z).abs().mean((2, 3)))


class Tied(nn.Module):
    """One complex weight in two layers behind a complex embedding, an empty parameter, and one in complex128."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4, dtype=torch.cfloat)
        self.first, self.second = (nn.Linear(4, 4, bias=False, dtype=torch.cfloat) for _ in range(2))
        self.second.weight = self.first.weight
        self.nothing = nn.Parameter(torch.zeros(0, 3, dtype=torch.cfloat))
        self.wide = nn.Parameter(torch.randn(2, 4, dtype=torch.complex128))

    def forward(self, x: Tensor) -> Tensor:
        return (self.second(self.first(self.embedding(x)).sgn()) * self.wide.sum(0)).abs().mean(1)


class Conjugated(nn.Module):
    """Parameters, a buffer and an attribute that are views of their conjugates, or of a negative imaginary part."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, dtype=torch.cfloat).conj())
        self.real = nn.Parameter(torch.randn(3, 4, dtype=torch.cfloat).conj().imag)
        self.register_buffer("buffer", torch.randn(4, dtype=torch.cfloat).conj())
        self.attribute = torch.randn(4, dtype=torch.cfloat).conj()
        assert all(t.is_conj() for t in (self.weight, self.buffer, self.attribute))
        assert self.real.is_neg()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x * self.buffer * self.attribute, self.weight).abs() + x.real @ self.real.T


class Rotary(nn.Module):
    """Real weights, and a complex buffer: rotary embeddings as Llama's own code has them."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        angles = torch.outer(torch.arange(5.0), torch.tensor([1.0, 0.3]))
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))

    def forward(self, x: Tensor) -> Tensor:
        turned = torch.view_as_complex(self.query(x).unflatten(-1, (2, 2))) * self.turns
        return self.head(torch.view_as_real(turned).flatten(2).mean(1))


def wide(tensor: Tensor) -> Tensor:
    """A copy in complex128 or float64."""
    tensor = tensor.detach().clone()
    return tensor.to(torch.complex128) if tensor.is_complex() else tensor.double()


def widened(model: nn.Module) -> nn.Module:
    """A copy of a model in float64 and complex128, with its plain attributes; what was tied still is."""
    model = copy.deepcopy(model).eval()
    made = {id(p): nn.Parameter(wide(p)) for p in model.parameters()}
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None:
                module._parameters[name] = made[id(p)]
        for name, b in module._buffers.items():
            if b is not None and (b.is_complex() or b.is_floating_point()):
                module._buffers[name] = wide(b)
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                vars(module)[name] = wide(value)
            elif isinstance(value, list):
                vars(module)[name] = [wide(item) for item in value]
    return model


def filters(tensor: Tensor, owner: nn.Module, kind: str = "filter") -> Iterator[Tensor]:
    """What produces one output channel each, as views; what reads one input for `kind` "filter-input"."""
    if tensor.dim() < 2:
        yield tensor
    elif kind == "filter-input" and isinstance(owner, nn.Linear):
        yield from tensor.T
    elif isinstance(owner, nn.ConvTranspose2d):
        inputs = len(tensor) // owner.groups
        for group in range(owner.groups):
            for channel in range(tensor.shape[1]):
                yield tensor[group * inputs : (group + 1) * inputs, channel]
    else:
        yield from tensor


def norm(tensor: Tensor) -> float:
    """The square root of the sum of |z|^2."""
    return math.sqrt(sum(abs(z) ** 2 for z in tensor.flatten().tolist()))


def normalised(name: str, direction: Tensor, model: nn.Module, kind: str) -> Tensor:
    """A direction with one of the norms of Li et al., by loops over filters."""
    theta = wide(model.get_parameter(name) if name in dict(model.named_parameters()) else model.get_buffer(name))
    owner = model.get_submodule(name.rpartition(".")[0])
    made = wide(direction)
    if kind == "none":
        return made
    if kind == "weight":  # every real number by itself
        if made.is_complex():
            return torch.complex(made.real * theta.real, made.imag * theta.imag)
        return made * theta
    parts = [(made, theta)]
    if kind in ("filter", "filter-input", "dfilter"):
        parts = list(zip(filters(made, owner, kind), filters(theta, owner, kind), strict=True))
    for d, t in parts:
        d *= (norm(t) if kind in ("filter", "filter-input", "layer") else 1.0) / norm(d)
    return made


def drawn(
    model: nn.Module, names: Sequence[str], seed: int = 0, axes: int = 2, kind: str = "filter"
) -> list[dict[str, Tensor]]:
    """The random directions of a seed, placed by the rule that is documented.

    Tensors lie one behind the other at multiples of 16 numbers, filter by filter; a complex entry is two numbers.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found = []
    for axis in range(axes):
        direction, offset = {}, 0
        for name in names:
            tensor = tensors[name]
            count = tensor.numel() * (2 if tensor.is_complex() else 1)
            numbers = draw(torch.empty(offset + count, dtype=torch.float64), seed, axis)[offset:].tolist()
            if tensor.is_complex():
                pairs = zip(numbers[::2], numbers[1::2], strict=True)
                numbers = [complex(*pair) for pair in pairs]
            direction[name] = made = wide(tensor)
            for part in filters(made, model.get_submodule(name.rpartition(".")[0]), kind):
                own, numbers = numbers[: part.numel()], numbers[part.numel() :]
                part.copy_(torch.tensor(own, dtype=made.dtype).view(part.shape))
            offset += -(-count // 16) * 16
        found.append(direction)
    return found


def layer_n(v: Tensor, theta: Tensor) -> Tensor:
    return v * (norm(theta) / norm(v))


def barycentric(t: Tensor, ds: Sequence[Tensor], a: float, b: float, n: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    phi, psi = a * (ds[0] - t) + t, b * (ds[1] - t) + t
    return a * n(phi, t) + (1 - b) * n(psi, t)


def bilinear(t: Tensor, ds: Sequence[Tensor], a: float, b: float, n: Any) -> Tensor:
    phi = a * layer_n(ds[0], t) + (1 - a) * t
    return b * layer_n(ds[1], t) + (1 - b) * layer_n(phi, t)


def plane(t: Tensor, ds: Sequence[Tensor], a: float, b: float, n: Any) -> Tensor:
    return t + a * ds[0] + b * ds[1]


SCHEMES = {"plane": plane, "barycentric": barycentric, "bilinear": bilinear}


def truth(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    directions: Sequence[Weights],
    axes: tuple[Sequence[float], Sequence[float]],
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    scheme: str = "plane",
) -> np.ndarray:
    """The surface of a model by a loop over its points, that writes the weights into a copy."""
    inputs, targets = (wide(part) if part.is_floating_point() or part.is_complex() else part for part in data)
    at = widened(model)
    tensors = {**dict(at.named_parameters()), **dict(at.named_buffers())}
    theta = {name: wide(tensors[name]) for name in directions[0]}
    values = np.empty([len(axis) for axis in axes])
    with torch.no_grad():
        for i, a in enumerate(axes[0]):
            for j, b in enumerate(axes[1]):
                for name, t in theta.items():
                    owner = at.get_submodule(name.rpartition(".")[0])

                    def n(v: Tensor, t: Tensor, owner: nn.Module = owner) -> Tensor:
                        made = v.clone()
                        for part, kept in zip(filters(made, owner), filters(t, owner), strict=True):
                            part *= norm(kept) / norm(part)
                        return made

                    ds = [wide(d[name]) for d in directions]
                    tensors[name].copy_(SCHEMES[scheme](t, ds, float(a), float(b), n))
                values[i, j] = float(loss(at(inputs), targets).mean())
    return values
