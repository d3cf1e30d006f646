"""How far along random directions a score stays within its range, against closed forms and an own simulation."""

import copy
import json
import math
import tempfile as files
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import fastscape
from fastscape.runs import basins
from fastscape.weights import direction_random, layout_of

QUIET = {"progress": False}


def quadratic(bends: list[float]) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """A linear model at the minimum of its squared loss, with `L(w + e) = 0.5 + sum of bends_i e_i^2` exactly."""
    count = len(bends)
    x = torch.cat([torch.diag(torch.tensor(bends).double() * 2 * count).sqrt(), torch.zeros(count, count)])
    model = nn.Linear(count, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.linspace(1.0, 2.0, count))
    rest = torch.cat([torch.zeros(count, 1), torch.ones(count, 1)])  # that no weights fit
    return model, (x.double(), (model(x.double()) + rest).detach())


BENDS = [9.0, 4.0, 1.0, 0.5, 0.1]


def found_of(seed=0, bends=BENDS, **options):
    plain = {"loss": F.mse_loss, "normalize": "none", "drop": 0.2, "limit": 4.0, "steps": 100, "tolerance": 1e-3}
    plain |= QUIET
    return fastscape.basin_radius(*quadratic(bends), seed=seed, **{**plain, **options})


@cache
def simulated() -> np.ndarray:
    """Radii along many normal directions, for a rise of 0.1."""
    drawn = np.random.default_rng(7).normal(size=(300_000, len(BENDS)))
    return np.sqrt(0.1 / (drawn**2 @ np.array(BENDS)))


def test_the_radius_of_a_quadratic_is_exact_along_each_direction():
    found = found_of(directions=40)
    model, _ = quadratic(BENDS)
    layout = layout_of(model, "all")
    drawn = np.array([layout.unflatten(direction_random(layout, s, 0))["weight"].numpy()[0] for s in found.seeds])
    true = np.sqrt(0.1 / (drawn**2 @ np.array(BENDS)))
    np.testing.assert_allclose(found.radii, true, rtol=1e-3)
    assert ((found.inside <= true) & (true <= found.outside)).all()
    np.testing.assert_allclose(found.lengths, np.linalg.norm(drawn, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.of_unit("length"), true * np.linalg.norm(drawn, axis=1), rtol=1e-3)
    assert found.norm == pytest.approx(float(model.weight.detach().norm()))
    np.testing.assert_allclose(found.of_unit("relative"), found.of_unit("length") / found.norm)
    assert found.score == pytest.approx(0.5)
    assert found.level == pytest.approx(0.6)
    assert not found.censored.any()
    assert found.report["evaluations"] < 25 * 40
    np.testing.assert_allclose(found.radii, (found.inside + found.outside) / 2, rtol=1e-12)


@pytest.fixture(scope="module")
def hundred():
    return [found_of(seed, directions=24, tolerance=0.01) for seed in range(100)]


def test_the_true_median_lies_in_the_interval_of_95_of_100_seeds(hundred):
    radii = simulated()
    intervals = [found.median for found in hundred]
    assert sum(one.low <= np.median(radii) <= one.high for one in intervals) >= 95
    tenth = np.quantile(radii, 0.1)
    assert sum(one.low <= tenth <= one.high for one in (found.quantile(0.1) for found in hundred)) >= 95


def test_and_an_interval_is_no_wider_than_it_must_be(hundred):
    """As wide as theory says of many draws, and half as wide with four times as many directions."""
    radii = simulated()
    low, high = np.quantile(radii, [0.45, 0.55])
    density = 0.1 / (high - low)
    widths = np.array([found.median.high - found.median.low for found in hundred])
    wanted = 2 * 1.96 * 0.5 / (density * math.sqrt(24))
    assert widths.mean() == pytest.approx(wanted, rel=0.25)
    more = [found_of(1000 + seed, directions=96, tolerance=0.01).median for seed in range(8)]
    wide = np.mean([one.high - one.low for one in more])
    assert wide == pytest.approx(wanted / 2, rel=0.15)


def test_the_true_mean_lies_in_the_interval_of_about_95_of_100_seeds(hundred):
    """Student's interval is not exact for skewed radii: of 24 such it covers the mean with 92 %."""
    mean = simulated().mean()
    for confidence, least, most in ((0.95, 82, 98), (0.5, 35, 65)):
        intervals = [found.mean(confidence=confidence) for found in hundred]
        assert least <= sum(one.low <= mean <= one.high for one in intervals) <= most


def test_in_a_round_basin_normalised_directions_have_one_radius():
    found = found_of(bends=[2.0] * 6, normalize="filter", directions=12)
    norm = float(quadratic([2.0] * 6)[0].weight.detach().norm())
    np.testing.assert_allclose(found.radii, math.sqrt(0.1 / 2) / norm, rtol=1e-3)
    np.testing.assert_allclose(found.of_unit("relative"), found.radii, rtol=1e-6)
    assert found.median.high - found.median.low <= 1.1e-3 * found.median.value


def network() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))
    x = torch.randn(90, 5)
    return model, (x, model(x).argmax(1))


