"""The tool that compares the library with networks of other packages sees what is right and what is wrong."""

import json
from dataclasses import replace
from os import urandom
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from benchmarks.zoo import __main__ as tool
from benchmarks.zoo import aligned, law, verdict
from benchmarks.zoo.network import SIZES, Network, seeded
from benchmarks.zoo.page import page, summary


class Small(nn.Module):
    """With a layer that draws, one that normalises by the batch, a weight of two names, and a state that stays."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.3)
        self.second, self.tied = nn.Linear(4, 4), nn.Linear(4, 4)
        self.tied.weight = self.second.weight
        self.seen = []

    def forward(self, inputs):
        self.seen.append(len(inputs))
        return self.tied(self.second(self.drop(self.norm(self.first(inputs)).tanh())))


def pairs(samples):
    return torch.randn(samples, 5), torch.randint(4, (samples,))


SMALL = Network("small", "hand-made", "pairs", Small, pairs)


def words(network):
    return [case["word"] for case in verdict.compared(network)["cases"].values()]


@pytest.fixture
def surface(monkeypatch):
    """What stands in for fastscape: it follows the law, unless it is told otherwise."""
    told = SimpleNamespace(off=0.0, warning=None, error=None, report=[])

    def stand_in(model, data, *, directions, train_mode, **options):
        if told.error:
            raise told.error
        if told.warning:
            verdict.warnings.warn(told.warning, stacklevel=2)
        loss = law.expected(SMALL, model.state_dict(), directions, train=train_mode)
        return SimpleNamespace(loss=loss + told.off * np.ptp(loss) * np.eye(3), report={"warnings": told.report})

    monkeypatch.setattr(verdict.fastscape, "surface", stand_in)
    return told


def test_the_library_is_right_about_a_small_network():
    row = verdict.compared(replace(SMALL, build=lambda: Small().requires_grad_(True)))
    evaluated = [row["cases"][case] for case in ("eval, fresh", "eval, called")]
    assert [case["word"] for case in evaluated] == ["right", "right"]
    assert all(case["error"] < 1e-12 for case in evaluated)
    assert row["cost"] > 0
    assert row["parameters"] == 5 * 4 + 4 + 4 + 4 + 4 * 4 + 4 + 4


def test_a_value_that_is_off_is_called_wrong(surface):
    assert words(SMALL) == ["right"] * 4
    surface.off = 0.9e-8
    assert words(SMALL) == ["right"] * 4
    surface.off = 1.1e-8
    assert words(SMALL) == ["WRONG"] * 4
    surface.off = np.nan
    assert words(SMALL) == ["WRONG"] * 4
    surface.off, surface.warning = 1.0, "the values depend on the weather"
    assert words(SMALL) == ["WRONG"] * 4  # not every warning concerns the values
    surface.report = [surface.warning]
    row = verdict.compared(SMALL)["cases"]["train, called"]
    assert (row["word"], row["said"], round(row["error"], 6)) == ("warned", surface.warning, 1.0)


def test_a_warning_of_a_right_value_is_told(surface):
    surface.warning = "two evaluations of one point differ"
    row = verdict.compared(SMALL)["cases"]["eval, fresh"]
    assert (row["word"], row["said"]) == ("right", surface.warning)


def test_a_real_surface_with_other_weights_is_called_wrong(monkeypatch):
    real = fastscape.surface

    def moved(model, data, **options):
        with torch.no_grad():
            model.tied.bias[0] += 1e-3
        return real(model, data, **options)

    monkeypatch.setattr(verdict.fastscape, "surface", moved)
    assert words(SMALL)[:2] == ["WRONG"] * 2


def test_what_the_library_refuses_is_told_from_what_breaks(surface):
    surface.error = ValueError("no such thing")
    assert verdict.compared(SMALL)["cases"]["eval, fresh"]["word"] == "crashed"  # this file raised it


def test_the_librarys_own_refusal(monkeypatch):
    real = fastscape.surface
    monkeypatch.setattr(verdict.fastscape, "surface", lambda *args, **options: real(*args, **options | {"seed": -1}))
    case = verdict.compared(SMALL)["cases"]["eval, fresh"]
    assert case["word"] == "refused"
    assert case["said"].startswith("ValueError: seed must be an integer from 0")


class Broken(Small):
    def forward(self, inputs):
        return self.first(inputs.float())  # float32 meets weights in double precision


class Restless(Small):
    def forward(self, inputs):
        return super().forward(inputs) * (1 + urandom(1)[0])


class Constant(Small):
    def forward(self, inputs):
        return torch.zeros(len(inputs), 4, dtype=inputs.dtype)


@pytest.mark.parametrize(
    ("kind", "why"),
    [(Broken, "plain code fails: RuntimeError"), (Constant, "the same everywhere"), (Restless, "each time")],
)
def test_where_there_is_nothing_to_compare_with(kind, why):
    with pytest.raises(verdict.NoReferenceError, match=why):
        verdict.compared(replace(SMALL, build=kind))


def test_the_law_by_hand():
    """One point of a linear model, in plain arithmetic."""
    network = Network("line", "hand-made", "pairs", lambda: nn.Linear(5, 4), pairs)
    model = network.built()
    pair = law.directions(model)
    values = law.expected(network, model.state_dict(), pair, train=False)
    a, b = law.X[2], law.Y[0]
    weight, bias = (
        model.state_dict()[name].double() + a * pair[0][name] + b * pair[1][name] for name in ("weight", "bias")
    )
    inputs = torch.cat([batch[0] for batch in network.batches()]).double()
    targets = torch.cat([batch[1] for batch in network.batches()])
    scores = inputs @ weight.T + bias
    losses = scores.logsumexp(1) - scores[torch.arange(sum(SIZES)), targets]
    assert values[2, 0] == pytest.approx(float(losses.mean()), rel=1e-12)


def test_random_numbers_are_seeded_by_the_batch():
    model = nn.Dropout(0.5)
    network = Network("drop", "hand-made", "", lambda: model, lambda n: torch.ones(n, 3), lambda f, x: f(x).mean())
    seeded(0)
    first = float(model(torch.ones(SIZES[0], 3)).mean()) * SIZES[0]
    seeded(1)
    second = float(model(torch.ones(SIZES[1], 3)).mean()) * SIZES[1]
    assert law._mean(network, model, network.batches()) == pytest.approx((first + second) / sum(SIZES))


def test_the_command_and_the_page(surface, monkeypatch, tmp_path, capsys):
    broken = replace(SMALL, name="broken", build=Broken)
    monkeypatch.setattr(tool, "_networks", lambda kind: [broken, SMALL])
    surface.off = 1e-3
    out = tmp_path / "zoo.json"
    assert tool.main(["--kind", "timm", "--json", str(out)]) == 1
    surface.off, surface.warning = 0.0, "a | b"
    assert tool.main(["--kind", "timm", "--json", str(out), "--only", "small"]) == 0
    assert "WRONG by 1.0e-03 of the range" in capsys.readouterr().out
    results = json.loads(out.read_text())
    assert [row["name"] for row in results["networks"]] == ["small"]
    assert summary(results).startswith("1 of 1 networks are right in every case. Of 4 cases: 4 right.")
    text = page(results | {"skipped": {"broken": "why"}})
    assert text.count("| right (1) |") == 2
    assert "\n1. a | b...\n" in text
    assert "\n- broken: why\n" in text


@pytest.mark.parametrize(
    ("results", "at", "made"), [(tool.RESULTS, tool.PAGE, page), (aligned.RESULTS, aligned.PAGE, aligned.page)]
)
def test_the_pages_are_those_of_the_results(results, at, made):
    assert made(json.loads(results.read_text())) == at.read_text()
