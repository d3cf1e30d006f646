"""The extreme eigenvalues at every point of a map: against matrices that are written out, and as measures."""

import copy
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense import dense_hessian
from torch import nn

import fastscape
import stored_runs
from fastscape import Landscape, Plan
from fastscape.curvature.extremes import FEWEST, MOST, WIDEST, extremities
from fastscape.engine import Engine
from fastscape.results import EIGENVALUES
from processes import one_thread, several
from untouched import assert_same, snapshot

SMALL = {"x": (-1, 1, 4), "y": (-1, 1, 3), "curvature": "ratio", "progress": False}


class Known:
    """A symmetric matrix with eigenvalues that are given, and how many products were made with it."""

    def __init__(self, values, seed=0):
        generator = torch.Generator().manual_seed(seed)
        size = len(values)
        vectors = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
        self.matrix, self.size, self.products = vectors * torch.as_tensor(values) @ vectors.T, size, 0

    def times(self, vectors):
        self.products += 1
        return self.matrix @ vectors


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-8])
def test_both_ends_of_matrices_that_are_known(seed, tolerance):
    generator = np.random.default_rng(seed)
    size = int(generator.integers(2, 300))
    values = np.sort(generator.standard_normal(size)) * 10.0 ** generator.uniform(-3, 3)
    matrix = Known(values, seed)
    found = extremities(matrix, tolerance)
    norm = np.abs(values).max()
    assert found.residual <= tolerance
    for value in (found.smallest, found.largest):  # what the residual says, and the law of Rayleigh and Ritz
        assert np.abs(values - value).min() <= tolerance * norm
        assert values[0] - 1e-9 * norm <= value <= values[-1] + 1e-9 * norm
    if tolerance == 1e-8:
        np.testing.assert_allclose([found.smallest, found.largest], values[[0, -1]], atol=1e-7 * norm)
    assert matrix.products <= size + 1 or size > WIDEST


def test_a_subspace_that_is_full_is_begun_anew(monkeypatch):
    """Little memory: a few vectors suffice, after more products."""
    values = np.concatenate([np.linspace(-1, 1, 398), [-1.1, 1.2]])
    wide = Known(values)
    assert extremities(wide, 1e-6).residual <= 1e-6
    monkeypatch.setattr("fastscape.curvature.extremes.BASIS_BYTES", 0)
    narrow = Known(values)
    found = extremities(narrow, 1e-6)
    np.testing.assert_allclose([found.smallest, found.largest], [-1.1, 1.2], atol=1e-9)
    assert FEWEST < wide.products < narrow.products < MOST


def test_what_is_not_reached_is_said(monkeypatch):
    monkeypatch.setattr("fastscape.curvature.extremes.MOST", 5)
    found = extremities(Known(np.linspace(-1, 1, 300)), 1e-6)
    assert 1e-6 < found.residual < 1
    with pytest.warns(UserWarning, match=r"at 12 of 12 points the eigenvalues have residuals above 1e-08, up to "):
        landscape = stored_runs.surface(None, **SMALL, eigenvalue_tolerance=1e-8)
    assert any("eigenvalue_tolerance" in message for message in landscape.report["warnings"])


@pytest.mark.parametrize(("values", "wanted"), [([0.0] * 9, (0, 0)), ([2.0] * 9, (2, 2)), ([-3.0], (-3, -3))])
def test_matrices_with_one_eigenvalue(values, wanted):
    found = extremities(Known(np.array(values)), 1e-3)
    np.testing.assert_allclose([found.smallest, found.largest], wanted, atol=1e-12)
    assert found.residual < 1e-12


def batch_norm():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 3))
    model(torch.randn(50, 1, 6, 6))
    return model.eval(), (torch.randn(25, 1, 6, 6), torch.randint(3, (25,)))


def frozen():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    model[0].weight.requires_grad_(False)
    return model, (torch.randn(25, 4), torch.randint(3, (25,)))


def tied():
    torch.manual_seed(3)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(5, 5), nn.Linear(5, 5)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(torch.tanh(self.one(x)))

    return Tied(), (torch.randn(25, 5), torch.randint(5, (25,)))


