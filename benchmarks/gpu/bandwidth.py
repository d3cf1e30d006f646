"""How fast the kernels move memory, beside a copy of as many bytes in the same minute.

Every call has inputs and outputs of its own, in rotation, and all of them together are several times as large as the
largest cache. The median of many calls counts. A call also makes the tables of its cut, and some of that waits for the
device; beside it stands what the kernels alone take, without the gaps between them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

from benchmarks.gpu.setting import Entry, Setting, busy, per_launch
from fastscape.kernels import Cost, Seeded, Segments, draw, gram, gram_cost, interpolate, interpolate_cost

__all__ = ["entries"]

FILTER = 576  # entries of a 3 x 3 filter of 64 channels, as of most in a ResNet
SIZES = {"26 million": 26_563_018 // FILTER * FILTER, "270 thousand": 270_000 // FILTER * FILTER}
TINY = {"26 million": 8 * FILTER, "270 thousand": 2 * FILTER}
CACHES = 4  # times the cache, that all inputs and outputs have together
SETS = 3, 64  # at least and at most
SHARE = 0.6  # of the free memory
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class _Call(NamedTuple):
    """A call with memory of its own, and the bytes that it must move."""

    run: Callable[[], Any]
    bytes: int


Made = Callable[[Setting, int], _Call]


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    made = []
    for number, size in enumerate(SIZES):
        for name, (call, rank) in CALLS.items():
            made.append(Entry(f"{name}, {size} entries", partial(measured, setting, call, size), 4, rank + 2 * number))
    return made


def measured(setting: Setting, make: Made, name: str) -> dict[str, Any]:
    """GB/s of one kernel and of a copy of as many bytes, each with the same number of sets in rotation."""
    size = (TINY if setting.tiny else SIZES)[name]
    first = make(setting, size)
    least, most = SETS
    wanted = min(max(CACHES * setting.cache // first.bytes + 1, least), most)
    if setting.gpu:
        fitting = int(SHARE * torch.cuda.mem_get_info(setting.device)[0] / first.bytes / 2)  # copies take as much
        wanted = max(min(wanted, fitting), 1)
    calls = [first, *(make(setting, size) for _ in range(wanted - 1))]
    copies = [_copy(setting, first.bytes) for _ in range(wanted)]
    times = 5 if setting.tiny else 60
    own = per_launch(setting, [call.run for call in calls], times)
    copy = per_launch(setting, copies, times)
    rate, ceiling = (first.bytes / found["seconds"] / 1e9 for found in (own, copy))
    alone = busy(setting, [call.run for call in calls], times)
    return {
        "GB/s": rate,
        "of a copy": rate / ceiling,
        "of a copy, kernels alone": first.bytes / alone / 1e9 / ceiling if alone else None,
        "copy GB/s": ceiling,
        "seconds": own["seconds"],
        "spread": own["spread"],
        "bytes": first.bytes,
        "sets": wanted,
    }


def _copy(setting: Setting, moved: int) -> Callable[[], Any]:
    """A copy that reads and writes so many bytes together."""
    entries = max(moved // 8, 1)
    out, into = (torch.zeros(entries, device=setting.device) for _ in range(2))
    return partial(into.copy_, out)


def _segments(setting: Setting, size: int) -> Segments:
    return Segments(torch.arange(0, size + 1, FILTER)).to(setting.device)


def _stored(setting: Setting, size: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(3, size, device=setting.device).to(dtype)


def _seeded(setting: Setting, size: int, dtype: torch.dtype) -> Seeded:
    return Seeded(torch.randn(size, device=setting.device).to(dtype), setting.seed, 2)


def _interpolation(kind: str, dtype: str, into: str, points: int, shared: bool, setting: Setting, size: int) -> _Call:
    basis = BASES[kind](setting, size, DTYPES[dtype])
    segments = _segments(setting, size)
    c = torch.randn(points, 1 if shared else segments.count, 3, device=setting.device)
    out = torch.empty(points, size, dtype=DTYPES[into], device=setting.device)
    cost = interpolate_cost(basis, c, segments)
    moved = (
        cost.bytes_read + out.numel() * out.element_size()
    )  # the formula takes the points to be as wide as the basis
    return _Call(partial(interpolate, basis, c, segments, out=out), moved)


def _gram(kind: str, dtype: str, setting: Setting, size: int) -> _Call:
    basis, segments = BASES[kind](setting, size, DTYPES[dtype]), _segments(setting, size)
    return _Call(partial(gram, basis, segments), _moved(gram_cost(basis, segments)))


def _draw(setting: Setting, size: int) -> _Call:
    out = torch.empty(size, device=setting.device)
    return _Call(partial(draw, out, setting.seed), 4 * size)


def _moved(cost: Cost) -> int:
    return cost.bytes_read + cost.bytes_written


BASES: dict[str, Callable[[Setting, int, torch.dtype], Any]] = {"stored": _stored, "seeded": _seeded}

CALLS: dict[str, tuple[Made, int]] = {
    "interpolate, 16 points": (partial(_interpolation, "stored", "float32", "float32", 16, True), 0),
    "interpolate by filter, 16 points": (partial(_interpolation, "stored", "float32", "float32", 16, False), 0),
    "interpolate by filter, 1 point": (partial(_interpolation, "stored", "float32", "float32", 1, False), 0),
    "interpolate by filter, 16 points, float32 into bfloat16": (
        partial(_interpolation, "stored", "float32", "bfloat16", 16, False), 0,
    ),
    "interpolate by filter, 16 points, bfloat16": (
        partial(_interpolation, "stored", "bfloat16", "bfloat16", 16, False), 1,
    ),
    "interpolate by filter, 16 points, seeded": (
        partial(_interpolation, "seeded", "float32", "float32", 16, False), 0,
    ),
    "gram": (partial(_gram, "stored", "float32"), 0),
    "gram, bfloat16": (partial(_gram, "stored", "bfloat16"), 1),
    "gram, seeded": (partial(_gram, "seeded", "float32"), 1),
    "draw": (_draw, 0),
}  # fmt: skip
"""By name, what makes a call, and the rank of its entries."""
