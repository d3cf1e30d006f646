"""The band of the heights: whether it holds as often as it says, and from what it is made."""

import numpy as np
import pytest
from scipy.stats import norm, t

import fastscape
from fastscape.persistence import topology_of
from fastscape.results import Values, projection_of, slice_of, wilson_interval


def errors(values: Values, **options) -> dict[str, float]:
    return dict(topology_of(values, options).errors)


def line(loss, report=None, **more) -> Values:
    return Values({"x": np.arange(float(len(loss)))}, {"loss": np.array(loss, float)}, report or {}, **more)


def test_nothing_known_is_no_error():
    found = topology_of(line([1, 2, 3]), {})
    assert (dict(found.errors), found.error) == ({}, 0)
    assert all(basin.certain for basin in found.basins)


@pytest.mark.parametrize("log", [False, True])
def test_the_band_of_samples_holds_all_points_at_once_as_often_as_it_says(log):
    """Samples are shared by all points: their losses go up and down together in part, as those of a network do."""
    draw, x, n = np.random.default_rng(0), np.linspace(-2, 2, 40), 60
    truth = 1.5 + (x**2 - 1) ** 2 / 4
    held, runs = 0, 400
    for _ in range(runs):
        common, single = draw.normal(size=(n, 1)), draw.normal(size=(n, len(x)))
        losses = truth * (1 + 0.2 * common + 0.2 * single)
        mean, error = losses.mean(0), losses.std(0, ddof=1) / np.sqrt(n)
        found = topology_of(line(mean, {"samples": n}, standard_error=error), {"log": log, "confidence": 0.9})
        off = np.abs(np.log10(mean) - np.log10(truth) if log else mean - truth).max()
        held += off <= found.errors["samples"]
    assert held / runs > 0.9 - 3 * np.sqrt(0.9 * 0.1 / runs)
    assert found.errors["samples"] < 0.5 * np.ptp(found.heights)  # and is no band that holds everything


def test_the_quantiles_are_those_of_bonferroni():
    loss, error = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0.1, 0.2, 0.1, np.nan])
    given = line(loss, {"samples": 20}, standard_error=error)
    z = t.ppf(1 - 0.05 / (2 * 3), 19)  # of the three points that have an error
    assert errors(given, log=False) == {"samples": pytest.approx(0.2 * z)}
    assert errors(given) == {"samples": pytest.approx(0.1 * z / np.log(10))}  # in log10 relative to the value
    unknown = line(loss, standard_error=error)
    assert errors(unknown, log=False, confidence=0.99) == {"samples": pytest.approx(0.2 * norm.ppf(1 - 0.01 / 6))}
    assert errors(given, error=0.5) == {"given": 0.5}
    assert errors(line(loss, standard_error=np.full(4, np.nan))) == {}


def test_points_that_were_predicted_have_no_error_of_samples_but_one_of_prediction():
    loss, error = np.array([1.0, 10.0, 100.0]), np.array([0.1, 50.0, 0.2])
    known = np.array([True, False, True])
    refinement = {"rms": 0.01, "at_most": 0.02, "largest": 0.05, "scale": "log10", "metrics_rms": {"accuracy": 0.1}}
    given = line(loss, {"refinement": refinement}, standard_error=error, evaluated=known)
    z = norm.ppf(1 - 0.05 / 4)
    found = topology_of(given, {})
    assert dict(found.errors) == {
        "samples": pytest.approx(0.1 * z / np.log(10)), "interpolation": pytest.approx(0.05 * 2)
    }  # fmt: skip
    assert found.error == pytest.approx(sum(found.errors.values()))
    assert errors(given, log=False)["interpolation"] == pytest.approx(100 * (10**0.1 - 1))
    other = line(loss, {"refinement": {**refinement, "scale": "linear", "largest": 0.0}}, evaluated=known)
    assert errors(other, log=False) == {"interpolation": pytest.approx(0.02 * 99)}
    assert errors(other) == {"interpolation": pytest.approx(0.02 * 99 / np.log(10))}
    whole = line(loss, {"refinement": refinement})
    assert errors(whole) == {}  # where everything was evaluated in the end
    grids = {"loss": loss, "accuracy": np.array([0.1, 0.3, 0.6])}
    metric = Values(given.axes, grids, given.report, evaluated=known)
    assert errors(metric, measure="accuracy") == {"interpolation": pytest.approx(0.1 * 0.5)}


def whole_of_few_points(scale: str = "log10") -> Values:
    """A plane from 1 to 1000 of which the corners alone were evaluated."""
    axis, decades = np.arange(4.0), np.arange(4.0)[:, None] / 3 * 2 + np.arange(4.0) / 3
    known = np.zeros((4, 4), dtype=bool)
    known[::3, ::3] = True
    refinement = {"at_most": 0.02, "largest": 0.05, "scale": scale, "metrics_rms": {"accuracy": 0.1}}
    report = {"refinement": refinement, "samples": 30}
    grids = {"loss": 10**decades, "accuracy": decades / 3}
    return Values({"x": axis, "y": axis}, grids, report, 0.01 * 10**decades, known)


