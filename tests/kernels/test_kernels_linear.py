"""perturbed_linear: every method, as Triton kernel and torch twin, against float64 products."""

import itertools
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastscape.kernels import Seeded, choose_method, draw, perturbed_linear, perturbed_linear_cost
from fastscape.kernels._launch import fused_launch
from fastscape.kernels.perturbed_linear import CROSSOVERS
from tolerance import assert_as_accurate

pytest.importorskip("triton", reason="Triton is not built for this platform")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BACKENDS = ["torch", "triton"]
METHODS = ["shared", "fused", "materialised"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# Points, rows, inputs, outputs: one of each, odd ones, more than a tile of outputs, of rows, of inputs, of points.
SHAPES = [(1, 1, 1, 1), (3, 1, 7, 5), (2, 3, 32, 130), (5, 17, 40, 3), (1, 67, 33, 9)]
CASES = [*((torch.float32, shape) for shape in SHAPES), *((torch.bfloat16, shape) for shape in SHAPES[:4])]
CASES += [(dtype, shape) for dtype in (torch.float64, torch.float16) for shape in SHAPES[1:3]]


def problem(shape, vectors, dtype, *, per_filter=True, wide=None):
    """x, a stored basis, coefficients, biases, and the outputs in float64."""
    points, rows, inputs, outputs = shape
    generator = torch.Generator().manual_seed(points + 10 * rows + 100 * outputs)

    def normal(*size, into):
        return torch.randn(size, generator=generator, dtype=torch.float64).to(DEVICE, into)

    x, basis = normal(points, rows, inputs, into=dtype), normal(vectors, outputs, inputs, into=wide or dtype)
    c = normal(points, outputs if per_filter else 1, vectors, into=torch.float64)
    bias = normal(points, outputs, into=wide or dtype)
    return x, basis, c, bias, true_outputs(x, basis, c, bias)


def true_outputs(x, basis, c, bias):
    weights = (c.expand(-1, basis.shape[1], -1)[:, :, :, None] * basis.double().transpose(0, 1)).sum(2)
    return x.double() @ weights.mT + bias.double()[:, None]


def judge(result, truth, dtype):
    """Against the truth as plain torch gives it in this dtype, which rounds the weights and the outputs."""
    # bfloat16 is truncated by the interpreter, which a GPU rounds: twice the unit for weights and outputs.
    tolerance = {torch.float64: 1e-14, torch.float32: 2e-6, torch.bfloat16: 2**-6, torch.float16: 2**-9}[dtype]
    assert result.dtype == dtype
    assert result.shape == truth.shape
    if truth.numel():
        plain = truth.to(dtype).double().cpu().numpy()
        assert_as_accurate(result.double().cpu().numpy(), plain, truth.cpu().numpy(), tolerance)


def offered(method, backend, dtype):
    return not (method == "fused" and backend == "triton" and dtype == torch.float64)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "shape"), CASES, ids=str)
