"""What batch normalisation uses, and whether dropout is on."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

import fastscape
from cases import lived_in
from fastscape import Plan, reference
from fastscape.model.batch_norm import calibrating
from fastscape.weights import direction_random, layout_of
from tolerance import assert_close

GRID = {"x": (-0.5, 1.0, 3), "y": (0.0, 0.5, 2), "progress": False}
INPUTS, TARGETS = torch.rand(11, 1, 6, 6), torch.arange(11) % 3
LOADER = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4)  # batches of 4, 4 and 3


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layers = [
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False),
            nn.BatchNorm2d(4, momentum=0.3, affine=False), nn.Flatten(), nn.Dropout(dropout), nn.Linear(16, 3),
        ]  # fmt: skip
        return lived_in(nn.Sequential(*layers), INPUTS)


def points(model: nn.Module) -> list[nn.Module]:
    """The models of all grid points, in float64."""
    layout = layout_of(model)
    d1, d2 = (
        reference.filter_normalised(layout.unflatten(direction_random(layout, 0, axis)), model) for axis in (0, 1)
    )
    made = []
    for alpha in np.linspace(-0.5, 1.0, 3):
        for beta in (0.0, 0.5):
            made.append(copy.deepcopy(model).double().eval())
            with torch.no_grad():
                for name in d1:
                    made[-1].get_parameter(name).add_(alpha * d1[name] + beta * d2[name])
    return made


def loss_of(model: nn.Module, batches) -> float:
    with torch.no_grad():
        return sum(F.cross_entropy(model(x.double()), t, reduction="sum").item() for x, t in batches) / len(INPUTS)


PLANS = {
    "loop": Plan("loop", 2, 5),
    "vmap": Plan("vmap", 3, 2),
    "workers": Plan("loop", 4, 64, workers=2),
    "auto": "auto",
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("whole", [True, False])
def test_statistics_of_each_batch_as_the_data_give_it(plan, whole):
    model = network()
    data = (INPUTS, TARGETS) if whole else LOADER
    found = fastscape.surface(model, data, batchnorm="batch", precision="float64", plan=PLANS[plan], **GRID)
    batches = [data] if whole else list(LOADER)
    truth = [loss_of(moved.train(), batches) for moved in points(model)]
    assert_close(found.loss.ravel(), np.array(truth), 1e-9)
    assert found.report["batchnorm"] == "batch"
    assert not found.report["warnings"]


@pytest.mark.parametrize("plan", sorted(PLANS.keys() - {"vmap"}))
@pytest.mark.parametrize("perturb", ["weights", "states"])
def test_statistics_estimated_anew_are_those_of_torch(plan, perturb):
    model = network()
    options = {"batchnorm": "recalibrate", "perturb": perturb, "precision": "float64", "plan": PLANS[plan]}
    if perturb == "states":
        other = network()
        with torch.no_grad():
            for tensor in (*other.parameters(), *other.buffers()):
                tensor.mul_(2)
        found = fastscape.line(model, LOADER, to=other, x=(0, 1, 2), progress=False, **options).loss
        moved = [copy.deepcopy(m).double() for m in (model, other)]
    else:
        found = fastscape.surface(model, LOADER, **options, **GRID).loss
        moved = points(model)
    truth = []
    for one in moved:
        update_bn([(x.double(), t) for x, t in LOADER], one)
        truth.append(loss_of(one.eval(), LOADER))
    assert_close(found.ravel(), np.array(truth), 1e-9)


class Twice(nn.Module):
    """A layer of batch normalisation that is called twice a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(torch.relu(self.norm(self.first(x)))))


def test_statistics_of_a_layer_that_is_called_twice_weigh_all_calls_alike():
    model, data = Twice(), [(torch.rand(4, 4), torch.arange(4) % 3) for _ in range(3)]
    found = fastscape.line(model, data, x=(0, 0, 1), batchnorm="recalibrate", precision="float64", progress=False)
    moved = copy.deepcopy(model).double()
    update_bn([(x.double(), t) for x, t in data], moved)
    moved.eval()
    with torch.no_grad():
        truth = sum(F.cross_entropy(moved(x.double()), t).item() for x, t in data) / 3
    assert found.loss[0] == pytest.approx(truth, rel=1e-12)


def test_no_count_is_read_back_while_statistics_are_estimated():
    """Reading it would wait for a GPU at every layer of every batch."""
    model = network().train()
    with calibrating(model), Reading() as reading:
        model(INPUTS)
    assert reading.items == 0
    assert [layer.momentum for layer in model if isinstance(layer, nn.BatchNorm2d)] == [0.1, 0.3]


class Reading(TorchDispatchMode):
    items = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.items += "_local_scalar_dense" in func.__name__
        return func(*args, **(kwargs or {}))


def test_running_statistics_are_the_default():
    model = network()
    found = fastscape.surface(model, LOADER, precision="float64", **GRID)
    assert_close(found.loss.ravel(), np.array([loss_of(moved, LOADER) for moved in points(model)]), 1e-9)
    assert (found.report["batchnorm"], found.report["training"]) == ("running", False)


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_a_policy_leaves_the_model_and_works_compiled_and_in_half_precision(policy):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plain = fastscape.surface(model, LOADER, batchnorm=policy, **GRID)
    compiled = fastscape.surface(model, LOADER, batchnorm=policy, plan=Plan("loop", 2, compile=True), **GRID)
    assert_close(compiled.loss, plain.loss, 1e-4)
    narrow = fastscape.surface(model, LOADER, batchnorm=policy, precision="bfloat16", **GRID)
    assert_close(narrow.loss, plain.loss, 0.2)
    assert narrow.report["precision_error"]["largest"] < 0.2
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())


@pytest.mark.filterwarnings("ignore:the values depend")
@pytest.mark.parametrize("batching", ["loop", "vmap"])
def test_dropout_draws_the_same_numbers_at_every_point(batching):
    model = network(dropout=0.5)
    options = {"plan": Plan(batching, 4, 4), "precision": "float64"}
    off = fastscape.surface(model, LOADER, **options, **GRID).loss
    on = [fastscape.surface(model, LOADER, train_mode=True, **options, **GRID).loss for _ in range(2)]
    assert np.array_equal(*on)
    assert np.abs(on[0] - off).min() > 1e-3
    same = {"x": [0.0, 1e-13, 2e-13], "y": (0, 0, 1), "progress": False}
    assert np.ptp(fastscape.surface(model, LOADER, train_mode=True, **options, **same).loss) < 1e-9


def test_batch_normalisation_of_its_own_policy_in_training():
    """`train_mode=True` alone leaves the running statistics in use."""
    model = network()
    off, on = (fastscape.surface(model, LOADER, train_mode=training, **GRID).loss for training in (False, True))
    assert np.array_equal(off, on)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batchnorm": "moving"}, ValueError, "batchnorm must be one of 'running', 'batch', 'rec.*, got 'moving'"),
        ({"train_mode": 1}, TypeError, "train_mode must be True or False.*, got 1"),
        ({"batchnorm": "recalibrate", "plan": Plan("vmap", 2)}, ValueError, "point by point; write batching='loop'"),
    ],
)
def test_modes_that_cannot_be_used(options, error, message):
    with pytest.raises(error, match=message):
        fastscape.surface(network(), LOADER, **options, **GRID)
