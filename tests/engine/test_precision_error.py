"""Reduced precision: near float32, the error said, and nothing accepted that cannot work."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import CASES
from fastscape.engine.precision_error import spread

GRID = {"x": (-1.0, 1.0, 4), "y": (-1.0, 1.0, 3), "progress": False}


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("name", ["mlp", "mnist-cnn", "resnet8"])
def test_bfloat16_is_near_float32_and_the_report_says_how_near(name, low_memory):
    case = CASES[name]()
    data = case.inputs, case.targets
    options = {"loss": case.loss, "low_memory": low_memory, **GRID}
    wide = fastscape.surface(case.model, data, precision="float32", **options)
    narrow = fastscape.surface(case.model, data, precision="bfloat16", **options)
    error = np.abs(narrow.loss - wide.loss).max() / np.abs(wide.loss).max()
    assert 0 < error < 0.05
    said = narrow.report["precision_error"]
    assert said["points"] == 5
    assert 0 <= said["rms"] <= said["largest"] <= error * 1.5
    assert wide.report["precision_error"] is None
    assert narrow.loss.dtype == np.float64


def test_the_error_is_that_of_the_points_it_names():
    case = CASES["mlp"]()
    data = case.inputs, case.targets
    wide = fastscape.surface(case.model, data, loss=case.loss, **GRID).loss.flatten()
    narrow = fastscape.surface(case.model, data, loss=case.loss, precision="bfloat16", **GRID)
    chosen = spread(torch.zeros(12, 2)).numpy()
    assert chosen.tolist() == [0, 2, 5, 8, 11]
    difference = (narrow.loss.flatten() - wide)[chosen] / np.abs(wide[chosen]).max()
    assert narrow.report["precision_error"]["largest"] == pytest.approx(np.abs(difference).max(), rel=1e-3)
    assert narrow.report["precision_error"]["rms"] == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-3)


class Watching(nn.Module):
    """Notes the dtypes that reach a layer and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.seen: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.norm(self.linear(x))
        SEEN.extend([x.dtype, self.linear.weight.dtype, self.norm.running_var.dtype, out.dtype])
        return out


SEEN: list[torch.dtype] = []


def test_what_is_narrow_and_what_is_not():
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        SEEN.extend([outputs.dtype, targets.dtype])
        return F.mse_loss(outputs, targets)

    SEEN.clear()
    data = torch.randn(6, 3), torch.randn(6, 4)
    fastscape.surface(Watching(), data, loss=loss, precision="bfloat16", plan=fastscape.Plan("loop", 1), **GRID)
    narrow, wide = torch.bfloat16, torch.float32
    assert SEEN[:6] == [narrow, narrow, wide, narrow, wide, wide]


@pytest.mark.parametrize("perturb", ["weights", "all", "states"])
def test_every_selection_works(perturb):
    data = torch.randn(6, 3), torch.randn(6, 4)
    landscape = fastscape.surface(
        Watching(), data, loss=F.mse_loss, precision="bfloat16", perturb=perturb, x=(0, 0.1, 2), y=(0, 0.1, 2)
    )
    assert np.isfinite(landscape.loss).all()


@pytest.mark.filterwarnings("ignore:the loss at the model itself is nan")
def test_points_that_are_not_finite_are_left_out_of_the_error():
    data = torch.randn(6, 3), torch.randn(6, 4)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, targets).clamp(max=0.0) + torch.nan

    said = fastscape.surface(nn.Linear(3, 4), data, loss=loss, precision="bfloat16", **GRID).report["precision_error"]
    assert said == {"points": 0, "largest": None, "rms": None}


def test_float16_is_refused_on_a_cpu():
    data = torch.randn(6, 3), torch.randn(6, 4)
    with pytest.raises(ValueError, match="write precision='bfloat16'"):
        fastscape.surface(nn.Linear(3, 4), data, loss=F.mse_loss, precision="float16", device="cpu")
