"""The maps of both articles against their formulas, written out as plain loops in float64.

"Efficient Neural Network Loss Landscape Generation" (Luciani, Huang & Danisch) moves the weights and biases of
convolutions and dense layers and leaves its network in training mode. The notebook "Navigating Through Loss Space"
moves the weights alone.
"""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan

X, Y = np.linspace(-1.2, 1.0, 4), np.linspace(-0.7, 0.9, 3)
EXACT = {"x": list(X), "y": list(Y), "precision": "float64", "progress": False}
PLANS = [
    Plan("loop", 2, 8),
    Plan("vmap", 4, 8),
    Plan("vmap", 5, 8, hoist=True),
    Plan("vmap", 4, 8, products="shared"),
    Plan("vmap", 4, 8, products="fused"),
]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(5),
        nn.Flatten(), nn.Linear(45, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip


@pytest.fixture(params=[mlp, cnn])
def case(request):
    torch.manual_seed(4)
    model = request.param().double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.rand_like(parameter))
    return model, (torch.rand(8, 1, 6, 6, dtype=torch.float64), torch.arange(8) % 3)


def arrays(model, kinds):
    """Weights, or weights and biases, of convolutions and dense layers, as `getweights` returns them."""
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return {f"{name}.{kind}": getattr(layer, kind).detach() for name, layer in layers for kind in kinds}


def drawn(theta, seed, draw=torch.randn):
    generator = torch.Generator().manual_seed(seed)
    return {name: draw(t.shape, dtype=torch.float64, generator=generator) for name, t in theta.items()}


def looped(model, data, theta, at):
    """The loss at `at(alpha, beta, name)`; the first coordinate is the outer loop. The model's mode is its own."""
    inputs, targets = data
    values = np.empty((len(X), len(Y)))
    for i, alpha in enumerate(X):
        for j, beta in enumerate(Y):
            moved = copy.deepcopy(model)
            with torch.no_grad():
                for name in theta:
                    moved.get_parameter(name).copy_(at(float(alpha), float(beta), name))
                values[i, j] = F.cross_entropy(moved(inputs), targets).item()
    return values


def layernorm(d, t):
    return (t**2).sum().sqrt() * d / (d**2).sum().sqrt()


def filternorm(d, t):
    """Julia's dimensions [1, 2, 3] of [w, h, in, out] are 1, 2, 3 of [out, in, h, w]; those of a dense layer agree."""
    dim = (1, 2, 3) if d.dim() == 4 else (0,)
    return (t**2).sum(dim, keepdim=True).sqrt() * d / (d**2).sum(dim, keepdim=True).sqrt()


def linear2x(a, b, t1, t2, t3):
    psi = a * t2 + (1 - a) * t1
    return b * t3 + (1 - b) * layernorm(psi, t1)


def barycentric(a, b, t1, t2, t3):
    phi = a * (t2 - t1) + t1
    psi = b * (t3 - t1) + t1
    return a * filternorm(phi, t1) + (1 - b) * filternorm(psi, t1)


