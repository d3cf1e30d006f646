"""Few samples are probed where they tell of all; else all are."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import AXIS
from torch import nn

import fastscape
from fastscape.model import probed_samples

SAMPLES, LATE = 5000, 2500


@pytest.fixture(autouse=True)
def _worthwhile(monkeypatch):
    monkeypatch.setattr(probed_samples, "WORTH", 0)


def given(targets=None):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(SAMPLES, 6, generator=generator)
    return inputs, torch.randint(3, (SAMPLES,), generator=generator) if targets is None else targets


def model():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def surface(data, **options):
    return fastscape.surface(model(), data, x=AXIS, y=AXIS, progress=False, **options)


def test_few_samples_are_probed_where_they_tell_of_all():
    found = surface(given())
    centre = found.report["centre"]
    assert centre["samples"] < SAMPLES / 4
    assert centre["difference"] < 1e-6
    assert found.report["warnings"] == []


def test_a_large_grid_has_the_loss_of_all_samples_at_its_centre():
    found = fastscape.surface(model(), given(), x=(-1, 1, 9), y=(-1, 1, 9), progress=False)
    assert found.report["centre"]["samples"] == SAMPLES
    assert found.report["centre"]["loss"] == pytest.approx(found.loss[4, 4], rel=1e-6)


def weighted(outputs, targets):
    return F.cross_entropy(outputs, targets, torch.tensor([1.0, 1.0, 50.0], dtype=outputs.dtype))


LATE_TARGETS = {
    "ignored": (torch.where(torch.arange(SAMPLES) == LATE, -100, torch.arange(SAMPLES) % 3), F.cross_entropy),
    "weighted": (torch.where(torch.arange(SAMPLES) == LATE, 2, torch.arange(SAMPLES) % 2), weighted),
    "sorted": (torch.arange(SAMPLES) * 3 // SAMPLES, weighted),
}


@pytest.mark.parametrize("kind", LATE_TARGETS)
def test_a_single_late_target_is_seen(kind):
    """It lies in no batch that is probed; the values are those of the batch that was given all the same."""
    targets, loss = LATE_TARGETS[kind]
    found = fastscape.surface(model(), given(targets), loss=loss, x=(-1, 1, 3), y=(-1, 1, 3), progress=False)
    assert found.report["plan"]["microbatch"] == SAMPLES
    with torch.no_grad():
        centre = float(loss(model()(given()[0]), targets))
    assert found.loss[1, 1] == pytest.approx(centre, rel=1e-6)


def test_a_model_that_depends_on_its_batch_is_seen_on_few_samples():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(x - x.mean(0))

    inputs, targets = given()
    found = fastscape.surface(Centred(), (inputs, targets), x=AXIS, y=AXIS, progress=False)
    assert found.report["plan"]["microbatch"] == SAMPLES


def test_values_are_those_of_all_samples():
    inputs, targets = given()
    few = surface((inputs, targets))
    plain = surface((inputs, targets), plan=fastscape.Plan("loop", 4, 64))
    np.testing.assert_allclose(few.loss, plain.loss, rtol=1e-6)


def test_what_cannot_be_told_from_outputs_is_probed_on_all_samples():
    def picky(outputs, targets):
        if outputs.dtype != torch.float32:
            raise TypeError("float32 alone")
        return F.cross_entropy(outputs, targets)

    assert surface(given(), loss=picky).report["centre"]["samples"] == SAMPLES
