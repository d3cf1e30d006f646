"""All kernels against float64, on fresh random inputs and poisoned memory: every dtype, odd sizes and odd addresses.

An error is given as a multiple of what rounding can make of the same sums at most, entry by entry, so that 1 is the
limit whatever the inputs are: with u the unit roundoff of the sums, `(K + 2) u sum_k |c_k b_k|`, plus half a unit in
the last place of what is stored. What is not written, and what is written beside the output, is found by what the
memory held before.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from benchmarks.gpu import linear, philox
from benchmarks.gpu.judging import Worst, fresh, guarded, stored, sums_of, unit
from benchmarks.gpu.setting import Entry, Setting
from fastscape.kernels import Backend, Distribution, Seeded, Segments, choose, draw, gram, interpolate

__all__ = ["entries"]

DTYPES = {torch.float32: 0, torch.bfloat16: 0, torch.float64: 1, torch.float16: 1}  # with the rank of their entries
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)
# Sizes even, odd, all odd, 1, 0; below, at and above the blocks of 512 and 1024 entries; empty and tiny segments.
CUTS = {
    "nothing": [0], "one": [0, 1], "ones": [*range(14)], "even": [0, 128, 256, 1024], "odd": [0, 3, 3, 10, 601],
    "all odd": [0, 1, 8, 521, 2049], "block": [0, 512], "above a block": [0, 513, 1025], "long": [0, 4, 3001],
    "rows and padding": [*range(0, 568, 27), 592],
}  # fmt: skip
# Vectors, points, and whether all segments share their coefficients. Each combination is compiled by itself.
SHAPES = (1, 1, False), (2, 3, True), (3, 16, True), (3, 16, False), (5, 2, False)
POISONS = float("nan"), -3e4
TREE = 32  # roundings at most on the way of a product to its sum: a tree over a block, and what one thread adds
NORMAL = {torch.float64: 2e-14, torch.float32: 2e-6}  # of a normal number, whose logarithm and sine are approximations
BEYOND = 2**31 + 77  # entries, more than 32 bits count


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    backends: list[Backend] = ["triton", "torch"] if setting.gpu else [choose(setting.device)]
    made = []
    for backend, (dtype, rank) in itertools.product(backends, DTYPES.items()):
        twin = backend == "torch" and setting.gpu
        for name, (check, seconds) in CHECKS.items():
            title = f"{name}, {str(dtype).removeprefix('torch.')}, {backend}"
            expected = 1 if setting.tiny else 5 if twin else seconds
            later = rank + (rank > 0 and name == "perturbed_linear")  # many compilations
            made.append(Entry(title, partial(check, setting, dtype, backend), expected, 5 if twin else later))
    made.append(Entry("segments", partial(segments_checked, setting), 3))
    made.append(Entry("more entries than 32 bits count", partial(beyond, setting), 6, 1))
    return made


def _cuts(setting: Setting, generator: torch.Generator) -> dict[str, Tensor]:
    """The cuts of the table, and some that are drawn anew."""
    cuts = {name: torch.tensor(starts) for name, starts in CUTS.items()}
    for k, (most, longest) in enumerate([(40, 30)] if setting.tiny else [(40, 30), (300, 700), (9, 40_000)]):
        count = int(torch.randint(1, most, (), generator=generator))
        lengths = torch.randint(longest, (count,), generator=generator)
        cuts[f"drawn {k}"] = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return cuts


def _problems(setting: Setting, what: object) -> Iterator[tuple[str, Segments, torch.Generator, float]]:
    """Every cut with every poison, and random numbers for it."""
    generator = setting.generator("kernels", what)
    for (name, starts), poison in itertools.product(_cuts(setting, generator).items(), POISONS):
        yield f"{name}, poison {poison:g}", Segments(starts).to(setting.device), generator, poison


def _vectors(setting: Setting, shape: tuple[int, int], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Random vectors, at an address that is not a multiple of 16 bytes where one entry is less."""
    rows, size = shape
    memory = torch.full((rows, size + 1), float("nan"), dtype=dtype, device=setting.device)
    memory[:, 1:] = torch.randn(shape, generator=generator, dtype=torch.float64).to(setting.device, dtype)
    return memory[:, 1:]


