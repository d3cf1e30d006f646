"""The report of sharpness: what it holds, how it prints, what it refuses, and that the model stays as it is."""

import json
import math

import numpy as np
import pytest
import torch
from noted import noted
from torch import nn
from torch.nn import functional as F

import fastscape
from fastscape.curvature import MEASURES
from fastscape.results import SharpnessValue, SharpnessValues
from fastscape.runs import along_directions
from fastscape.views import sharpness as drawn


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
    return model, (torch.randn(70, 5), torch.randint(3, (70,)))


@pytest.fixture(scope="module")
def report(case):
    return fastscape.sharpness(*case, directions=6, steps=3, m=20, progress=False)


def test_everything_is_there(case, report):
    names = [name for name in MEASURES if name != "random_directions"]
    assert set(report) == {*names, "random_directions_0.1", "random_directions_0.3"}
    assert report.size == 75
    assert report.samples == 70
    with torch.no_grad():
        assert report.loss == pytest.approx(F.cross_entropy(case[0].eval()(case[1][0]), case[1][1]).item(), rel=1e-6)
    case[0].train()
    for name, found in report.items():
        assert found.name == name
        assert math.isfinite(found.value)
        assert found.value > 0 or name == "critical_sharpness"
        assert all([found.formula, found.definition, found.source, found.unit])
        assert found.cost["seconds"] > 0
    assert report["random_directions_0.1"].cost["evaluations"] == 12
    assert report["worst_case"].cost["gradients"] == 1 + 3 + 2 * (1 + 3)
    assert report["adaptive_worst_case"].cost["gradients"] == 3 + 2 * (1 + 3)  # the gradient at the model is known
    assert report["m_sharpness"].cost["gradients"] == pytest.approx(4)
    assert report["trace"].cost["products"] == 75
    assert report["trace"].cost["gradients"] == 0
    assert report.report["products"] == sum(found.cost["products"] for found in report.values())


