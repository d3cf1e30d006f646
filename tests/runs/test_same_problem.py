"""A store and a landscape are of one problem, by their values: what names and hashes cannot see is refused."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.engine import Engine
from fastscape.model import Problem
from fastscape.runs.same_problem import _relative, _two, check_alike

AXES = {"x": (-1, 1, 5), "y": (-1, 1, 5), "progress": False}
PLAN = Plan("loop", chunk=4, microbatch=16)


def made(activation=nn.ReLU, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 16), activation(), nn.Linear(16, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    inputs = torch.randn(80, 10, generator=generator)
    return model.to(dtype), (inputs.to(dtype), torch.randint(3, (80,), generator=generator))


def scaled(number):
    return lambda outputs, targets: number * F.cross_entropy(outputs, targets, reduction="none")


def clamped(number):
    return lambda outputs, targets: F.cross_entropy(outputs, targets, reduction="none").clamp(max=number)


def objective(number):
    return lambda call, batch: number * F.cross_entropy(call(batch[0]), batch[1], reduction="none")


def dropping(number):
    return nn.Sequential(made()[0], nn.Dropout(number))


OTHERS = {
    "an argument of the loss": ({"loss": nn.CrossEntropyLoss()}, {"loss": nn.CrossEntropyLoss(label_smoothing=0.01)}),
    "a captured number": ({"loss": scaled(1.0)}, {"loss": scaled(1.001)}),
    "a number that acts far from the model alone": ({"loss": clamped(1000.0)}, {"loss": clamped(20.0)}),
    "an objective": ({"objective": objective(1.0)}, {"objective": objective(10.0)}),
    "a metric": ({"metrics": {"m": scaled(1.0)}}, {"metrics": {"m": scaled(2.0)}}),
    "an activation": ({"model": made()[0]}, {"model": made(nn.Tanh)[0]}),
    "float64": ({"loss": scaled(1.0), "precision": "float64"}, {"loss": scaled(1.0 + 1e-7), "precision": "float64"}),
    "narrow": ({"loss": scaled(1.0), "precision": "bfloat16"}, {"loss": scaled(1.05), "precision": "bfloat16"}),
    "dropout": (
        {"model": dropping(0.5), "train_mode": True},
        {"model": dropping(0.4), "train_mode": True},
    ),
}
MODES = {
    "plain": {},
    "parts": {"stream_samples": 32},
    "tolerance": {"tolerance": 0.01, "x": (-1, 1, 17), "y": (-1, 1, 17)},
}


def surface(store=None, model=None, **options):
    usual, data = made()
    return fastscape.surface(model or usual, data, **{**AXES, "plan": PLAN, "store": store, **options})


@pytest.fixture
def evaluated(monkeypatch):
    """How many points are evaluated in blocks, and how many plainly over how many samples."""
    sums, total, seen = Engine.sums, Problem.total, SimpleNamespace(blocks=0, plain=[])

    def counted(self, points):
        seen.blocks += len(points)
        return sums(self, points)

    def noted(self, *arguments):
        seen.plain.append(self.size)
        return total(self, *arguments)

    monkeypatch.setattr(Engine, "sums", counted)
    monkeypatch.setattr(Problem, "total", noted)
    return seen


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", OTHERS)
def test_a_store_of_another_problem_is_refused_and_left_alone(name, tmp_path, evaluated):
    store, (first, second) = tmp_path / "run.zarr", OTHERS[name]
    kept = surface(store, **first)
    before, blocks = contents(store), evaluated.blocks
    with pytest.raises(
        ValueError, match=r"run\.zarr has the (loss|m) .* now it is .*; call with those that it was be"
    ):
        surface(store, **second)
    assert contents(store) == before
    assert evaluated.blocks == blocks
    again = surface(store, **first)
    assert again.loss.tobytes() == kept.loss.tobytes()
    assert again.report["points_before"] == kept.loss.size


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ended", ["early", "late", "never"])
def test_both_values_are_shown_however_far_a_run_has_come(mode, ended, tmp_path, monkeypatch, evaluated):
    store, options = tmp_path / "run.zarr", {"loss": scaled(1.0), **MODES[mode]}
    sums, done = Engine.sums, itertools.count()
    chunks = {"early": 3, "late": 10 if mode == "parts" else 6, "never": None}[ended]

    def ending(self, points):
        if chunks is not None and next(done) >= chunks:
            raise KeyboardInterrupt
        return sums(self, points)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "sums", ending)
        if chunks is None:
            surface(store, **options)
        else:
            with pytest.raises(KeyboardInterrupt):
                surface(store, **options)
    evaluated.plain.clear()
    if mode == "parts" and ended == "early":  # no part is kept, and so nothing could be of another problem
        assert surface(store, loss=scaled(2.0), **MODES[mode]).report["points_before"] == 0
        assert evaluated.plain == []
        return
    said = (
        r"at \((.*)\) \S*run\.zarr has the loss (\S+), and now it is (\S+): this is another problem \(loss, metric or"
    )
    with pytest.raises(ValueError, match=said) as caught:
        surface(store, loss=scaled(2.0), **MODES[mode])
    place, old, new = re.search(said, str(caught.value)).groups()
    point = tuple(map(float, place.split(", ")))
    samples = {"parts": 80 if ended == "never" else 32}.get(mode, 80)
    model, (inputs, targets) = made()
    directions = fastscape.random_directions(model)
    moved = {
        n: p + sum(c * d[n] for c, d in zip(point, directions, strict=True) if n in d) for n, p in parameters(model)
    }
    with torch.no_grad():
        outputs = torch.func.functional_call(model, moved, inputs[:samples])
    assert float(old) == pytest.approx(float(F.cross_entropy(outputs, targets[:samples])), rel=1e-4)
    assert float(new) == pytest.approx(2 * float(old), rel=1e-6)
    assert sum(evaluated.plain) <= 6 * samples  # two points; where they differ also in float64, and once more


def parameters(model):
    return [(name, parameter.detach()) for name, parameter in model.named_parameters()]


@pytest.mark.parametrize("mode", MODES)
def test_it_costs_two_points_and_they_are_not_counted(mode, tmp_path, evaluated):
    store = tmp_path / "run.zarr"
    first = surface(store, **MODES[mode])
    assert evaluated.plain == []
    evaluated.blocks = 0
    again = surface(store, **MODES[mode])
    assert evaluated.blocks == 0
    assert evaluated.plain == ([32, 32, 32, 32, 16, 16] if mode == "parts" else [80, 80])
    parts = 3 if mode == "parts" else 1
    assert again.report["points_before"] == parts * first.evaluated.sum()
    assert again.loss.tobytes() == first.loss.tobytes()


SAME = {
    "a loop and vmap": ({"plan": PLAN}, {"plan": Plan("vmap", 8, 80)}),
    "a search": ({"plan": "auto"}, {"plan": PLAN}),
    "bfloat16": ({"precision": "bfloat16"}, {"precision": "bfloat16", "plan": Plan("vmap", 8, 7)}),
    "float64": ({"precision": "float64"}, {"precision": "float64", "plan": Plan("vmap", 8, 7, workers=2)}),
    "accuracy": (
        {"metrics": {"right": fastscape.accuracy}},
        {"metrics": {"right": fastscape.accuracy}, "plan": "auto"},
    ),
    "dropout": ({"model": dropping(0.5), "train_mode": True}, {"model": dropping(0.5), "train_mode": True}),
    "a name for what is the model's": ({}, {"precision": "float32"}),
    "infinite": ({"loss": lambda o, t: o.sum() * 0 + torch.inf}, {"loss": lambda o, t: o.sum() * 0 + torch.inf}),
}


@pytest.mark.filterwarnings("ignore:the loss is the same at every point", "ignore:the loss at the model itself")
@pytest.mark.parametrize("name", SAME)
def test_what_rounds_otherwise_goes_on(name, tmp_path):
    store, (first, second) = tmp_path / "run.zarr", SAME[name]
    kept = surface(store, **first)
    next((store / "sums" / "c").rglob("0/0")).unlink()
    assert np.allclose(surface(store, **second).loss, kept.loss, rtol=0.02 if name == "bfloat16" else 1e-5)


@pytest.mark.filterwarnings("ignore:the values depend on how samples are batched")
def test_random_models_on_data_in_parts_go_on_by_the_plan_that_was_given(tmp_path):
    store, options = tmp_path / "run.zarr", {"model": dropping(0.5), "train_mode": True, "stream_samples": 32}
    kept = surface(store, **options, plan=Plan("loop", 4, 5))
    again = surface(store, **options, plan="auto")
    assert again.loss.tobytes() == kept.loss.tobytes()
    assert again.report["plan"] == kept.report["plan"]
    with pytest.raises(ValueError, match="or random numbers that another device or microbatch draws otherwise"):
        surface(store, **options, plan=Plan("loop", 4, 6))


@pytest.mark.filterwarnings("ignore:the loss (is the same at every point|at the model itself|is finite at no point)")
def test_a_loss_that_is_no_number_here_and_one_there_is_another(tmp_path):
    store = tmp_path / "run.zarr"
    surface(store, loss=lambda o, t: F.cross_entropy(o, t) * 1.0)
    with pytest.raises(ValueError, match=r"has the loss \S+, and now it is (nan|inf)"):
        surface(store, loss=lambda o, t: F.cross_entropy(o, t) / 0.0)


@pytest.mark.filterwarnings(
    "ignore:two evaluations of the same point differ", "ignore:the values depend on how samples"
)
def test_where_no_value_repeats_nobody_can_tell_and_it_is_said(tmp_path):
    turns = (0.618 * k % 1 for k in itertools.count())

    def turning(outputs, targets):
        return F.cross_entropy(outputs, targets) + next(turns)

    store = tmp_path / "run.zarr"
    plan = Plan("loop", 4, 80)
    surface(store, loss=turning, plan=plan)
    with pytest.warns(UserWarning, match="but two evaluations of one point differ too, so nobody can tell") as caught:
        again = surface(store, loss=turning, plan=plan)
    said = [str(warning.message) for warning in caught if "nobody can tell" in str(warning.message)]
    assert [text for text in again.report["warnings"] if "nobody can tell" in text] == said


def test_counts_may_differ_by_samples_on_an_edge_where_rounding_differs():
    before = torch.tensor([[0.7, 0.55], [3.0, 0.1]], dtype=torch.float64)
    rounded = before + torch.tensor([[1e-9, 0.01], [0.0, 0.0]], dtype=torch.float64)
    assert _relative(rounded, before, 100).max() < 1e-8
    two = before + torch.tensor([[1e-9, 0.02], [0.0, 0.0]], dtype=torch.float64)
    assert _relative(two, before, 100)[0, 1] == pytest.approx(0.02 / 0.551)
    alone = before + torch.tensor([[0.0, 0.01], [0.0, 0.0]], dtype=torch.float64)  # the same losses to the bit
    assert _relative(alone, before, 100)[0, 1] == pytest.approx(0.01 / 0.551)


def test_the_points_lie_far_apart_and_tell_something():
    points = torch.tensor([[-1.0, 0.0], [0.1, 0.0], [0.5, 0.0], [3.0, 0.0]])
    numbers = torch.tensor([0, 1, 2, 3])
    assert _two(numbers, torch.tensor([1.0, 2.0, 3.0, 4.0]), points).tolist() == [1, 3]
    assert _two(numbers, torch.tensor([1.0, torch.nan, 3.0, torch.inf]), points).tolist() == [0, 2]
    assert _two(numbers[:1], torch.tensor([torch.nan]), points).tolist() == [0]


@pytest.mark.parametrize("options", [{}, {"stream_samples": 32}, MODES["tolerance"]])
def test_reproducing_another_problem_is_refused(options, tmp_path):
    model, data = made()
    made_before = surface(loss=scaled(1.0), **options)
    landscape = Landscape.load(made_before.save(tmp_path / "landscape.npz"))
    again = landscape.reproduce(model, data, loss=scaled(1.0), progress=False)
    assert again.loss.tobytes() == made_before.loss.tobytes()
    with pytest.raises(ValueError, match=r"the landscape has the loss .* now it is .*; give the loss, metrics, objec"):
        landscape.reproduce(model, data, loss=scaled(1.01), progress=False)
    with pytest.raises(ValueError, match=r"the landscape has the loss .* now it is .*; give the loss, metrics, objec"):
        landscape.reproduce(made(nn.Tanh)[0], data, loss=scaled(1.0), progress=False)


def test_reproducing_evaluates_two_points_first(evaluated):
    model, data = made()
    landscape = surface(loss=scaled(1.0))
    evaluated.blocks = 0
    with pytest.raises(ValueError, match="the landscape has the loss"):
        landscape.reproduce(model, data, loss=scaled(1.01), progress=False)
    assert evaluated.blocks == 0


def test_an_objective_with_other_measures_is_another():
    model, data = made()
    landscape = surface(objective=objective(1.0))

    def more(call, batch):
        loss = F.cross_entropy(call(batch[0]), batch[1])
        return {"loss": loss, "more": loss}

    with pytest.raises(
        ValueError, match=r"the landscape has the measures 'loss', and now they are 'loss', 'more'; give"
    ):
        landscape.reproduce(model, data, objective=more, progress=False)


class Buffered(nn.Module):
    """Parameters of one dtype and a buffer of another."""

    def __init__(self):
        super().__init__()
        self.inner = made()[0]
        self.register_buffer("shift", torch.arange(3, dtype=torch.float64) / 7)

    def forward(self, inputs):
        return self.inner(inputs).double() * 1e3 + self.shift


class Mixed(nn.Module):
    """Layers of two dtypes."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = made()[0], nn.Linear(3, 3).double()

    def forward(self, inputs):
        return self.last(self.inner(inputs).double())