ACCURACY = {"measure": "accuracy", "metrics": {"accuracy": fastscape.accuracy}}


@pytest.mark.parametrize(
    "options",
    [{}, {"normalize": "layer", "perturb": "all"}, {**ACCURACY, "drop": 0.1}, {"distribution": "rademacher"}],
)
def test_lines_along_the_same_seeds_cross_the_level_there(options):
    model, data = network()
    found = fastscape.basin_radius(model, data, directions=4, seed=3, **options, **QUIET)
    assert found.seeds[0] == 3
    where = {name: found.settings[name] for name in ("normalize", "perturb", "distribution")}
    assert found.censored.sum() < 2
    for seed, inside, outside in zip(found.seeds, found.inside, found.outside, strict=True):
        if math.isinf(outside):
            continue
        line = fastscape.line(
            model, data, x=[0.0, inside / 2, inside, outside], scheme="plane", seed=seed,
            metrics=ACCURACY["metrics"], **where, **QUIET,
        )  # fmt: skip
        values = line.measures[found.measure]
        assert values[0] == pytest.approx(found.score, rel=1e-6)
        gone = values > found.level if found.measure == "loss" else values < found.level - 1e-9
        assert gone.tolist() == [False, False, False, True]


def test_the_level_is_a_share_of_the_score_or_itself():
    model, data = network()
    found = fastscape.basin_radius(model, data, **ACCURACY, drop=0.1, directions=1, **QUIET)
    assert (found.score, found.level) == (1.0, pytest.approx(0.9))
    assert found.settings["worse"] == "lower"
    again = fastscape.basin_radius(model, data, **ACCURACY, level=0.9, directions=1, **QUIET)
    assert again.radii == pytest.approx(found.radii)
    assert again.settings["drop"] is None
    loss = fastscape.basin_radius(model, data, directions=1, drop=0.5, limit=4.0, **QUIET)
    assert loss.level == pytest.approx(1.5 * loss.score)
    assert loss.settings["worse"] == "higher"


def distance(call, at: torch.Tensor) -> torch.Tensor:
    return (call.weight - at).norm()


