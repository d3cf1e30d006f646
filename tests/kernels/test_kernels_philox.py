"""draw: Philox4x32-10 as published, normals that are normal, and numbers that depend on nothing but their place."""

import importlib
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastscape.kernels import draw

philox = importlib.import_module("fastscape.kernels.philox")
by_numpy = importlib.import_module("fastscape.kernels.philox_numpy")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKENDS = ["torch", "triton"]
DISTRIBUTIONS = ["normal", "uniform", "rademacher"]
SEEDS = [0, 1, 12345, 2**31, 2**63 + 5, 2**64 - 1]


def drawn(n: int, seed: int = 0, stream: int = 0, dtype: torch.dtype = torch.float64, **options) -> torch.Tensor:
    return draw(torch.empty(n, dtype=dtype, device=DEVICE), seed, stream, **options).cpu()


def philox4x32(counter: tuple[int, ...], seed: int) -> tuple[int, ...]:
    """The published algorithm, one counter at a time."""
    c0, c1, c2, c3 = counter
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def normals_of(words: tuple[int, ...]) -> list[float]:
    numbers = []
    for a, b in (words[:2], words[2:]):
        radius = math.sqrt(-2 * math.log(((a >> 8) + 1) / 2**24))
        angle = math.tau * (b >> 8) / 2**24
        numbers += [radius * math.cos(angle), radius * math.sin(angle)]
    return numbers


def test_the_restatement_gives_the_published_vectors():
    """The known answers that come with the paper's code."""
    assert philox4x32((0, 0, 0, 0), 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox4x32(pi, 0x299F31D0A4093822) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)
    ones = 0xFFFFFFFF
    assert philox4x32((ones,) * 4, 2**64 - 1) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stream", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_those_of_the_published_generator(seed, stream, backend):
    for first in (0, 2**32 - 1, 2**40):  # the counter's second word is 0, changes, is not 0
        words = [philox4x32((n & 0xFFFFFFFF, n >> 32, stream, 0), seed) for n in range(first, first + 3)]
        options = {"start": 4 * first, "backend": backend}
        wanted = torch.tensor([z for word in words for z in normals_of(word)], dtype=torch.float64)
        torch.testing.assert_close(drawn(12, seed, stream, **options), wanted, rtol=0, atol=1e-14)
        high = torch.tensor([w >> 8 for word in words for w in word], dtype=torch.float64)
        assert torch.equal(drawn(12, seed, stream, distribution="uniform", **options), high / 2**24)
        signs = torch.where(high >= 2**23, 1.0, -1.0).double()
        assert torch.equal(drawn(12, seed, stream, distribution="rademacher", **options), signs)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 2.0**-7), (torch.float16, 2.0**-10)],
    ids=str,
)
def test_kernel_and_twin_agree(dtype, tolerance, distribution):
    """Half precisions: one unit in the last place, which a rounding that falls to the other side makes."""
    for start, n in ((0, 5000), (3, 1), (2**33 + 1, 2047), (7, 0)):
        both = [drawn(n, 9, 1, dtype, start=start, distribution=distribution, backend=b).double() for b in BACKENDS]
        error = (both[0] - both[1]).abs() / both[0].abs().clamp(1)
        assert (error <= tolerance).all(), error.max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_does_not_depend_on_what_is_drawn_with_it(backend, monkeypatch):
    whole = drawn(3000, 4, backend=backend)
    for start, n in ((0, 1), (1, 2), (2, 7), (999, 2001), (2999, 1)):
        assert torch.equal(drawn(n, 4, start=start, backend=backend), whole[start : start + n])
    for module in (philox, by_numpy):
        monkeypatch.setattr(module, "_COUNTERS", 64)
    assert torch.equal(drawn(3000, 4, backend=backend), whole)


