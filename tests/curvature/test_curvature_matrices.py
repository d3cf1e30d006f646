"""Products with curvature matrices against matrices that are written out in float64."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from curvature.dense import dense_empirical_fisher, dense_ggn, dense_hessian
from torch import nn

import fastscape
from fastscape.curvature import batch_products


def perceptron(width=5):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3))


def samples(n=25, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator), torch.randint(3, (n,), generator=generator)


def found_eigenvalues(model, data, **options):
    size = sum(p.numel() for p in model.parameters())
    k = options.pop("k", size)
    return fastscape.hessian(model, data, k=k, progress=False, **options).eigenvalues


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


class Writes(nn.Module):
    """A model that counts its calls in a buffer, and reads the count."""

    def __init__(self):
        super().__init__()
        self.inner = perceptron()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.inner(x) * self.calls


def normalised():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    model.train()
    for _ in range(5):
        model(torch.randn(30, 4))
    return model.eval()


def frozen():
    model = perceptron()
    model[0].requires_grad_(False)
    return model


MODELS = {"perceptron": perceptron, "tied": Tied, "running statistics": normalised, "frozen": frozen}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("batch", [7, 25])
def test_the_hessian_is_that_of_the_mean_over_samples(make, batch):
    """Also with an uneven last batch, whose mean counts less."""
    model, (x, y) = make(), samples()
    truth = np.linalg.eigvalsh(dense_hessian(copy.deepcopy(model), [(x, y)], F.cross_entropy).numpy())[::-1]
    data = [(x[i : i + batch], y[i : i + batch]) for i in range(0, len(x), batch)]
    np.testing.assert_allclose(found_eigenvalues(model.double(), data), truth, atol=1e-10)
    np.testing.assert_allclose(found_eigenvalues(model.float(), data), truth, atol=1e-5 * truth[0])


def test_batches_that_belong_together_stay_so():
    """With the statistics of each batch the loss depends on the batches, and so does its Hessian."""
    model, (x, y) = normalised().double(), samples()
    data = [(x[:10].double(), y[:10]), (x[10:].double(), y[10:])]
    twin = copy.deepcopy(model).train()
    twin[1].track_running_stats = False
    twin[1].running_mean = twin[1].running_var = None
    truth = np.linalg.eigvalsh(dense_hessian(twin, data, F.cross_entropy).numpy())[::-1]
    found = found_eigenvalues(model, data, batchnorm="batch")
    np.testing.assert_allclose(found, truth, atol=1e-10)


def test_what_a_forward_pass_writes_is_put_back():
    model, (x, y) = Writes().double(), samples()
    data = [(x[:10].double(), y[:10]), (x[10:].double(), y[10:])]
    truth = np.linalg.eigvalsh(dense_hessian(copy.deepcopy(model.inner), [(x, y)], F.cross_entropy).numpy())[::-1]
    np.testing.assert_allclose(found_eigenvalues(model, data), truth, atol=1e-10)
    assert model.calls == 0
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, nn.CrossEntropyLoss(label_smoothing=0.1)], ids=["plain", "smoothed"]
)
def test_gauss_newton_and_fisher(loss):
    model, (x, y) = perceptron(), samples()
    truth = np.linalg.eigvalsh(dense_ggn(copy.deepcopy(model), x, y, loss).numpy())[::-1]
    for matrix in ("ggn", "fisher"):
        found = found_eigenvalues(model.double(), [(x[:9], y[:9]), (x[9:], y[9:])], matrix=matrix, loss=loss)
        np.testing.assert_allclose(found, truth, atol=1e-10)


def test_the_fisher_matrix_by_drawn_labels():
    """Its definition, with the expectation over labels written out."""
    model, (x, _) = perceptron().double(), samples()
    total = 0
    for one in x.double():
        shares = model(one[None]).softmax(1)[0].detach()
        for label, share in enumerate(shares):
            value = F.cross_entropy(model(one[None]), torch.tensor([label]))
            g = torch.cat([part.flatten() for part in torch.autograd.grad(value, list(model.parameters()))])
            total = total + share * torch.outer(g, g) / len(x)
    truth = np.linalg.eigvalsh(total.numpy())[::-1]
    found = found_eigenvalues(model, samples(), matrix="fisher")
    np.testing.assert_allclose(found, truth, atol=1e-10)


def test_the_empirical_fisher_matrix():
    model, (x, y) = perceptron(), samples()
    truth = np.linalg.eigvalsh(dense_empirical_fisher(copy.deepcopy(model), x, y, F.cross_entropy).numpy())[::-1]
    found = found_eigenvalues(model.double(), [(x[:9], y[:9]), (x[9:], y[9:])], matrix="empirical-fisher")
    np.testing.assert_allclose(found, truth, atol=1e-10)


def test_linear_regression_in_closed_form():
    """The Hessian of the mean of squares is 2/n X^T X; with two outputs that of each, halved."""
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2, bias=False).double(), torch.randn(40, 3).double()
    truth = np.linalg.eigvalsh((x.T @ x / 40).numpy())[::-1].repeat(2)
    for matrix in ("hessian", "ggn", "fisher"):
        found = found_eigenvalues(model, (x, torch.randn(40, 2).double()), loss=F.mse_loss, matrix=matrix)
        np.testing.assert_allclose(found, truth, atol=1e-12)


@pytest.mark.parametrize("matrix", ["hessian", "ggn", "empirical-fisher"])
def test_graphs_are_kept_where_they_are_small_and_made_anew_elsewhere(matrix, monkeypatch):
    model, data, made = perceptron().double(), samples(), []
    graph = batch_products.BatchProducts._graph
    monkeypatch.setattr(batch_products.BatchProducts, "_graph", lambda *given: made.append(given) or graph(*given))
    kept = found_eigenvalues(model, data, matrix=matrix, k=2, microbatch=9)
    assert len(made) == 1 + 3  # one of them to see how large they are
    monkeypatch.setattr(batch_products, "KEPT_BYTES", 0)
    np.testing.assert_array_equal(found_eigenvalues(model, data, matrix=matrix, k=2, microbatch=9), kept)
    assert len(made) == (1 + 3) + (1 + 2 * 3)  # for the matrix, and for the residuals


def test_an_objective_of_ones_own():
    """Also one that differentiates by the inputs itself."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)).double(), torch.randn(30, 1).double()

    def residual(call, batch):
        at = batch.clone().requires_grad_()
        out = call(at)
        (slope,) = torch.autograd.grad(out.sum(), at, create_graph=True)
        return ((slope + out) ** 2).mean(1)

    def truth(model, data):
        at = data.clone().requires_grad_()
        out = model(at)
        (slope,) = torch.autograd.grad(out.sum(), at, create_graph=True)
        return ((slope + out) ** 2).mean()

    parameters = list(model.parameters())
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(truth(model, x), parameters, create_graph=True)])
    rows = [torch.cat([h.flatten() for h in torch.autograd.grad(g, parameters, retain_graph=True)]) for g in gradient]
    wanted = np.linalg.eigvalsh(torch.stack(rows).numpy())[::-1]
    found = found_eigenvalues(model, x, objective=residual)
    np.testing.assert_allclose(found, wanted, atol=1e-10)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what it imports