def agree(found, exact):
    assert np.abs(found - exact).max() <= 1e-10 * np.abs(exact).max()


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("scheme", [linear2x, barycentric], ids=lambda scheme: scheme.__name__)
def test_the_maps_of_efficient_loss_landscapes(case, scheme, plan):
    model, data = case
    theta = arrays(model, ("weight", "bias"))
    drawings = [drawn(theta, seed) for seed in (1, 2)]
    normed = [{name: filternorm(d, theta[name]) for name, d in drawing.items()} for drawing in drawings]
    exact = looped(model, data, theta, lambda a, b, name: scheme(a, b, theta[name], *(d[name] for d in normed)))
    options = {**EXACT, "perturb": "weights+bias", "scheme": scheme.__name__, "plan": plan}
    if isinstance(model[2], nn.BatchNorm2d):
        options["batchnorm"] = "batch"
    found = fastscape.surface(model, data, directions=drawings, normalize="filter-input", **options)
    assert found.report["moving"] == list(theta)
    agree(found.loss, exact)
    by_output = fastscape.surface(model, data, directions=drawings, normalize="filter", **options)
    assert np.abs(by_output.loss - exact).max() > 1e-3 * np.abs(exact).max()
    if scheme is linear2x:  # whose own norm is over layers: directions that have their norm already are enough
        agree(fastscape.surface(model, data, directions=normed, **options).loss, exact)


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("scheme", ["plane", "barycentric"])
def test_random_directions_by_input(case, scheme, low_memory):
    model, data = case
    names = {"perturb": "weights+bias", "normalize": "filter-input", "seed": 5}
    theta = arrays(model, ("weight", "bias"))
    directions = fastscape.random_directions(model, **names, dtype=torch.float64)
    for direction in directions:
        assert list(direction) == list(theta)
        for name, d in direction.items():
            torch.testing.assert_close(filternorm(d, theta[name]), d, rtol=1e-12, atol=0)
    d1, d2 = directions
    way = {
        "plane": lambda a, b, t, u, v: t + a * u + b * v,
        "barycentric": barycentric,
    }[scheme]
    exact = looped(model.eval(), data, theta, lambda a, b, name: way(a, b, theta[name], d1[name], d2[name]))
    found = fastscape.surface(model, data, scheme=scheme, low_memory=low_memory, **names, **EXACT)
    agree(found.loss, exact)


def test_the_zmap_of_the_article_is_the_transposed_map():
    """`push!` with x in the outer loop, then `reshape` column by column."""
    torch.manual_seed(4)
    model, data = mlp().double(), (torch.rand(8, 1, 6, 6, dtype=torch.float64), torch.arange(8) % 3)
    theta = arrays(model, ("weight", "bias"))
    directions = [drawn(theta, seed) for seed in (1, 2)]
    res, pushed = [-0.5, 0.25, 1.0], []
    for a in res:
        for b in res:
            moved = {name: linear2x(a, b, t, *(d[name] for d in directions)) for name, t in theta.items()}
            pushed.append(F.cross_entropy(torch.func.functional_call(model, moved, data[0]), data[1]).item())
    zmap = np.log(np.reshape(pushed, (3, 3), order="F"))
    options = {"scheme": "linear2x", "perturb": "weights+bias", **EXACT, "x": res, "y": res}
    landscape = fastscape.surface(model, data, directions=directions, **options)
    np.testing.assert_allclose(np.log(landscape.loss).T, zmap, rtol=1e-10)


def uniform(theta, seed):
    return drawn(theta, seed, torch.rand)


def test_the_line_of_navigating_through_loss_space(case):
    model, data = case
    theta = arrays(model, ("weight",))
    d = uniform(theta, 3)

    def perturbweights(t, _, name):
        w, p = theta[name], d[name]
        return (1 - t) * w + t * w.norm() / p.norm() * p

    exact = looped(model.eval(), data, theta, perturbweights)[:, 0]
    line = {name: value for name, value in EXACT.items() if name != "y"}
    agree(fastscape.line(model, data, directions=[d], scheme="line", **line).loss, exact)


def test_the_surface_of_navigating_through_loss_space(case):
    """Its `theta2` is the direction of the first coordinate, its `theta0` that of the second."""
    model, data = case
    theta = arrays(model, ("weight",))
    d0, d2 = uniform(theta, 3), uniform(theta, 4)

    def pw_2d_bilinear(a, b, name):
        t0, t2, t3 = d0[name], d2[name], theta[name]
        phi = a * t3.norm() / t2.norm() * t2 + (1 - a) * t3
        return b * t3.norm() / t0.norm() * t0 + (1 - b) * t3.norm() / phi.norm() * phi

    exact = looped(model.eval(), data, theta, pw_2d_bilinear)
    agree(fastscape.surface(model, data, directions=[d2, d0], scheme="bilinear", **EXACT).loss, exact)
