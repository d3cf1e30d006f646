"""Grids too small to try plans on their points: the plan comes from fixed rules and from a few samples."""

import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.engine import Engine, plan_recut, small_grids
from tolerance import assert_close

GRID = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False}
SAMPLES = 6000


def data(inputs=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SAMPLES, inputs, generator=generator), torch.randint(3, (SAMPLES,), generator=generator)


def test_a_microbatch_grows_as_far_as_what_it_makes_stays_small():
    loop, vmap = Plan("loop", 16, 64), Plan("vmap", 128, 64)
    assert plan_recut(loop, 8 << 10, 9, 100_000).microbatch == 14286  # of seven, as 2 MB hold 16384
    assert plan_recut(vmap, 8 << 10, 8, 100_000).microbatch == 14286
    assert plan_recut(vmap, 8 << 10, 10_000, 100_000).microbatch == 1021  # of 98
    assert plan_recut(loop, 8 << 10, 9, 201).microbatch == 101  # one alone would show nothing
    assert plan_recut(loop, 8 << 10, 9, 128) == loop
    assert plan_recut(loop, 1, 9, 64) == loop
    assert plan_recut(loop, 0, 9, 1000) == loop  # not known
    assert plan_recut(loop, 2 << 20, 9, 1000) == loop


@pytest.mark.parametrize("form", ["mean", "none"])
def test_few_points_of_many_samples_are_evaluated_in_large_microbatches(form):
    model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3))
    samples = data()

    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets, reduction=form)

    found = fastscape.surface(model, samples, loss=loss, **GRID)
    assert found.report["plan"]["microbatch"] == SAMPLES // 2
    small = fastscape.surface(model, samples, loss=loss, plan=Plan("loop", 16, 64), **GRID)
    wide = fastscape.surface(model, samples, loss=loss, plan=Plan("loop", 16, 64), precision="float64", **GRID)
    assert_close(found.loss, small.loss, 1e-6)
    assert_close(found.loss, wide.loss, 1e-6)


def test_a_loss_of_a_batch_keeps_its_batches():
    model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3))
    inputs, targets = data()
    found = fastscape.surface(
        model, [(inputs[:3000], targets[:3000]), (inputs[3000:], targets[3000:])],
        loss=lambda outputs, targets: outputs.std() + F.cross_entropy(outputs, targets), **GRID,
    )  # fmt: skip
    assert found.report["plan"]["microbatch"] == 3000


@pytest.fixture
def pretended(monkeypatch):
    """Plans take the time that a test gives them."""

    def install(seconds):
        monkeypatch.setattr(small_grids, "_timed", lambda engine, points: seconds(engine.plan) * engine.problem.size)
        return fastscape.surface(
            nn.Sequential(nn.Unflatten(1, (1, 4, 5)), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(12, 3)),
            data(), **GRID,
        )  # fmt: skip

    return install


def test_the_faster_memory_format_is_taken(pretended):
    for order in ("contiguous", "channels_last"):
        found = pretended(lambda plan, order=order: 1.0 if plan.memory_format == order else 2.0)
        assert found.report["plan"]["memory_format"] == order
        assert len(found.report["plans_measured"]) >= 2


def test_a_plan_that_fails_is_not_taken(pretended):
    def seconds(plan):
        if not plan.channels_last:
            raise RuntimeError("not here")
        return 1.0

    rows = pretended(seconds).report["plans_measured"]
    assert any("not here" in row.get("error", "") for row in rows)


def test_a_try_takes_no_more_than_its_share(monkeypatch):
    tried, sums = [], Engine.sums

    def noted(engine, points):
        if engine.problem.size < SAMPLES:
            tried.append(engine.problem.size * len(points))
        return sums(engine, points)

    monkeypatch.setattr(Engine, "sums", noted)
    model = nn.Sequential(nn.Unflatten(1, (1, 4, 5)), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(12, 3))
    fastscape.surface(model, data(), **GRID)
    assert tried
    assert max(tried) <= max(small_grids.TRY * SAMPLES * 9, 512)


def test_the_time_of_a_try_is_that_of_the_points():
    class Slow:
        @staticmethod
        def sums(points):
            time.sleep(0.02)
            return torch.zeros(len(points), 1)

    assert small_grids._timed(Slow, torch.zeros(1, 2)) >= 0.02
