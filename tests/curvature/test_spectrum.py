"""Spectra: ends, density, trace and norm within their stated errors."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from curvature.dense import dense_hessian
from scipy import stats
from torch import nn

import fastscape
from fastscape.curvature import density, eigenpairs, traces
from fastscape.curvature.densities import smoothed

RUNS = 100


class Written:
    """A matrix that is written out, by its products alone."""

    def __init__(self, matrix):
        self.matrix, self.size = matrix, len(matrix)

    def times(self, vectors):
        return self.matrix @ vectors

    def dense(self):
        return self.matrix


@pytest.fixture(scope="module")
def network():
    """A trained network of 1,011 weights with negative eigenvalues, its data, and its Hessian in float64."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 36), nn.Tanh(), nn.Linear(36, 18), nn.Tanh(), nn.Linear(18, 3)).double()
    x, y = torch.randn(100, 6).double(), torch.randint(3, (100,))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, (x, y), dense_hessian(model, [(x, y)], F.cross_entropy)


def test_the_whole_spectrum(network):
    model, data, matrix = network
    truth = np.linalg.eigvalsh(matrix.numpy())[::-1]
    found = fastscape.spectrum(model, data, k=3, probes=4, steps=40, layers=True, progress=False)
    assert (found.size, found.samples, found.matrix) == (len(truth), 100, "hessian")
    np.testing.assert_allclose(found.eigenvalues, [*truth[:3], *truth[-3:]], atol=1e-5 * truth[0])
    assert found.residuals.max() < 1e-5
    assert found.largest == found.eigenvalues[0]
    assert found.smallest < 0
    for estimate, value in ((found.trace, truth.sum()), (found.frobenius, np.sqrt((truth**2).sum()))):
        assert abs(estimate.value - value) < 4 * estimate.standard_error
        assert estimate.standard_error < 0.2 * abs(value)
    assert np.trapezoid(found.density.values, found.density.at) == pytest.approx(1, abs=0.01)
    start = 0
    for name, parameter in model.named_parameters():
        stop = start + parameter.numel()
        block, layer = matrix[start:stop, start:stop], found.layers[name]
        assert layer.size == parameter.numel()
        assert layer.largest == pytest.approx(float(torch.linalg.eigvalsh(block)[-1]), rel=1e-5)
        assert abs(layer.trace.value - float(block.trace())) < 4 * layer.trace.standard_error
        start = stop


def test_traces_are_within_their_stated_errors_in_95_of_100_runs(network):
    """Two-sided intervals of Student's t; of 100 runs at 95 %, fewer than 90 come once in fifty times."""
    matrix = Written(network[2])
    known = eigenpairs(matrix, 5, "both").vectors
    truth, right = float(network[2].trace()), 0
    for seed in range(RUNS):
        trace = traces(matrix, known, seed=seed).trace
        right += abs(trace.value - truth) <= stats.t.ppf(0.975, trace.probes - 1) * trace.standard_error
    assert right >= 90


def test_densities_are_within_their_stated_errors_in_95_of_100_runs(network):
    """The share of runs, at every place where the density is above a tenth of what one eigenvalue has."""
    pytest.importorskip("curvlinops")
    matrix, truth = Written(network[2]), np.linalg.eigvalsh(network[2].numpy())
    known, right = eigenpairs(matrix, 5, "both"), []
    for seed in range(RUNS):
        found = density(matrix, known, steps=40, seed=seed)
        exact = smoothed(truth, found.at, found.width)
        seen = exact > 0.1 / (len(truth) * found.width * np.sqrt(2 * np.pi))
        off = np.abs(found.values - exact) <= stats.t.ppf(0.975, found.probes - 1) * found.standard_error
        right.append(off[seen].mean())
    assert np.mean(right) >= 0.93


def test_a_small_matrix_is_exact():
    """Linear regression in closed form: 2/n X^T X."""
    torch.manual_seed(0)
    model, x = nn.Linear(5, 1, bias=False).double(), torch.randn(40, 5).double()
    exact = (2 * x.T @ x / 40).numpy()
    found = fastscape.spectrum(model, (x, torch.randn(40, 1).double()), loss=F.mse_loss, k=2, progress=False)
    truth = np.linalg.eigvalsh(exact)[::-1]
    np.testing.assert_allclose(found.eigenvalues, [*truth[:2], *truth[-2:]], atol=1e-12)
    assert found.trace.value == pytest.approx(np.trace(exact), rel=1e-12)
    assert found.frobenius.value == pytest.approx(np.linalg.norm(exact), rel=1e-12)
    assert found.trace.standard_error == found.frobenius.standard_error == 0
    assert not found.density.standard_error.any()
    exact = smoothed(truth, found.density.at, found.density.width)
    np.testing.assert_allclose(found.density.values, exact, atol=1e-12)


def test_a_file_holds_every_bit(network, tmp_path):
    model, data, _ = network
    found = fastscape.spectrum(model, data, k=1, probes=2, steps=10, layers=True, progress=False)
    again = fastscape.Spectrum.load(found.save(tmp_path / "run" / "spectrum.json"))
    for name in ("eigenvalues", "residuals"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    for name in ("at", "values", "standard_error", "width", "probes"):
        np.testing.assert_array_equal(getattr(again.density, name), getattr(found.density, name))
    assert (again.trace, again.frobenius, dict(again.layers)) == (found.trace, found.frobenius, dict(found.layers))
    assert repr(again) == repr(found)


@pytest.mark.parametrize("change", [
    lambda plain: plain.update(format="other"), lambda plain: plain.update(version=2),
    lambda plain: plain.pop("trace"), lambda plain: plain["density"].update(values=[1.0]),
    lambda plain: plain.update(extra=1),
    lambda plain: plain.update(eigenvalues=[], residuals=[]), lambda plain: plain["density"].update(at="none"),
])  # fmt: skip
def test_other_files_are_refused(network, tmp_path, change):
    model, data, _ = network
    path = fastscape.spectrum(model, data, k=1, probes=2, steps=10, trace_probes=4, progress=False).save(
        tmp_path / "spectrum.json"
    )
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match="is no spectrum"):
        fastscape.Spectrum.load(path)
    with pytest.raises(
        ValueError, match=r"the name of the file of a spectrum must end in \.json, got 'spectrum\.npz'"
    ):
        fastscape.spectrum(*network[:2], k=1, probes=2, steps=10, progress=False).save(tmp_path / "spectrum.npz")


def test_what_is_refused(network):
    for name, value in (("probes", 1), ("steps", 1.5), ("trace_probes", True)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            fastscape.spectrum(*network[:2], progress=False, **{name: value})


def test_a_picture(network):
    found = fastscape.spectrum(*network[:2], k=2, probes=3, steps=20, progress=False)
    axes = found.plot()
    low, high = axes.get_xlim()
    assert low < found.smallest < found.largest < high
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "density", "two standard errors", "eigenvalues at both ends",
    ]  # fmt: skip