def test_the_model_and_the_generators_are_left_as_they_are(case):
    model, data = case
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state, flags = torch.get_rng_state(), [p.requires_grad for p in model.parameters()]
    fastscape.sharpness(model, data, directions=2, steps=1, restarts=1, progress=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert model.training


def test_the_same_call_gives_the_same_values_and_another_seed_others(case, report):
    again = fastscape.sharpness(*case, directions=6, steps=3, m=20, progress=False)
    for name, found in again.items():  # another plan would round otherwise
        assert found.value == pytest.approx(report[name].value, rel=1e-3)
    other = fastscape.sharpness(*case, directions=6, seed=1, measures=["pac_bayes_sigma"], progress=False)
    assert other["pac_bayes_sigma"].value != report["pac_bayes_sigma"].value


def test_blocks_of_directions_give_what_all_at_once_give(case, report, monkeypatch):
    monkeypatch.setattr(along_directions, "MEMORY", 4 * 2 * 160)  # a row has 160 entries: two directions of six
    chosen = ["random_directions", "pac_bayes_sigma"]
    found = fastscape.sharpness(*case, directions=6, measures=chosen, progress=False)
    for name, value in found.items():
        assert value.value == pytest.approx(report[name].value, rel=1e-4)
        assert value.standard_error == pytest.approx(report[name].standard_error, rel=1e-2)


def test_the_standard_error_covers_the_mean_over_many_directions(case):
    """Of 20 seeds, about 95 % lie within two standard errors of what many directions give."""
    options = {"measures": ["random_directions"], "radii": [0.3], "progress": False}
    truth = fastscape.sharpness(*case, directions=200, seed=1000, **options)["random_directions_0.3"].value
    inside = 0
    for seed in range(20):
        found = fastscape.sharpness(*case, directions=16, seed=seed, **options)["random_directions_0.3"]
        inside += abs(found.value - truth) < 2.13 * found.standard_error  # Student's t of 15 degrees
    assert inside >= 17


def test_it_prints_within_a_hundred_columns(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 100
    assert "worst_case" in text
    assert "bound" in text
    assert "L N O" in text
    assert "a lower bound; 3 starts reached" in text
    assert "75 weights, 70 samples, loss" in text
    html = report._repr_html_()
    assert html.count("<tr") == 1 + len(report)
    assert "arXiv 2102.11600" in html
    assert repr(report).startswith("Sharpness(75 weights, 70 samples: worst_case")


def test_what_is_saved_is_read_again_as_it_was(report, tmp_path):
    again = fastscape.Sharpness.load(report.save(tmp_path / "new" / "sharp.json"))
    assert again.as_dict() == report.as_dict()
    assert str(again) == str(report)
    assert again["trace"].invariant_to == ("neuron order",)
    json.dumps(report.as_dict())


def test_files_that_are_no_report(report, tmp_path):
    with pytest.raises(ValueError, match=r"the name of the file of sharpness must end in \.json, got 'sharp\.txt'"):
        report.save(tmp_path / "sharp.txt")
    path = report.save(tmp_path / "sharp.json")
    plain = json.loads(path.read_text())
    broken = {
        "does not name itself": {**plain, "format": "other"},
        "version 9": {**plain, "version": 9},
        "calls itself": {**plain, "measures": {"other": plain["measures"]["trace"]}},
        "lacks one of": {**plain, "loss": None},
        "has the value": {**plain, "measures": {"trace": {**plain["measures"]["trace"], "value": "much"}}},
        "no cost and details": {**plain, "measures": {"trace": {**plain["measures"]["trace"], "cost": 3}}},
        "no report of sharpness": {"format": plain["format"], "version": 1},
    }
    for said, content in broken.items():
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=said):
            fastscape.Sharpness.load(path)


def test_side_by_side(case, report):
    torch.manual_seed(1)
    other = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    second = fastscape.sharpness(other, case[1], directions=6, steps=3, m=20, measures=["trace", "m_sharpness"])
    both = report.beside(second, names=["first", "second"])
    text = str(both)
    assert max(map(len, text.splitlines())) <= 100
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert float(rows["trace"].split()[-1]) == pytest.approx(second["trace"].value / report["trace"].value, rel=1e-3)
    assert "worst_case" not in rows
    assert repr(both) == "SideBySide(first, second)"
    assert both._repr_html_().count("<tr") == 3
    moved = fastscape.sharpness(other, (case[1][0] + 1, case[1][1]), measures=["trace"])
    assert "measured on different samples" in str(report.beside(moved))


def test_four_models_fit_into_a_hundred_columns(report):
    text = str(report.beside(report, report, report))
    assert max(map(len, text.splitlines())) <= 100
    row = next(line for line in text.splitlines() if line.startswith("trace")).split()
    assert row[1:] == [f"{report['trace'].value:.3g}"] * 4


def test_what_cannot_be_put_side_by_side(case, report):
    with pytest.raises(ValueError, match="a comparison needs at least two reports, got 1"):
        report.beside()
    with pytest.raises(ValueError, match="all different"):
        report.beside(report, names=["same", "same"])
    other = fastscape.sharpness(*case, measures=["worst_case"], rho=0.1, steps=3)
    with pytest.raises(ValueError, match="same options"):
        report.beside(other)
    few = SharpnessValues({"trace": report["trace"]}, 1, 1, 1.0)
    with pytest.raises(ValueError, match="no measure in common"):
        fastscape.Sharpness.of(few).beside(SharpnessValues({"worst_case": report["worst_case"]}, 1, 1, 1.0))


def test_the_picture(report):
    ax = report.plot()
    assert len(ax.patches) == len(report)
    assert "bound" in noted(ax)
    other = fastscape.Sharpness.of(
        SharpnessValues({n: v for n, v in report.items() if n != "trace"}, report.size, report.samples, report.loss)
    )
    both = report.beside(other, names=["with $1", "without"]).plot(ax=ax)
    assert both is ax
    odd = SharpnessValue("odd", math.inf, None, "1", "f", "d", "s", (), {}, {})
    assert drawn(SharpnessValues({"odd": odd}, 1, 1, 1.0)).patches[0].get_width() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rho": 0}, "rho must be a number above 0, got 0"),
        ({"rho": math.nan}, "rho must be a number above 0, got nan"),
        ({"adaptive_rho": "wide"}, "adaptive_rho must be a number above 0, got 'wide'"),
        ({"increase": -1}, "increase must be a number above 0, got -1"),
        ({"m": 0}, "m must be a whole number of at least 1, got 0"),
        ({"steps": True}, "steps must be a whole number of at least 1, got True"),
        ({"restarts": 1.5}, r"restarts must be a whole number of at least 1, got 1\.5"),
        ({"directions": 1}, "directions must be a whole number of at least 2, got 1"),
        ({"probes": 3}, "probes must be a whole number of at least 4, got 3"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"radii": []}, r"radii must be numbers above 0, got \[\]; for example radii=\[0\.1, 0\.3\]"),
        ({"radii": 0.1}, r"radii must be numbers above 0, got 0\.1; for example radii=\[0\.1, 0\.3\]"),
        ({"radii": [0.1, 0]}, r"radii must be numbers above 0, got \[0\.1, 0\]; for example radii=\[0\.1, 0\.3\]"),
        ({"tolerance": 1.0}, r"tolerance must be a fraction, got 1\.0; for example 1e-5"),
        ({"measures": "trace"}, "measures must be a list of worst_case, adaptive_worst_case, m_sharpness,"),
        ({"measures": ["sharp"]}, "measures must be some of worst_case, adaptive_worst_case, m_sharpness,"),
        ({"batchnorm": "recalibrate"}, "sharpness differentiates by the weights alone"),
    ],
)
def test_what_is_refused(case, options, said):
    with pytest.raises(ValueError, match=said):
        fastscape.sharpness(*case, **options)


