"""Eigenvectors as directions of a landscape."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape


def trained(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 3)).double()  # 323 weights: Lanczos
    x, y = torch.randn(60, 4).double(), torch.randint(3, (60,))
    return model, (x, y)


def test_the_surface_bends_by_the_eigenvalues():
    model, data = trained()
    source = fastscape.hessian(model, data, which="both", k=1, tolerance=1e-8, progress=False)
    step = 1e-3
    axes = {"x": (-step, step, 3), "y": (-step, step, 3)}
    landscape = fastscape.surface(model, data, directions=source, progress=False, **axes)
    loss, (largest, smallest) = landscape.loss, source.eigenvalues
    assert smallest < 0 < largest
    along_x = (loss[2, 1] - 2 * loss[1, 1] + loss[0, 1]) / step**2
    along_y = (loss[1, 2] - 2 * loss[1, 1] + loss[1, 0]) / step**2
    across = (loss[2, 2] - loss[2, 0] - loss[0, 2] + loss[0, 0]) / (4 * step**2)
    np.testing.assert_allclose([along_x, along_y, across], [largest, smallest, 0], atol=1e-5)
    assert landscape.orthonormal
    assert landscape.labels["x"] == f"eigenvector 1, eigenvalue {largest:.4g}"
    assert landscape.report["plane"]["eigenvalues"] == [largest, smallest]
    assert max(landscape.report["plane"]["residuals"]) <= 1e-8
    assert landscape.report["plane"]["products"] > 0


def test_eigenpairs_by_lanczos_are_those_of_the_matrix():
    model, data = trained()
    every = fastscape.hessian(model, data, which="both", k=4, tolerance=1e-9, progress=False)
    largest = fastscape.hessian(model, data, which="largest", k=4, tolerance=1e-9, progress=False)
    smallest = fastscape.hessian(model, data, which="smallest", k=4, tolerance=1e-9, progress=False)
    np.testing.assert_allclose(every.eigenvalues[::2], largest.eigenvalues, atol=1e-9)
    np.testing.assert_allclose(every.eigenvalues[1::2], smallest.eigenvalues, atol=1e-9)
    assert (np.diff(smallest.eigenvalues) > 0).all()
    assert every.residuals.max() < 1e-8
    gram = every.pairs.vectors @ every.pairs.vectors.T
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-9)


def test_a_line_and_a_choice_of_tensors():
    model, data = trained()

    def last(name, parameter):
        return name.startswith("2.")

    source = fastscape.hessian(model, data, k=1, perturb=last, progress=False)
    line = fastscape.line(model, data, directions=source, x=(-1, 1, 3), progress=False)
    assert line.labels["x"].startswith("eigenvector 1")
    assert set(source.tensors(0)) == {"2.weight", "2.bias"}
    with pytest.raises(ValueError, match="other tensors than those that move"):
        fastscape.line(model, data, directions=source, perturb="all", x=(-1, 1, 3), progress=False)


def test_fewer_eigenvectors_than_axes():
    model, data = trained()
    source = fastscape.hessian(model, data, k=1, progress=False)
    with pytest.raises(ValueError, match=r"write fastscape.hessian\(..., k=2\)"):
        fastscape.surface(model, data, directions=source, x=(-1, 1, 3), y=(-1, 1, 3), progress=False)


def test_random_state_and_the_model_stay():
    model, data = trained()
    before = torch.random.get_rng_state()
    weights = [p.detach().clone() for p in model.parameters()]
    fastscape.spectrum(model, data, probes=2, steps=10, trace_probes=4, k=1, progress=False)
    assert (torch.random.get_rng_state() == before).all()
    assert all((a == b).all() and b.grad is None for a, b in zip(weights, model.parameters(), strict=True))


def test_a_model_in_float32_on_a_loader():
    model, (x, y) = trained()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x.float(), y), batch_size=13)
    exact = fastscape.hessian(model, (x, y), k=2, progress=False).eigenvalues
    found = fastscape.hessian(model.float(), loader, k=2, progress=False)
    np.testing.assert_allclose(found.eigenvalues, exact, rtol=1e-4)
    again = fastscape.hessian(model.float(), loader, k=2, progress=False)
    np.testing.assert_array_equal(found.eigenvalues, again.eigenvalues)


def test_a_loss_that_is_linear_in_the_weights_has_no_curvature():
    model = nn.Linear(200, 1).double()
    found = fastscape.hessian(
        model, (torch.randn(9, 200).double(), torch.zeros(9, 1)), k=1, progress=False, loss=lambda out, _: out.mean(1)
    )
    assert found.eigenvalues.tolist() == [0.0]


def test_weights_that_are_not_finite():
    model, data = trained()
    with torch.no_grad():
        model[0].bias[0] = torch.nan
    with pytest.raises(ValueError, match="not finite"), pytest.warns(UserWarning, match="the loss at the model"):
        fastscape.hessian(model, data, progress=False)


def test_mean_squared_error_by_default_is_not_guessed():
    model, (x, _) = trained()
    found = fastscape.hessian(model, (x, torch.randn(60, 3).double()), loss=F.mse_loss, k=1, progress=False)
    assert found.eigenvalues[0] > 0


def test_a_loss_that_torch_differentiates_otherwise_is_warned_of():
    """A part that is detached moves the loss and not its derivatives."""
    torch.manual_seed(0)

    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = torch.tanh(self.one(x))
            return self.two(hidden) + self.one(x).detach()[:, :3]

    data = torch.randn(20, 4), torch.randint(3, (20,))
    for call in (fastscape.hessian, fastscape.spectrum, fastscape.sharpness):
        options = {"k": 1} if call is fastscape.hessian else {}
        with pytest.warns(UserWarning, match=r"derivatives that do not match its values, as it is detached"):
            found = call(Detached(), data, progress=False, **options)
        assert any("detached" in message for message in found.report["warnings"])