def test_a_section_has_the_error_of_predictions_of_the_whole_in_the_range_of_the_whole():
    whole = whole_of_few_points()
    predicted = pytest.approx(0.05 * 3)
    assert errors(whole)["interpolation"] == predicted
    sections = [slice_of(whole, {"x": 1.2}), slice_of(whole, {"y": 0}), projection_of(whole, ["x"], "mean")]
    for part in [*sections, projection_of(whole, ["y"])]:
        assert errors(part)["interpolation"] == predicted
        assert errors(part, log=False)["interpolation"] == pytest.approx(part.loss.max() * (10**0.15 - 1))
        assert errors(part, measure="accuracy") == {"interpolation": pytest.approx(0.1)}
    linear = whole_of_few_points("linear")
    assert errors(slice_of(linear, {"x": 1}), log=False)["interpolation"] == pytest.approx(0.05 * 999)
    smallest = errors(slice_of(linear, {"x": 1}))["interpolation"]
    assert smallest == pytest.approx(0.05 * 999 / 10 ** (2 / 3) / np.log(10))


def test_the_smallest_value_may_have_been_evaluated_and_a_smaller_one_predicted_too_high():
    whole = whole_of_few_points()
    known = np.zeros((4, 4), dtype=bool)
    known[:, 0] = True
    part = projection_of(Values(whole.axes, whole.measures, whole.report, evaluated=known), ["y"])
    assert part.evaluated.all()
    assert errors(part) == {"interpolation": pytest.approx(0.05 * 3)}


def test_the_samples_of_a_section_speak_of_what_was_predicted_from_beside_it_too():
    whole = whole_of_few_points()
    none_evaluated = slice_of(whole, {"x": 1})
    assert not none_evaluated.evaluated.any()
    z = t.ppf(1 - 0.05 / (2 * 4), 29)
    assert errors(none_evaluated)["samples"] == pytest.approx(0.01 * z / np.log(10))


def test_a_slice_that_was_evaluated_whole_has_no_error_of_predictions():
    whole = whole_of_few_points()
    known = np.zeros((4, 4), dtype=bool)
    known[0] = True
    part = slice_of(Values(whole.axes, whole.measures, whole.report, evaluated=known), {"x": 0})
    assert errors(part) == {}


@pytest.mark.parametrize(
    "report",
    [{}, {"refinement": 3}, {"sections": 3}, {"sections": [3, {"how": "min", "refinement": 3}]},
     {"sections": [{"refinement": {"largest": 0.1, "scale": "odd"}, "spans": 3}]},
     {"refinement": {"scale": "log10"}}, {"refinement": {"largest": "x", "scale": "log10"}},
     {"refinement": {"largest": 0.1, "scale": "odd"}}, {"refinement": {"largest": np.nan, "scale": "linear"}}],
)  # fmt: skip
def test_a_report_that_no_run_wrote_says_nothing(report):
    assert errors(line([1, 2, 3], report, evaluated=np.array([True, False, True]))) == {}


def test_directions_and_samples_share_what_the_confidence_leaves():
    draw = np.random.default_rng(0)
    stack = 5 + draw.normal(size=(8, 4))
    given = Values({"x": np.arange(4.0)}, {"loss": stack.mean(0)}, {}, np.full(4, 0.1), repeats={"loss": stack})
    each = 0.05 / 2
    wanted = stack.std(0, ddof=1) / np.sqrt(8) * t.ppf(1 - each / 8, 7)
    assert errors(given, log=False) == {
        "samples": pytest.approx(0.1 * norm.ppf(1 - each / 8)), "directions": pytest.approx(wanted.max())
    }  # fmt: skip


def test_shares_have_the_interval_of_wilson():
    share = np.array([1.0, 0.9, 0.5, np.nan])
    given = Values({"x": np.arange(4.0)}, {"loss": np.zeros(4), "accuracy": share}, {"shares": {"accuracy": 50}})
    low, high = wilson_interval(given, confidence=1 - 0.05 / 3)
    half = np.nanmax(np.maximum(high - share, share - low))
    assert errors(given, measure="accuracy") == {"samples": pytest.approx(half)}
    other = Values(given.axes, {"loss": np.zeros(4), "entropy": share}, {"shares": {"accuracy": 50}})
    assert errors(other, measure="entropy") == {}  # of which nothing is known


def test_what_is_certain_is_deeper_than_twice_the_error():
    loss = [0.0, 3.0, 1.0, 2.0, 1.5]
    found = topology_of(line(loss), {"log": False, "threshold": 0, "error": 0.5})
    assert [(basin.depth, basin.certain) for basin in found.basins] == [(np.inf, True), (2.0, True), (0.5, False)]
    assert [b.certain for b in topology_of(line(loss), {"log": False, "threshold": 0, "error": 1.0}).basins] == [
        True, False, False
    ]  # fmt: skip


def test_a_surface_of_a_model_knows_its_errors(tmp_path):
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, data = torch.nn.Linear(4, 3), (torch.randn(300, 4), torch.randint(3, (300,)))
    found = fastscape.surface(model, data, x=(-1, 1, 31), y=(-1, 1, 31), tolerance=0.02, progress=False).topology()
    assert list(found.errors) == ["samples", "interpolation"]
    assert 0 < found.error < np.inf
    again = fastscape.Topology.load(found.save(tmp_path / "topology.npz"))
    assert again.as_dict() == found.as_dict()
    assert str(again) == str(found)
