"""Patches that are cut once: only convolutions that read the samples as they are, and the same values."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fastscape.engine.layers import patches
from fastscape.engine.layers.patches import Patches, worthwhile
from fastscape.model import Batch, Objective, Problem, problem_of
from fastscape.weights import Place
from fastscape.weights.precision import Precision
from tolerance import assert_close

IMAGES, TARGETS = torch.randn(5, 2, 9, 8), torch.randint(3, (5,))
ROOM = 1 << 20


class Network(nn.Module):
    """A convolution, and how it is given the samples."""

    def __init__(self, convolution: nn.Module, give) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.convolution, self.give = convolution, give

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.give(self, x).mean((2, 3))


def as_it_is(network: Network, x: torch.Tensor) -> torch.Tensor:
    return network.convolution(x)


def problem_in(model: nn.Module, samples: list[Batch]) -> Problem:
    """A problem in float64, in which every parameter moves."""
    names = {name for name, _ in model.named_parameters()}
    place = Place(torch.device("cpu"), Precision(torch.float64, torch.float64))
    return problem_of(model, names, Objective(F.cross_entropy, {}), samples, place)


def cut(model: nn.Module, *, budget: int = ROOM, channels_last: bool = True):
    """The problem, the weights at two points, and the patches of two microbatches."""
    problem = problem_in(model, [Batch((IMAGES.double(), TARGETS), len(IMAGES))])
    weights = [{name: k * p.detach().double() for name, p in model.named_parameters()} for k in (1, 2)]
    batches = problem.batches(3, channels_last=channels_last)
    return problem, weights, batches, Patches(problem, weights, batches, channels_last=channels_last, budget=budget)


CONVOLUTIONS = {
    "plain": nn.Conv2d(2, 3, 2),
    "all options": nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2)),
    "no bias": nn.Conv2d(2, 3, 3, stride=2, bias=False),
}


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@torch.no_grad()
def test_a_product_with_patches_is_the_convolution(kind, channels_last):
    model = Network(CONVOLUTIONS[kind], as_it_is)
    problem, (weights, _), batches, found = cut(model, channels_last=channels_last)
    for index, batch in enumerate(batches):
        of = found.of(index)
        assert list(of) == ["convolution.patches"]
        zeroed = Batch(
            (torch.zeros_like(batch.inputs), batch.content[1]), batch.samples
        )  # only the patches may be read
        made = problem.step({**weights, **of}, zeroed, index, model=found.model)
        assert_close(made.numpy(), problem.step(weights, batch, index).numpy(), 1e-12)


GIVEN = {
    "twice": lambda network, x: network.convolution(x) + network.convolution(x.flip(2)),
    "scaled": lambda network, x: network.convolution(x * network.scale),
    "after another": lambda network, x: network.convolution(x.tanh()),
    "part": lambda network, x: network.convolution(x[:, :, 1:]),
    "by name": lambda network, x: network.convolution(input=x),
    "never": lambda network, x: F.conv2d(x, network.convolution.weight),
}


@pytest.mark.parametrize("given", GIVEN)
def test_other_inputs_are_left_alone(given):
    assert cut(Network(nn.Conv2d(2, 3, 2), GIVEN[given]))[3].of(0) == {}


class Own(nn.Conv2d):
    pass


OTHERS = {
    "grouped": nn.Conv2d(2, 4, 2, groups=2),
    "circular": nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "named padding": nn.Conv2d(2, 3, 3, padding="same"),
    "subclass": Own(2, 3, 2),
    "parametrized": nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 2)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_convolutions_are_left_alone(kind):
    assert cut(Network(OTHERS[kind], as_it_is))[3].of(0) == {}
    assert not pays(OTHERS[kind], IMAGES)


def test_patches_that_need_too_much_memory_are_not_cut():
    assert cut(Network(nn.Conv2d(2, 3, 2), as_it_is), budget=5 * 8 * 7 * 8 * 8 - 1)[3].of(0) == {}
    assert cut(Network(nn.Conv2d(2, 3, 2), as_it_is), budget=5 * 8 * 7 * 8 * 8)[3].of(0) != {}


def pays(model: nn.Module, inputs: torch.Tensor, *, channels_last: bool = True) -> bool:
    """Whether a product is worthwhile for a model and its inputs."""
    batch = Batch((inputs, TARGETS), len(TARGETS))
    return worthwhile(problem_in(model, [batch]), batch, channels_last=channels_last)


def test_worthwhile_is_what_is_measured_to_be_faster(monkeypatch):
    monkeypatch.setattr(patches, "_seconds", lambda run: float("conv2d" not in repr(run.func)))
    assert not pays(nn.Conv2d(2, 3, 2), IMAGES)
    monkeypatch.setattr(patches, "_seconds", lambda run: float("conv2d" in repr(run.func)))
    for kind in CONVOLUTIONS.values():
        assert pays(nn.Sequential(nn.Conv2d(7, 1, 1), kind), IMAGES, channels_last=False)
    assert not pays(nn.Conv2d(3, 3, 2), IMAGES)
    assert not pays(nn.Conv2d(2, 3, 2), TARGETS)