@given(
    seed=st.integers(0, 2**64 - 1),
    stream=st.integers(0, 2**32 - 1),
    start=st.integers(0, 40) | st.integers(2**34 - 40, 2**34 + 40) | st.integers(0, 2**63 - 400),
    cuts=st.lists(st.integers(0, 300), min_size=2, max_size=6).map(sorted),
    distribution=st.sampled_from(DISTRIBUTIONS),
)
def test_any_split_of_any_stretch_gives_the_same_numbers(seed, stream, start, cuts, distribution):
    whole = drawn(300, seed, stream, start=start, distribution=distribution, backend="torch")
    for begin, end in itertools.pairwise(cuts):
        options = {"start": start + begin, "distribution": distribution, "backend": "torch"}
        assert torch.equal(drawn(end - begin, seed, stream, **options), whole[begin:end])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_narrower_numbers_are_the_float64_numbers_rounded(distribution):
    """Once to float32, and from there to half precision."""
    wide, narrow = (
        drawn(20000, 5, 3, dtype, start=1, distribution=distribution, backend="torch")
        for dtype in (torch.float64, torch.float32)
    )
    assert torch.equal(wide.float(), narrow)
    for dtype in (torch.bfloat16, torch.float16):
        halves = drawn(20000, 5, 3, dtype, start=1, distribution=distribution, backend="torch")
        assert torch.equal(narrow.to(dtype), halves)


def test_normals_are_those_of_the_library_functions():
    """To 1e-15 of each number, also where a sine is zero but for rounding: at the quarters, and beside them."""
    quarters = [(quarter << 22) + step for quarter in range(5) for step in (-2, -1, 0, 1, 2)]
    eighths = [(eighth << 21) + step for eighth in range(9) for step in (-1, 0, 1)]
    angles = [n for n in quarters + eighths if 0 <= n < 1 << 24]
    powers = [(1 << bit) + step for bit in range(24) for step in (-2, -1, 0)]
    roots = [int(2 ** (bit + 0.5)) + step for bit in range(24) for step in (-2, -1, 0, 1)]
    ends = [(1 << 24) - step for step in (1, 2, 3, 1000)]
    radii = [n for n in powers + roots + ends if 0 <= n < 1 << 24]
    many = torch.randint(1 << 24, (4, 20000), generator=torch.Generator().manual_seed(0))
    pairs = torch.tensor([(a << 8, b << 8) for a in radii for b in angles])
    pairs = torch.cat([pairs, (many << 8).view(-1, 2)]).view(-1, 4)
    wanted = torch.tensor([normals_of(tuple(words)) for words in pairs.tolist()], dtype=torch.float64)
    numbers = numpy_numbers(pairs, "normal")
    assert ((numbers - wanted).abs() <= 1e-15 * wanted.abs()).all()
    numbers = philox._numbers(tuple(pairs.T.contiguous()), "normal").view(-1, 4)
    assert ((numbers - wanted).abs() <= 1e-15 * wanted.abs()).all()


def numpy_numbers(words: torch.Tensor, distribution: str) -> torch.Tensor:
    """Of words [n, 4] the numbers [n, 4]."""
    even, odd = (words[:, j::2].T.numpy().astype(np.uint64) for j in (0, 1))
    rows, out = np.empty((by_numpy._ROWS, 2, len(words)), np.uint64), np.empty((len(words), 2, 2))
    by_numpy._numbers(even, odd, rows, distribution, out)
    return torch.from_numpy(out).view(-1, 4)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_operations_of_torch_give_the_same_to_rounding(distribution, monkeypatch):
    """What a GPU without Triton draws by."""
    monkeypatch.setattr(philox, "_COUNTERS", 500)
    for start, n in ((0, 5000), (3, 1), (2**34 - 1001, 3047), (7, 0)):
        out = torch.empty(n, dtype=torch.float64, device=DEVICE)
        assert philox._draw_operations(out, 9, 1, start, distribution) is out
        wanted = draw(torch.empty(n, dtype=torch.float64), 9, 1, start=start, distribution=distribution)
        assert ((out.cpu() - wanted).abs() <= (1e-15 if distribution == "normal" else 0) * wanted.abs()).all()


def test_large_draws_of_numpy_are_shared_among_threads(monkeypatch):
    whole = by_numpy.draw_numpy(torch.empty(10001), 3, 0, 5, "normal")
    monkeypatch.setattr(by_numpy, "_EACH", 1000)
    for threads in (2, 3, 8):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(by_numpy.draw_numpy(torch.empty(10001), 3, 0, 5, "normal"), whole)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_but_the_output_is_written(backend):
    memory = torch.full((40,), -7.0, device=DEVICE)
    draw(memory[5:18], 0, start=2, backend=backend)
    assert (memory[:5] == -7).all()
    assert (memory[18:] == -7).all()
    assert not (memory[5:18] == -7).any()