class _Launch(NamedTuple):
    """One launch of `interpolate`.

    Args:
        case: What it is called.
        basis: Its vectors.
        truth_KP: The same in float64, by other means.
        blur: What is not known of the numbers of the vectors behind the first.
        segments: The cut.
        points: How many.
        shared: Whether all segments share their coefficients.
        into: The dtype of the points.
        poison: What memory holds before.
    """

    case: str
    basis: Tensor | Seeded
    truth_KP: Tensor
    blur: float
    segments: Segments
    points: int
    shared: bool
    into: torch.dtype
    poison: float


def interpolated(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """`interpolate` of stored vectors, into their dtype and into a narrower one."""
    worst = Worst()
    narrow = {torch.float64: torch.float32, torch.float32: torch.bfloat16}.get(dtype)
    for case, segments, generator, poison in _problems(setting, f"interpolate {dtype}"):
        for vectors, points, shared in SHAPES:
            basis = _vectors(setting, (vectors, segments.size), dtype, generator)
            for into in (dtype, narrow) if narrow and vectors == 3 and not shared else (dtype,):
                launch = _Launch(case, basis, basis.double(), 0.0, segments, points, shared, into, poison)
                _judged(setting, worst, launch, generator, backend)
    return worst.found()


def seeded_interpolated(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """`interpolate` of directions that are computed from a seed."""
    worst = Worst()
    for case, segments, generator, poison in _problems(setting, f"seeded interpolate {dtype}"):
        for kind, (points, shared) in zip(KINDS, itertools.product((1, 5), (True, False)), strict=True):
            basis, truth, blur = _seeded(setting, segments.size, dtype, generator, kind)
            launch = _Launch(f"{case}, {kind}", basis, truth, blur, segments, points, shared, dtype, poison)
            _judged(setting, worst, launch, generator, backend)
    return worst.found()


def _judged(setting: Setting, worst: Worst, launch: _Launch, generator: torch.Generator, backend: Backend) -> None:
    """One launch with random coefficients, entry by entry."""
    _, basis, truth_KP, blur, segments, points, shared, into, poison = launch
    vectors, size = basis.shape
    case = f"{launch.case}, {vectors} vectors, {points} points, {'one' if shared else 'own'} coefficients, into {into}"
    shape = (points, 1 if shared else segments.count, vectors)
    c = torch.randn(shape, generator=generator, dtype=torch.float64).to(setting.device)
    each = (c.expand(-1, segments.count, -1) if shared else c)[:, segments_of(segments)].transpose(1, 2)  # [G, K, P]
    products = each * truth_KP
    magnitude, truth = products.abs().sum(1), products.sum(1)
    roundings = vectors + (4 if isinstance(basis, Seeded) else 2)
    allowed = (roundings * unit(basis.dtype) + vectors * 2.0**-53) * magnitude + stored(truth, into)
    if isinstance(basis, Seeded):
        scale = truth_KP[:1].abs() if basis.weighted else torch.ones_like(truth_KP[:1])
        allowed += blur * (each[:, 1:].abs() * scale).sum(1)
    out, look = guarded(setting, worst, poison, (points, size), into, case)
    with fresh(setting, poison):
        interpolate(basis, c, segments, out=out, backend=backend)
    worst.take(out, truth, allowed, case)
    look()


def segments_of(segments: Segments) -> Tensor:
    """The segment of every entry [P]."""
    return torch.repeat_interleave(torch.arange(segments.count, device=segments.starts.device), segments.starts.diff())


def multiplied(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """`gram` of stored vectors."""
    worst = Worst()
    for case, segments, generator, poison in _problems(setting, f"gram {dtype}"):
        for vectors in (1, 2, 3, 5):
            basis = _vectors(setting, (vectors, segments.size), dtype, generator)
            with fresh(setting, poison):
                made = gram(basis, segments, backend=backend)
            truth, magnitude = _true_gram(basis.double(), segments)
            worst.take(made, truth, TREE * unit(dtype) * magnitude, f"{case}, {vectors} vectors")
    return worst.found()


def _true_gram(wide: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """The sums of the products of each segment, and those of their magnitudes."""
    cut = segments.starts.tolist()
    pairs = [(wide[:, a:b] @ wide[:, a:b].T, wide[:, a:b].abs() @ wide[:, a:b].abs().T)
             for a, b in itertools.pairwise(cut)]  # fmt: skip
    if not pairs:
        return (wide.new_zeros(0, len(wide), len(wide)),) * 2
    return torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])


def _seeded(
    setting: Setting, size: int, dtype: torch.dtype, generator: torch.Generator, kind: tuple[int, Distribution, bool]
) -> tuple[Seeded, Tensor, float]:
    """A seeded basis, its vectors in float64 by the generator of `philox`, and what is not known of a number."""
    directions, distribution, weighted = kind
    theta = torch.randn(size, generator=generator, dtype=torch.float64).to(setting.device, dtype)
    seed = int(torch.randint(1 << 62, (), generator=generator)) * 2 + 1
    rows = [
        torch.from_numpy(philox.numbers(seed, k, 0, size, distribution)).to(setting.device) for k in range(directions)
    ]
    wide = theta.double()
    truth = torch.stack([wide, *(row * wide if weighted else row for row in rows)])
    blur = NORMAL[sums_of(dtype)] if distribution == "normal" else 0.0
    return Seeded(theta, seed, directions, distribution, weighted), truth, blur


KINDS: list[tuple[int, Distribution, bool]] = [
    (2, "normal", False), (1, "normal", True), (2, "rademacher", False), (2, "uniform", True),
]  # fmt: skip


def seeded_multiplied(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """`gram` of directions that are computed from a seed."""
    worst = Worst()
    for case, segments, generator, poison in _problems(setting, f"seeded gram {dtype}"):
        for kind in KINDS:
            basis, wide, blur = _seeded(setting, segments.size, dtype, generator, kind)
            with fresh(setting, poison):
                made = gram(basis, segments, backend=backend)
            truth, magnitude = _true_gram(wide, segments)
            unsure = (wide[:1].abs() if basis.weighted else torch.ones_like(wide[:1])).repeat(len(wide), 1)
            unsure[0] = 0
            both = _both(unsure, wide.abs(), segments) * blur
            worst.take(made, truth, (TREE + 4) * unit(dtype) * magnitude + both, f"{case}, {kind}")
    return worst.found()


def _both(a: Tensor, b: Tensor, segments: Segments) -> Tensor:
    """The sums of `a_k b_l + b_k a_l` over each segment."""
    cut = segments.starts.tolist()
    pieces = [a[:, i:j] @ b[:, i:j].T + b[:, i:j] @ a[:, i:j].T for i, j in itertools.pairwise(cut)]
    return torch.stack(pieces) if pieces else a.new_zeros(0, len(a), len(a))


def drawn(setting: Setting, dtype: torch.dtype, backend: Backend) -> dict[str, Any]:
    """`draw` against the published generator, by a second implementation that shares no code with it."""
    worst = Worst()
    generator = setting.generator("draw", dtype)
    sizes = (1, 2, 13, 511, 513, 2047) if setting.tiny else (1, 2, 13, 511, 513, 2047, 100_003)
    for distribution, size, poison in itertools.product(DISTRIBUTIONS, sizes, POISONS):
        seed = int(torch.randint(1 << 62, (), generator=generator)) * 4 + 3
        for start in (0, 3, 4 * (2**32 - 1), 2**40 + 1):
            stream = int(torch.randint(1 << 32, (), generator=generator))
            case = f"{distribution}, {size} from {start}, poison {poison:g}"
            out, look = guarded(setting, worst, poison, (1, size), dtype, case)
            with fresh(setting, poison):
                draw(out[0], seed, stream, start=start, distribution=distribution, backend=backend)
            truth = torch.from_numpy(philox.numbers(seed, stream, start, size, distribution))[None]
            blur = NORMAL[sums_of(dtype)] * (distribution == "normal")
            worst.take(out, truth, stored(truth, dtype) + blur, case)
            look()
    return worst.found()


def segments_checked(setting: Setting) -> dict[str, Any]:
    """The tables of a cut, as loops over Python numbers give them."""
    worst = Worst()
    exact = torch.full((1,), 0.5, dtype=torch.float64)
    for case, segments, _, poison in _problems(setting, "segments"):
        cut = segments.starts.tolist()
        for block in (1, 64, 512):
            with fresh(setting, poison):
                first, (begin, end, each) = segments.of_blocks(block), segments.tiles(block)
            pieces = [[(max(a, k), min(b, k + block)) for k in range(a - a % block, b, block) if b > a]
                      for a, b in itertools.pairwise(cut)]  # fmt: skip
            edges = torch.tensor([*itertools.chain(*pieces)], dtype=torch.float64).reshape(-1, 2)
            worst.take(torch.stack([begin, end], 1), edges, exact, f"{case}, tiles of {block}")
            counts = torch.tensor([len(piece) for piece in pieces], dtype=torch.float64)
            worst.take(each, counts, exact, f"{case}, numbers of tiles of {block}")
            at = [bisect.bisect_right(cut, p) - 1 for p in range(0, cut[-1], block)]
            last = torch.tensor([*at, max(segments.count - 1, 0)], dtype=torch.float64)
            worst.take(first, last, exact, f"{case}, blocks of {block}")
    return worst.found()


def beyond(setting: Setting) -> dict[str, Any]:
    """One vector with more entries than 32 bits count, in float16: its ends, and the sum of its squares."""
    size = 5003 if setting.tiny or not setting.gpu else BEYOND
    worst = Worst()
    basis = torch.ones(1, size, dtype=torch.float16, device=setting.device)
    generator = setting.generator("beyond")
    tail = torch.randn(1, 1000, generator=generator, dtype=torch.float64).to(torch.float16)
    basis[:, -1000:] = tail.to(setting.device)
    segments = Segments(torch.tensor([0, size - 1000, size])).to(setting.device)
    c = torch.tensor([[[2.0], [3.0]]], dtype=torch.float64, device=setting.device)
    out = torch.full((1, size), float("nan"), dtype=torch.float16, device=setting.device)
    interpolate(basis, c, segments, out=out)
    truth = 3 * tail.double()
    worst.take(out[:, -1000:], truth, stored(truth, torch.float16) + 1e-6, "the last thousand")
    twos = torch.full((1, 1), float(size - 1000), dtype=torch.float64)
    found = (out[:, :-1000] == 2).sum(dtype=torch.float64)[None, None]
    worst.take(found, twos, torch.full_like(twos, 0.5), "all in front of them")
    squares = torch.stack([twos, (tail.double() ** 2).sum(dim=1, keepdim=True)])
    worst.take(gram(basis, segments), squares, TREE * 2.0**-24 * squares, "sums of squares")
    return {**worst.found(), "entries": size}


CHECKS: dict[str, tuple[Callable[[Setting, torch.dtype, Backend], dict[str, Any]], float]] = {
    "interpolate": (interpolated, 15),
    "gram": (multiplied, 6),
    "interpolate, seeded": (seeded_interpolated, 15),
    "gram, seeded": (seeded_multiplied, 8),
    "draw": (drawn, 10),
    "perturbed_linear": (linear.checked, 15),
}
"""By name, what checks a kernel in one dtype, and the seconds that it is expected to take, most of them to compile."""
