"""A landscape is computed again from its report, the model and the data; others are refused."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Landscape, Plan

GRID = {"x": (-1, 1, 4), "y": [0.0, 0.3, 0.5], "progress": False}
DATA = torch.rand(9, 4), torch.arange(9) % 3


def model_of(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


ASKED = {
    "default": {},
    "scheme": {"scheme": "barycentric", "seed": 5, "distribution": "uniform", "normalize": "layer"},
    "perturb": {"perturb": lambda name, p: "3" in name},
    "states": {"perturb": "states", "batchnorm": "recalibrate"},
    "dropout": {"train_mode": True, "batchnorm": "batch"},
    "low memory": {"low_memory": True, "precision": "float64"},
    "half": {"precision": "bfloat16"},
    "metrics": {"metrics": {"right": fastscape.accuracy}, "loss": F.cross_entropy},
    "plan": {"plan": Plan("loop", 3, 2, workers=2)},
}


@pytest.mark.parametrize("name", ASKED)
def test_the_same_bits_again_also_from_the_file(name, tmp_path):
    made = fastscape.surface(model_of(), DATA, **ASKED[name], **GRID)
    loaded = Landscape.load(made.save(tmp_path / "landscape.npz"))
    again = loaded.reproduce(model_of(), DATA, progress=False)
    assert np.array_equal(again.loss, made.loss)
    assert again.metrics.keys() == made.metrics.keys()
    assert all(np.array_equal(again.metrics[name], made.metrics[name]) for name in made.metrics)
    changing = {"seconds", "peak_megabytes", "plans_measured", "perturb"}
    assert {k: v for k, v in again.report.items() if k not in changing} == {
        k: v for k, v in loaded.report.items() if k not in changing
    }


def test_lines():
    made = fastscape.line(model_of(), DATA, x=(0, 1, 5), seed=3, progress=False)
    assert np.array_equal(made.reproduce(model_of(), DATA).loss, made.loss)
    to = model_of(1)
    between = fastscape.line(model_of(), DATA, to=to, x=(0, 1, 5), progress=False)
    assert np.array_equal(between.reproduce(model_of(), DATA, directions=[to]).loss, between.loss)


def test_what_a_report_cannot_hold_is_given_again():
    def own_scheme(gram, alpha, beta):
        return torch.stack([torch.ones_like(alpha), alpha, beta * 2], dim=-1)[:, None]

    def own_loss(outputs, targets):
        return F.cross_entropy(outputs, targets)

    def objective(call, batch):
        return F.cross_entropy(call(batch[0]), batch[1], reduction="none")

    made = fastscape.surface(model_of(), DATA, loss=own_loss, scheme=own_scheme, metrics={"again": own_loss}, **GRID)
    given = {"loss": own_loss, "scheme": own_scheme, "metrics": {"again": own_loss}}
    assert np.array_equal(made.reproduce(model_of(), DATA, **given).loss, made.loss)
    for name in given:
        rest = {other: value for other, value in given.items() if other != name}
        with pytest.raises(ValueError, match=f"the {name}.* not in the report; give (it|them) again: {name}="):
            made.reproduce(model_of(), DATA, **rest)
    made = fastscape.surface(model_of(), DATA, objective=objective, **GRID)
    assert np.array_equal(made.reproduce(model_of(), DATA, objective=objective).loss, made.loss)
    with pytest.raises(ValueError, match=r"objective .* is not in the report"):
        made.reproduce(model_of(), DATA)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (model_of(1), DATA, "the model has other weights than the landscape's: weights_hash must be"),
        (
            model_of(),
            (DATA[0].flip(0), DATA[1]),
            "the data are others, or in another order, than the landscape's: data_hash must be",
        ),
        (model_of(), (DATA[0][:5], DATA[1][:5]), "the data are others"),
    ],
)
def test_another_model_or_other_data_are_refused(model, data, message):
    made = fastscape.surface(model_of(), DATA, **GRID)
    with pytest.raises(ValueError, match=message):
        made.reproduce(model, data)


def test_given_directions_and_landscapes_of_others():
    made = fastscape.surface(model_of(), DATA, directions=[model_of(1), model_of(2)], **GRID)
    with pytest.raises(ValueError, match=r"the directions were given.*directions=\[...\]"):
        made.reproduce(model_of(), DATA)
    with pytest.raises(ValueError, match=r"the report does not say .*weights_hash.*; only a landscape that"):
        Landscape(np.arange(2.0), None, np.zeros(2)).reproduce(model_of(), DATA)
    with pytest.raises(TypeError, match=r"must be a torch.nn.Module"):
        fastscape.surface(nn.Linear(4, 3), DATA, **GRID).reproduce("model", DATA)


def test_the_help_says_what_the_defaults_are():
    parameters = inspect.signature(Landscape.reproduce).parameters
    assert parameters["loss"].default is parameters["scheme"].default is None
    said = " ".join(inspect.getdoc(Landscape.reproduce).split())
    assert "Default: that of the report, if it is a function of `torch.nn.functional`." in said
    assert "cross-entropy" not in said
    assert 'In `surface` with a tolerance also "live"' in said


@pytest.mark.parametrize("progress", [None, "live", print])
def test_there_are_no_rounds_to_show(progress):
    made = fastscape.surface(model_of(), DATA, **GRID)
    with pytest.raises(TypeError, match=r"progress must be True or False.*, got .*"):
        made.reproduce(model_of(), DATA, progress=progress)
