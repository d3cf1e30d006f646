"""Weights are swapped into a model and out again: as torch's own `functional_call` does it, by another way."""

import copy
import weakref
from unittest import mock

import pytest
import torch
from torch import nn

from fastscape.model import calling
from fastscape.model.calling import at_weights


class Odd(nn.Module):
    """Tied weights, a module in two places, a buffer that is not there, and one that is replaced on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.third = self.first
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("nothing", None)
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.norm(self.third(self.second(self.first(x)))) * self.scale
        self.scale = self.scale + 1
        return out if self.nothing is None else out + self.nothing


X = torch.randn(5, 3)


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: torch.randn_like(t).abs() if t.is_floating_point() else t.clone() for name, t in named.items()}


def evaluated(model: nn.Module, weights: dict[str, torch.Tensor], *, custom: bool = False) -> torch.Tensor:
    return at_weights(model, weights, lambda call, x, _: call(x), X, 5, custom=custom)


def by_torch(model: nn.Module, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """By a copy: torch leaves other weights in a module that stands in two places."""
    with mock.patch.object(torch.compiler, "is_compiling", return_value=True):
        return evaluated(copy.deepcopy(model), weights)


@pytest.mark.parametrize("custom", [False, True])
def test_it_is_what_torch_gives_and_the_model_is_as_before(custom):
    model = Odd().eval()
    before = {name: id(t) for name, t in (*model.named_parameters(), *model.named_buffers())}
    order = list(model.state_dict())
    for _ in range(3):
        weights = weights_of(model)
        assert torch.equal(evaluated(model, weights, custom=custom), by_torch(model, weights))
    assert {name: id(t) for name, t in (*model.named_parameters(), *model.named_buffers())} == before
    assert list(model.state_dict()) == order


def test_other_names_find_other_places():
    model = Odd().eval()
    weights = weights_of(model)
    without = evaluated(model, weights)
    more = {**weights, "nothing": torch.ones(3)}
    assert torch.equal(evaluated(model, more), without + 1)
    assert torch.equal(evaluated(model, weights), without)
    del weights["first.weight"]
    weights["second.weight"] = torch.zeros(3, 3)  # the other name of it
    assert torch.equal(evaluated(model, weights), by_torch(model, weights))


def test_an_error_leaves_the_model_as_it_was():
    class Failing(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("mine")

    model = Failing(3, 3)
    before = model.weight
    with pytest.raises(KeyError, match="mine"):
        evaluated(model, weights_of(model))
    assert model.weight is before


def test_a_name_that_the_model_does_not_have_is_left_to_torch():
    model = nn.Linear(3, 3)
    with mock.patch.object(calling, "_called_by_torch", return_value="torch") as asked:
        assert evaluated(model, {**weights_of(model), "other": torch.zeros(3)}) == "torch"
    asked.assert_called_once()


def test_models_that_compare_as_equal_are_not_mixed_up():
    class Alike(nn.Linear):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Alike)

        def __hash__(self) -> int:
            return 1

    one = Alike(3, 3)
    other = copy.deepcopy(one)
    weights = weights_of(one)
    assert torch.equal(evaluated(one, weights), evaluated(other, weights))
    assert not torch.equal(evaluated(one, weights), one(X))


def test_nothing_is_kept_of_a_model_that_is_gone():
    model = nn.Linear(3, 3)
    evaluated(model, weights_of(model))
    assert model in calling._known
    gone = weakref.ref(model)
    del model
    assert gone() is None
