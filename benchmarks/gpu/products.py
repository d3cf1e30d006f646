"""A linear layer at 16 points by every method of `perturbed_linear`, by rows a point.

Beside the methods stands the product with weights that are there already, `torch.bmm`, which no method can beat where
rows are many. Inputs and bases are in rotation, several times as large as the largest cache, as the layers of a model
are. Some outputs of every method are judged against float64. The rule that chooses (`CROSSOVERS` in
`kernels/perturbed_linear.py`) is set from the table that this gives; tiles of the fused kernel, from the entries that
name them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.gpu.judging import Worst, stored, sums_of
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting, per_launch
from fastscape.kernels import Seeded, choose, choose_method, perturbed_linear

__all__ = ["entries"]

POINTS, VECTORS = 16, 3
ROWS = 1, 8, 32, 128, 512, 2048
WIDTHS = {4096: 0, 1024: 1}  # of inputs and outputs, with the rank of their entries
TINY = {4096: 40, 1024: 12}
DTYPES = {"float32": (torch.float32, 0), "bfloat16": (torch.bfloat16, 0), "TF32": (torch.float32, 2)}
CACHES, SETS = 3, 12  # times the cache that all sets have together, and sets at most
SECONDS = 0.12  # that one method is watched
LOOKED = 24  # outputs, and rows of each point, that are judged

Call = Callable[["_Set"], Tensor]


class _Set(NamedTuple):
    """What one call reads."""

    x: Tensor
    basis: Tensor
    seeded: Seeded
    c: Tensor
    weights: Tensor


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    made = []
    for (width, rank), (name, (_, later)), rows in itertools.product(WIDTHS.items(), DTYPES.items(), ROWS):
        title = f"{name}, {rows} rows a point, {width} x {width}"
        seconds = 1.0 if setting.tiny else 4.0 if rank == 0 else 1.5
        made.append(Entry(title, partial(compared, setting, name, rows, width), seconds, max(rank, later)))
    for rows in (32, 128, 512):
        title = f"tiles of the fused kernel, bfloat16, {rows} rows a point"
        made.append(Entry(title, partial(tiled, setting, "bfloat16", rows), 15, 2))
    return made


def compared(setting: Setting, name: str, rows: int, width: int) -> dict[str, Any]:
    """Milliseconds of one call of each method, and the largest error of all."""
    dtype = DTYPES[name][0]
    with _arithmetic(name):
        sets = _sets(setting, dtype, rows, width)
        worst, found = Worst(), {}
        for method, call in _methods(setting).items():
            _judge(worst, sets[0], call(sets[0]), method)
            found[method] = _milliseconds(setting, call, sets)
        worst_of = worst.found()
        fused = choose(setting.device) == "triton"
        rule = choose_method(rows, dtype, setting.device, fused=fused)
    own = {method: found[method] for method in ("shared", "fused", "materialised") if method in found}
    return {
        "ms": found,
        "fastest": min(own, key=lambda method: own[method]),
        "rule": rule,
        **{key: worst_of[key] for key in ("error", "case", "wrong")},
    }


def _methods(setting: Setting) -> dict[str, Call]:
    """What is timed: every method, of a basis in memory and of a seeded one, and the product alone."""
    made: dict[str, Call] = {
        "shared": lambda s: perturbed_linear(s.x, s.basis, s.c, method="shared"),
        "fused": lambda s: perturbed_linear(s.x, s.basis, s.c, method="fused"),
        "materialised": lambda s: perturbed_linear(s.x, s.basis, s.c, method="materialised"),
        "fused, seeded": lambda s: perturbed_linear(s.x, s.seeded, s.c, method="fused"),
        "materialised, seeded": lambda s: perturbed_linear(s.x, s.seeded, s.c, method="materialised"),
        "weights that are there": lambda s: torch.bmm(s.x, s.weights.mT),
    }
    return made


def _sets(setting: Setting, dtype: torch.dtype, rows: int, width: int) -> list[_Set]:
    """Sets of inputs and bases. The weights that are there already are those of the first."""
    size = TINY[width] if setting.tiny else width
    count = 1 if setting.tiny else max(2, min(CACHES * setting.cache // (3 * size * size * dtype.itemsize) + 1, SETS))
    generator = torch.Generator(setting.device).manual_seed(setting.seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=setting.device).to(dtype)

    made: list[_Set] = []
    for k in range(count):
        x, basis = normal(POINTS, 3 if setting.tiny else rows, size), normal(VECTORS, size, size)
        c = torch.randn(POINTS, size, VECTORS, generator=generator, device=setting.device)
        seeded = Seeded(basis[0].flatten(), setting.seed + k, VECTORS - 1)
        made.append(_Set(x, basis, seeded, c, made[0].weights if k else _weights(basis, c)))
    return made


def _weights(basis: Tensor, c: Tensor) -> Tensor:
    """The weights of all points in the dtype of the basis, point by point in float32."""
    made = torch.empty(len(c), *basis.shape[1:], dtype=basis.dtype, device=basis.device)
    for g in range(len(c)):
        made[g] = sum(c[g, :, k, None] * basis[k].float() for k in range(len(basis)))
    return made


def _judge(worst: Worst, given: _Set, made: Tensor, method: str) -> None:
    """Some outputs against float64: those at both ends, and others between."""
    _, rows, inputs = given.x.shape
    outputs = given.basis.shape[1]
    r, o = (torch.linspace(0, n - 1, min(n, LOOKED)).long().unique().to(made.device) for n in (rows, outputs))
    basis = given.basis[:, o].double()
    if "seeded" in method:
        rows_of = [given.seeded.rows(k * inputs, (k + 1) * inputs) for k in o.tolist()]
        basis = torch.stack(rows_of, 1).double()
    x, c = given.x[:, r].double(), given.c[:, o].double()
    each = c.permute(2, 0, 1)[:, :, :, None] * basis[:, None]
    truth = x @ each.sum(0).mT
    magnitude = x.abs() @ each.abs().sum(0).mT
    unit = torch.finfo(given.x.dtype).eps / 2 if given.x.dtype != torch.float32 else 0.0
    if given.x.dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest":
        unit = 2.0**-10  # of both factors in TF32
    roundings = 16 * inputs**0.5 * torch.finfo(sums_of(given.x.dtype)).eps / 2
    # The normal numbers of a seed are approximations, too.
    allowed = (unit + roundings + 2e-6) * magnitude + stored(truth, given.x.dtype)
    worst.take(made[:, r][:, :, o], truth, allowed, method)
    if not bool(torch.isfinite(made).all()):
        worst.broken(f"{method}, an output that is not finite")


def _milliseconds(setting: Setting, call: Call, sets: list[_Set]) -> float:
    """The median of as many calls as there is time for."""
    setting.synchronize()
    started = time.perf_counter()
    call(sets[-1])
    setting.synchronize()
    once = time.perf_counter() - started
    times = 2 if setting.tiny else max(3, min(round(SECONDS / once), 30))
    return 1e3 * per_launch(setting, [partial(call, given) for given in sets], times)["seconds"]


def tiled(setting: Setting, name: str, rows: int) -> dict[str, Any]:
    """Milliseconds of the fused kernel by other tiles than its own."""
    if choose(setting.device) != "triton":
        raise NotOfferedError("the fused kernel needs a GPU")
    from fastscape.kernels.perturbed_linear_triton import fused_triton, launch_of

    sets = _sets(setting, DTYPES[name][0], rows, 4096)
    own = launch_of(sets[0].x, sets[0].basis)
    found, worst = {}, Worst()
    others = [
        own,
        own._replace(num_stages=max(own.num_stages - 1, 1)),
        own._replace(inputs=64, num_stages=2),
        own._replace(outputs=64, num_warps=4),
        own._replace(rows=max(own.rows // 2, 16), points=min(own.points * 2, 4)),
        own._replace(points=max(own.points // 2, 1)),
        own._replace(rows=max(own.rows // 2, 16), num_warps=4, outputs=64),
    ]
    for tile in dict.fromkeys(others):
        label = f"{tile.outputs} x {tile.rows} x {tile.inputs}, points {tile.points}, warps {tile.num_warps}, stages "
        label += str(tile.num_stages)
        call = partial(_by_tile, fused_triton, tile)
        try:
            _judge(worst, sets[0], call(sets[0]), label)
            found[label] = _milliseconds(setting, call, sets)
        except Exception as error:  # a tile that does not fit says so, and the others are still of use
            found[label] = f"{type(error).__name__}: {str(error)[:80]}"
    return {"ms": found, **{key: worst.found()[key] for key in ("error", "case", "wrong")}}


def _by_tile(run: Callable[..., Tensor], tile: object, given: _Set) -> Tensor:
    return run(given.x, given.basis, given.c, None, tile)


@contextmanager
def _arithmetic(name: str) -> Iterator[None]:
    """Lets float32 be multiplied in TF32 where the entry says so."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "TF32" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
