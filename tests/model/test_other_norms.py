"""`batchnorm=` acts on torch's batch normalisation; where other layers, or none, are there, it is said."""

import copy

import pytest
import torch
from torch import nn

import fastscape
from fastscape import Plan
from untouched import assert_same, snapshot

DATA = torch.rand(12, 4), torch.arange(12) % 3
LINE = {"x": (0, 1, 3), "progress": False}


class Own(nn.Module):
    """Running statistics of one's own, which training mode updates."""

    def __init__(self, size: int = 5, *, binds: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))
        self.register_buffer("offset", torch.ones(size))  # stays in training
        self.binds = binds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean(0), x.var(0)
            if self.binds:
                self.mean, self.var = self.mean.lerp(mean, 0.1), self.var.lerp(var, 0.1)
            else:
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(var, 0.1)
        return (x - mean) / (var + 1e-5).sqrt() + self.offset


class Refusing(Own):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            raise RuntimeError("wants targets")
        return super().forward(x)


def network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), *layers, nn.ReLU(), nn.Linear(5, 3)).eval()


def said(model: nn.Module, policy: str, **options) -> list[str]:
    before = snapshot(model)
    found = fastscape.line(model, DATA, batchnorm=policy, **options, **LINE)
    assert_same(before, snapshot(model))
    return found.report["warnings"]


NONE = "acts on no layer: Sequential has no batch normalisation of torch with running statistics"


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
@pytest.mark.parametrize("perturb", ["weights", "states"])
@pytest.mark.parametrize("binds", [False, True])
def test_a_norm_of_ones_own_is_named(policy, perturb, binds):
    stays = r"; in training mode buffers of 1 \(Own: mean, var\) change, and here they stay: derive such "
    with pytest.warns(UserWarning, match=f"^batchnorm='{policy}' {NONE}{stays}.*leave batchnorm= out$"):
        (message,) = said(network(Own(binds=binds)), policy, perturb=perturb)
    assert len(message) < 300


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(5), nn.BatchNorm1d(5, track_running_stats=False), Refusing(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(5, 5)),
    ],
    ids=["layer norm", "without statistics", "refusing", "spectral norm"],
)  # fmt: skip
@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_where_there_is_no_layer(policy, layer):
    with pytest.warns(UserWarning, match=f"^batchnorm='{policy}' {NONE}; leave batchnorm= out$"):
        assert len(said(network(layer), policy)) == 1


def test_others_beside_those_of_torch_are_named():
    images = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.InstanceNorm1d(2, track_running_stats=True))
    model = nn.Sequential(nn.Unflatten(1, (1, 4)), images, nn.Flatten(), nn.Linear(4, 3)).eval()
    named = r"alone; in training mode buffers of 1\.2 \(InstanceNorm1d: running_mean, running_var\) change, and here"
    with pytest.warns(UserWarning, match=rf"^batchnorm='recalibrate' acts on torch's batch normalisation {named}"):
        assert len(said(model, "recalibrate", plan=Plan("loop", 2, 64))) == 1


def test_nothing_is_said_where_all_is_acted_on():
    assert said(network(nn.BatchNorm1d(5)), "recalibrate") == []
    assert said(network(nn.BatchNorm1d(5)), "batch") == []
    assert said(network(Own()), "running") == []


def test_the_values_are_those_without_the_probe():
    model, other = network(Own()), network(Own())
    running = fastscape.line(model, DATA, to=other, **LINE)
    with pytest.warns(UserWarning, match="acts on no layer"):
        found = fastscape.line(copy.deepcopy(model), DATA, to=other, batchnorm="recalibrate", **LINE)
    assert found.loss == pytest.approx(running.loss, rel=1e-6)
