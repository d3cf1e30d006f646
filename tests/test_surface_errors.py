"""Bad input gets an error that says what came, what was wanted, and what to write instead."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

import fastscape
from fastscape import Plan

MODEL = nn.Linear(3, 2)
INPUTS, TARGETS = torch.rand(4, 3), torch.tensor([0, 1, 0, 1])
SMALL = {"x": (0, 1, 2), "y": (0, 1, 2), "progress": False}


def surface(model=MODEL, data=(INPUTS, TARGETS), **options):
    return fastscape.surface(model, data, **{**SMALL, **options})


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.ReLU(), ValueError, "ReLU has no parameters"),
        (lambda x: x, TypeError, r"must be a torch.nn.Module"),
        (nn.LayerNorm(3), ValueError, r"selects nothing of LayerNorm.*write perturb='all'"),
    ],
)
def test_models(model, error, message):
    with pytest.raises(error, match=message):
        surface(model)


def test_a_lazy_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls lazy modules experimental, once in a process
        model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ValueError, match="not initialised yet; run the model once"):
        surface(model)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ((INPUTS[:0], TARGETS[:0]), ValueError, "no samples"),
        ([], ValueError, "no samples"),
        (iter(()), ValueError, "no samples"),
        ((INPUTS, TARGETS[:3]), ValueError, "4 inputs but 3 targets"),
        (
            {"x": INPUTS},
            TypeError,
            r"a batch cannot be read, got dict; give \(inputs, targets\) tensors, a Dataset, a DataLoader, or",
        ),
        (
            "abc",
            TypeError,
            r"the data cannot be read, got str; give \(inputs, targets\) tensors, a Dataset, a DataLoader, or",
        ),
        (None, TypeError, r"the data cannot be read, got NoneType; give \(inputs, targets\) tensors, a Dataset, a"),
        (
            [INPUTS.tolist(), TARGETS.tolist(), []],
            TypeError,
            r"a batch cannot be read, got list of 4; give \(inputs, targets\) tensors, a Dataset, a",
        ),
        (
            [(INPUTS, TARGETS, TARGETS)],
            TypeError,
            r"a batch cannot be read, got tuple of 3; give \(inputs, targets\) tensors, a Dataset, a",
        ),
        ((INPUTS, np.array(["a", "b", "c", "d"])), TypeError, "an array that torch cannot take"),
        ([(INPUTS, "label")], TypeError, "holds a str where a tensor belongs"),
        ([(INPUTS, torch.tensor(1))], TypeError, "without a sample dimension"),
    ],
)
def test_data(data, error, message):
    with pytest.raises(error, match=message):
        surface(data=data)


@pytest.mark.parametrize(
    ("axis", "error", "message"),
    [
        ((-1.0, 1.0, 0), ValueError, "must have at least 1 grid point, got count 0"),
        ((-1.0, 1.0, -3), ValueError, "must have at least 1 grid point, got count -3"),
        ([], ValueError, "must have at least 1 grid point, got count 0"),
        ((-1.0, 1.0, 5.0), TypeError, r"an integer as count, got 5.0; write \(start, stop, count\), .*; for coord"),
        (
            (-1, 0, 1),
            ValueError,
            r"is one point between -1 and 0; for one point write \(-1, -1, 1\); for coordinates a",
        ),
        ((0.5, 0.25, 1), ValueError, r"is one point between 0.5 and 0.25; for one point write \(0.5, 0.5, 1\)$"),
        (
            (-0.5, 0, 0.5),
            TypeError,
            r"an integer as count, got 0.5; write .*; for coordinates a list, .=\[-0.5, 0, 0.5\]$",
        ),
        (
            (-1.0, 0, 0.5, 1),
            TypeError,
            r"must be a tuple of 3 numbers, got a tuple of 4; write .*; for coordinates a list, ",
        ),
        ((-1.0, 1.0, np.float64(51)), TypeError, r"an integer as count, got np.float64\(51.0\); write"),
        ((-1.0, 1.0, np.True_), TypeError, "an integer as count, got np.True_; write"),
        ((-1, 1, 0), ValueError, "must have at least 1 grid point, got count 0$"),
        ((-1.0, 1.0, True), TypeError, "an integer as count, got True"),
        ((-1.0, 1.0), TypeError, "must be a tuple of 3 numbers, got a tuple of 2"),
        (("a", 1.0, 3), TypeError, "two numbers as ends, got 'a' and 1.0"),
        (5, TypeError, r"must be \(start, stop, count\) or a sequence of numbers, got 5"),
        ("wide", TypeError, "'auto' or 'path', got 'wide'"),
        (np.zeros((2, 2)), ValueError, r"must be a 1-D sequence of coordinates, got shape \(2, 2\)"),
        ((1.0, -1.0, 3), ValueError, "does not increase"),
        ((1.0, 1.0, 3), ValueError, "does not increase"),
        ([0.0, 2.0, 1.0], ValueError, "does not increase"),
        ([0.0, 0.0], ValueError, "does not increase"),
        ((-1.0, float("inf"), 3), ValueError, "must have finite coordinates"),
        ([0.0, float("nan")], ValueError, "must have finite coordinates"),
    ],
)
@pytest.mark.parametrize("name", ["x", "y"])
def test_axes(axis, error, message, name):
    with pytest.raises(error, match=f"^{name} .*{message}"):
        surface(**{name: axis})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scheme": "spiral"}, ValueError, "scheme must be one of 'plane'.*, got 'spiral'"),
        (
            {"normalize": "neuron"},
            ValueError,
            "normalize must be one of 'filter', 'filter-input', 'layer'.*, got 'neuron'",
        ),
        ({"perturb": ""}, ValueError, "perturb must be .*, got ''"),
        ({"perturb": "heads"}, ValueError, "perturb must be 'weights', 'weights\\+bias'.*, got 'heads'"),
        (
            {"perturb": lambda name, p: False},
            ValueError,
            "nothing of Linear, whose parameters are weight, bias",
        ),
        ({"precision": "float8"}, ValueError, "precision must be one of 'float64', 'float32'.*, got 'float8'"),
        ({"normalize": ""}, ValueError, "normalize must be .*, got ''"),
        (
            {"device": "banana"},
            ValueError,
            "device must be a device that torch knows, got 'banana'; for example 'cpu' or 'cuda'",
        ),
        ({"device": "meta"}, ValueError, "device='meta' has no kernels"),
        ({"seed": -1}, ValueError, r"seed must be an integer from 0 to 2\^64 - 1, got -1; for example seed=0"),
        ({"seed": 1.5}, ValueError, "seed must be .*, got 1.5"),
        ({"seed": True}, ValueError, "seed must be .*, got True"),
        ({"plan": "fast"}, TypeError, "plan must be a fastscape.Plan or 'auto'.*, got 'fast'"),
        ({"loss": "mse"}, TypeError, "loss must be a function.*, got 'mse'"),
        ({"metrics": {"acc": 1}}, TypeError, "the metric .acc. must be a function.*, got 1"),
        ({"metrics": []}, TypeError, "must be a dict of name"),
        ({"metrics": [F.cross_entropy]}, TypeError, "must be a dict of name"),
        ({"metrics": {"loss": F.cross_entropy}}, ValueError, "a metric is named 'loss'"),
    ],
)
def test_options(options, error, message):
    with pytest.raises(error, match=message):
        surface(**options)


@pytest.mark.parametrize("batching", ["loop", "vmap", "auto"])
@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (
            lambda o, t: o,
            ValueError,
            r"loss must return a scalar, the batch mean, or shape \(4,\), .*; got shape \(4,",
        ),
        (
            lambda o, t: o[:3, 0],
            ValueError,
            r"loss must return a scalar, the batch mean, or shape \(4,\), .*; got shape \(3,\)",
        ),
        (lambda o, t: 1.0, TypeError, r"loss must return a real tensor .*, got float"),
        (lambda o, t: o.sum() * 1j, TypeError, r"loss must return a real tensor .*, got a"),
    ],
)
def test_what_the_loss_returns(loss, error, message, batching):
    plan = batching if batching == "auto" else Plan(batching, 4, 64)
    with pytest.raises(error, match=message):
        surface(loss=loss, plan=plan)


def test_a_model_that_does_not_take_the_inputs_raises_its_own_error():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        surface(data=(torch.rand(4, 5), TARGETS))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="torch finds no GPU here; write device='cpu'"):
        surface(device="cuda")


def test_arguments_are_checked_before_the_data_are_read():
    def data():
        raise AssertionError("read")
        yield

    for bad in ({"normalize": "neuron"}, {"seed": -1}, {"precision": "half"}, {"x": (1, 0, 3)}):
        with pytest.raises(ValueError, match=r"must be|must have|does not increase"):
            surface(data=data(), **bad)


WEIGHTED = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))
IGNORED = torch.tensor([-100] * 3 + [0, 1, 1, 0])


@pytest.mark.filterwarnings("ignore:the loss at the model itself is nan")  # of a batch whose targets are all ignored
@pytest.mark.parametrize(
    ("loss", "targets"),
    [(WEIGHTED, torch.tensor([0, 0, 0, 1, 1, 1, 1])), (F.cross_entropy, IGNORED)],
    ids=["class weights", "ignored targets"],
)
def test_a_scalar_loss_that_is_no_mean_over_samples_is_that_of_the_whole(loss, targets):
    inputs, model = torch.rand(7, 3), nn.Linear(3, 2)
    landscape = surface(model, (inputs, targets), loss=loss, plan=Plan("loop", 4, 3), x=(0, 0, 1), y=(0, 0, 1))
    assert landscape.report["warnings"] == []
    assert landscape.report["plan"]["microbatch"] == 7
    assert landscape.loss[0, 0] == pytest.approx(loss(model(inputs), targets).item(), rel=1e-6)


def test_it_is_warned_of_where_the_data_have_no_batches():
    data = TensorDataset(torch.rand(70, 3), torch.arange(70) % 2)
    with pytest.warns(UserWarning, match="the values depend on how samples are batched"):
        landscape = surface(nn.Linear(3, 2), data, loss=WEIGHTED)
    assert "depend on how samples are batched" in landscape.report["warnings"][0]


def test_outputs_that_depend_on_the_batch_are_those_of_the_batch():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 2))
    batches = [(torch.rand(6, 3), torch.arange(6) % 2) for _ in range(3)]
    landscape = surface(model, batches, x=(0, 0, 1), y=(0, 0, 1), plan=Plan(microbatch=2))
    right = sum(F.cross_entropy(model(x), y).item() for x, y in batches) / 3
    assert landscape.loss[0, 0] == pytest.approx(right, rel=1e-6)
    assert landscape.report["warnings"] == []


def test_a_model_whose_loss_does_not_move_is_warned_of():
    class Constant(nn.Linear):
        def forward(self, x):
            return x[:, :2] + 0 * super().forward(x)

    with pytest.warns(UserWarning, match="the loss is the same at every point"):
        landscape = surface(Constant(3, 2))
    assert len(landscape.report["warnings"]) == 1


def test_a_forward_that_was_wrapped_is_that_of_the_copy():
    model = nn.Linear(3, 2)
    plain = surface(model)
    model.forward = lambda x, bound=model.forward: bound(x)
    assert (surface(model).loss == plain.loss).all()


@pytest.mark.filterwarnings("error")
def test_a_perfect_fit_is_not_warned_of():
    """Its float32 loss is all rounding, which is no dependence on the batch."""
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[12.0, 1.0, 0.0], [-12.0, 0.0, 1.0]]))
    inputs = torch.tensor([[1.0, 0.1, 0.2], [-1.0, 0.3, 0.1], [0.9, 0.2, 0.0], [-0.8, 0.0, 0.4]])
    landscape = surface(model, (inputs, TARGETS), x=[0.0, 1.0], y=(0, 0, 1), seed=2)
    assert landscape.loss[0, 0] < 1e-6
    assert landscape.report["warnings"] == []
