"""Derivatives are measures: stored, resumed, shared, streamed, predicted within a tolerance, and computed again."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import fastscape
import stored_runs
from fastscape import Landscape, Plan
from fastscape.cli.app import app
from fastscape.engine import Engine
from fastscape.results import derivative_names
from processes import one_thread, several

NAMES = derivative_names("xy")
SMALL = {"x": (-1, 1, 6), "y": (-1, 1, 5), "curvature": "plane"}


def same(found: Landscape, wanted: Landscape) -> bool:
    assert list(found.measures) == list(wanted.measures)
    return all(found.measures[name].tobytes() == wanted.measures[name].tobytes() for name in wanted.measures)


@pytest.fixture(scope="module")
def whole() -> Landscape:
    with one_thread():
        return stored_runs.surface(None, **SMALL)


def test_a_store_keeps_them_and_goes_on(tmp_path, whole, monkeypatch):
    store, sums, left = tmp_path / "run.zarr", Engine.sums, [2]

    def ending(self, points):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", ending)
    with pytest.raises(KeyboardInterrupt):
        stored_runs.surface(store, **SMALL)
    half = Landscape.load(store)
    assert 0 < np.isfinite(half.metrics["d2L_dxdy"]).sum() < 30
    monkeypatch.setattr(Engine, "sums", sums)
    assert same(stored_runs.surface(store, **SMALL), whole)
    assert same(Landscape.load(store), whole)
    with pytest.raises(ValueError, match=r"was begun with .*curvature plane \(now None\)"):
        stored_runs.surface(store, **{**SMALL, "curvature": None})


def test_a_store_without_them_is_another_run(tmp_path):
    stored_runs.surface(tmp_path / "run.zarr", **{**SMALL, "curvature": None})
    with pytest.raises(ValueError, match=r"was begun with .*curvature None \(now plane\)"):
        stored_runs.surface(tmp_path / "run.zarr", **SMALL)


@pytest.mark.parametrize("size", [7, 20])
def test_parts_of_the_data_add_up(tmp_path, whole, size):
    found = stored_runs.surface(tmp_path / "run.zarr", stream_samples=size, **SMALL)
    for name in whole.measures:
        np.testing.assert_allclose(found.measures[name], whole.measures[name], rtol=1e-4, atol=1e-5)
    assert same(stored_runs.surface(tmp_path / "run.zarr", stream_samples=size, **SMALL), found)
    assert found.standard_error is not None


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_processes_share_them(tmp_path):
    with one_thread():
        alone = stored_runs.surface(None, curvature="plane")
    done = several(tmp_path, "derivatives", 2)
    assert done.returncodes == [0, 0], done.stderr
    for rank in range(2):
        assert np.load(tmp_path / f"bend-{rank}.npy").tobytes() == alone.metrics["d2L_dxdy"].tobytes()
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes()


def test_within_a_tolerance_they_are_predicted():
    plan = stored_runs.LEVELS["plan"]  # in two batches, one smaller, where the plan of the other tests takes nine
    options = {"x": (-1, 1, 24), "y": (-1, 1, 24), "curvature": "plane", "samples": 60, "plan": plan}
    every = stored_runs.surface(None, **options)
    found = stored_runs.surface(None, tolerance=0.01, **options)
    assert not found.evaluated.all()
    for name in NAMES:
        exact, known = every.metrics[name], found.evaluated
        np.testing.assert_allclose(found.metrics[name][known], exact[known], rtol=1e-4, atol=1e-5)
        rms = float(np.sqrt(np.square(found.metrics[name] - exact).mean()) / np.ptp(exact))
        assert rms < 0.1  # the tolerance is of the loss
        assert name in found.report["refinement"]["metrics_rms"]


def test_a_draw_of_the_samples_takes_them_along():
    options = {**stored_runs.LEVELS, "curvature": "plane"}
    found = stored_runs.surface(None, **options)
    assert all(np.isfinite(found.metrics[name]).all() for name in NAMES)
    assert found.report["refinement"]["draw_samples"] == 60


@pytest.mark.parametrize("kept", [False, True])
def test_they_are_computed_again(tmp_path, whole, kept):
    made = Landscape.load(whole.save(tmp_path / "made.npz")) if kept else whole
    with one_thread():
        again = made.reproduce(*stored_runs.problem(), progress=False)
    assert same(again, whole)
    assert again.report["curvature"] == "plane"
    assert again.report["differentiated"] == {"by": "forward over forward", "instead": None}


def test_lines_too(tmp_path):
    model, data = stored_runs.problem()
    made = fastscape.line(model, data, x=(-1, 1, 9), curvature="plane", progress=False)
    assert list(made.metrics) == list(derivative_names("x"))
    assert same(made.reproduce(model, data, progress=False), made)
    assert Landscape.load(made.export(tmp_path / "line.csv")).metrics.keys() == made.metrics.keys()


def test_the_models_state_is_put_back():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen = nn.Linear(3, 2), []
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            self.seen.append(x.sum())
            return self.layer(x) * self.calls

    model = Counting()
    data = torch.randn(8, 3), torch.arange(8) % 2
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    plan = Plan("loop", 2)
    plain = fastscape.surface(model, data, x=(-1, 1, 3), y=(-1, 1, 2), plan=plan, progress=False)
    found = fastscape.surface(model, data, x=(-1, 1, 3), y=(-1, 1, 2), plan=plan, curvature="plane", progress=False)
    assert found.loss.tobytes() == plain.loss.tobytes()
    assert np.isfinite(found.gradient()).all()
    assert model.seen == []
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_command_takes_it():
    help_ = CliRunner().invoke(app, ["surface", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert "--curvature" in help_.output
