"""The standard error of the loss as a mean over samples."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Landscape, Plan

GRID = {"x": (-1.0, 1.0, 3), "y": (0.0, 1.0, 2), "precision": "float64", "progress": False}
CENTRE = {"x": (0, 0, 1), "y": (0, 0, 1), "precision": "float64", "progress": False}
INPUTS, CLASSES, NUMBERS = torch.rand(9, 4), torch.arange(9) % 3, torch.rand(9, 3)
MODEL = nn.Linear(4, 3)

LOSSES = {
    "cross-entropy": (F.cross_entropy, CLASSES, F.cross_entropy),
    "module": (nn.CrossEntropyLoss(), CLASSES, F.cross_entropy),
    "smoothed": (functools.partial(F.cross_entropy, label_smoothing=0.1), CLASSES, None),
    "mean squared": (F.mse_loss, NUMBERS, F.mse_loss),
    "Huber module": (nn.HuberLoss(), NUMBERS, F.huber_loss),
    "one value a sample": (lambda o, t: (o - t).abs().sum(1), NUMBERS, None),
}


@pytest.mark.parametrize("batching", ["loop", "vmap"])
@pytest.mark.parametrize("name", LOSSES)
def test_it_is_that_of_the_losses_of_the_samples(name, batching):
    loss, targets, plain = LOSSES[name]
    found = fastscape.surface(MODEL, (INPUTS, targets), loss=loss, plan=Plan(batching, 2, 4), **CENTRE)
    with torch.no_grad():
        outputs, wide = MODEL.double()(INPUTS.double()), targets.double() if targets.is_floating_point() else targets
        MODEL.float()
        if plain is None:
            plain = loss.func if isinstance(loss, functools.partial) else None
        if plain is None:
            each = loss(outputs, wide)
        else:
            options = loss.keywords if isinstance(loss, functools.partial) else {}
            each = plain(outputs, wide, reduction="none", **options)
        each = each.reshape(9, -1).mean(1)
    assert found.loss[0, 0] == pytest.approx(each.mean().item(), rel=1e-12)
    assert found.standard_error[0, 0] == pytest.approx(each.std().item() / 3, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (lambda o, t: F.cross_entropy(o, t), CLASSES),  # nothing is known of it
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), CLASSES),  # no plain mean
        (nn.CrossEntropyLoss(reduction="sum"), CLASSES),
        (F.cross_entropy, CLASSES.where(CLASSES != 1, -100)),  # ignored samples do not count
    ],
)
@pytest.mark.filterwarnings("ignore:the values depend")
def test_without_the_losses_of_the_samples_there_is_none_and_the_loss_stays(loss, targets):
    found = fastscape.surface(MODEL, (INPUTS, targets), loss=loss, plan=Plan("loop", 2, 64), **CENTRE)
    assert found.standard_error is None
    with torch.no_grad():
        assert found.loss[0, 0] == pytest.approx(loss(MODEL.double()(INPUTS.double()), targets).item(), rel=1e-12)
        MODEL.float()


def test_one_sample_has_none():
    assert fastscape.surface(MODEL, (INPUTS[:1], CLASSES[:1]), **CENTRE).standard_error is None


def test_it_has_the_shape_of_the_grid_and_is_kept_in_the_file(tmp_path):
    found = fastscape.surface(MODEL, (INPUTS, CLASSES), metrics={"accuracy": fastscape.accuracy}, **GRID)
    assert found.standard_error.shape == (3, 2)
    assert not found.standard_error.flags.writeable
    again = Landscape.load(found.save(tmp_path / "landscape.npz"))
    assert np.array_equal(again.standard_error, found.standard_error)
    assert list(again.metrics) == ["accuracy"]
    line = fastscape.line(MODEL, (INPUTS, CLASSES), x=(0, 1, 4), progress=False)
    assert line.standard_error.shape == (4,)


def test_it_must_fit_the_axes():
    with pytest.raises(
        ValueError, match=r"standard_error must have shape \(3, 2\), the lengths of the axes, got \(3,\)"
    ):
        Landscape(np.arange(3.0), np.arange(2.0), np.zeros((3, 2)), standard_error=np.zeros(3))
