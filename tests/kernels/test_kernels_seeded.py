"""Seeded bases: both operations as if the directions were in memory, and no more memory than theta."""

import sys

import pytest
import torch

from fastscape.kernels import Seeded, Segments, draw, gram, gram_cost, interpolate, interpolate_cost
from fastscape.kernels.philox import FLOPS
from tolerance import assert_as_accurate

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKENDS = ["torch", "triton"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# Nothing, tiny and empty segments, borders that are no multiple of 4 or of a block, more than a block.
CUTS = {
    "nothing": [0],
    "one": [0, 1],
    "ones": list(range(0, 10)),
    "odd": [0, 3, 3, 10, 601],
    "above a block": [0, 513, 1025, 2049],
    "rows and padding": [*range(0, 568, 27), 592],
}


def problem(cut: str, directions: int, dtype: torch.dtype, **options) -> tuple[Seeded, torch.Tensor, Segments]:
    """A seeded basis, the same in memory in float64, and its segments."""
    segments = Segments(torch.tensor(CUTS[cut])).to(DEVICE)
    theta = torch.randn(segments.size, generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype)
    basis = Seeded(theta, 2**40 + 3, directions, **options)
    rows = [draw(torch.empty_like(theta, dtype=torch.float64), basis.seed, k, distribution=basis.distribution)
            for k in range(directions)]  # fmt: skip
    stored = torch.stack([theta.double(), *rows])
    if basis.weighted:
        stored[1:] *= stored[0]
    return basis, stored, segments


def judge(result: torch.Tensor, truth: torch.Tensor, dtype: torch.dtype) -> None:
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}[dtype]
    plain = truth.to(dtype).double()
    assert_as_accurate(result.double().cpu().numpy(), plain.cpu().numpy(), truth.cpu().numpy(), tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("directions", [1, 2, 4])
@pytest.mark.parametrize("cut", CUTS)
def test_gram_is_that_of_the_stored_basis(cut, directions, dtype, backend):
    basis, stored, segments = problem(cut, directions, dtype)
    result = gram(basis, segments, backend=backend)
    assert result.dtype == torch.float64
    assert result.shape == (segments.count, directions + 1, directions + 1)
    if result.numel():
        judge(result, gram(stored, segments), torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("uniform", [True, False], ids=["one coefficient", "per segment"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("directions", "points"), [(1, 1), (2, 1), (2, 5), (2, 0), (4, 3)])
@pytest.mark.parametrize("cut", CUTS)
def test_points_are_those_of_the_stored_basis(cut, directions, points, dtype, uniform, backend):
    basis, stored, segments = problem(cut, directions, dtype)
    shape = (points, 1 if uniform else segments.count, directions + 1)
    coefficients = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    result = interpolate(basis, coefficients, segments, backend=backend)
    assert result.dtype == dtype
    assert result.shape == (points, segments.size)
    if result.numel():
        judge(result, interpolate(stored, coefficients, segments), dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
@pytest.mark.parametrize("directions", [1, 2, 3])
def test_every_kind_of_direction(directions, distribution, weighted, backend):
    basis, stored, segments = problem("odd", directions, torch.float64, distribution=distribution, weighted=weighted)
    coefficients = torch.rand(3, segments.count, directions + 1, dtype=torch.float64)
    judge(gram(basis, segments, backend=backend), gram(stored, segments), torch.float64)
    points = interpolate(basis, coefficients, segments, backend=backend)
    judge(points, interpolate(stored, coefficients, segments), torch.float64)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first", [4, 592, 2**34 + 4])
def test_a_part_of_a_buffer_has_the_entries_of_the_whole(first, backend):
    segments = Segments(torch.tensor([0, 3, 3, 10, 601])).to(DEVICE)
    theta = torch.randn(601, dtype=torch.float64, device=DEVICE)
    part = Seeded(theta, 7, 2, weighted=True, first=first)
    directions = [draw(torch.empty_like(theta), 7, k, start=first) * theta for k in (0, 1)]
    stored = torch.stack([theta, *directions])
    judge(part.rows(0, 601), stored, torch.float64)
    judge(part.rows(5, 40), stored[:, 5:40], torch.float64)
    judge(gram(part, segments, backend=backend), gram(stored, segments), torch.float64)
    c = torch.rand(3, segments.count, 3, dtype=torch.float64)
    judge(interpolate(part, c, segments, backend=backend), interpolate(stored, c, segments), torch.float64)
    torch.testing.assert_close(
        interpolate(part, c[:, :1], segments, backend=backend), interpolate(stored, c[:, :1], segments)
    )


@pytest.mark.parametrize("first", [-4, 2, 5])
def test_a_part_that_begins_inside_of_a_counter_is_refused(first):
    with pytest.raises(ValueError, match=f"first must be the place .* a multiple of 4.*, got {first}"):
        Seeded(torch.zeros(8), 0, 2, first=first)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_centre_is_theta_to_the_bit(backend):
    basis, _, segments = problem("odd", 2, torch.float32)
    centre = interpolate(basis, torch.tensor([[[1.0, 0.0, 0.0]]]), segments, backend=backend)
    assert torch.equal(centre[0], basis.theta)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("uniform", [True, False], ids=["one coefficient", "per segment"])
def test_all_rows_are_written_and_nothing_else(uniform, backend):
    basis, _, segments = problem("rows and padding", 2, torch.float32)
    memory = torch.full((5, segments.size + 3), -7.0, device=DEVICE)
    out = memory[1:4, : segments.size]
    interpolate(basis, torch.rand(3, 1 if uniform else segments.count, 3), segments, out=out, backend=backend)
    assert not (out == -7).any()
    assert (memory[[0, 4]] == -7).all()
    assert (memory[:, segments.size :] == -7).all()


def test_the_twins_compute_block_by_block(monkeypatch):
    basis, _, segments = problem("above a block", 2, torch.float32)
    coefficients = torch.rand(2, segments.count, 3)
    whole = gram(basis, segments, backend="torch"), interpolate(basis, coefficients, segments, backend="torch")
    monkeypatch.setattr(sys.modules["fastscape.kernels.seeded"], "_BLOCK", 100)
    torch.testing.assert_close(gram(basis, segments, backend="torch"), whole[0], rtol=1e-14, atol=1e-12)
    torch.testing.assert_close(interpolate(basis, coefficients, segments, backend="torch"), whole[1])


def test_costs_count_one_vector_in_memory():
    basis, stored, segments = problem("above a block", 2, torch.float32)
    coefficients = torch.rand(16, 1, 3)
    seeded, plain = (interpolate_cost(b, coefficients, segments) for b in (basis, stored.float()))
    assert plain.bytes_read - seeded.bytes_read == 2 * segments.size * 4
    assert plain.bytes_written == seeded.bytes_written
    assert seeded.flops - plain.flops == 2 * FLOPS["normal"] * segments.size
    assert gram_cost(stored.float(), segments).bytes_read - gram_cost(basis, segments).bytes_read == 8 * segments.size


@pytest.mark.parametrize(
    ("theta", "directions", "message"),
    [
        (torch.zeros(2, 2), 2, r"one contiguous floating-point vector \[P\]"),
        (torch.zeros(4, dtype=torch.int64), 2, r"one contiguous floating-point vector \[P\]"),
        (torch.zeros(8)[::2], 2, r"one contiguous floating-point vector \[P\]"),
        (torch.zeros(4), 2.0, r"directions must be 1 \(a line\), 2 \(a plane\), or more, got"),
        (torch.zeros(4), 0, r"directions must be 1 \(a line\), 2 \(a plane\), or more, got"),
    ],
)
def test_a_bad_seeded_basis_is_refused(theta, directions, message):
    with pytest.raises(ValueError, match=message):
        Seeded(theta, 0, directions)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seed": -1}, "seed must be .*, got -1"), ({"seed": 2**64}, "seed must be .*, got 18446744073709551616"),
     ({"seed": 0, "distribution": "cauchy"}, "distribution must be .*, got 'cauchy'")],
)  # fmt: skip
def test_what_is_no_stream_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Seeded(torch.zeros(4), directions=2, **options)


def test_arguments_that_do_not_fit_a_seeded_basis_are_refused():
    segments = Segments(torch.tensor([0, 2, 4]))
    basis = Seeded(torch.zeros(4), 0, 2)
    with pytest.raises(ValueError, match="the segments cover 5"):
        gram(basis, Segments.single(5))
    with pytest.raises(ValueError, match=r"coefficients must have shape \[G, 2 or 1, 3\], got \(1, 1, 2\)"):
        interpolate(basis, torch.zeros(1, 1, 2), segments)
    with pytest.raises(ValueError, match="shares memory"):
        interpolate(basis, torch.zeros(1, 1, 3), segments, out=basis.theta[None])