@pytest.mark.parametrize("make", [batch_norm, frozen, tied])
@pytest.mark.parametrize("scheme", ["plane", "bilinear"])
def test_every_point_has_those_of_its_own_hessian(make, scheme):
    """Uneven batches, on a plane and where filters keep their norms; the oracle writes the Hessian out."""
    model, (inputs, targets) = make()
    batches = [(inputs[:15], targets[:15]), (inputs[15:], targets[15:])]
    options = {"scheme": scheme, "precision": "float64", "eigenvalue_tolerance": 1e-9, "perturb": "all"}
    found = fastscape.surface(model, batches, **SMALL | {"x": [0.0, 0.6], "y": [-0.4, 0.0]}, **options)
    names = found.report["moving"]
    steps = fastscape.random_directions(model, perturb="all", dtype=torch.float64)
    for i, x in enumerate(found.x):
        for j, y in enumerate(found.y):
            if scheme == "bilinear" and (x, y) != (0, 0):  # other points are for the tests of schemes
                continue
            moved = copy.deepcopy(model).double()
            with torch.no_grad():
                if scheme == "plane":
                    for name in names:
                        tensor = moved.get_parameter(name)
                        tensor += x * steps[0][name] + y * steps[1][name]
            dense = np.linalg.eigvalsh(dense_hessian(moved, batches, F.cross_entropy, names).numpy())
            grids = [found.metrics[name][i, j] for name in EIGENVALUES]
            np.testing.assert_allclose(grids[:2], dense[[0, -1]], atol=1e-7 * abs(dense).max())
            assert grids[2] == pytest.approx(abs(dense[0] / dense[-1]), rel=1e-4)
            assert 0 <= grids[3] <= 1e-9


def test_linear_regression_has_one_hessian_everywhere():
    torch.manual_seed(0)
    x, y = torch.randn(30, 4).double(), torch.randn(30, 1).double()
    model = nn.Linear(4, 1, bias=False).double()
    found = fastscape.surface(model, (x, y), loss=F.mse_loss, **SMALL, eigenvalue_tolerance=1e-9)
    wanted = np.linalg.eigvalsh((2 / 30 * x.T @ x).numpy())
    np.testing.assert_allclose(found.metrics["lambda_min"], wanted[0], rtol=1e-8)
    np.testing.assert_allclose(found.metrics["lambda_max"], wanted[-1], rtol=1e-8)
    np.testing.assert_allclose(found.metrics["lambda_ratio"], wanted[0] / wanted[-1], rtol=1e-8)


def test_the_loss_stays_what_it_is_and_so_does_the_model():
    model, data = stored_runs.problem()
    plan = Plan("loop", 4)
    plain = fastscape.surface(model, data, **SMALL | {"curvature": None}, plan=plan)
    before = snapshot(model)
    found = fastscape.surface(model, data, **SMALL, plan=plan)
    assert_same(before, snapshot(model))
    assert found.loss.tobytes() == plain.loss.tobytes()
    assert list(found.metrics) == list(EIGENVALUES)


def test_a_point_that_is_not_finite_has_none():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    data = torch.randn(9, 3), torch.randint(2, (9,))

    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets, reduction="none") + torch.sqrt(1 - outputs.square().sum() / 50)

    found = fastscape.line(model, data, loss=loss, x=[0.0, 100.0], curvature="ratio", progress=False)
    assert np.isnan(found.loss[1])
    for name in EIGENVALUES:
        assert np.isfinite(found.metrics[name][0])
        assert np.isnan(found.metrics[name][1])


def test_of_several_data_sets_the_first_counts_and_classes_do_not():
    model, data = stored_runs.problem()
    sets = {"train": data, "test": tuple(t[:7] for t in data)}
    alone = fastscape.line(model, data, x=(-1, 1, 3), curvature="ratio", progress=False)
    found = fastscape.line(model, sets, x=(-1, 1, 3), curvature="ratio", per_class=True, progress=False)
    for name in EIGENVALUES[:3]:
        np.testing.assert_allclose(found.metrics[name], alone.metrics[name], rtol=1e-5, atol=1e-6)


