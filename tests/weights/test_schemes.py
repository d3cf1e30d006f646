"""Schemes and norms against literal re-statements of the formulas on the tensors of each layer, in float64."""

from functools import partial
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fastscape.kernels import interpolate
from fastscape.weights import (
    Layout,
    Place,
    basis_of,
    direction_given,
    direction_random,
    layout_of,
    norms,
    schemes,
    select,
    tensors_of,
)
from fastscape.weights.basis import Basis
from fastscape.weights.precision import Precision
from fastscape.weights.schemes import LINES, SURFACES, Scheme

CPU = torch.device("cpu")
Weights = dict[str, torch.Tensor]


class Mixed(nn.Module):
    """Convolution, batch normalisation, linear, transposed convolution, and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.transposed = nn.ConvTranspose2d(3, 2, 2)
        self.linear = nn.Linear(5, 4)
        self.scale = nn.Parameter(torch.rand(3) + 0.5)


@pytest.fixture(scope="module")
def mixed() -> tuple[Mixed, Layout]:
    torch.manual_seed(1)
    model = Mixed()
    with torch.no_grad():
        model.norm.weight.uniform_(0.5, 1.5)
        model.norm.bias.normal_()
    return model, layout_of(model, "all")


def weights_of(model: nn.Module, layout: Layout) -> tuple[Weights, Weights, Weights]:
    theta = {name: p.detach().double() for name, p in select(model, "all").items()}
    d1, d2 = (layout.unflatten(direction_random(layout, 0, axis)) for axis in (0, 1))
    return theta, d1, d2


# --- The seeds' functions, line by line; dictionaries of tensors stand for their dictionaries of layers. ---


def layernorm(direction: torch.Tensor, minimum: torch.Tensor, name: str) -> torch.Tensor:
    return minimum.norm() * direction / direction.norm()


def filternorm(direction: torch.Tensor, minimum: torch.Tensor, name: str) -> torch.Tensor:
    if direction.dim() < 2:
        return layernorm(direction, minimum, name)
    return filter_norms(minimum, name) * direction / filter_norms(direction, name)


def filter_norms(tensor: torch.Tensor, name: str) -> torch.Tensor:
    if tensor.dim() < 2:
        return tensor.norm()
    dims = [d for d in range(tensor.dim()) if d != (1 if name == "transposed.weight" else 0)]
    return tensor.square().sum(dims, keepdim=True).sqrt()


def seed_plane(a, b, t1, t2, t3, name):
    return t1 + a * filternorm(t2, t1, name) + b * filternorm(t3, t1, name)


def seed_linear2x(a, b, t1, t2, t3, name):
    t2, t3 = filternorm(t2, t1, name), filternorm(t3, t1, name)
    psi = a * t2 + (1 - a) * t1
    return b * t3 + (1 - b) * layernorm(psi, t1, name)


def seed_barycentric(a, b, t1, t2, t3, name):
    t2, t3 = filternorm(t2, t1, name), filternorm(t3, t1, name)
    phi = a * (t2 - t1) + t1
    psi = b * (t3 - t1) + t1
    return a * filternorm(phi, t1, name) + (1 - b) * filternorm(psi, t1, name)


def seed_bilinear(a, b, t3, t2, t0, name):
    phi = a * t3.norm() / t2.norm() * t2 + (1 - a) * t3
    return b * t3.norm() / t0.norm() * t0 + (1 - b) * t3.norm() / phi.norm() * phi


def seed_line(t, minimum, perturb):
    return (1 - t) * minimum + t * minimum.norm() / perturb.norm() * perturb


LITERAL = {
    "plane": seed_plane,
    "linear2x": seed_linear2x,
    "barycentric": seed_barycentric,
    "bilinear": seed_bilinear,
}
GRID = [(a, b) for a in (-2.4, -1.0, -0.3, 0.0, 0.5, 1.0, 2.0) for b in (-1.0, 0.0, 0.7, 1.0, 2.4)]


PLACE = Place(CPU, Precision(torch.float64, torch.float64))


def built(model: nn.Module, layout: Layout, directions: list[torch.Tensor], normalize: str) -> Basis:
    writers = [partial(torch.add, d, 0.0) for d in directions]
    return basis_of(tensors_of(model), layout, writers, normalize, PLACE)


def walked(basis: Basis, scheme: Scheme, points: list[tuple[float, ...]]) -> list[Weights]:
    c = basis.coefficients(scheme, torch.tensor(points, dtype=torch.float64))
    flat = interpolate(basis.vectors, c, basis.layout.segments)
    return [basis.layout.unflatten(point) for point in flat]


@pytest.mark.parametrize("name", SURFACES)
def test_a_scheme_is_the_seeds_formula(mixed, name):
    model, layout = mixed
    theta, d1, d2 = weights_of(model, layout)
    basis = built(model, layout, [layout.flatten(d1), layout.flatten(d2)], SURFACES[name].normalize)
    for (a, b), point in zip(GRID, walked(basis, SURFACES[name], GRID), strict=True):
        for tensor in theta:
            literal = LITERAL[name](a, b, theta[tensor], d1[tensor], d2[tensor], tensor)
            torch.testing.assert_close(point[tensor], literal, rtol=1e-10, atol=1e-10)


def test_the_line_is_the_seeds_formula(mixed):
    model, layout = mixed
    theta, d, _ = weights_of(model, layout)
    basis = built(model, layout, [layout.flatten(d)], "none")
    times = [(t,) for t in (-2.0, -0.1, 0.0, 0.5, 1.0, 2.0)]
    for (t,), point in zip(times, walked(basis, LINES["line"], times), strict=True):
        for tensor in theta:
            torch.testing.assert_close(point[tensor], seed_line(t, theta[tensor], d[tensor]), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("nearness", [0.1, 0.01, 2e-3, 1e-4])
def test_nearly_cancelling_norms_agree_to_the_stated_accuracy(mixed, nearness):
    """d1 is nearly -theta, so at alpha = 1/2 the parts of phi cancel to a fraction r: the error is 2e-16 / r^2."""
    model, layout = mixed
    theta, noise, d2 = weights_of(model, layout)
    d1 = {name: -t + nearness * t.norm() / noise[name].norm() * noise[name] for name, t in theta.items()}
    d1 = {name: d * theta[name].norm() / d.norm() for name, d in d1.items()}
    basis = built(model, layout, [layout.flatten(d1), layout.flatten(d2)], "none")
    (point,) = walked(basis, SURFACES["bilinear"], [(0.5, 0.25)])
    for name, t in theta.items():
        literal = seed_bilinear(0.5, 0.25, t, d1[name], d2[name], name)
        error = (point[name] - literal).norm() / literal.norm()
        r = (d1[name] + t).norm() / (d1[name].norm() + t.norm())
        assert error < 2e-16 / r**2
        assert error < 1e-10 or r < 1.5e-3


def test_norms_that_cancel_completely_give_zero_and_no_nan(mixed):
    model, layout = mixed
    theta, _, d2 = weights_of(model, layout)
    d1 = {name: -t for name, t in theta.items()}
    basis = built(model, layout, [layout.flatten(d1), layout.flatten(d2)], "none")
    for name in SURFACES:
        for point in walked(basis, SURFACES[name], [(0.5, 0.0), (0.5, 0.5)]):
            assert all(torch.isfinite(t).all() for t in point.values())


@pytest.mark.parametrize("normalize", norms.NORMS)
def test_norms_are_their_formulas(mixed, normalize):
    model, layout = mixed[0], layout_of(mixed[0], "all", by_input=norms.by_input(normalize))
    theta, d1, d2 = weights_of(model, layout)
    basis = built(model, layout, [layout.flatten(d1), layout.flatten(d2)], normalize)
    unit = {
        "filter": lambda d, t, n: filternorm(d, t, n),
        "filter-input": lambda d, t, n: (
            d * t.norm(dim=0) / d.norm(dim=0) if n == "linear.weight" else filternorm(d, t, n)
        ),
        "layer": lambda d, t, n: layernorm(d, t, n),
        "weight": lambda d, t, n: d * t,
        "dfilter": lambda d, t, n: d / filter_norms(d, n),
        "dlayer": lambda d, t, n: d / d.norm(),
        "none": lambda d, t, n: d,
    }[normalize]
    for row, d in ((1, d1), (2, d2)):
        for name, tensor in layout.unflatten(basis.vectors[row]).items():
            torch.testing.assert_close(tensor, unit(d[name], theta[name], name), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(basis.gram.sum(0), basis.vectors @ basis.vectors.T, rtol=1e-11, atol=1e-11)


coordinate = st.floats(-2.5, 2.5)


@given(seed=st.integers(0, 50), name=st.sampled_from(["plane", "linear2x", "barycentric", "bilinear"]))
def test_the_centre_is_the_model(mixed, seed, name):
    model, layout = mixed
    scheme = SURFACES[name]
    basis = built(model, layout, [direction_random(layout, seed, k) for k in (0, 1)], scheme.normalize)
    (point,) = walked(basis, scheme, [(0.0, 0.0)])
    for tensor, theta in select(model, "all").items():
        torch.testing.assert_close(point[tensor], theta.detach().double(), rtol=1e-13, atol=1e-13)


@given(alpha=coordinate, beta=coordinate)
def test_swapping_the_axes_of_the_plane_transposes(mixed, alpha, beta):
    model, layout = mixed
    d = [direction_random(layout, 0, k) for k in (0, 1)]
    one = walked(built(model, layout, d, "filter"), SURFACES["plane"], [(alpha, beta)])[0]
    other = walked(built(model, layout, d[::-1], "filter"), SURFACES["plane"], [(beta, alpha)])[0]
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-12, atol=1e-12)


@given(scale=st.floats(1e-6, 1e6), normalize=st.sampled_from(["filter", "layer", "dfilter", "dlayer"]))
def test_scaling_a_direction_changes_nothing_under_a_norm(mixed, scale, normalize):
    model, layout = mixed
    d = [direction_random(layout, 0, k) for k in (0, 1)]
    one = built(model, layout, d, normalize).vectors
    other = built(model, layout, [scale * d[0], d[1]], normalize).vectors
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@given(scale=st.floats(0.01, 100), alpha=coordinate, beta=coordinate)
def test_scaling_a_direction_scales_its_axis_without_a_norm(mixed, scale, alpha, beta):
    model, layout = mixed
    d = [direction_random(layout, 0, k) for k in (0, 1)]
    one = walked(built(model, layout, d, "none"), SURFACES["plane"], [(alpha, beta)])[0]
    scaled = built(model, layout, [d[0] / scale, d[1]], "none")
    other = walked(scaled, SURFACES["plane"], [(alpha * scale, beta)])[0]
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-11, atol=1e-11)


@given(seed=st.integers(0, 50))
def test_a_normalised_direction_has_thetas_norm_in_every_segment(mixed, seed):
    model, layout = mixed
    gram = built(model, layout, [direction_random(layout, seed, k) for k in (0, 1)], "filter").gram
    squares = gram.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(squares[:, 1], squares[:, 0], rtol=1e-12, atol=0.0)


def test_a_filter_of_zeros_stays_zero_in_every_scheme():
    model = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        model.weight[0] = 0
    layout = layout_of(model)
    for scheme in SURFACES.values():
        if scheme.over == "filter":
            basis = built(model, layout, [direction_random(layout, 0, k) for k in (0, 1)], scheme.normalize)
            for point in walked(basis, scheme, GRID):
                assert not point["weight"][0].any()
                assert torch.isfinite(point["weight"]).all()


class TestUsersOwn:
    def basis(self) -> Basis:
        model = nn.Linear(3, 2)
        layout = layout_of(model, "all")
        return built(model, layout, [direction_random(layout, 0, k) for k in (0, 1)], "filter")

    def test_a_scheme_over_layers_sees_one_gram_matrix_a_tensor(self):
        seen = []

        def mine(gram, alpha, beta):
            seen.append(gram)
            return schemes.linear2x(gram, alpha, beta)

        basis = self.basis()
        c = basis.coefficients(Scheme(mine, over="layer"), torch.tensor([[0.5, 0.5]], dtype=torch.float64))
        assert seen[0].shape == (2, 3, 3)
        assert c.shape == (1, basis.layout.segments.count, 3)
        vectors = basis.layout.unflatten(basis.vectors)["weight"].reshape(3, -1)
        torch.testing.assert_close(seen[0][0], vectors @ vectors.T, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize(
        "returned", [torch.zeros(1, 3), torch.zeros(2, 1, 3), torch.zeros(1, 2, 3), torch.zeros(1, 1, 2), None]
    )
    def test_a_wrong_shape_is_refused(self, returned):
        with pytest.raises(
            ValueError,
            match=r"the scheme must return coefficients of shape \(1, 5, 3\) or \(1, 1, 3\) \(points, segments",
        ):
            self.basis().coefficients(Scheme(lambda *_: returned), torch.zeros(1, 2))


def test_an_unknown_norm_is_refused():
    with pytest.raises(
        ValueError, match="must be one of 'filter', 'filter-input', 'layer', 'weight', 'dfilter', 'dlayer', 'none'"
    ):
        norms.directions_first(torch.zeros(1, 2, 2), torch.zeros(1, dtype=torch.int64), "neuron")


class TestGivenDirections:
    layout = layout_of(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), "all")
    parts: ClassVar[Weights] = {entry.name: torch.randn(entry.shape) for entry in layout.entries}

    def test_a_dict_and_a_vector_are_the_same_direction(self):
        vector = torch.nn.utils.parameters_to_vector(self.parts.values())
        assert torch.equal(direction_given(self.layout, self.parts), direction_given(self.layout, vector))

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (
                lambda d: torch.zeros(5),
                ValueError,
                r"a direction must have shape \(14,\), the entries of 0\.weight, 0\.bias, 1\.weight, 1\.bias",
            ),
            (
                lambda d: [1.0],
                TypeError,
                "a direction must be a module, a dict of tensors by name, a list of tensors, or a",
            ),
            (lambda d: {**d, "2.weight": torch.zeros(1)}, ValueError, "2.weight does not move"),
            (lambda d: {"0.weight": d["0.weight"]}, ValueError, "0.bias is missing"),
            (lambda d: {**d, "0.bias": torch.zeros(3)}, ValueError, r"0\.bias must have shape \(2,\), got \(3,\)"),
        ],
    )
    def test_bad_directions_are_refused(self, change, error, message):
        with pytest.raises(error, match=message):
            direction_given(self.layout, change(self.parts))
