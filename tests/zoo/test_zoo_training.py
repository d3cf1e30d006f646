"""Training: it learns, it repeats, and it leaves nothing changed but the weights."""

import dataclasses
import io
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from fastscape.zoo import datasets, models, training
from fastscape.zoo.training import accuracy, train


@pytest.fixture(scope="module")
def digits() -> TensorDataset:
    return datasets.load("digits")


def points(count: int, seed: int = 0) -> TensorDataset:
    """Points in the plane, labelled by the sign of their first coordinate."""
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(x, (x[:, 0] > 0).long())


def network(seed: int = 0) -> nn.Sequential:
    """A network with dropout and batch normalisation, the two layers that care about the mode."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def flags(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_training_learns_the_digits(digits: TensorDataset) -> None:
    test = datasets.load("digits", "test")
    torch.manual_seed(0)
    model = models.build("mlp")
    history = train(model, digits, epochs=3, test=test)
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert history[0].loss > history[1].loss > history[2].loss
    assert history[2].accuracy > 0.85
    assert history[2].test_accuracy == accuracy(model, test) > 0.85
    assert all(epoch.seconds > 0 for epoch in history)
    with pytest.raises(dataclasses.FrozenInstanceError):
        history[0].loss = 0.0  # type: ignore[misc]


def test_vgg13_takes_a_step() -> None:
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.rand(5, 1, 16, 16, generator=generator), torch.arange(5) % 2)
    model = models.build("vgg13", image_size=16, classes=2)
    history = train(model, data, epochs=1, batch_size=4)
    assert history[0].test_accuracy is None
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_the_seed_decides_shuffling_and_dropout() -> None:
    weights = []
    for seed in (7, 7, 8):
        model = network()
        torch.manual_seed(len(weights))  # the global state must not matter
        train(model, points(50), epochs=2, batch_size=8, seed=seed)
        weights.append(torch.nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_dropout_alone_depends_on_the_seed() -> None:
    # All samples are the same, so that their order does not matter.
    data = TensorDataset(torch.ones(16, 2), torch.zeros(16, dtype=torch.int64))
    weights = {}
    for dropout in (0.0, 0.5):
        for seed in (0, 1):
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(dropout), nn.Linear(8, 2))
            train(model, data, epochs=4, batch_size=8, seed=seed, lr=0.1)
            weights[dropout, seed] = model[2].weight
    assert torch.equal(weights[0.0, 0], weights[0.0, 1])
    assert not torch.allclose(weights[0.5, 0], weights[0.5, 1], atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_randomness_is_seeded_and_left_alone() -> None:
    weights = []
    for state in (1, 2):
        model = network()
        torch.cuda.manual_seed(state)
        before = torch.cuda.get_rng_state()
        train(model.to("cuda"), points(50), epochs=1, batch_size=8)
        assert torch.equal(torch.cuda.get_rng_state(), before)
        assert model[0].weight.is_cuda
        weights.append(model[0].weight)
    torch.testing.assert_close(weights[0], weights[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("fail", [False, True])
def test_global_randomness_and_flags_are_left_alone(fail: bool) -> None:
    model = network()
    model.eval()
    model[3].train()
    if fail:
        model[4].register_forward_hook(_raise)
    before_flags, before_state = flags(model), torch.get_rng_state()
    if fail:
        with pytest.raises(RuntimeError, match="in the middle"):
            train(model, points(20), epochs=1, batch_size=8)
    else:
        train(model, points(20), epochs=1, batch_size=8, test=points(5))
    assert flags(model) == before_flags
    assert torch.equal(torch.get_rng_state(), before_state)


def _raise(*_: object) -> None:
    torch.rand(3)
    raise RuntimeError("in the middle")


def test_modules_train_in_train_mode_and_are_tested_in_eval_mode() -> None:
    model = network()
    seen: list[bool] = []
    model[3].register_forward_pre_hook(lambda module, _: seen.append(module.training))
    train(model, points(16), epochs=2, batch_size=8, test=points(4))
    assert seen == [True, True, False] * 2


def test_means_are_weighted_by_samples() -> None:
    # A learning rate this small leaves the weights alone, so that the mean over batches is the mean over samples.
    model, data = nn.Linear(2, 2), points(11)
    x, y = data.tensors
    expected = F.cross_entropy(model(x), y).item()
    history = train(model, data, epochs=1, batch_size=4, lr=1e-12)
    assert history[0].loss == pytest.approx(expected, rel=1e-6)
    assert history[0].accuracy == pytest.approx(accuracy(model, data), abs=1e-12)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (3, 4, [3]),
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
        (3, 2, [3]),
    ],
)
def test_a_leftover_sample_joins_the_batch_before(count: int, batch_size: int, sizes: list[int]) -> None:
    batches = training._batches(count, batch_size, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(list(batches)).tolist()) == list(range(count))


def test_every_sample_is_seen_once_in_each_epoch_in_a_new_order() -> None:
    data = points(9)
    model = nn.Linear(2, 2)
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    train(model, data, epochs=2, batch_size=4)
    first, second = torch.cat(seen[:2]), torch.cat(seen[2:])
    assert not torch.equal(first, second)
    for epoch in (first, second):
        assert sorted(epoch[:, 0].tolist()) == sorted(data.tensors[0][:, 0].tolist())


def test_batch_normalisation_survives_a_leftover_sample() -> None:
    assert len(train(network(), points(9), epochs=1, batch_size=4)) == 1


def test_frozen_weights_stay_and_gradients_are_cleared() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    train(model, points(16), epochs=1, batch_size=8)
    assert torch.equal(model[0].weight, before["0.weight"])
    assert not torch.equal(model[4].weight, before["4.weight"])
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_accuracy_counts_in_eval_mode_whatever_the_batch_size(batch_size: int) -> None:
    model, data = network(), points(15)
    train(model, points(200), epochs=3, batch_size=16, lr=0.03)
    model[1].eval()
    before = flags(model)
    result = accuracy(model, data, batch_size=batch_size)
    assert flags(model) == before
    with torch.no_grad():
        expected = (model.eval()(data.tensors[0]).argmax(1) == data.tensors[1]).double().mean()
    assert result == pytest.approx(float(expected), abs=1e-12)
    assert 0.5 < result <= 1


def test_accuracy_takes_a_model_without_parameters() -> None:
    data = TensorDataset(torch.eye(3), torch.tensor([0, 1, 0]))
    assert accuracy(nn.Identity(), data) == pytest.approx(2 / 3)


class Terminal(io.StringIO):
    """A stderr that says that somebody is looking."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "progress", "shown"),
    [(Terminal(), True, True), (Terminal(), False, False), (io.StringIO(), True, False)],
    ids=["terminal", "switched off", "pipe"],
)
def test_the_bar_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, progress: bool, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COLUMNS", "200")
    train(nn.Linear(2, 2), points(9), epochs=2, batch_size=4, test=points(5), progress=progress)
    text = stderr.getvalue()
    if not shown:
        assert text == ""
        return
    for part in ("epoch 1/2", "epoch 2/2", "loss=", "accuracy=", "test="):
        assert part in text
    assert text.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size must be at least 1, got 0 and 64; for example 10 and 64"),
        ({"batch_size": 0}, "epochs and batch_size must be at least 1, got 1 and 0; for example 10 and 64"),
        ({"lr": 0.0}, r"lr must be above 0, got 0\.0; for example lr=1e-3"),
        ({"lr": -1.0}, r"lr must be above 0, got -1\.0; for example lr=1e-3"),
        ({"lr": float("nan")}, "lr must be above 0, got nan; for example lr=1e-3"),
        ({"lr": float("inf")}, "lr must be above 0, got inf; for example lr=1e-3"),
        (
            {"dataset": points(0)},
            "the data sets for training and for testing must have at least one sample, got an empty",
        ),
        (
            {"test": points(0)},
            "the data sets for training and for testing must have at least one sample, got an empty",
        ),
    ],
)
def test_senseless_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        train(model, **({"dataset": points(4), "epochs": 1} | arguments))  # type: ignore[arg-type]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_accuracy_refuses_senseless_arguments() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0; for example batch_size=256"):
        accuracy(network(), points(4), batch_size=0)
    with pytest.raises(ValueError, match="an accuracy needs at least one sample, got an empty data set"):
        accuracy(network(), points(0))
