"""Functions in the form for vmap give what torch's own give."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.engine.layers import losses as batched
from fastscape.engine.layers.losses import BatchedFunctions, cross_entropy
from tolerance import assert_close

OUTPUTS = (
    torch.randn(4, 9, 5, dtype=torch.float64)
    * torch.tensor([1.0, 50.0, 1e3, 1e-3], dtype=torch.float64)[:, None, None]
)
TARGETS = torch.randint(5, (9,))
PARTLY = TARGETS.where(torch.arange(9) % 3 > 0, -100)


def batched_and_plain(loss, outputs, targets):
    def inside(x):
        with BatchedFunctions():
            return loss(x, targets)

    return torch.vmap(inside)(outputs), torch.stack([loss(x, targets) for x in outputs])


LOSSES = {
    "mean": F.cross_entropy,
    "sum": lambda x, t: F.cross_entropy(x, t, reduction="sum"),
    "none": lambda x, t: F.cross_entropy(x, t, reduction="none"),
    "named": lambda x, t: F.cross_entropy(input=x, target=t),
    "module": nn.CrossEntropyLoss(),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "weighted": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64)),
    "ignoring": lambda x, t: F.cross_entropy(x, t.clamp(min=0), ignore_index=2),
    "other": lambda x, t: F.nll_loss(F.log_softmax(x, 1), t),
}


@pytest.mark.parametrize("targets", [TARGETS, PARTLY], ids=["all", "some ignored"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_form_of_cross_entropy(loss, targets):
    fast, plain = batched_and_plain(LOSSES[loss], OUTPUTS, targets)
    assert_close(fast.numpy(), plain.numpy(), 1e-12)


def test_a_nearly_perfect_fit_is_not_rounded_away():
    """Scores of 1000 and a loss of 1e-7: log-sum-exp minus the score would give 0 in float32."""
    outputs = torch.tensor([[1000.0, 984.0], [984.0, 1000.0]])
    fast, plain = cross_entropy(outputs, torch.tensor([0, 1])), F.cross_entropy(outputs.double(), torch.tensor([0, 1]))
    assert plain > 1e-8
    assert abs(fast - plain) < 1e-7 * plain + 1e-8
    assert fast > 0


def test_class_probabilities_and_images_take_torchs_way(monkeypatch):
    monkeypatch.setattr(batched, "cross_entropy", lambda *arguments: pytest.fail("not for these"))
    for shape, targets in [((4, 9, 5), torch.rand(9, 5).double()), ((4, 9, 5, 2), torch.randint(5, (9, 2)))]:
        outputs = torch.randn(shape, dtype=torch.float64)
        fast, plain = batched_and_plain(F.cross_entropy, outputs, targets)
        assert_close(fast.numpy(), plain.numpy(), 1e-12)


def test_the_engine_uses_it_under_vmap_alone(monkeypatch):
    seen = []
    monkeypatch.setattr(batched, "cross_entropy", lambda *a: seen.append(a) or cross_entropy(*a))
    model, data = nn.Linear(3, 4), (torch.randn(6, 3), torch.randint(4, (6,)))
    options = {"x": (0, 1, 2), "y": (0, 1, 2), "progress": False, "precision": "float64"}
    looped = fastscape.surface(model, data, plan=Plan("loop", 2), **options)
    assert not seen
    mapped = fastscape.surface(model, data, plan=Plan("vmap", 2), **options)
    assert seen
    assert_close(mapped.loss, looped.loss, 1e-12)
