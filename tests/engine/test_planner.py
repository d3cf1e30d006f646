"""The planner: measures on points that count, keeps what is faster, and never changes a value."""

import time
from dataclasses import fields
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.engine import Engine, plan_rules, planner
from fastscape.engine.evaluator import WORTH_PLANNING
from fastscape.model import Objective, fixed_samples, problem_of
from fastscape.weights import PRECISIONS, Place
from tolerance import assert_close

MODEL, DATA = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), (torch.randn(80, 3), torch.randn(80, 2))
SIDE = 40
GRID = {"loss": F.mse_loss, "x": (-1, 1, SIDE), "y": (-1, 1, SIDE), "progress": False, "precision": "float64"}


@pytest.fixture
def slow(monkeypatch):
    """Makes some plans slower than they are, and counts the points."""
    sums, evaluated = Engine.sums, []

    def install(delay):
        def slowed(self: Engine, points: torch.Tensor) -> torch.Tensor:
            evaluated.append(len(points))
            time.sleep(delay(self.plan) * len(points))
            return sums(self, points)

        monkeypatch.setattr(Engine, "sums", slowed)
        return evaluated

    monkeypatch.setattr(planner, "OVERHEAD", 1e9)
    return install


def compared(rows: list[dict[str, Any]]) -> int:
    """How many plans were compared at a point: all but a plain loop over the batches that were looked at."""
    plans = [Plan(**{field.name: row[field.name] for field in fields(Plan)}) for row in rows]
    return sum(not plan.plain or plan.microbatch != Plan().microbatch for plan in plans)


def test_the_fastest_plan_is_taken_and_every_point_is_evaluated_once(slow):
    plain = fastscape.surface(MODEL, DATA, plan=Plan("loop", 16), **GRID)
    evaluated = slow(lambda plan: 1e-4 if plan.batching == "loop" else 4e-3)
    planned = fastscape.surface(MODEL, DATA, **GRID)
    assert planned.report["plan"]["batching"] == "loop"
    assert_close(planned.loss, plain.loss, 1e-12)
    measured = planned.report["plans_measured"]
    assert sum(evaluated) == SIDE**2 + compared(measured)
    assert len(measured) >= 3
    assert all(row["seconds_a_point"] > 0 for row in measured)


def test_a_loop_is_not_tried_where_no_call_is_so_short(slow, monkeypatch):
    monkeypatch.setattr(planner, "LOOPED_CALL", 0.5)
    slow(lambda plan: 1e-4)
    rows = fastscape.surface(MODEL, DATA, **GRID).report["plans_measured"]
    assert rows
    assert all(row["batching"] == "vmap" for row in rows)


def test_a_try_of_a_loop_takes_no_more_points_than_it_needs(slow, monkeypatch):
    monkeypatch.setattr(planner, "TRY_SECONDS", 0.02)
    monkeypatch.setattr(planner, "OVERHEAD", 1.0)  # a busy machine makes tries look like a waste
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(plan_rules, "CACHED", 0)  # with all samples in one microbatch there is less to try
    evaluated = slow(lambda plan: 5e-3)
    plan = {"plan": "auto", **GRID}
    model = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(4, 2))
    landscape = fastscape.surface(model, DATA, **{**plan, "x": (-1, 1, 14), "y": (-1, 1, 14)})
    assert len(landscape.report["plans_measured"]) >= 3
    assert evaluated[0] == 1
    assert set([points for points in evaluated if points > 1][:5]) <= {3, 4}
    assert sum(evaluated) == 14**2 + compared(landscape.report["plans_measured"])


def test_what_a_model_refuses_is_passed_over(slow, monkeypatch):
    slow(lambda plan: 1e-3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    looped = Engine._looped

    def refusing(self: Engine, *arguments: object) -> torch.Tensor:
        if self.plan.workers > 1:
            raise RuntimeError("no threads")
        return looped(self, *arguments)

    monkeypatch.setattr(Engine, "_looped", refusing)
    model = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten())
    data = torch.randn(4, 1, 3), torch.randn(4, 4)
    landscape = fastscape.surface(model, data, **GRID)
    assert landscape.report["plan"]["workers"] == 1
    assert any("no threads" in row.get("error", "") for row in landscape.report["plans_measured"])


def test_a_search_stops_when_it_costs_too_much(slow, monkeypatch):
    monkeypatch.setattr(planner, "OVERHEAD", 0.0)
    slow(lambda plan: 0.0)
    assert len(fastscape.surface(MODEL, DATA, **GRID).report["plans_measured"]) == 1


def test_few_points_are_not_planned_and_a_given_plan_is_followed():
    few = fastscape.surface(MODEL, DATA, **{**GRID, "x": (-1, 1, 3), "y": (-1, 1, 3)})
    assert WORTH_PLANNING > 9
    assert few.report["plans_measured"] == []
    plan = Plan("loop", 7, 11)
    followed = fastscape.surface(MODEL, DATA, plan=plan, **GRID).report
    assert (followed["plan"], followed["plans_measured"]) == (plan.as_dict(), [])


class Noisy(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + torch.randn(x.shape[0], 1)


@pytest.mark.filterwarnings("ignore:the values depend on how samples")
def test_models_that_draw_random_numbers_get_no_threads_and_no_compiled_code(slow, monkeypatch):
    slow(lambda plan: 1e-3)
    monkeypatch.setattr(planner, "WORTH_COMPILING", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    model = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 1, 1), nn.Flatten(), Noisy(3, 2))
    rows = fastscape.surface(model, DATA, **GRID).report["plans_measured"]
    assert rows
    assert all(row["workers"] == 1 and not row["compile"] for row in rows)