def measured(function, **options):
    """The basin of a score that is a function of the distance from the model."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3, bias=False).double()
    at = model.weight.detach().clone()

    def objective(call, batch):
        loss = torch.as_tensor(function(distance(call, at))).double() + 0 * batch.sum()
        return {"loss": loss, "score": 2.0 - loss}

    data = [torch.zeros(2, 1).double()]
    return fastscape.basin_radius(model, data, objective=objective, **{"normalize": "none", **QUIET, **options})


@pytest.mark.parametrize("measure", ["loss", "score"])
def test_a_score_that_leaves_and_comes_back_has_left(measure):
    def hill(r):
        return torch.where((r > 0.5) & (r < 0.8), 2.0, 1.0) + (r > 1.9)

    found = measured(hill, measure=measure, directions=6)
    np.testing.assert_allclose(found.of_unit("length"), 0.5, rtol=0.01)
    length = float(found.norm)  # of every direction whose norm is that of the layer
    coarse = measured(hill, measure=measure, directions=6, normalize="layer", limit=3 / length, steps=3)
    np.testing.assert_allclose(coarse.of_unit("length"), 1.9, rtol=0.01)
    assert f"steps of {1 / length:.3g};" in coarse.summary()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_has_left(value):
    found = measured(lambda r: torch.where(r > 0.4, value, 1.0), directions=3)
    np.testing.assert_allclose(found.of_unit("length"), 0.4, rtol=0.01)


def test_a_score_that_leaves_at_once():
    found = measured(lambda r: 1.0 + (r > 0), directions=3)
    assert (found.inside == 0).all()
    assert (found.outside < 1e-11).all()
    assert found.report["resolution"]["finer"] == 0
    assert found.median.value < 1e-11


def test_a_tiny_basin_in_wide_units_is_found():
    found = measured(lambda r: 1.0 + r**2, directions=5, drop=1e-6, limit=100.0)
    np.testing.assert_allclose(found.of_unit("length"), 1e-3, rtol=0.01)
    assert found.report["resolution"]["finest"] < 1e-3


def test_a_flat_score_is_censored():
    said = (
        "loss left its range along none of 8 directions up to limit=0.3, so that no radius is known; write a larger "
    )
    said += "limit, for example limit=1.2"
    with pytest.warns(UserWarning, match=said):
        found = measured(lambda r: 1.0, directions=8, limit=0.3)
    assert found.report["warnings"] == [said]
    assert found.censored.all()
    assert np.isinf(found.radii).all()
    assert found.median.value == math.inf
    assert found.median.low == pytest.approx(0.3)
    with pytest.raises(ValueError, match="never left along 8 of 8 directions"):
        found.mean()
    assert (
        "Along 8 of 8 directions the score is still within the range at 0.3, "
        "so the median is not known: write a larger limit to "
        "find it, for example limit=1.2." in found.summary().replace("\n", " ")
    )
    assert found.share_inside(0.3).value == 1
    assert math.isnan(found.share_inside(0.31).value)


def test_a_limit_changes_no_radius_below_it():
    whole, cut = found_of(directions=31), found_of(directions=31, limit=0.15)
    assert 5 < cut.censored.sum() < 15
    np.testing.assert_array_equal(cut.censored, whole.radii > 0.15)
    kept = ~cut.censored
    np.testing.assert_allclose(cut.radii[kept], whole.radii[kept], rtol=1e-3)
    assert cut.report["warnings"] == []
    lost = int(cut.censored.sum())
    assert f"Along {lost} of 31 directions the score is still within the range at 0.15.\n" in cut.summary()
    assert cut.median.value == pytest.approx(whole.median.value, rel=1e-3)
    assert cut.median.low == pytest.approx(whole.median.low, rel=1e-3)
    assert cut.quantile(0.9).value == math.inf
    assert cut.quantile(0.9).low <= whole.quantile(0.9).low
    shares = [(one.share_inside(0.14).value, one.share_inside(0.14).low) for one in (cut, whole)]
    assert shares[0] == shares[1]


@pytest.mark.parametrize("options", [{"low_memory": True}, {"lend": True}, {"low_memory": True, "lend": True}])
def test_other_ways_to_evaluate_give_the_same_radii(options):
    model, data = network()
    before = copy.deepcopy(model.state_dict())
    plain = fastscape.basin_radius(model, data, directions=5, tolerance=1e-4, **QUIET)
    found = fastscape.basin_radius(model, data, directions=5, tolerance=1e-4, **options, **QUIET)
    np.testing.assert_allclose(found.radii, plain.radii, rtol=1e-3)
    np.testing.assert_allclose(found.lengths, plain.lengths, rtol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_copy_of_a_lent_model_is_kept_where_the_caller_says(tmp_path, monkeypatch):
    kept, written = [], files.mkdtemp
    monkeypatch.setattr(files, "mkdtemp", lambda **given: kept.append(given["dir"]) or written(**given))
    model, data = network()
    plain = fastscape.basin_radius(model, data, directions=3, lend=True, **QUIET)
    assert kept == []
    for low_memory in (False, True):
        options = {"lend": True, "keep": tmp_path, "low_memory": low_memory}
        found = fastscape.basin_radius(model, data, directions=3, **options, **QUIET)
        np.testing.assert_allclose(found.radii, plain.radii, rtol=0.02)
    assert kept == [str(tmp_path)] * 2
    assert list(tmp_path.iterdir()) == []


def test_blocks_of_directions_give_what_all_at_once_give(monkeypatch):
    whole = found_of(directions=7)
    monkeypatch.setattr(basins, "_MOST", 3)
    parts = found_of(directions=7)
    np.testing.assert_allclose(parts.radii, whole.radii, rtol=1e-3)
    assert parts.seeds == whole.seeds
    np.testing.assert_array_equal(parts.lengths, whole.lengths)


def test_a_direction_is_that_of_its_seed_alone():
    whole = found_of(directions=3, seed=5)
    for k, seed in enumerate(whole.seeds):
        assert found_of(directions=1, seed=seed).radii[0] == pytest.approx(whole.radii[k], rel=1e-3)


def test_scores_of_several_data_sets_and_terms_of_a_loss():
    model, (x, y) = network()
    sets = {"train": (x[:60], y[:60]), "test": (x[60:], y[60:])}
    found = fastscape.basin_radius(model, sets, measure="loss of test", directions=3, **QUIET)
    alone = fastscape.basin_radius(model, sets["test"], directions=3, **QUIET)
    assert found.settings["worse"] == "higher"
    np.testing.assert_allclose(found.radii, alone.radii, rtol=0.02)

    def loss(outputs, targets):
        entropy = F.cross_entropy(outputs, targets)
        return {"loss": entropy + 1, "entropy": entropy}

    term = fastscape.basin_radius(
        model, sets["test"], loss=loss, measure="entropy", worse="higher", directions=3, **QUIET
    )
    np.testing.assert_allclose(term.radii, alone.radii, rtol=0.02)


def test_batch_statistics_that_follow_the_weights():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    _, (x, y) = network()
    found = fastscape.basin_radius(model, (x, y), batchnorm="recalibrate", directions=4, **QUIET)
    assert (found.radii > 0).all()


def test_what_is_saved_is_read_again_as_it_was(tmp_path):
    found = found_of(directions=9, limit=0.16)
    assert found.censored.any()
    path = found.save(tmp_path / "new" / "basin.json")
    again = fastscape.BasinRadius.load(path)
    assert again.as_dict() == found.as_dict()
    assert "Infinity" not in path.read_text()
    np.testing.assert_array_equal(again.radii, found.radii)
    assert str(again) == str(found) == found.summary()
    assert repr(found) == f"BasinRadius(loss, 9 directions, median radius {found.median})"
    assert found.report["samples"] == 10
    with pytest.raises(ValueError, match="read-only"):
        found.outside[0] = 1.0


def test_numbers_of_numpy_are_numbers(tmp_path):
    given = {"directions": np.int64(1), "seed": np.int64(3), "drop": np.float64(0.2), "limit": np.float32(4)}
    found = found_of(**given)
    assert fastscape.BasinRadius.load(found.save(tmp_path / "basin.json")).as_dict() == found.as_dict()
    assert found.radii == pytest.approx(found_of(seed=3, directions=1).radii, rel=1e-3)


def test_files_that_are_no_basin_radius(tmp_path):
    path = found_of(directions=2).save(tmp_path / "basin.json")
    plain = json.loads(path.read_text())
    broken = {
        "does not name itself": {**plain, "format": "other"},
        r"is no basin radius \(each array must have one number per direction, got the shapes \{'inside':": {
            **plain,
            "lengths": [1.0],
        },
        r"is no basin radius \(each radius must satisfy 0 <= inside < outside\);": {**plain, "inside": [1e9, 0.0]},
        "a seed is no whole": {**plain, "seeds": [0.5, 1]},
        "lacks one of measure": {**plain, "level": "high"},
        "is no basin radius": {"format": plain["format"], "version": 1},
    }
    for said, content in broken.items():
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=said):
            fastscape.BasinRadius.load(path)


def test_it_prints_within_a_hundred_columns():
    found = found_of(directions=20)
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 100
    assert "loss, 0.5 at the model, up to 0.6 (20 % higher), along 20 random directions" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert rows["median"].split()[1] == f"{found.median.value:.3g}"
    assert rows["mean"].split()[1] == f"{found.mean().value:.3g}"
    assert "Scanned in steps of 0.04" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"directions": 0}, "directions must be a whole number of at least 1, got 0"),
        ({"steps": 1}, "steps must be a whole number of at least 2, got 1"),
        ({"drop": 0}, "drop must be a number above 0, got 0"),
        ({"limit": math.inf}, "limit must be a number above 0, got inf"),
        ({"tolerance": 1}, r"tolerance must be a fraction, got 1; for example 0\.01"),
        ({"confidence": 95}, "confidence must be a fraction.*, got 95"),
        ({"worse": "up"}, "worse must be .*, got 'up'"),
        ({"level": math.nan}, r"level must be a value of the score, got nan; for example level=0\.9"),
        ({"level": 0.0}, "already beyond level=0.0, higher ones being worse"),
        ({"measure": "accuracy"}, "measure='accuracy' is none here; there are loss: give"),
        (
            {"normalize": "big"},
            "normalize must be one of 'filter', 'filter-input', 'layer', 'weight', 'dfilter', 'dlayer', 'none', "
            "got 'big'",
        ),
        ({"seed": -1}, r"seed must be an integer from 0 to 2\^64 - 1, got -1; for example seed=0"),
        ({"keep": "disk"}, "write lend=True too, or leave out keep"),
        ({"keep": "disc", "lend": True}, "keep must be .*, got 'disc'"),
        ({"loss": lambda outputs, targets: outputs.sum() * math.nan}, "loss is nan at the model itself"),
        ({"loss": lambda outputs, targets: outputs.sum() * 0}, "loss is 0 at the model, of which no share"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        fastscape.basin_radius(*network(), **{**QUIET, **options})


@pytest.mark.parametrize("name", ["store", "distributed", "stream_samples"])
def test_what_it_does_not_do_is_no_option(name):
    with pytest.raises(TypeError, match=rf"basin_radius has no option .{name}."):
        fastscape.basin_radius(*network(), **{name: 1})


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_direction_that_is_nothing_is_refused():
    model, data = network()
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[2].weight)
    with pytest.raises(ValueError, match="a random direction is 0"):
        fastscape.basin_radius(model, data, **QUIET)
    assert (fastscape.basin_radius(model, data, normalize="none", directions=3, **QUIET).radii > 0).all()


@pytest.mark.parametrize("confidence", [0, 1.5, "high", True])
def test_a_confidence_that_is_none(confidence):
    with pytest.raises(ValueError, match=r"confidence must be .*, got .*"):
        found_of(directions=2).quantile(0.5, confidence=confidence)


def test_a_unit_that_is_none():
    with pytest.raises(ValueError, match=r"unit must be .*, got 'weights'"):
        found_of(directions=2).of_unit("weights")