def test_products_agree_with_those_of_curvlinops():
    """An independent library, on a network of convolutions with uneven batches."""
    curvlinops = pytest.importorskip("curvlinops")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 4)).double()
    x, y = torch.randn(30, 1, 8, 8).double(), torch.randint(4, (30,))
    batches = [(x[:12], y[:12]), (x[12:], y[12:])]
    theirs = curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), batches, check_deterministic=False
    )
    source = fastscape.hessian(model, batches, k=3, progress=False, tolerance=1e-8)
    for k, value in enumerate(source.eigenvalues):
        vector = torch.cat([t.flatten() for t in source.tensors(k).values()])
        assert abs(vector.norm() - 1) < 1e-9
        assert (theirs @ vector - value * vector).norm() < 1e-7 * source.eigenvalues[0]


def test_attention_has_second_derivatives_here():
    """Fused kernels have none; those by which values are computed otherwise stay."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, dropout=0.0), nn.Linear(4, 3)).eval()
    x, y = torch.randn(10, 5, 4), torch.randint(3, (10, 5))

    def loss(outputs, targets):
        return F.cross_entropy(outputs.transpose(1, 2), targets)

    found = fastscape.hessian(model.double(), (x.double(), y), loss=loss, k=1, progress=False)
    vector = torch.cat([t.flatten() for t in found.tensors(0).values()])
    value, flat = _loss_along(model, x.double(), y, loss)
    step = 1e-4
    bent = (value(flat + step * vector) - 2 * value(flat) + value(flat - step * vector)) / step**2
    assert abs(bent - found.eigenvalues[0]) < 1e-4 * found.eigenvalues[0]


def _loss_along(model, x, y, loss):
    parameters = list(model.parameters())
    twin = copy.deepcopy(model)

    def value(flat):
        torch.nn.utils.vector_to_parameters(flat, twin.parameters())
        with torch.no_grad():
            return float(loss(twin(x), y))

    return value, torch.nn.utils.parameters_to_vector(parameters).detach()


def test_what_has_no_second_derivative_is_refused_by_name():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, slope):
            return slope * 2

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = perceptron()

        def forward(self, x):
            return Once.apply(self.inner(x))

    with pytest.raises(ValueError, match="cannot be differentiated twice"):
        fastscape.hessian(Model(), samples(), progress=False)


def test_what_is_refused():
    model, data = perceptron(), samples()
    for options, said in (
        ({"matrix": "kfac"}, "matrix must be .*, got 'kfac'"),
        ({"k": 0}, "k must be .*, got 0"),
        ({"k": 10**6}, "from 1 to 43"),
        ({"which": "middle"}, "which must be .*, got 'middle'"),
        ({"tolerance": 0}, "tolerance must be .*, got 0"),
        ({"batchnorm": "recalibrate"}, "statistics follow the weights"),
        ({"matrix": "fisher", "loss": F.multi_margin_loss}, "needs a loss that is a likelihood"),
        ({"matrix": "fisher", "loss": nn.CrossEntropyLoss(weight=torch.ones(3))}, "needs a loss that is a likelihood"),
        ({"matrix": "ggn", "objective": lambda call, batch: call(batch[0]).square().mean()}, "apart from the loss"),
        ({"matrix": "empirical-fisher", "loss": lambda out, y: out.square().mean()}, "losses of single samples"),
    ):
        with pytest.raises(ValueError, match=said):
            fastscape.hessian(model, data, progress=False, **options)
    with pytest.raises(TypeError, match="no option 'metrics'"):
        fastscape.hessian(model, data, metrics={})