def test_outputs_are_those_of_the_weights(dtype, shape, method, backend):
    if not offered(method, backend, dtype):
        pytest.skip("refused, which another test looks at")
    for vectors, per_filter in ((1, True), (2, False), (3, True)):
        x, basis, c, bias, truth = problem(shape, vectors, dtype, per_filter=per_filter)
        if vectors == 2:
            truth, bias = truth - bias.double()[:, None], None
        judge(perturbed_linear(x, basis, c, bias, method=method, backend=backend), truth, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("empty", [(0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 4, 0), (2, 3, 0, 4)], ids=str)
def test_nothing_in_nothing_out(empty, method, backend):
    x, basis, c, bias, truth = problem(empty, 3, torch.float32)
    judge(perturbed_linear(x, basis, c, bias, method=method, backend=backend), truth, torch.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("options", [{}, {"weighted": True}, {"distribution": "rademacher", "first": 2**33 + 8}])
def test_directions_from_a_seed(options, directions, dtype, method, backend):
    for per_filter in (True, False):
        x, basis, c, bias, _ = problem((3, 5, 36, 11), 1 + directions, dtype, per_filter=per_filter)
        seeded = Seeded(basis[0].flatten(), 2**50 + 1, directions, **options)
        rows = [draw(torch.empty(36 * 11, dtype=torch.float64, device=DEVICE), seeded.seed, k, start=seeded.first,
                     distribution=seeded.distribution).view(11, 36) for k in range(directions)]  # fmt: skip
        wide = torch.stack([basis[0].double(), *rows])
        if seeded.weighted:
            wide[1:] *= wide[0]
        truth = true_outputs(x, wide, c, bias)
        judge(perturbed_linear(x, seeded, c, bias, method=method, backend=backend), truth, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
def test_a_wider_basis_is_rounded_on_the_way(method, backend):
    x, basis, c, bias, truth = problem((3, 5, 36, 11), 3, torch.bfloat16, wide=torch.float32)
    judge(perturbed_linear(x, basis, c, bias, method=method, backend=backend), truth, torch.bfloat16)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
def test_inputs_of_any_layout(method, backend):
    """One x for all points, slices, and inputs that are not the innermost dimension."""
    x, basis, c, bias, _ = problem((4, 6, 40, 9), 3, torch.float32)
    wide = torch.randn(9, 12, 80, device=DEVICE)
    for laid in (x[:1].expand_as(x), wide[1:5, 3:9, 7:47], x.mT.contiguous().mT):
        truth = true_outputs(laid, basis, c, bias)
        judge(perturbed_linear(laid, basis, c, bias, method=method, backend=backend), truth, torch.float32)
    part = torch.randn(6, 9, 40, device=DEVICE)[::2]  # matrices with others between them
    made = perturbed_linear(x, part, c, bias, method=method, backend=backend)
    judge(made, true_outputs(x, part, c, bias), torch.float32)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bits_on_every_run_and_whatever_the_other_points_are(method):
    x, basis, c, bias, _ = problem((5, 6, 40, 9), 3, torch.float32)
    first, second = (perturbed_linear(x, basis, c, bias, method=method, backend="triton") for _ in range(2))
    assert torch.equal(first, second)
    if method == "fused":  # the others leave it to a library, which may choose by the number of rows
        alone = [perturbed_linear(x[g : g + 1], basis, c[g : g + 1], bias[g : g + 1], method=method, backend="triton")
                 for g in range(5)]  # fmt: skip
        assert torch.equal(first, torch.cat(alone))


def test_one_x_for_all_points_is_multiplied_once():
    x, basis, c, _, _ = problem((4, 6, 40, 9), 3, torch.float32)
    same = x[:1].expand_as(x)
    shared, many = (perturbed_linear_cost(a, basis, c, "shared").flops for a in (same, x))
    mixing = 2 * 3 * 4 * 6 * 9
    assert shared - mixing == (many - mixing) // 4


@settings(max_examples=12)
@given(
    st.integers(1, 6), st.integers(1, 20), st.integers(1, 40), st.integers(1, 20), st.integers(1, 3), st.booleans(),
    st.sampled_from(METHODS),
)  # fmt: skip
def test_any_shape_is_right(points, rows, inputs, outputs, vectors, per_filter, method):
    x, basis, c, bias, truth = problem((points, rows, inputs, outputs), vectors, torch.float32, per_filter=per_filter)
    judge(perturbed_linear(x, basis, c, bias, method=method, backend="triton"), truth, torch.float32)


def test_all_methods_cost_what_the_formulas_say():
    x, basis = torch.empty(16, 8, 64, device="meta"), torch.empty(3, 128, 64, device="meta")
    c = torch.empty(16, 128, 3, device="meta")
    shared, fused, made = (perturbed_linear_cost(x, basis, c, method) for method in METHODS)
    weights, product = 128 * 64, 2 * 16 * 8 * 64 * 128
    assert shared.flops == 3 * product + 2 * 3 * 16 * 8 * 128
    assert fused.flops == made.flops == product + 2 * 3 * 16 * weights
    assert made.bytes_written == 4 * (16 * weights + 16 * 8 * 128)
    assert fused.bytes_written == 4 * 16 * 8 * 128
    groups = 16 // fused_launch(8, 16, torch.float32).points
    assert fused.bytes_read == 4 * (3 * weights * groups + x.numel() * 2 + c.numel())
    seeded = perturbed_linear_cost(x, Seeded(torch.empty(weights, device="meta"), 0, 2), c, "materialised")
    assert made.bytes_read - seeded.bytes_read == 2 * 4 * weights


@pytest.mark.parametrize("backend", ["torch", "triton"])
@pytest.mark.parametrize("method", METHODS)
def test_matrices_may_lie_apart(method, backend):
    memory = torch.randn(3, 12 * 32 + 16, device=DEVICE)  # as the rows of a flat buffer
    basis = memory[:, : 12 * 32].unflatten(1, (12, 32))
    x, c = torch.randn(4, 5, 32, device=DEVICE), torch.randn(4, 12, 3, device=DEVICE)
    apart = perturbed_linear(x, basis, c, method=method, backend=backend)
    torch.testing.assert_close(apart, perturbed_linear(x, basis.clone(), c, method=method, backend=backend))


class TestRule:
    def test_more_rows_go_from_shared_to_fused_to_materialised(self):
        gpu = torch.device("cuda")
        for dtype in DTYPES:
            order = [METHODS.index(choose_method(rows, dtype, gpu)) for rows in (1, 8, 40, 130, 300, 1000, 10_000)]
            assert order == sorted(order)
            assert (order[0], order[-1]) == (0, 2)
            assert "fused" not in {choose_method(rows, dtype, gpu, fused=False) for rows in (1, 40, 130, 300, 1000)}
        assert choose_method(20, torch.float32, torch.device("cpu")) == "materialised"

    def test_the_table_is_in_order(self):
        for found in CROSSOVERS.values():
            assert 0 < found.shared <= found.fused
            assert found.shared <= found.without <= found.fused

    def test_tf32_has_a_row_of_its_own(self, monkeypatch):
        from fastscape.kernels import _triton

        rows = CROSSOVERS["float32"].fused + 1
        assert choose_method(rows, torch.float32, torch.device("cuda")) == "materialised"
        monkeypatch.setattr(_triton, "tf32", lambda: True)
        assert choose_method(rows, torch.float32, torch.device("cuda")) != "materialised"

    def test_auto_takes_what_the_rule_says(self, monkeypatch):
        module = sys.modules["fastscape.kernels.perturbed_linear"]
        taken = []
        for name in ("shared", "materialised"):
            monkeypatch.setattr(module, name, lambda *_, name=name: taken.append(name))
        few, many = (problem((2, rows, 8, 4), 3, torch.float32)[:3] for rows in (1, 500))
        for x, basis, c in (few, many):
            perturbed_linear(x, basis, c, backend="torch")
        seeded = Seeded(few[1][0].flatten(), 0, 2)
        perturbed_linear(few[0], seeded, few[2], backend="torch")  # whose matrices would be made for each call
        perturbed_linear(few[0].bfloat16(), few[1], few[2], backend="torch")  # and these rounded
        perturbed_linear(many[0][:, :8][:1].expand(2, -1, -1), many[1], many[2], backend="torch")
        assert taken == ["shared", "materialised", "materialised", "materialised", "shared"]

    def test_launches_fit_into_the_memory_of_a_program(self):
        limits = 64 << 10, 99 << 10, 163 << 10, 227 << 10
        for rows, points, dtype, exact, memory in itertools.product(
            (1, 16, 17, 64, 300), (1, 2, 5, 100), DTYPES[1:], (True, False), limits
        ):
            tile = fused_launch(rows, points, dtype, wide=dtype.itemsize, exact=exact, memory=memory)
            assert tile.points in (1, 2, 4)
            assert tile.outputs * tile.rows * tile.points <= 128 * 256
            assert 1 <= tile.num_stages <= 4
            assert tile.rows >= 16


BASIS = torch.zeros(3, 4, 8)
X = torch.zeros(2, 5, 8)
C = torch.zeros(2, 4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0], BASIS, C), r"must be floating-point inputs \[G, R, I\]"),
        ((X.long(), BASIS, C), r"must be floating-point inputs \[G, R, I\]"),
        ((X, BASIS[0], C), r"basis must have shape \[K, O, 8\].*, got \(4, 8\)"),
        ((X, BASIS[:0], C), r"basis must have shape \[K, O, 8\] with K > 0, got \(0, 4, 8\)"),
        ((X, BASIS[:, :, :7], C), r"basis must have shape \[K, O, 8\] with K > 0, got \(3, 4, 7\)"),
        ((X, Seeded(torch.zeros(12), 0, 2), C), r"the entries of \[O, 8\], row by row"),
        ((X[:, :, :0], Seeded(torch.zeros(12), 0, 2), C), "and I > 0"),
        ((X, BASIS.half(), C), "must be torch.float32, as x, or a wider one"),
        ((X.half(), BASIS.bfloat16(), C), "must be torch.float16, as x, or a wider one"),
        (
            (X, BASIS.to("meta"), C),
            r"basis must be torch\.float32, as x, or a wider one, on cpu, got torch\.float32 on meta",
        ),
        ((X, torch.zeros(3, 8, 4).mT, C), "each matrix of the basis must be contiguous"),
        ((X, BASIS, C[:, :, :2]), r"coefficients must have shape \[2, 4 or 1, 3\].*, got \(2, 4, 2\)"),
        ((X, BASIS, C[:1]), r"coefficients must have shape \[2, 4 or 1, 3\], got"),
        ((X, BASIS, C[:, :2]), r"coefficients must have shape \[2, 4 or 1, 3\], got"),
        ((X, BASIS, C, torch.zeros(4)), r"bias must have shape \(2, 4\).*, got \(4,\) on cpu"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        perturbed_linear(*arguments)


def test_what_no_method_or_kernel_takes_is_refused():
    with pytest.raises(ValueError, match=r"method must be 'auto', 'shared', 'fused' or 'materialised'.*, got 'b'"):
        perturbed_linear(X, BASIS, C, method="b")
    four = torch.zeros(4, 4, 8), torch.zeros(2, 4, 4)
    with pytest.raises(ValueError, match="takes at most 3 matrices, and 4 came; write method='auto'"):
        perturbed_linear(X, *four, method="fused")
    assert perturbed_linear(X, *four).shape == (2, 5, 4)
    x, basis, c = (given.to(DEVICE) for given in (X, BASIS, C))
    with pytest.raises(ValueError, match="has no Triton kernel for float64"):
        perturbed_linear(x.double(), basis.double(), c, method="fused", backend="triton")
    odd = Seeded(torch.zeros(4 * 7, device=DEVICE), 0, 2)
    with pytest.raises(ValueError, match="whose length is a multiple of 4, and rows of 7 came"):
        perturbed_linear(x[:, :, :7], odd, c, method="fused", backend="triton")