def test_an_option_that_there_is_not(case):
    with pytest.raises(TypeError, match="sharpness has no option 'radius'; write radii="):
        fastscape.sharpness(*case, radius=0.1)


def test_a_loss_without_a_gradient_has_the_measures_that_need_none(case):
    def wrong(outputs, targets):
        return (outputs.argmax(1) != targets).float()

    with pytest.raises(ValueError, match="no gradient by the weights"):
        fastscape.sharpness(*case, loss=wrong)
    chosen = ["random_directions", "pac_bayes_sigma"]
    found = fastscape.sharpness(*case, loss=wrong, measures=chosen, radii=[1.0], increase=0.05)
    assert found["random_directions_1"].cost["gradients"] == 0
    assert found["pac_bayes_sigma"].value > 0


def test_batches_that_cannot_be_cut_are_groups_of_their_own(case):
    _, (x, y) = case
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    batches = [(x[:30], y[:30]), (x[30:], y[30:])]
    found = fastscape.sharpness(model, batches, batchnorm="batch", m=8, steps=3, measures=["m_sharpness"])[
        "m_sharpness"
    ]
    assert found.details["groups"] == 2
    assert "these batches cannot be cut" in found.said


@pytest.mark.parametrize("mode", [{"train_mode": True}, {"batchnorm": "batch"}])
def test_the_engine_and_the_gradients_read_one_loss(case, mode):
    """A tiny step changes the loss by nearly nothing: the same masks are drawn and the same batches normalised."""
    _, (x, y) = case
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3)).double()
    batches = [(x[:30].double(), y[:30]), (x[30:].double(), y[30:])]
    chosen = ["random_directions", "critical_sharpness", "largest_eigenvalue"]
    found = fastscape.sharpness(model, batches, measures=chosen, radii=[1e-4], directions=3, **mode)
    assert abs(found["random_directions_0.0001"].value) < 1e-6
    assert found["critical_sharpness"].value > 0
    assert found["largest_eigenvalue"].value > 0


def test_losses_that_are_not_finite_are_told():
    model = nn.Linear(2, 1, bias=False).double()
    nn.init.ones_(model.weight)

    def log(outputs, targets):
        return -torch.log(outputs[:, 0])  # not finite where the output is not positive

    x = torch.eye(2).double()
    found = fastscape.sharpness(
        model, (x, x), loss=log, rho=1.5, radii=[3.0], increase=50.0,
        measures=["worst_case", "random_directions", "pac_bayes_sigma", "critical_sharpness"],
    )  # fmt: skip
    assert found["worst_case"].value == math.inf
    assert "not finite everywhere" in found["worst_case"].said
    assert found["random_directions_3"].value == math.inf
    assert "not finite along" in found["random_directions_3"].said
    assert "not finite, or jumps" in found["pac_bayes_sigma"].said
    assert found["critical_sharpness"].value == 0
    assert "falls along the whole ray" in found["critical_sharpness"].said


def test_a_loss_that_does_not_rise():
    model = nn.Linear(2, 1, bias=False).double()

    def flat(outputs, targets):
        return torch.sigmoid(outputs[:, 0])

    x = torch.eye(2).double()
    found = fastscape.sharpness(model, (x, x), loss=flat, increase=2.0, measures=["pac_bayes_sigma"])
    assert found["pac_bayes_sigma"].value == math.inf
    assert "never rises by 2" in found["pac_bayes_sigma"].said


def test_float32_is_as_good_as_float64(case):
    model, data = case
    narrow = fastscape.sharpness(model, data, directions=4, steps=5, probes=8)
    wide = fastscape.sharpness(model, data, directions=4, steps=5, probes=8, precision="float64")
    values = np.array([[one.value for one in found.values()] for found in (narrow, wide)])
    np.testing.assert_allclose(values[0], values[1], rtol=2e-2)


def test_a_loss_that_jumps_at_the_model():
    model = nn.Linear(2, 1, bias=False).double()
    at = model.weight.detach().clone()

    def objective(call, batch):
        return (call.weight != at).any().double() + 1e-3 * call.weight.sum() + 0 * batch.sum()

    chosen = ["pac_bayes_sigma", "critical_sharpness"]
    found = fastscape.sharpness(model, [torch.zeros(2, 1).double()], objective=objective, measures=chosen)
    assert found["pac_bayes_sigma"].value == 0
    assert "any noise raises" in found["pac_bayes_sigma"].said
    assert found["critical_sharpness"].value == math.inf
    assert "even the smallest step" in found["critical_sharpness"].said
