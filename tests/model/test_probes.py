"""What the report says of the model itself, and by what model and data are known again."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import EVERY
from fastscape import Plan
from fastscape.model import DataHash, fixed_samples, hash_of_weights

GRID = {"x": (-1, 1, 2), "y": (0, 0, 1), "progress": False}
INPUTS, TARGETS = torch.rand(9, 4), torch.arange(9) % 3
CPU = torch.device("cpu")


def model_of(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("name", EVERY)
def test_the_loss_at_the_model_agrees_with_the_model_itself(name):
    case = EVERY[name]()
    report = fastscape.surface(case.model, case.given, **case.options, **GRID).report
    centre = report["centre"]
    assert centre["difference"] == abs(centre["loss"] - centre["plain"]) / max(abs(centre["plain"]), 1e-3)
    assert centre["difference"] < 1e-5
    assert report["deterministic"]


@pytest.mark.parametrize("batchnorm", ["running", "batch", "recalibrate"])
@pytest.mark.parametrize("training", [True, False])
def test_in_every_mode(batchnorm, training):
    report = fastscape.surface(
        model_of(), (INPUTS, TARGETS), batchnorm=batchnorm, train_mode=training, **GRID
    ).report  # fmt: skip
    assert report["centre"]["difference"] < 1e-6
    half = fastscape.surface(model_of(), (INPUTS, TARGETS), batchnorm=batchnorm, precision="bfloat16", **GRID).report
    assert 1e-6 < half["centre"]["difference"] < 0.05


def test_the_loss_at_the_model_is_that_of_the_centre():
    found = fastscape.surface(model_of(), (INPUTS, TARGETS), x=(0, 0, 1), y=(0, 0, 1), progress=False)
    assert found.report["centre"]["loss"] == pytest.approx(found.loss[0, 0], rel=1e-6)


def test_weights_outside_of_the_model_are_noticed():
    hidden = nn.Linear(4, 3)

    class Outside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 3))
            self.calls = [0]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # Another result when its own parameters are swapped for plain tensors, as for every grid point.
            swapped = not isinstance(self.scale, nn.Parameter)
            return hidden(x) @ self.scale + (5.0 * torch.eye(3)[0] if swapped else 0.0)

    with pytest.raises(ValueError, match=r"with other weights loaded into a copy of it, Outside gives a loss"):
        fastscape.surface(Outside(), (INPUTS, TARGETS), **GRID)


def test_values_that_do_not_repeat_are_noticed():
    generator = torch.Generator()  # of its own, so that nothing seeds it
    noisy = lambda o, t: F.cross_entropy(o + torch.rand(o.shape, generator=generator), t)  # noqa: E731
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        found = fastscape.surface(model_of(), (INPUTS, TARGETS), loss=noisy, plan=Plan("loop", 2), **GRID)
    assert not found.report["deterministic"]
    assert any("two evaluations of the same point differ: usual causes" in str(w.message) for w in given)


def test_the_norms_of_the_directions():
    model = model_of()
    norms = fastscape.surface(model, (INPUTS, TARGETS), normalize="layer", **GRID).report["norms"]
    weights = torch.cat([p.detach().flatten() for p in model.parameters() if p.dim() > 1])
    assert norms.keys() == {"theta", "d1", "d2"}
    for length in norms.values():
        assert length == pytest.approx(weights.norm().item(), rel=1e-5)
    line = fastscape.line(model, (INPUTS, TARGETS), x=(0, 1, 2), progress=False)
    assert line.report["norms"].keys() == {"theta", "d1"}


def test_hashes_tell_weights_and_data_apart():
    model, same, other = model_of(), model_of(), model_of(1)
    assert hash_of_weights(model) == hash_of_weights(same) != hash_of_weights(other)
    with torch.no_grad():
        same[1].running_mean[2] += 1e-6
    assert hash_of_weights(model) != hash_of_weights(same)

    def data(pair, batch=None):
        given = pair if batch is None else list(zip(pair[0].split(batch), pair[1].split(batch), strict=True))
        whole = DataHash()
        whole.update(fixed_samples(given, device=CPU, dtype=torch.float32))
        return whole.hexdigest()

    reference = data((INPUTS, TARGETS))
    assert data((INPUTS, TARGETS), batch=2) == reference  # whatever the batches
    assert data((INPUTS.flip(0), TARGETS.flip(0))) != reference
    assert data((INPUTS, TARGETS.flip(0))) != reference
    assert hash_of_weights(nn.Linear(2, 2, dtype=torch.bfloat16))  # numpy has no such numbers


def test_low_memory_has_no_second_copy_of_the_model():
    report = fastscape.surface(model_of(), (INPUTS, TARGETS), low_memory=True, **GRID).report
    assert report["centre"]["plain"] is None
    assert np.isfinite(report["centre"]["loss"])