@pytest.mark.filterwarnings("ignore:the values depend on how samples")
@pytest.mark.parametrize("option", [{"workers": 2}, {"compile": True}, {"memory_format": "channels_last"}])
def test_a_given_plan_that_cannot_repeat_random_numbers_is_refused(option):
    with pytest.raises(ValueError, match="write workers=1, compile=False and memory_format='contiguous' in the plan"):
        fastscape.surface(Noisy(3, 2), DATA, plan=Plan("loop", 2, **option), **GRID)


def test_the_microbatch_stays_where_values_depend_on_it(slow):
    slow(lambda plan: 1e-4)
    weighted = {**GRID, "loss": lambda a, b: F.cross_entropy(a, b, weight=torch.tensor([1.0, 9.0], dtype=a.dtype))}
    data = torch.randn(200, 3), torch.randint(2, (200,))
    found = fastscape.surface(MODEL, data, **weighted)
    rows = found.report["plans_measured"]
    assert len(rows) > 1
    assert {row["microbatch"] for row in rows} == {200}  # as the data give them
    assert found.report["warnings"] == []


class Viewing(nn.Sequential):
    """What many networks do with images, and channels-last images refuse."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out.view(len(out), -1)


@pytest.mark.parametrize("side", [3, SIDE])
def test_a_model_that_refuses_channels_last_is_evaluated_without(side):
    model, data = Viewing(nn.Conv2d(1, 3, 2)), (torch.randn(6, 1, 4, 4), torch.randn(6, 27))
    options = {**GRID, "precision": "float32", "x": (-1, 1, side), "y": (-1, 1, side)}
    plain = fastscape.surface(model, data, plan=Plan("loop", 16), **options)
    landscape = fastscape.surface(model, data, **options)
    assert_close(landscape.loss, plain.loss, 1e-5)
    assert landscape.report["plan"]["memory_format"] == "contiguous"
    assert "view size is not compatible" in landscape.report["fallback"]
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        fastscape.surface(model, data, plan=Plan("loop", 16, memory_format="channels_last"), **options)


def test_large_activations_are_not_batched():
    class Wide(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + 0 * x.new_ones(len(x), 1 << 18).sum(1, keepdim=True)

    options = {**GRID, "x": (-1, 1, 3), "y": (-1, 1, 3), "precision": "float32"}
    plan = fastscape.surface(Wide(3, 2), DATA, **options).report["plan"]
    assert (plan["batching"], plan["hoist"]) == ("loop", False)
    small = fastscape.surface(nn.Linear(3, 2), DATA, **options).report["plan"]
    assert (small["batching"], small["hoist"]) == ("vmap", True)


def test_the_memory_format_is_searched_and_the_basis_put_back(slow, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # a later try, of workers, would put the basis back too
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Conv2d(3, 2, 2), nn.Flatten())
    data = torch.randn(6, 1, 4, 4), torch.randn(6, 8)
    options = {**GRID, "precision": "float32"}
    plain = fastscape.surface(model, data, plan=Plan("loop", 16), **options)
    for fast in ("contiguous", "channels_last"):
        slow(lambda plan, fast=fast: 1e-4 if plan.memory_format == fast else 4e-3)
        planned = fastscape.surface(model, data, **options)
        assert planned.report["plan"]["memory_format"] == fast
        assert {row["memory_format"] for row in planned.report["plans_measured"]} == {"contiguous", "channels_last"}
        assert_close(planned.loss, plain.loss, 1e-5)


@pytest.mark.parametrize(
    ("seconds", "microbatch", "samples", "wanted"),
    [
        (0.04, 64, 1000, 250),  # calls of 2.6 ms
        (0.04, 128, 1000, 250),  # of 5.1 ms
        (0.2, 64, 1000, 50),  # of 12.8 ms: about as many, where that divides the samples
        (0.04, 64, 997, 64),  # nothing near divides them
        (1e-3, 200, 1000, 250),  # no more than fits into memory
    ],
)
def test_compiled_code_gets_larger_microbatches_where_calls_are_short(seconds, microbatch, samples, wanted):
    data = torch.zeros(samples, 3), torch.zeros(samples, dtype=torch.long)
    place = Place(torch.device("cpu"), PRECISIONS["float32"])
    fixed = fixed_samples(data, device=place.device, dtype=torch.float32)
    problem = problem_of(nn.Linear(3, 2), {"weight"}, Objective(), fixed, place)
    search = planner._Search(lambda plan: None, torch.zeros(1, 2), lambda points: None)
    search.best, search.seconds = Plan("loop", 16, microbatch), seconds
    assert planner._compiled(search, problem, recut=True).microbatch == wanted
    assert planner._compiled(search, problem, recut=False).microbatch == microbatch


class TestComparison:
    """A plan that gives other values than a plain loop is not followed."""

    @pytest.fixture(autouse=True)
    def wrong_under_vmap(self, monkeypatch):
        sums = Engine.sums

        def wrong(self, points):
            found = sums(self, points)
            return found * (1.01 if self.plan.batching == "vmap" else 1)

        monkeypatch.setattr(Engine, "sums", wrong)

    @pytest.mark.parametrize("side", [3, SIDE])
    def test_another_one_is_taken(self, side):
        options = {**GRID, "x": (-1, 1, side), "y": (-1, 1, side)}
        found = fastscape.surface(MODEL, DATA, **options)
        assert found.report["plan"]["batching"] == "loop"
        assert "by this plan the loss at a point is" in found.report["fallback"]
        assert_close(found.loss, fastscape.surface(MODEL, DATA, plan=Plan("loop", 16), **options).loss, 1e-12)

    def test_one_that_is_given_is_refused(self):
        with pytest.raises(ValueError, match="leave out plan, or write plan=Plan"):
            fastscape.surface(MODEL, DATA, plan=Plan("vmap", 16), **GRID)
