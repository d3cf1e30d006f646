"""A loss at the model that is NaN or infinite is warned of, with what was found."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape

INPUTS, TARGETS = torch.rand(8, 4), torch.arange(8) % 3
GRID = {"x": (-1, 1, 3), "y": (-1, 1, 2), "progress": False}


def broken(value: float) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = INPUTS.clone()
    inputs[3, 2] = value
    return inputs, TARGETS


def diverged(where: str) -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)).eval()
    model.register_buffer("mask", torch.full((2,), -torch.inf))  # on purpose, and read by nothing
    with torch.no_grad():
        dict(model.state_dict())[where][0] = torch.nan
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_of_the_data(value):
    with pytest.warns(UserWarning, match="^the loss at the model itself is nan: the data hold NaN or infinite "):
        found = fastscape.surface(nn.Linear(4, 3), broken(value), **GRID)
    assert len(found.report["warnings"]) == 1
    assert found.report["not_finite"]["loss"]["nan"] == 6


@pytest.mark.parametrize("where", ["0.weight", "1.running_mean"])
def test_of_the_weights(where):
    with pytest.warns(UserWarning, match=rf"itself is nan: {where} of the model holds such values$"):
        fastscape.surface(diverged(where), (INPUTS, TARGETS), **GRID)


def test_of_the_loss_or_the_precision():
    said = r"^the loss at the model itself is inf: data and weights are finite, so it arises .*, in {}"
    with pytest.warns(UserWarning, match=said.format(r"float32; try precision='float64'$")):
        found = fastscape.surface(
            nn.Linear(4, 3), (INPUTS, TARGETS), loss=lambda o, t: 1e30 * o.exp().sum() * 1e30, **GRID
        )
    assert np.isinf(found.loss).all()
    assert len(found.report["warnings"]) == 1  # an infinite loss is the same everywhere, which says nothing
    with pytest.warns(UserWarning, match=said.format("float64$")):
        fastscape.surface(
            nn.Linear(4, 3), (INPUTS, TARGETS), loss=lambda o, t: o.square().sum() / 0, precision="float64", **GRID
        )


def test_in_a_precision_that_does_not_suffice():
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        narrow = outputs.bfloat16().float() == outputs  # as outputs in float32 are not
        return F.cross_entropy(outputs, targets, reduction="none") + torch.where(narrow.all(), torch.nan, 0.0)

    said = (
        r"^the loss at the model itself is nan, and [\d.]+ when it is called by itself: data and .*, in bfloat16; try"
    )
    with pytest.warns(UserWarning, match=said):
        found = fastscape.surface(nn.Linear(4, 3), (INPUTS, TARGETS), loss=loss, precision="bfloat16", **GRID)
    assert len(found.report["warnings"]) == 1


def test_what_the_plain_model_says_is_said_once():
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        narrow = outputs.bfloat16().float() == outputs
        return F.cross_entropy(outputs, targets, reduction="none") + torch.where(narrow.all(), torch.inf, 0.0)

    with pytest.warns(UserWarning, match="^the loss at the model is inf, but the model itself, called on the same"):
        found = fastscape.surface(nn.Linear(4, 3), (INPUTS, TARGETS), loss=loss, precision="bfloat16", **GRID)
    assert len(found.report["warnings"]) == 1


def test_samples_that_come_later():
    data = (torch.cat([INPUTS, broken(float("nan"))[0]]), torch.cat([TARGETS, TARGETS]))
    with pytest.warns(UserWarning, match="^the loss is finite at no point, although it is at the model on the first"):
        found = fastscape.surface(nn.Linear(4, 3), data, stream_samples=8, **GRID)
    assert np.isnan(found.loss).all()
    assert len(found.report["warnings"]) == 1


def test_nothing_is_said_of_points_far_away():
    model = copy.deepcopy(nn.Linear(4, 3))
    far = {**GRID, "x": [0.0, 1e30], "y": [0.0, 1e30]}
    found = fastscape.surface(model, (INPUTS, TARGETS), loss=lambda o, t: o.square().mean(), **far)
    assert not np.isfinite(found.loss).all()
    assert found.report["warnings"] == []
