"""gram and interpolate: the Triton kernels and their torch twins against float64 sums, entry by entry."""

import contextlib
import functools
import itertools

import pytest
import torch

from fastscape.kernels import Segments, _triton, choose, gram, gram_cost, interpolate, interpolate_cost
from tolerance import assert_as_accurate

philox_triton = pytest.importorskip("fastscape.kernels.philox_triton", reason="Triton is not built for this platform")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKENDS = ["torch", "triton"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# Sizes even, odd, all odd, 1, 0; below, at and above the blocks of 512 and 1024 entries; empty and tiny segments.
CUTS = {
    "nothing": [0],
    "empty": [0, 0],
    "one": [0, 1],
    "ones": list(range(0, 14)),
    "even": [0, 128, 256, 1024],
    "odd": [0, 3, 3, 10, 601],
    "all odd": [0, 1, 8, 521, 2049],
    "block": [0, 512],
    "above a block": [0, 513, 1025],
    "long": [0, 4, 3001],
    "rows and padding": [*range(0, 568, 27), 592],
}


def problem(cut: str, vectors: int, dtype: torch.dtype, seed: int = 0) -> tuple[torch.Tensor, Segments]:
    generator = torch.Generator().manual_seed(seed)
    segments = Segments(torch.tensor(CUTS[cut])).to(DEVICE)
    basis = torch.randn(vectors, segments.size, generator=generator, dtype=torch.float64)
    return basis.to(DEVICE, dtype), segments


def true_gram(basis: torch.Tensor, segments: Segments) -> torch.Tensor:
    wide, cut = basis.double().cpu(), segments.starts.tolist()
    pieces = [wide[:, a:b] @ wide[:, a:b].T for a, b in itertools.pairwise(cut)]
    return torch.stack(pieces) if pieces else torch.zeros(0, len(basis), len(basis), dtype=torch.float64)


def true_points(basis: torch.Tensor, coefficients: torch.Tensor, segments: Segments) -> torch.Tensor:
    each = coefficients.double().cpu()
    if each.shape[1] == segments.count:
        each = each.repeat_interleave(segments.starts.cpu().diff(), dim=1)
    return (each.expand(-1, segments.size, -1) * basis.double().cpu().T).sum(-1)


def judge(result: torch.Tensor, truth: torch.Tensor, dtype: torch.dtype) -> None:
    """Against the truth rounded to the dtype: what any exact computation would have to store."""
    plain = truth.to(dtype).double()
    # The interpreter truncates float32 to bfloat16 where a GPU rounds: one unit in the last place.
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}[dtype]
    assert_as_accurate(result.double().cpu().numpy(), plain.numpy(), truth.numpy(), tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("vectors", [1, 2, 3, 5])
@pytest.mark.parametrize("cut", CUTS)
def test_gram_equals_the_sums(cut, vectors, dtype, backend):
    basis, segments = problem(cut, vectors, dtype)
    result = gram(basis, segments, backend=backend)
    truth = true_gram(basis, segments)
    assert result.dtype == torch.float64
    assert result.shape == truth.shape
    if truth.numel():
        # Half-precision entries are widened before they are multiplied, so their sums are float32 sums.
        judge(result, truth, torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("uniform", [True, False], ids=["one coefficient", "per segment"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("vectors", "points"), [(1, 1), (2, 3), (3, 16), (5, 2), (3, 0)])
@pytest.mark.parametrize("cut", CUTS)
def test_interpolate_equals_the_sums(cut, vectors, points, dtype, uniform, backend):
    basis, segments = problem(cut, vectors, dtype)
    shape = (points, 1 if uniform else segments.count, vectors)
    coefficients = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    result = interpolate(basis, coefficients, segments, backend=backend)
    assert result.dtype == dtype
    assert result.shape == (points, segments.size)
    if result.numel():
        judge(result, true_points(basis, coefficients, segments), dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("uniform", [True, False], ids=["one coefficient", "per segment"])
@pytest.mark.parametrize("cut", ["all odd", "rows and padding"])
def test_interpolate_writes_all_of_its_rows_and_nothing_else(cut, uniform, backend):
    basis, segments = problem(cut, 3, torch.float32)
    memory = torch.full((6, segments.size + 5), -7.0, device=DEVICE)
    out = memory[1:5, : segments.size]
    out.fill_(torch.nan)
    coefficients = torch.rand(4, 1 if uniform else segments.count, 3)
    result = interpolate(basis, coefficients, segments, out=out, backend=backend)
    assert result.data_ptr() == out.data_ptr()
    assert torch.isfinite(out).all()
    assert (memory[[0, 5]] == -7).all()
    assert (memory[:, segments.size :] == -7).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_interpolate_scales_one_vector_in_place(dtype, backend):
    basis, segments = problem("rows and padding", 3, dtype)
    before = basis.clone()
    factors = torch.rand(1, segments.count, 1, dtype=torch.float64)
    wanted = interpolate(before[1:2], factors, segments, backend=backend)
    interpolate(basis[1:2], factors, segments, out=basis[1:2], backend=backend)
    assert torch.equal(basis[1:2], wanted)
    assert torch.equal(basis[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_centre_is_the_first_vector_to_the_bit(backend):
    basis, segments = problem("odd", 3, torch.float32)
    centre = torch.tensor([[[1.0, 0.0, 0.0]]])
    assert torch.equal(interpolate(basis, centre, segments, backend=backend)[0], basis[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_operations_have_the_same_bits_on_every_run(backend):
    basis, segments = problem("long", 3, torch.float32)
    coefficients = torch.rand(4, segments.count, 3)
    assert torch.equal(gram(basis, segments, backend=backend), gram(basis, segments, backend=backend))
    first, second = (interpolate(basis, coefficients, segments, backend=backend) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_does_not_depend_on_the_others_of_its_launch(backend):
    basis, segments = problem("odd", 3, torch.float64)
    coefficients = torch.rand(5, segments.count, 3, dtype=torch.float64)
    together = interpolate(basis, coefficients, segments, backend=backend)
    alone = torch.cat([interpolate(basis, c[None], segments, backend=backend) for c in coefficients])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gram_of_a_view_with_other_rows_between(backend):
    basis, segments = problem("odd", 6, torch.float64)
    assert torch.equal(
        gram(basis[::2], segments, backend=backend), gram(basis[::2].clone(), segments, backend=backend)
    )


def test_large_twins_widen_block_by_block(monkeypatch):
    import sys

    basis, segments = problem("long", 3, torch.bfloat16)
    coefficients = torch.rand(2, 1, 3)
    whole = gram(basis, segments, backend="torch"), interpolate(basis, coefficients, segments, backend="torch")
    for name in ("gram", "interpolate"):
        monkeypatch.setattr(sys.modules[f"fastscape.kernels.{name}"], "_WIDENED", 100)
    assert torch.equal(gram(basis, segments, backend="torch"), whole[0])
    assert torch.equal(interpolate(basis, coefficients, segments, backend="torch"), whole[1])


def test_costs_count_every_entry():
    basis, segments = problem("even", 3, torch.float32)
    coefficients = torch.rand(16, 1, 3)
    cost = interpolate_cost(basis, coefficients, segments)
    assert (cost.bytes_read, cost.bytes_written) == (3 * 1024 * 4 + 16 * 3 * 4, 16 * 1024 * 4)
    assert cost.flops == 2 * 3 * 16 * 1024
    segmented = interpolate_cost(basis, torch.rand(16, segments.count, 3), segments)
    assert segmented.bytes_read > cost.bytes_read
    of_gram = gram_cost(basis, segments)
    assert of_gram.bytes_read == 3 * 1024 * 4 + 3 * 2 * 8
    assert of_gram.bytes_written == 3 * 9 * 4
    assert of_gram.flops == 2 * 9 * 1024


class TestChoice:
    def test_auto_takes_triton_on_a_gpu_and_torch_elsewhere(self, monkeypatch):
        monkeypatch.setattr(_triton, "launches", lambda device: True)
        assert choose(torch.device("cpu")) == "torch"
        assert choose(torch.device("cuda")) == "triton"

    def test_auto_takes_torch_where_the_launcher_cannot_be_built_and_says_so_once(self, monkeypatch):
        def failing(*_):
            raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

        monkeypatch.setattr(_triton, "launches", functools.cache(_triton.launches.__wrapped__))
        monkeypatch.setattr(_triton, "current", lambda device: contextlib.nullcontext())
        monkeypatch.setattr(philox_triton, "draw_triton", failing)
        monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
        with pytest.warns(RuntimeWarning, match=r"RuntimeError: Failed to find C compiler.*Plan\(kernels='torch'\)"):
            assert choose(torch.device("cuda")) == "torch"
        assert choose(torch.device("cuda")) == "torch"  # without another warning: they are errors here
        assert choose(torch.device("cuda"), "triton") == "triton"

    def test_memory_that_does_not_suffice_says_nothing_of_triton(self, monkeypatch):
        def failing(*_):
            raise torch.OutOfMemoryError("no room")

        monkeypatch.setattr(philox_triton, "draw_triton", failing)
        with pytest.raises(torch.OutOfMemoryError, match="no room"):
            _triton.launches(torch.device("cpu"))

    def test_a_launch_is_tried(self):
        _triton.launches.cache_clear()
        assert _triton.launches(torch.device(DEVICE))  # on a CPU by the interpreter

    def test_a_named_backend_is_never_replaced(self, monkeypatch):
        assert choose(torch.device("cuda"), "torch") == "torch"
        monkeypatch.delenv("TRITON_INTERPRET", raising=False)
        with pytest.raises(RuntimeError, match="tensors are on cpu"):
            choose(torch.device("cpu"), "triton")

    def test_without_triton(self, monkeypatch):
        monkeypatch.setattr(_triton, "available", lambda: False)
        assert choose(torch.device("cuda")) == "torch"
        with pytest.raises(RuntimeError, match="pip install triton"):
            choose(torch.device("cuda"), "triton")

    def test_an_unknown_backend_is_refused(self):
        with pytest.raises(ValueError, match="'auto', 'torch' or 'triton'"):
            choose(torch.device("cpu"), "cuda")  # type: ignore[arg-type]


SEGMENTS = Segments(torch.tensor([0, 2, 4]))
BASIS = torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (torch.zeros(4), r"must be a floating-point \[K, P\]"),
        (torch.zeros(2, 4, dtype=torch.int64), r"must be a floating-point \[K, P\]"),
        (torch.zeros(4, 2).T, "must be contiguous"),
        (torch.zeros(2, 5), "the segments cover 4"),
    ],
)
def test_a_bad_basis_is_refused(basis, message):
    with pytest.raises(ValueError, match=message):
        gram(basis, SEGMENTS)
    with pytest.raises(ValueError, match=message):
        interpolate(basis, torch.zeros(1, 1, 2), SEGMENTS)


def test_nothing_overlaps_nothing():
    empty = Segments(torch.tensor([0]))
    assert interpolate(torch.zeros(2, 0), torch.zeros(3, 1, 2), empty, out=torch.zeros(3, 0)).shape == (3, 0)


def test_a_shifted_overlap_is_refused():
    memory = torch.zeros(1, 5)
    with pytest.raises(ValueError, match="shares memory"):
        interpolate(memory[:, :4], torch.ones(1, 1, 1), SEGMENTS, out=memory[:, 1:])


@pytest.mark.parametrize(
    ("coefficients", "out", "message"),
    [
        (torch.zeros(1, 2), None, r"coefficients must have shape \[G, 2 or 1, 2\], got"),
        (torch.zeros(1, 3, 2), None, r"coefficients must have shape \[G, 2 or 1, 2\], got"),
        (torch.zeros(1, 1, 3), None, r"coefficients must have shape \[G, 2 or 1, 2\], got"),
        (torch.zeros(1, 1, 2), torch.zeros(2, 4), r"must be torch.float32 \(1, 4\)"),
        (torch.zeros(1, 1, 2), torch.zeros(1, 4, dtype=torch.float64), "must be torch.float32"),
        (torch.zeros(2, 1, 2), torch.zeros(4, 2).T, "each point contiguously"),
        (torch.zeros(2, 1, 2), BASIS, "shares memory"),
    ],
)
def test_bad_coefficients_or_outputs_are_refused(coefficients, out, message):
    with pytest.raises(ValueError, match=message):
        interpolate(BASIS, coefficients, SEGMENTS, out=out)
