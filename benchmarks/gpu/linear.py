"""`perturbed_linear` against float64, by every method: entry by entry, against what rounding can make of it at most.

With u the unit roundoff of the sums and v that of x, to which weights are rounded, an output may be wrong by
`((I + 2 K + 4) u + v) sum_i |x_i| sum_k |c_k b_k|` and by half a unit in the last place of what is stored.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu import philox
from benchmarks.gpu.judging import Worst, fresh, stored, unit
from benchmarks.gpu.setting import Setting
from fastscape.kernels import Backend, Method, Seeded, perturbed_linear

__all__ = ["checked"]

# Points, rows, inputs, outputs: of one tile of the fused kernel and of many, full tiles and odd ends.
SHAPES = (1, 1, 4, 1), (5, 13, 36, 77), (3, 300, 132, 200), (6, 70, 96, 260), (2, 31, 7, 130)
METHODS: tuple[Method, ...] = "shared", "fused", "materialised"
POISONS = float("nan"), -3e4


def checked(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """Every method, of bases in memory and seeded, with coefficients of all kinds."""
    worst = Worst()
    generator = setting.generator("linear", dtype)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(setting.device, dtype)

    for (points, rows, inputs, outputs), poison in itertools.product(SHAPES, POISONS):
        x, basis, bias = normal(points, rows, inputs), normal(3, outputs, inputs), normal(points, outputs)
        seeded, drawn = _seeded(basis[0], int(torch.randint(1 << 62, (), generator=generator)))
        own = torch.randn(points, outputs, 3, generator=generator, dtype=torch.float64).to(setting.device)
        # Each combination is compiled by itself.
        for given, wide, c, b in (
            (basis, basis.double(), own, bias), (basis, basis.double(), own[:, :1], None), (seeded, drawn, own, bias),
        ):  # fmt: skip
            truth, magnitude = _true(x, wide, c, b)
            roundings = (inputs + 10) * unit(dtype) + torch.finfo(dtype).eps / 2 + 4e-6 * (given is seeded)
            allowed = roundings * magnitude + stored(truth, dtype)
            for method in METHODS:
                if method == "fused" and not _offered(x, given, backend):
                    continue
                case = f"{method}, {tuple(x.shape)} into {outputs}, poison {poison:g}"
                with fresh(setting, poison):
                    made = perturbed_linear(x, given, c, b, method=method, backend=backend)
                worst.take(made, truth, allowed, f"{case}{', seeded' if given is seeded else ''}")
    return worst.found()


def _offered(x: Tensor, given: Tensor | Seeded, backend: Backend) -> bool:
    """Whether the fused method takes these arguments."""
    kernel = backend == "triton"
    return not kernel or (x.dtype != torch.float64 and (isinstance(given, Tensor) or x.shape[2] % 4 == 0))


def _true(x: Tensor, wide: Tensor, c: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """The outputs in float64, and the sums of the magnitudes of all their terms."""
    each = c.expand(-1, wide.shape[1], -1).permute(2, 0, 1)[:, :, :, None] * wide[:, None]
    truth, magnitude = x.double() @ each.sum(0).mT, x.double().abs() @ each.abs().sum(0).mT
    if bias is None:
        return truth, magnitude
    return truth + bias.double()[:, None], magnitude + bias.double().abs()[:, None]


def _seeded(theta: Tensor, seed: int) -> tuple[Seeded, Tensor]:
    """A seeded basis that is a part of a larger buffer, and its matrices in float64 by the generator of `philox`."""
    first = 4 * (seed % 1000)
    rows = [torch.from_numpy(philox.numbers(seed, k, first, theta.numel(), "normal")) for k in (0, 1)]
    wide = torch.stack([theta.double(), *(row.view(theta.shape).to(theta.device) for row in rows)])
    return Seeded(theta.flatten(), seed, 2, first=first), wide