def test_the_moments_are_those_of_the_standard_normal():
    n = 1 << 20
    for seed, stream in ((0, 0), (0, 1), (1, 0)):
        z = drawn(n, seed, stream)
        assert abs(z.mean()) < 4 / n**0.5
        assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
        assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5
        assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
        for lag in (1, 2, 3, 4, 1024):  # within a counter, between counters, between blocks
            assert abs((z[lag:] * z[:-lag]).mean()) < 4 / n**0.5
        assert z.abs().max() < 5.8


def test_the_normals_pass_a_kolmogorov_smirnov_test():
    """And so does each of the four numbers of a counter."""
    z = drawn(1 << 20)
    for numbers in (z, *z.view(-1, 4).unbind(1)):
        n = len(numbers)
        cumulative = torch.special.ndtr(numbers.sort().values)
        steps = torch.arange(n + 1, dtype=torch.float64) / n
        distance = torch.maximum((cumulative - steps[:-1]).max(), (steps[1:] - cumulative).max())
        assert distance < 1.95 / n**0.5  # exceeded once in a thousand seeds


def test_uniform_numbers_are_flat_and_signs_are_fair():
    n = 1 << 20
    u = drawn(n, distribution="uniform")
    assert (u.min() >= 0, u.max() < 1) == (True, True)
    counts = torch.histc(u, 256, 0, 1)
    assert ((counts - n / 256).square() / (n / 256)).sum() < 255 + 4 * (2 * 255) ** 0.5
    assert abs(drawn(n, distribution="rademacher").mean()) < 4 / n**0.5


def test_seeds_and_streams_are_disjoint():
    """No counter gives the words of another stream's, or of a neighbouring seed's."""
    seen: set[tuple[int, ...]] = set()
    for seed in (0, 1, 2, 2**32, 2**32 + 1):
        for stream in (0, 1, 2):
            words = torch.stack(philox._words(seed, stream, 0, 2000, torch.device("cpu")), dim=1)
            seen |= set(map(tuple, words.tolist()))
    assert len(seen) == 5 * 3 * 2000


def test_streams_are_uncorrelated():
    n = 1 << 18
    z = torch.stack([drawn(n, seed, stream) for seed in (0, 1, 2, 2**32) for stream in (0, 1)])
    products = (z @ z.T) / n
    assert (products - products.diagonal().diag()).abs().max() < 5 / n**0.5


def test_the_extreme_words_give_finite_numbers():
    lowest, highest = 0, 2**32 - 1
    words = torch.tensor([[lowest] * 4, [highest, lowest] * 2, [highest] * 4])
    for normal, uniform in (
        (numpy_numbers(words, "normal"), numpy_numbers(words, "uniform")),
        [philox._numbers(tuple(words.T), kind).view(-1, 4) for kind in ("normal", "uniform")],
    ):
        assert normal[0, 0].item() == pytest.approx(5.768, abs=1e-3)
        assert torch.equal(normal[1].abs(), torch.zeros(4, dtype=torch.float64))
        assert normal.isfinite().all()
        assert uniform.max() < 1


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        (torch.zeros(2, 2), {}, r"one contiguous floating-point vector \[N\]"),
        (torch.zeros(4, dtype=torch.int64), {}, r"one contiguous floating-point vector \[N\]"),
        (torch.zeros(8)[::2], {}, r"one contiguous floating-point vector \[N\]"),
        (torch.zeros(4), {"seed": -1}, "seed must be .*, got -1"),
        (torch.zeros(4), {"seed": 2**64}, r"must be an integer from 0 to 2\^64 - 1"),
        (torch.zeros(4), {"stream": 2**32}, "stream must be .*, got 4294967296"),
        (torch.zeros(4), {"start": -4}, "start must be .*, got -4"),
        (torch.zeros(4), {"distribution": "cauchy"}, "'normal', 'uniform', 'rademacher'"),
    ],
)
def test_bad_arguments_are_refused(out, options, message):
    with pytest.raises(ValueError, match=message):
        draw(out, **{"seed": 0, **options})
