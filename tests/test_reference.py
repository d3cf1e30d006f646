"""The reference itself, against what can be worked out by hand."""

import numpy as np
import torch
from torch import nn

from cases import CASES, ZOO
from fastscape import reference


def linear() -> nn.Linear:
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    return model


def test_filters_get_the_norm_of_the_models():
    d = {"weight": torch.tensor([[0.0, 2.0], [1.0, 1.0]])}
    assert reference.filter_normalised(d, linear())["weight"].tolist() == [[0.0, 5.0], [0.0, 0.0]]
    assert d["weight"].tolist() == [[0.0, 2.0], [1.0, 1.0]]


def test_a_direction_of_zeros_stays_zero():
    assert not reference.filter_normalised({"weight": torch.zeros(2, 2)}, linear())["weight"].any()


def test_a_surface_worked_out_by_hand():
    d1, d2 = {"weight": torch.tensor([[1.0, 0.0], [0.0, 0.0]])}, {"weight": torch.tensor([[0.0, 0.0], [0.0, 1.0]])}
    values = reference.surface(
        linear(), (torch.tensor([[1.0, 10.0]]), torch.zeros(1)), (d1, d2), [0.0, 1.0], [0.0, 2.0, 3.0],
        loss=lambda outputs, targets: outputs.sum(),
    )  # fmt: skip
    assert values.tolist() == [[43.0, 63.0, 73.0], [44.0, 64.0, 74.0]]


def test_the_naive_loop_gives_the_same_surface_and_leaves_the_model():
    for name in ("mlp", "resnet8"):
        case = ZOO[name]()
        d = {name: torch.randn_like(p) for name, p in case.model.named_parameters() if p.dim() > 1}
        before = [p.clone() for p in case.model.parameters()]
        grid = (d, d), [-0.1, 0.0], [0.0, 0.1, 0.2]
        naive = reference.surface_naive(case.model, case.inputs, case.targets, *grid)
        plain = reference.surface(case.model, (case.inputs, case.targets), *grid, dtype=torch.float32)
        np.testing.assert_allclose(naive, plain, rtol=1e-5)
        assert all(torch.equal(a, b) for a, b in zip(before, case.model.parameters(), strict=True))


def test_every_filter_of_odd_layers_is_scaled_once():
    model = CASES["odd parameters"]().model
    d = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    normalised = reference.filter_normalised(d, model)
    for name, p in model.named_parameters():
        assert torch.isclose(normalised[name].norm(), p.norm())
