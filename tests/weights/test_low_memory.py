"""low_memory=True: the same landscape, with the directions computed anew wherever they are read."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from cases import CASES
from fastscape.kernels import Seeded
from fastscape.weights import (
    Place,
    Random,
    basis_of,
    basis_seeded,
    direction_random,
    layout_of,
    norms,
    tensors_of,
)
from fastscape.weights.precision import Precision
from fastscape.weights.schemes import LINES, SURFACES
from tolerance import FLOAT32, assert_as_accurate, assert_close

CPU = torch.device("cpu")
SMALL = {"x": (-1.0, 1.0, 3), "y": (-0.5, 1.0, 2), "progress": False}
WALKS = {"loss": nn.functional.mse_loss, "precision": "float64", "progress": False}


class Mixed(nn.Module):
    """Segments of many lengths with padding behind them, and batch normalisation for the states."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.linear = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(self.convolution(x[:, None])).flatten(1))


@pytest.fixture
def problem() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    model = Mixed()
    model(torch.randn(20, 6))  # running statistics that are not 0 and 1
    return model, (torch.randn(9, 6), torch.randn(9, 5))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"vgg13"}))  # its 26 million weights show nothing new
def test_the_surface_is_the_same_for_every_model(name):
    case = CASES[name]()
    options = {"loss": case.loss, "seed": 3, **SMALL}
    data = case.inputs, case.targets
    truth = fastscape.surface(case.model, data, precision="float64", **options)
    again = fastscape.surface(case.model, data, precision="float64", low_memory=True, **options)
    assert_close(again.loss, truth.loss)
    stored, seeded = (fastscape.surface(case.model, data, low_memory=low, **options) for low in (False, True))
    assert_as_accurate(seeded.loss, stored.loss, truth.loss, FLOAT32)


@pytest.mark.parametrize("normalize", [*norms.NORMS, None])
@pytest.mark.parametrize("scheme", SURFACES)
def test_every_scheme_and_norm(problem, scheme, normalize):
    options = {**WALKS, "x": (-0.5, 1.0, 3), "y": (-1.0, 1.0, 2), "scheme": scheme, "normalize": normalize}
    stored, seeded = (fastscape.surface(*problem, low_memory=low, **options) for low in (False, True))
    assert_close(seeded.loss, stored.loss)
    assert seeded.report["cosine"] == pytest.approx(stored.report["cosine"], abs=1e-12)
    assert seeded.report["marks"] == stored.report["marks"]


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
@pytest.mark.parametrize("perturb", ["weights", "weights+bias", "all", "states"])
@pytest.mark.parametrize("scheme", LINES)
def test_every_line_distribution_and_selection(problem, scheme, perturb, distribution):
    options = {**WALKS, "x": (-0.3, 0.3, 4), "scheme": scheme, "perturb": perturb, "distribution": distribution}
    stored, seeded = (fastscape.line(*problem, low_memory=low, **options) for low in (False, True))
    assert_close(seeded.loss, stored.loss)


@pytest.mark.parametrize("normalize", norms.NORMS)
def test_the_basis_is_that_of_the_stored_directions(normalize):
    model = Mixed()
    layout = layout_of(model, "states")
    theta, place = tensors_of(model), Place(CPU, Precision(torch.float64, torch.float64))
    drawn = [partial(direction_random, layout, 5, k) for k in (0, 1)]
    stored = basis_of(theta, layout, drawn, normalize, place)
    seeded = basis_seeded(theta, layout, Random(5), normalize, place, count=2)
    assert isinstance(seeded.vectors, Seeded)
    torch.testing.assert_close(seeded.gram, stored.gram, rtol=1e-12, atol=1e-14)
    still = ~layout.drawn
    assert still.any()
    assert (seeded.factors[still, 1:] == 0).all()  # the padding and the running variance
    lengths = layout.segments.starts.diff()
    rows = seeded.vectors.rows(0, layout.size) * seeded.factors.repeat_interleave(lengths, dim=0).T
    torch.testing.assert_close(rows, stored.vectors, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("normalize", ["filter", "weight"])
def test_the_triton_kernels_give_the_same_surface(problem, normalize):
    """In the interpreter, where there is no GPU."""
    options = {**WALKS, **SMALL, "normalize": normalize, "plan": fastscape.Plan("loop", 2, kernels="triton")}
    stored, seeded = (fastscape.surface(*problem, low_memory=low, **options) for low in (False, True))
    assert_close(seeded.loss, stored.loss)


@pytest.mark.parametrize("low_memory", [False, True])
def test_the_default_device_does_not_matter(problem, low_memory):
    """What belongs on the CPU is put there: "meta" stands for a GPU that this machine may not have."""
    wanted = fastscape.surface(*problem, **{**WALKS, **SMALL}, low_memory=low_memory)
    torch.set_default_device("meta")
    try:
        result = fastscape.surface(*problem, **{**WALKS, **SMALL}, low_memory=low_memory)
    finally:
        torch.set_default_device(None)
    assert np.array_equal(result.loss, wanted.loss)


def test_the_report_says_so_and_keeps_the_seed(problem):
    report = fastscape.surface(*problem, **{**WALKS, **SMALL}, seed=8, low_memory=True).report
    assert (report["low_memory"], report["seed"], report["directions"]) == (True, 8, "random")


def test_a_users_scheme_works_too(problem):
    def rotated(gram: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.ones_like(alpha), alpha + beta, alpha - beta], dim=-1)[:, None, :]

    options = {**WALKS, **SMALL, "scheme": rotated}
    stored, seeded = (fastscape.surface(*problem, low_memory=low, **options) for low in (False, True))
    assert_close(seeded.loss, stored.loss)
    assert np.ptp(stored.loss) > 0


def test_directions_of_the_users_own_must_be_kept(problem):
    with pytest.raises(ValueError, match="and to gives a direction, which memory must hold; leave out low_memory"):
        fastscape.line(*problem, to=problem[0], low_memory=True)