OWN = {
    "float32": (lambda: made()[0], torch.float32, False),
    "float64": (lambda: made()[0].double(), torch.float64, False),
    "a wider buffer": (Buffered, torch.float32, True),
    "layers of two": (Mixed, torch.float32, True),
    "bfloat16": (lambda: made()[0].bfloat16(), torch.bfloat16, True),
}


@pytest.mark.parametrize("name", OWN)
def test_the_precision_of_the_model_is_reproduced(name, tmp_path):
    make, dtype, own = OWN[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model, (inputs, targets) = make(), made()[1]
    data = inputs.to(dtype), targets
    first = fastscape.surface(model, data, **AXES)
    assert first.report["own_precision"] is own
    landscape = Landscape.load(first.save(tmp_path / "landscape.npz"))
    again = landscape.reproduce(model, data, progress=False)
    assert again.loss.tobytes() == first.loss.tobytes()
    assert again.report["own_precision"] is own


def test_a_report_without_the_record_means_what_its_name_says():
    model, data = Buffered(), made()[1]
    asked = fastscape.surface(model, data, precision="float32", **AXES)
    old = {name: value for name, value in asked.report.items() if name != "own_precision"}
    landscape = Landscape.of(asked.with_report(old))
    assert landscape.reproduce(model, data, progress=False).loss.tobytes() == asked.loss.tobytes()


def test_a_store_tells_the_model_s_own_precision_from_its_name(tmp_path):
    model, data = Buffered(), made()[1]
    fastscape.surface(model, data, store=tmp_path / "run.zarr", **AXES)
    with pytest.raises(ValueError, match=r"own_precision True \(now False\)"):
        fastscape.surface(model, data, store=tmp_path / "run.zarr", precision="float32", **AXES)


def test_processes_with_another_number_in_the_loss_are_refused():
    work = SimpleNamespace(
        report={"centre": {"loss": 1.01}, "deterministic": True},
        problem=SimpleNamespace(loss_samples=80, narrowest=torch.float32),
    )
    ranks = SimpleNamespace(rank=1, size=2, shared=lambda name, value: 1.0)
    with pytest.raises(
        ValueError, match=r"process 1 of 2 has the loss 1\.01 at the model, and process 0 1; give all the"
    ):
        check_alike(work, ranks)
    work.report["centre"]["loss"] = 1.000001
    check_alike(work, ranks)