def test_repeats_have_their_own_directions():
    model, data = stored_runs.problem()
    options = {"x": (-1, 1, 3), "curvature": "ratio", "progress": False}
    found = fastscape.line(model, data, repeats=3, **options)
    seeds = found.report["seeds"]
    for k, seed in enumerate(seeds):
        alone = fastscape.line(model, data, seed=seed, **options)
        np.testing.assert_allclose(found.repeats["lambda_max"][k], alone.metrics["lambda_max"], rtol=1e-5, atol=1e-6)


def same(found: Landscape, wanted: Landscape) -> bool:
    assert list(found.measures) == list(wanted.measures)
    return all(found.measures[name].tobytes() == wanted.measures[name].tobytes() for name in wanted.measures)


def test_a_store_goes_on_and_they_are_computed_again(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    options = {**SMALL, "plan": Plan("loop", chunk=3, microbatch=7)}
    with one_thread():
        whole = stored_runs.surface(None, **options)
        store, sums, left = tmp_path / "run.zarr", Engine.sums, [2]

        def ending(self, points):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return sums(self, points)

        monkeypatch.setattr(Engine, "sums", ending)
        with pytest.raises(KeyboardInterrupt):
            stored_runs.surface(store, **options)
        half = Landscape.load(store)
        assert 0 < np.isfinite(half.metrics["lambda_ratio"]).sum() < 12
        monkeypatch.setattr(Engine, "sums", sums)
        assert same(stored_runs.surface(store, **options), whole)
        with pytest.raises(ValueError, match=r"was begun with .*eigenvalue_tolerance 0.001 \(now 0.01\)"):
            stored_runs.surface(store, **options, eigenvalue_tolerance=0.01)
        kept = Landscape.load(whole.save(tmp_path / "made.npz"))
        assert same(kept.reproduce(*stored_runs.problem(), progress=False), whole)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_processes_share_them(tmp_path):
    with one_thread():
        alone = stored_runs.surface(None, curvature="ratio")
    done = several(tmp_path, "eigenvalues", 2)
    assert done.returncodes == [0, 0], done.stderr
    for rank in range(2):
        assert np.load(tmp_path / f"lambda-{rank}.npy").tobytes() == alone.metrics["lambda_max"].tobytes()


def test_within_a_tolerance_they_are_predicted():
    options = {"x": (-1, 1, 24), "y": (-1, 1, 24), "curvature": "ratio", "samples": 60}
    every = stored_runs.surface(None, **options)
    found = stored_runs.surface(None, tolerance=0.02, **options)
    known = found.evaluated
    assert not known.all()
    for name in EIGENVALUES[:2]:
        np.testing.assert_allclose(found.metrics[name][known], every.metrics[name][known], rtol=1e-3, atol=1e-4)
        rms = float(np.sqrt(np.square(found.metrics[name] - every.metrics[name]).mean()) / np.ptp(every.metrics[name]))
        assert rms < 0.1  # the tolerance is of the loss
        assert name in found.report["refinement"]["metrics_rms"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stream_samples": 7}, r"eigenvalues of the Hessian over all samples, which stream_samples reads in parts"),
        ({"target_standard_error": 0.1}, r"which target_standard_error reads in parts"),
        ({"lend": True}, r"curvature='ratio' differentiates a copy"),
        ({"batchnorm": "recalibrate"}, r"curvature='ratio' differentiates by the weights"),
        (
            {"precision": "bfloat16"},
            "curvature='ratio' needs weights in float32 or float64, got bfloat16, whose second derivatives",
        ),
        ({"eigenvalue_tolerance": 0}, r"eigenvalue_tolerance must be a fraction.*, got 0"),
        ({"eigenvalue_tolerance": "low"}, r"eigenvalue_tolerance must be .*, got 'low'"),
        ({"metrics": {"lambda_max": fastscape.accuracy}}, r"a metric is named 'lambda_max', which curvature='ratio'"),
        ({"loss": lambda outputs, targets: (outputs.argmax(1) == targets).float()}, r"has no gradient by the weights"),
    ],
)
def test_what_cannot_be_done_is_refused(options, said):
    model, data = stored_runs.problem()
    with pytest.raises(ValueError, match=said):
        fastscape.surface(model, data, **SMALL, **options)
