"""What holds for every family of models that people train."""

import copy
import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from cases import CASES, FAMILIES, ODD, Case, reference_surface
from fastscape import Plan
from fastscape.model.batch_structure import tensors
from tolerance import FLOAT64, assert_as_accurate, assert_close
from untouched import assert_same, snapshot

# test_surface_values.py has the VGG, whose 26 million weights take as long as everything else here.
EVERY = {**{name: case for name, case in CASES.items() if name != "vgg13"}, **FAMILIES}

GRID = {"x": (-0.5, 1.0, 3), "y": (0.0, 0.5, 2)}
AXES = np.linspace(-0.5, 1.0, 3), np.linspace(0.0, 0.5, 2)

# vmap cannot batch them; the engine goes on in a loop, or begins with one where the layers say it.
REFUSED = {"decides by its weights", "PINN"}
RECURRENT = {"LSTM", "GRU", "RNN both ways", "sequences of different lengths"}


def surface(case: Case, **options) -> fastscape.Landscape:
    return fastscape.surface(case.model, case.given, **{**case.options, **GRID, "progress": False, **options})


def looped(case: Case, *, chunk: int = 4, microbatch: int | None = None, **options) -> Plan:
    return Plan("loop", chunk, case.microbatch if microbatch is None else microbatch, **options)


def test_there_are_enough_families():
    assert len(FAMILIES) + len(ODD) >= 60


@functools.cache
def truth(name: str) -> np.ndarray:
    return reference_surface(EVERY[name](), *AXES, dtype=torch.float64)


# test_surface_values.py has the loop of the other cases.
PLANNED = [(name, plan) for name in EVERY for plan in ("loop", "auto") if plan == "auto" or name in FAMILIES]


@pytest.mark.parametrize(("name", "plan"), PLANNED)
def test_float64_equals_the_reference(name, plan):
    case = EVERY[name]()
    found = surface(case, precision="float64", plan=looped(case) if plan == "loop" else "auto")
    assert_close(found.loss, truth(name), FLOAT64)


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_is_as_accurate_as_plain_torch(name):
    case = FAMILIES[name]()
    plain = reference_surface(case, *AXES, dtype=torch.float32)
    assert_as_accurate(surface(case).loss, plain, truth(name))


@pytest.mark.parametrize("training", [True, False], ids=["from train mode", "from eval mode"])
@pytest.mark.parametrize("name", EVERY)
def test_the_model_and_the_data_are_untouched(name, training):
    case = EVERY[name]()
    case.model.train(training)
    given = copy.deepcopy(case.given)
    before = snapshot(case.model)
    found = surface(case)
    assert_same(before, snapshot(case.model))
    assert_same(tensors(given), tensors(case.given))
    case.model.train(not training)
    assert np.array_equal(surface(case).loss, found.loss)  # the same bits, from either mode


@pytest.mark.parametrize("name", EVERY)
def test_how_points_are_evaluated_changes_nothing(name):
    case = EVERY[name]()
    plain = surface(case, precision="float64", plan=looped(case, chunk=1, microbatch=64)).loss
    for plan in (looped(case, chunk=5, microbatch=2), looped(case, workers=2)):
        assert_close(surface(case, precision="float64", plan=plan).loss, plain, 1e-12)


@pytest.mark.parametrize("name", sorted(REFUSED | RECURRENT))
def test_what_vmap_cannot_batch_is_in_the_report(name):
    found = surface(FAMILIES[name]())
    assert bool(found.report["fallback"]) == (name in REFUSED)
    assert found.report["plan"]["batching"] == "loop"


def test_every_other_family_is_batched():
    for name, build in FAMILIES.items():
        case = build()
        if name not in REFUSED:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert surface(case).report["fallback"] is None, name


def test_metrics_of_an_objective():
    case = FAMILIES["its own loss"]()

    def objective(call, batch):
        outputs = call(**batch)
        right = (outputs.logits.argmax(1) == batch["labels"]).float()
        return {"accuracy": right, "loss": outputs.loss}

    found = surface(case._replace(objective=objective))
    with torch.no_grad():
        outputs = case.model(**case.inputs)
    assert list(found.metrics) == ["accuracy"]
    at = fastscape.surface(case.model, case.inputs, objective=objective, x=(0, 0, 1), y=(0, 0, 1), precision="float64")
    assert at.loss[0, 0] == pytest.approx(outputs.loss.item(), rel=1e-5)
    assert at.report["centre"]["loss"] == pytest.approx(outputs.loss.item(), rel=1e-5)
    assert at.metrics["accuracy"][0, 0] == (outputs.logits.argmax(1) == case.inputs["labels"]).double().mean()


@pytest.mark.parametrize(
    ("objective", "error", "message"),
    [
        (3, TypeError, r"objective must be a function f\(call, batch\), got 3; for example objective=lambda call,"),
        (
            lambda call, batch: call(batch[0]).mean().item(),
            TypeError,
            "^the objective must return a real tensor .*, got float",
        ),
        (
            lambda call, batch: {"accuracy": call(batch[0]).mean()},
            ValueError,
            "must return a dictionary with 'loss', and further measures by name, got 'accuracy'",
        ),
        (
            lambda call, batch: {"loss": call(batch[0])},
            ValueError,
            "loss must return a scalar, the batch mean, or shape",
        ),
    ],
)
def test_objectives_that_cannot_be_used(objective, error, message):
    with pytest.raises(error, match=message):
        fastscape.surface(nn.Linear(3, 2), (torch.rand(4, 3), torch.rand(4)), objective=objective, **GRID)


def test_measures_that_change_from_batch_to_batch():
    names = iter(["a", "b"] * 9)
    data = [(torch.rand(4, 3), 1), (torch.rand(4, 5), 1)]  # no whole of one kind

    def objective(call, batch):
        return {"loss": call(batch[0][:, :3]).mean(), next(names): torch.zeros(())}

    with pytest.raises(ValueError, match=r"the objective returned loss, . after loss, ."):
        fastscape.surface(nn.Linear(3, 2), data, objective=objective, plan=Plan("loop", 1), **GRID)


def test_an_objective_besides_a_loss():
    with pytest.raises(ValueError, match="loss or metrics came besides an objective"):
        fastscape.surface(
            nn.Linear(3, 2), (torch.rand(4, 3), torch.rand(4)), objective=lambda c, b: c(b[0]).mean(),
            metrics={"accuracy": fastscape.accuracy}, **GRID,
        )  # fmt: skip
