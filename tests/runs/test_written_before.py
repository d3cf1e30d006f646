"""What version 0.1 has written loads, and is taken up again, with the same values."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.engine import Engine

FILES = Path(__file__).parent.parent / "written_by_0_1"
PLAN = Plan.load(FILES / "plan.json")
COMMON = {"progress": False, "metrics": {"accuracy": fastscape.accuracy}, "precision": "float64"}
SURFACE = {"x": (-1, 1, 4), "y": [-0.5, 0.0, 0.75], "plan": PLAN, **COMMON}
ROUNDS = {"x": (-1, 1, 20), "y": (-1, 1, 20), "tolerance": 0.3, "tolerance_scale": "linear", **COMMON}


def problem() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)
    return model(0), (torch.randn(60, 3, generator=generator), torch.randint(2, (60,), generator=generator))


def model(seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    made = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(generator=generator)
    return made


def assert_same(one: Landscape, other: Landscape, measure: str) -> None:
    """Values are those of before where both evaluated; which points a tolerance evaluates may be others than then."""
    a, b, both = one.values[measure], other.values[measure], one.evaluated & other.evaluated
    assert both.sum() >= min(9, a.size)
    assert np.allclose(a[both], b[both], rtol=1e-12, atol=0)
    if not both.all() and measure == "loss":
        assert np.sqrt(np.square(a - b).mean()) <= 2 * ROUNDS["tolerance"] * np.ptp(a)


def test_a_plan():
    assert Plan("loop", chunk=4, microbatch=20) == PLAN


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("surface", lambda m, data: fastscape.surface(m, data, **SURFACE)),
        ("between", lambda m, data: fastscape.line(m, data, to=model(1), x=(-0.5, 1.5, 5), plan=PLAN, **COMMON)),
        ("tolerance", lambda m, data: fastscape.surface(m, data, **ROUNDS, plan=PLAN)),
    ],
)
def test_landscapes(name, call):
    old, new = Landscape.load(FILES / f"{name}.npz"), call(*problem())
    assert list(old.values) == ["loss", "accuracy"]
    for measure in old.values:
        assert_same(old, new, measure)
    both = old.evaluated & new.evaluated
    assert np.allclose(old.standard_error[both], new.standard_error[both], rtol=1e-12, atol=0)
    assert name == "tolerance" or both.all()
    assert old.axes.keys() == new.axes.keys()
    assert old.labels == new.labels
    assert old.marks == new.marks
    directions = {"directions": [model(1)]} if name == "between" else {}
    again = old.reproduce(*problem(), progress=False, **directions)
    assert_same(again, old, "loss")


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_files_for_other_programs(ending):
    pytest.importorskip("h5py" if ending == "h5" else "csv")
    wanted, found = (Landscape.load(FILES / f"surface.{e}") for e in ("npz", ending))
    for name, values in wanted.values.items():
        np.testing.assert_allclose(found.values[name], values, rtol=1e-15)


@pytest.fixture
def evaluated(monkeypatch):
    """The numbers of points of all chunks that are evaluated."""
    sums, sizes = Engine.sums, []
    monkeypatch.setattr(Engine, "sums", lambda self, points: sizes.append(len(points)) or sums(self, points))
    return sizes


@pytest.mark.parametrize(
    ("name", "options", "left"),
    [
        ("finished", SURFACE, 0),
        ("blocks", SURFACE, 4),
        ("parts", {**SURFACE, "stream_samples": 25, "train_mode": True}, 24),
        ("rounds", {**ROUNDS, "plan": Plan("loop", chunk=40, microbatch=20)}, None),
    ],
)
def test_stores(name, options, left, tmp_path, evaluated):
    pytest.importorskip("zarr")
    store = tmp_path / "run.zarr"
    shutil.copytree(FILES / f"{name}.zarr", store)
    before = Landscape.load(store)
    again = fastscape.surface(*problem(), store=store, **options)
    points = sum(evaluated)
    assert again.report["points_before"] > 0
    assert points == (again.evaluated.sum() - again.report["points_before"] if left is None else left)
    alone = fastscape.surface(*problem(), **options)
    assert_same(again, alone, "loss")
    if name == "finished":
        assert np.allclose(before.loss, alone.loss, rtol=1e-12, atol=0)
    else:
        assert before.report["progress"]["running"] is False


@pytest.mark.parametrize(
    ("option", "function", "named"),
    [
        ("loss", fastscape.accuracy, "fastscape.objective.accuracy"),
        ("metrics", {"a": fastscape.accuracy}, {"a": "fastscape.objective.accuracy"}),
    ],
)
def test_a_function_of_the_library_that_lay_in_another_module(option, function, named, tmp_path, evaluated):
    pytest.importorskip("zarr")
    options = {**SURFACE, option: function, "store": tmp_path / "run.zarr"}
    first = fastscape.surface(*problem(), **options)
    header = json.loads((tmp_path / "run.zarr" / "zarr.json").read_text())
    header["attributes"]["settings"][option] = named  # as version 0.1 wrote it
    del header["attributes"]["checks"]  # which it did not write
    (tmp_path / "run.zarr" / "zarr.json").write_text(json.dumps(header))
    evaluated.clear()
    again = fastscape.surface(*problem(), **options)
    assert evaluated == []
    assert np.array_equal(again.loss, first.loss)
