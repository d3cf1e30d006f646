"""The user's own model, lent for a run: the values of the law, and the model as it was, whatever happens."""

from __future__ import annotations

import copy
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import AXIS, by_law, directions_of
from torch import nn

import fastscape
from cases import ODD
from fastscape import Plan

X, Y = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 3
BATCHES = [(X[:5], Y[:5]), (X[5:], Y[5:])]
GRID = {"x": AXIS, "y": AXIS, "progress": False, "lend": True}


def measure(model, batch):
    return F.cross_entropy(model(batch[0].clone()), batch[1])


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(), nn.Linear(5, 3)).double()


def state_of(model: nn.Module) -> dict:
    tensors = {name: (id(t), t.clone(), t.requires_grad) for name, t in model.state_dict(keep_vars=True).items()}
    return {**tensors, "modes": [module.training for module in model.modules()]}


def assert_as_it_was(before: dict, after: dict) -> None:
    assert before["modes"] == after["modes"]
    for name in before.keys() - {"modes"}:
        assert before[name][0] == after[name][0], name
        assert torch.equal(before[name][1], after[name][1]), name
        assert before[name][2] == after[name][2], name


WRAPPED = {
    "itself": lambda model: model,
    "script": torch.jit.script,
    "trace": lambda model: torch.jit.trace(model.eval(), X),
    "a scripted layer": lambda model: nn.Sequential(model[:2], torch.jit.script(model[2]), model[3:]),
    "DataParallel": nn.DataParallel,
    "AveragedModel": torch.optim.swa_utils.AveragedModel,
}


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("plan", ["auto", Plan("loop", 2), Plan(microbatch=2)], ids=["auto", "loop", "microbatch"])
@pytest.mark.parametrize("name", WRAPPED)
def test_the_law_for_what_cannot_be_copied(name, plan):
    plain = network().eval()
    directions = directions_of(plain)
    right = by_law(lambda: network().eval(), plain, BATCHES, measure, directions)
    model = WRAPPED[name](network().eval())
    by_place = dict(zip(directions[0], (n for n, p in model.named_parameters() if p.dim() > 1), strict=True))
    given = [{by_place[n]: t for n, t in direction.items()} for direction in directions]
    model.train(False)
    before = state_of(model)
    found = fastscape.surface(model, BATCHES, directions=given, plan=plan, **GRID)
    np.testing.assert_allclose(found.loss, right, rtol=1e-12)
    assert_as_it_was(before, state_of(model))
    assert found.report["warnings"] == []


@pytest.mark.parametrize("kind", ODD.values(), ids=ODD)
def test_the_law_for_odd_models(kind):
    model = kind()
    directions = directions_of(model)
    right = by_law(kind, model, BATCHES, measure, directions)
    before = state_of(model)
    found = fastscape.surface(model, BATCHES, directions=directions, **GRID)
    np.testing.assert_allclose(found.loss, right, rtol=1e-12)
    assert_as_it_was(before, state_of(model))


class Weak(nn.Module):
    """A layer that is reached by a weak reference alone."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)
        self.reference = weakref.ref(self.a)
        self.double().eval()

    def forward(self, x):
        return self.b(torch.tanh(self.reference()(x)))


REGISTRY: dict[str, nn.Module] = {}


class Registered(Weak):
    def __init__(self):
        super().__init__()
        REGISTRY["a"] = self.a

    def forward(self, x):
        return self.b(torch.tanh(REGISTRY["a"](x)))


@pytest.mark.parametrize("kind", [Weak, Registered])
def test_weights_that_are_reached_by_another_way_are_named_and_may_be_lent(kind):
    model = kind()
    with pytest.raises(ValueError, match=rf"^a\.weight of {kind.__name__} are read by another way .* write lend=True"):
        fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    directions = directions_of(model)
    state = model.state_dict()

    def fresh():
        made = kind()
        made.load_state_dict(state)
        return made

    right = by_law(fresh, model, BATCHES, measure, directions)
    REGISTRY["a"] = model.a
    found = fastscape.surface(model, BATCHES, directions=directions, **GRID)
    np.testing.assert_allclose(found.loss, right, rtol=1e-12)
    still = {name: d for name, d in directions[0].items() if name != "a.weight"}
    frozen = fastscape.surface(model, BATCHES, directions=[still, still], perturb=lambda n, p: n == "b.weight", x=AXIS,
                               y=AXIS, progress=False)  # fmt: skip
    assert np.isfinite(frozen.loss).all()  # what does not move may be read in any way


def test_what_cannot_be_copied_may_be_lent():
    model = network().eval()
    plain = fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    model.stream = (k for k in range(3))
    with pytest.raises(TypeError, match=r"cannot be copied .* write lend=True"):
        fastscape.surface(model, BATCHES, x=AXIS, y=AXIS, progress=False)
    np.testing.assert_allclose(fastscape.surface(model, BATCHES, **GRID).loss, plain.loss, rtol=1e-12)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("raised", [ArithmeticError, KeyboardInterrupt])
def test_the_model_is_put_back_after_an_error(raised, train):
    model = network().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    measure(model, BATCHES[0]).backward()
    gradient = model[4].weight.grad.clone()
    before, calls = state_of(model), []

    def failing(outputs, targets):
        calls.append(1)
        if len(calls) > 12:
            raise raised("stop")
        return F.cross_entropy(outputs, targets)

    with pytest.raises(raised):
        fastscape.surface(model, BATCHES, loss=failing, train_mode=train, **GRID)
    assert_as_it_was(before, state_of(model))
    assert torch.equal(model[4].weight.grad, gradient)


def test_an_objective_may_collect_gradients():
    model = network().eval()

    def objective(call, batch):
        loss = F.cross_entropy(call(batch[0]), batch[1])
        (slope,) = torch.autograd.grad(loss, call[0].weight)
        return {"loss": loss, "slope": slope.norm()}

    found = fastscape.surface(model, (X, Y), objective=objective, **GRID)
    loss = F.cross_entropy(model(X), Y)
    (slope,) = torch.autograd.grad(loss, model[0].weight)
    centre = fastscape.surface(model, (X, Y), objective=objective, **{**GRID, "x": [0.0], "y": [0.0]})
    assert centre.values["slope"][0, 0] == pytest.approx(slope.norm().item(), rel=1e-12)
    assert np.isfinite(found.values["slope"]).all()
    assert model[0].weight.grad is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_model_is_put_back_after_ctrl_c():
    program = """
import copy, os, signal, torch, fastscape
from torch import nn
signal.signal(signal.SIGINT, signal.default_int_handler)
model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
before = copy.deepcopy(model.state_dict())
calls = []
def loss(outputs, targets):
    calls.append(1)
    if len(calls) == 40:
        os.kill(os.getpid(), signal.SIGINT)
    return nn.functional.cross_entropy(outputs, targets)
try:
    fastscape.surface(model, (torch.randn(9, 4), torch.arange(9) % 3), loss=loss, lend=True, progress=False)
except KeyboardInterrupt:
    print("stopped", all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items()))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "stopped True", found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float32"}, "leave out precision"),
        ({"device": "cpu"}, "leave out device"),
        ({"plan": Plan("vmap", 4)}, "write a plan with batching='loop'"),
        ({"plan": Plan("loop", 4, workers=2)}, "workers=1"),
        ({"batchnorm": "recalibrate"}, "leave out one of them"),
    ],
)
def test_what_cannot_be_done_in_the_users_own_model_is_refused(options, message):
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model, BATCHES, **GRID, **options)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
