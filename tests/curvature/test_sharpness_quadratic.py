"""On linear regression and on quadratics every measure of sharpness equals its closed form."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import fastscape
from fastscape.weights import direction_random, layout_of


def regression(samples: int = 21, seed: int = 0) -> tuple[nn.Module, TensorDataset]:
    """A linear model that is not at its minimum, with samples that no batch size divides."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Linear(4, 2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(samples, 4, generator=generator).double() * torch.tensor([3.0, 1.0, 0.5, 0.2]).double()
    return model, TensorDataset(x, torch.randn(samples, 2, generator=generator).double())


def closed_form(model: nn.Module, data: TensorDataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, gradient and Hessian of the mean squared error, in the order weight, bias."""
    x, y = (tensor.numpy() for tensor in data.tensors)
    wide = np.hstack([x, np.ones((len(x), 1))])
    residual = model(data.tensors[0]).detach().numpy() - y
    of_output = 2 / (len(x) * y.shape[1])
    gradient = of_output * residual.T @ wide  # [2, 5]
    block = of_output * wide.T @ wide
    order = [*(5 * k + j for k in range(2) for j in range(4)), 4, 9]
    hessian = np.kron(np.eye(2), block)[np.ix_(order, order)]
    weights = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    return weights, gradient.ravel()[order], hessian


def trust_region(gradient: np.ndarray, hessian: np.ndarray, rho: float) -> float:
    """The maximum of `g e + e H e / 2` over `||e|| <= rho`, where it lies on the sphere, by bisection."""
    values, vectors = np.linalg.eigh(hessian)
    along = vectors.T @ gradient
    low, high = values[-1], values[-1] + np.linalg.norm(gradient) / rho + 1.0
    for _ in range(200):
        shift = (low + high) / 2
        low, high = (shift, high) if np.linalg.norm(along / (shift - values)) > rho else (low, shift)
    step = along / (high - values)
    return float(along @ step + 0.5 * values @ step**2)


def measured(model, data, *measures, **options):
    loss = options.pop("loss", F.mse_loss)
    return fastscape.sharpness(model, data, measures=list(measures), loss=loss, progress=False, **options)


@pytest.fixture(scope="module")
def case():
    model, data = regression()
    return model, data, *closed_form(model, data)


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_the_worst_case_of_a_quadratic(case, rho):
    model, data, _, gradient, hessian = case
    found = measured(model, data, "worst_case", rho=rho, steps=40)["worst_case"]
    exact = trust_region(gradient, hessian, rho)
    assert found.value == pytest.approx(exact, rel=1e-6)
    assert found.standard_error is None
    step = rho * gradient / np.linalg.norm(gradient)
    assert found.details["one_step"] == pytest.approx(gradient @ step + step @ hessian @ step / 2, rel=1e-9)
    assert len(found.details["restarts"]) == 3


def test_the_worst_case_at_a_minimum_and_at_a_saddle():
    """Where the gradient is 0 the step of SAM says nothing; random starts find the largest eigenvalue."""
    curvatures = torch.tensor([4.0, -9.0, 1.0]).double()
    model = nn.Linear(3, 1, bias=False).double()
    nn.init.zeros_(model.weight)

    def objective(call, batch):
        return 0.5 * (curvatures * call.weight.square()).sum() + 0 * batch.sum()

    data = [torch.zeros(3, 1).double()]
    found = fastscape.sharpness(
        model, data, objective=objective, measures=["worst_case", "critical_sharpness"], rho=0.1, steps=60
    )
    assert found["worst_case"].value == pytest.approx(0.5 * 4 * 0.1**2, rel=1e-6)
    assert found["worst_case"].details["restarts"][0] == 0
    assert math.isnan(found["critical_sharpness"].value)
    assert "the gradient is 0" in found["critical_sharpness"].said


def test_the_adaptive_worst_case_of_a_quadratic(case):
    model, data, weights, gradient, hessian = case
    found = measured(model, data, "adaptive_worst_case", adaptive_rho=0.2, steps=60)["adaptive_worst_case"]
    size = np.abs(weights)
    assert found.value == pytest.approx(trust_region(size * gradient, size[:, None] * hessian * size, 0.2), rel=1e-6)
    with torch.no_grad():
        model.weight[0, 0], kept = 0.0, model.weight[0, 0].item()
    still = measured(model, data, "adaptive_worst_case", adaptive_rho=0.2)["adaptive_worst_case"]
    with torch.no_grad():
        model.weight[0, 0] = kept
    assert still.details["still"] == 1
    assert "1 weights that are 0 do not move" in still.said


def test_m_sharpness_of_a_quadratic(case):
    model, data, *_ = case
    found = measured(model, data, "m_sharpness", m=8, rho=0.1, steps=60)["m_sharpness"]
    parts = [TensorDataset(*(tensor[k : k + 8] for tensor in data.tensors)) for k in (0, 8, 16)]
    each = np.array([trust_region(*closed_form(model, part)[1:], 0.1) for part in parts])
    share = np.array([8, 8, 5]) / 21
    assert found.value == pytest.approx(share @ each, rel=1e-5)
    error = math.sqrt(((share * (each - share @ each)) ** 2).sum() * 3 / 2)
    assert found.standard_error == pytest.approx(error, rel=1e-3)
    assert found.details["groups"] == 3
    whole = measured(model, data, "m_sharpness", m=100, rho=0.1, steps=60)["m_sharpness"]
    assert whole.value == pytest.approx(trust_region(*closed_form(model, data)[1:], 0.1), rel=1e-5)
    assert whole.standard_error is None
    assert "one group of 21 samples" in whole.said


def test_random_directions_of_a_quadratic(case):
    model, data, weights, _, hessian = case
    radius, count = 0.3, 24
    found = measured(model, data, "random_directions", radii=[radius], directions=count)["random_directions_0.3"]
    layout = layout_of(model, "all")
    rises = []
    for k in range(count):
        drawn = layout.unflatten(direction_random(layout, 0, k))
        scaled = [drawn["weight"] * (model.weight.norm(dim=1) / drawn["weight"].norm(dim=1))[:, None]]
        scaled.append(drawn["bias"] * model.bias.norm() / drawn["bias"].norm())
        d = np.concatenate([tensor.detach().numpy().ravel() for tensor in scaled])
        rises.append(radius**2 / 2 * d @ hessian @ d)
    assert found.value == pytest.approx(np.mean(rises), rel=1e-6)
    assert found.standard_error == pytest.approx(np.std(rises, ddof=1) / math.sqrt(count), rel=1e-6)
    # Over all directions the mean is r^2/2 sum_filters ||w_f||^2 / size_f tr H_ff.
    parts = [slice(0, 4), slice(4, 8), slice(8, 10)]
    expected = sum(weights[p] @ weights[p] / len(weights[p]) * np.trace(hessian[p, p]) for p in parts) * radius**2 / 2
    assert abs(found.value - expected) < 4 * found.standard_error


def test_the_noise_that_a_quadratic_bears(case):
    model, data, weights, _, hessian = case
    found = measured(model, data, "pac_bayes_sigma", "pac_bayes_sigma_relative", increase=0.2, directions=64)
    for name, trace in {
        "pac_bayes_sigma": np.trace(hessian),
        "pac_bayes_sigma_relative": np.trace(hessian * np.outer(weights, weights)),
    }.items():
        exact = math.sqrt(2 * 0.2 / trace)
        assert found[name].standard_error < 0.2 * exact
        assert abs(found[name].value - exact) < 4 * found[name].standard_error
    layout = layout_of(model, "all")
    drawn = [direction_random(layout, 0, k) for k in range(64)]
    noise = np.array([np.concatenate([t.numpy().ravel() for t in layout.unflatten(d).values()]) for d in drawn])
    of_these = np.einsum("ki,ij,kj->k", noise, hessian, noise) / 2
    sigma = math.sqrt(0.2 / of_these.mean())
    assert found["pac_bayes_sigma"].value == pytest.approx(sigma, rel=1e-3)
    delta = sigma**2 * of_these.std(ddof=1) / 8 / (2 * sigma * of_these.mean())
    assert found["pac_bayes_sigma"].standard_error == pytest.approx(delta, rel=1e-2)


def test_critical_sharpness_of_a_quadratic(case):
    model, data, _, gradient, hessian = case
    found = measured(model, data, "critical_sharpness", "largest_eigenvalue", "trace")
    exact = gradient @ hessian @ gradient / (gradient @ gradient)
    assert found["critical_sharpness"].value == pytest.approx(exact, rel=1e-3)
    values = np.linalg.eigvalsh(hessian)
    assert values[0] < exact < values[-1]
    assert found["largest_eigenvalue"].value == pytest.approx(values[-1], rel=1e-9)
    assert found["trace"].value == pytest.approx(values.sum(), rel=1e-9)
    assert found["trace"].details["mean_eigenvalue"] == pytest.approx(values.mean(), rel=1e-9)


def test_along_the_top_eigenvector_critical_sharpness_is_the_largest_eigenvalue(case):
    _, data, weights, _, hessian = case
    values, vectors = np.linalg.eigh(hessian)
    minimum = weights - np.linalg.solve(hessian, case[3])
    moved = torch.from_numpy(minimum + 0.1 * vectors[:, -1])
    other = nn.Linear(4, 2).double()
    nn.utils.vector_to_parameters(moved, other.parameters())
    found = measured(other, data, "critical_sharpness")["critical_sharpness"]
    assert found.value == pytest.approx(values[-1], rel=1e-3)


def test_frozen_weights_do_not_move_when_told_and_batches_are_those_of_the_data(case):
    """A loader with an uneven last batch has the same mean; without the bias the weights alone are a quadratic."""
    model, data, _, gradient, hessian = case
    options = {"perturb": lambda name, parameter: name == "weight", "rho": 0.2, "steps": 40}
    found = measured(model, DataLoader(data, batch_size=8), "worst_case", "largest_eigenvalue", "trace", **options)
    part = hessian[:8, :8]
    assert found.size == 8
    assert found["worst_case"].value == pytest.approx(trust_region(gradient[:8], part, 0.2), rel=1e-6)
    assert found["largest_eigenvalue"].value == pytest.approx(np.linalg.eigvalsh(part)[-1], rel=1e-9)


class Tied(nn.Module):
    """A weight that is used twice: `f(x) = w (x1 + x2)`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.first(x[:, :1]) + self.second(x[:, 1:])


def test_tied_weights_move_together():
    model = Tied().double()
    nn.init.constant_(model.first.weight, 0.5)
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(1)).double()
    target = x.sum(1, keepdim=True) * 0.2
    found = measured(model, (x, target), "trace", "critical_sharpness", "worst_case", rho=0.1)
    curvature = float(2 * x.sum(1).square().mean())
    assert found.size == 1
    assert found["trace"].value == pytest.approx(curvature, rel=1e-9)
    assert found["critical_sharpness"].value == pytest.approx(curvature, rel=1e-3)
    assert found["worst_case"].value == pytest.approx(curvature * (0.3 * 0.1 + 0.1**2 / 2), rel=1e-9)


def test_batch_normalisation_with_its_running_statistics():
    """In use it is a linear layer, so that the loss by the weights of the last layer is a quadratic."""
    norm, last = nn.BatchNorm1d(4), nn.Linear(4, 1)
    model = nn.Sequential(norm, last).double()
    x = 2 + 3 * torch.randn(25, 4, generator=torch.Generator().manual_seed(0)).double()
    model.train()(x)
    model.eval()
    before = [tensor.clone() for tensor in model.state_dict().values()]
    found = measured(model, (x, x[:, :1]), "trace", "worst_case", perturb=lambda n, p: n.startswith("1."), steps=60)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    wide = np.hstack([norm(x).detach().numpy(), np.ones((25, 1))])
    hessian = 2 * wide.T @ wide / 25
    residual = (model(x) - x[:, :1]).detach().numpy()
    gradient = (2 * residual.T @ wide / 25).ravel()
    assert found["trace"].value == pytest.approx(np.trace(hessian), rel=1e-9)
    assert found["worst_case"].value == pytest.approx(trust_region(gradient, hessian, 0.05), rel=1e-5)
