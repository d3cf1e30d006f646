"""Data sets, classes, derivatives and repeats in one call: each is what it is in a call by itself."""

import numpy as np
import pytest
import torch
from torch import nn

import fastscape


@pytest.fixture(scope="module")
def given():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    sets = {"train": 50, "test": 31}
    return model, {name: (torch.randn(n, 4).double(), torch.arange(n) % 3) for name, n in sets.items()}


GRID = {"x": (-0.5, 0.5, 5), "y": (-0.5, 0.5, 4), "progress": False, "plan": fastscape.Plan("loop", 4)}
EVERY = {"repeats": 3, "curvature": "plane", "per_class": True, "metrics": {"accuracy": fastscape.accuracy}}


def test_each_is_what_it_is_alone(given):
    model, sets = given
    found = fastscape.surface(model, sets, **EVERY, **GRID)
    seed = found.report["seeds"][1]
    alone = fastscape.surface(model, sets["train"], curvature="plane", seed=seed, **GRID)
    test = fastscape.surface(model, sets["test"], per_class=True, seed=seed, **GRID)
    for name, grid in alone.measures.items():
        np.testing.assert_array_equal(found.repeats[name][1], grid, err_msg=name)
    for name, grid in test.measures.items():
        np.testing.assert_array_equal(found.repeats[f"{name} of test"][1], grid, err_msg=name)
    assert {"dL_dx", "d2L_dxdy", "accuracy of class 2 of test", "spread of dL_dx"} <= found.measures.keys()
    assert repr(found).endswith("more)")


def test_stores_files_and_a_second_computation(given, tmp_path):
    model, sets = given
    options = {**EVERY, **GRID, "store": tmp_path / "run.zarr"}
    first = fastscape.surface(model, sets, **options)
    again = fastscape.surface(model, sets, **options)
    back = fastscape.Landscape.load(first.save(tmp_path / "file.npz"))
    reproduced = first.reproduce(model, sets)
    for other in (again, back, reproduced, fastscape.Landscape.load(tmp_path / "run.zarr")):
        assert list(other.measures) == list(first.measures)
        for name, grid in first.measures.items():
            np.testing.assert_allclose(other.measures[name], grid, rtol=1e-12, atol=1e-14, err_msg=name)


def test_within_a_tolerance_and_along_an_axis_that_is_chosen(given):
    model, sets = given
    wide = {**GRID, "x": ("auto", 21), "y": (-0.5, 0.5, 21), "curvature": "plane"}
    found = fastscape.surface(model, sets, tolerance=0.05, **wide)
    exact = fastscape.surface(model, sets, **{**wide, "x": list(found.x)})
    for name in ("loss", "loss of test", "dL_dx", "d2L_dy2"):
        known = found.evaluated
        np.testing.assert_allclose(found.measures[name][known], exact.measures[name][known], rtol=1e-12, atol=1e-14)
    assert not found.evaluated.all()


def test_curvature_at_a_point_is_of_the_first_set(given):
    model, sets = given
    both = fastscape.hessian(model, sets, k=2, progress=False).eigenvalues
    np.testing.assert_array_equal(both, fastscape.hessian(model, sets["train"], k=2, progress=False).eigenvalues)
