"""Models that keep, cache, draw or write in a forward pass, or reach their weights in odd ways, obey the law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import AXIS, by_law, directions_of
from odd_models import (
    Base,
    CachedMethod,
    CachedProperty,
    Containers,
    Generators,
    HookOnFirstCall,
    Lambda,
    LambdasInADict,
    ListOfWeights,
)
from torch import Tensor, nn

import fastscape
from cases import ODD
from fastscape import Plan
from fastscape.model import Objective, fixed_samples, named, observed, problem_of
from fastscape.weights import PRECISIONS, Place

X, Y = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 3
BATCHES = [(X[:5], Y[:5]), (X[5:], Y[5:])]


def cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0].clone()), batch[1])


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    "plan", ["auto", Plan("loop", 4), Plan("loop", 4, workers=2)], ids=["auto", "loop", "threads"]
)
@pytest.mark.parametrize("kind", ODD.values(), ids=ODD)
def test_the_law(kind, plan):
    model = kind()
    if kind is Generators and isinstance(plan, Plan) and plan.workers > 1:
        with pytest.raises(ValueError, match="draws random numbers, which workers"):
            fastscape.surface(model, BATCHES, plan=plan, x=AXIS, y=AXIS)
        return
    directions = directions_of(model)
    right = by_law(kind, model, BATCHES, cross_entropy, directions)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = fastscape.surface(model, BATCHES, directions=directions, x=AXIS, y=AXIS, plan=plan, progress=False)
    np.testing.assert_allclose(found.loss, right, rtol=1e-12)
    assert found.report["warnings"] == []
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", [HookOnFirstCall, CachedProperty, CachedMethod, Lambda])
def test_it_does_not_matter_whether_the_model_was_called_before(kind):
    model = kind()
    directions = directions_of(model)
    right = by_law(kind, model, BATCHES, cross_entropy, directions)
    cross_entropy(model, BATCHES[0])
    found = fastscape.surface(model, BATCHES, directions=directions, x=AXIS, y=AXIS, progress=False)
    np.testing.assert_allclose(found.loss, right, rtol=1e-12)


def test_what_hooks_write_to_stays_the_users():
    model, seen, features = Base(), [], {}

    def remember(_m, _i, out):
        seen.append(out)
        features["last"] = out

    model.a.register_forward_hook(remember)
    fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    assert seen == []
    assert features == {}
    model(X)
    assert len(seen) == 1


def test_the_users_own_functions_are_not_replaced():
    model = LambdasInADict()
    encode, first = model.steps["a"], model.steps["b"][0]
    fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    assert model.steps["a"] is encode
    assert model.steps["b"][0] is first
    assert encode.__closure__[0].cell_contents is model


def test_results_that_a_class_keeps_are_not_touched():
    model = CachedMethod()
    kept = model.doubled()
    fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    assert model.doubled() is kept
    assert "doubled" not in vars(model)


def test_what_changes_at_some_points_only_is_warned_of():
    class Sometimes(Base):
        def set_up(self):
            self.seen = []

        def forward(self, x):
            if self.a.weight[0, 0] > 5:
                self.seen.append(1)
            return super().forward(x)

    direction = {"a.weight": torch.ones(5, 4, dtype=torch.float64), "b.weight": torch.ones(3, 5, dtype=torch.float64)}
    model = Sometimes()
    with pytest.warns(UserWarning, match="at some points the forward pass has changed seen of the model"):
        found = fastscape.line(
            model, BATCHES, directions=[direction], x=[0.0, 1.0, 9.0], plan=Plan("loop", 1), progress=False
        )
    assert "changed seen" in found.report["warnings"][0]
    assert model.seen == []


@pytest.mark.parametrize("kind", [Base, Lambda, ListOfWeights])
def test_a_model_that_changes_nothing_pays_nothing(kind):
    model, place = kind(), Place(torch.device("cpu"), PRECISIONS["float64"], own=True)
    samples = fixed_samples(BATCHES, device=place.device, dtype=torch.float64, join=False)
    moving = {"a.weight", "b.weight"}
    problem = problem_of(model, moving, Objective(), samples, place)
    found = observed(problem, {name: model.get_parameter(name).detach() for name in moving}, 64).problem.footprint
    assert found.nothing
    assert not found.draws


def test_exactly_what_changes_is_put_back():
    model, place = Containers(), Place(torch.device("cpu"), PRECISIONS["float64"], own=True)
    samples = fixed_samples(BATCHES, device=place.device, dtype=torch.float64, join=False)
    problem = problem_of(model, {"a.weight"}, Objective(), samples, place)
    found = observed(problem, {"a.weight": model.a.weight.detach()}, 64).problem.footprint
    assert sorted(map(named, found.parts)) == ["items", "kinds", "last", "named"]
    assert not found.tensors
    assert not found.samples
