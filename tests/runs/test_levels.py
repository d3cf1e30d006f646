"""Many samples, few of them everywhere: a draw at many points, all samples at few."""

import json

import numpy as np
import pytest
import torch

import fastscape
import stored_runs
from fastscape import Landscape, Plan
from fastscape.engine import Engine
from fastscape.views import refinement_said

SAMPLES, DRAW = 600, 60
METRICS = {"accuracy": fastscape.accuracy}
PLAN = Plan("loop", chunk=1, microbatch=50)
OPTIONS = {"x": (-1, 1, 24), "y": (-1, 1, 24), "metrics": METRICS, "plan": PLAN}


def surface(store=None, **options):
    return stored_runs.surface(store, SAMPLES, **{**OPTIONS, "tolerance": 0.01, "draw_samples": DRAW, **options})


@pytest.fixture(scope="module")
def whole():
    return surface(tolerance=None, draw_samples=0)


@pytest.fixture(scope="module")
def landscape():
    return surface()


def apart(found, true):
    heights, truth = np.log10(found.loss), np.log10(true.loss)
    return np.sqrt(np.square(heights - truth).mean()) / np.ptp(truth)


def test_values_on_all_samples_are_those_of_a_plain_run_and_the_others_are_near(whole, landscape):
    known = landscape.evaluated
    for name, grid in whole.values.items():
        assert landscape.values[name][known].tobytes() == grid[known].tobytes()
    assert landscape.standard_error[known].tobytes() == whole.standard_error[known].tobytes()
    assert 0.5 < np.median(landscape.standard_error[~known] / whole.standard_error[~known]) < 2
    assert landscape.report["refinement"]["met"]
    assert apart(landscape, whole) <= 0.01
    assert not known.all()


def test_the_report_counts_both_levels(landscape):
    found = landscape.report["refinement"]
    below, above = found["levels"]
    assert (found["draw_samples"], found["draw_seed"]) == (DRAW, 0)
    assert (below["samples"], above["samples"]) == (DRAW, SAMPLES) == (DRAW, landscape.report["samples"])
    assert above["points"] == landscape.evaluated.sum() == found["evaluated"] < below["points"]
    assert below["tolerance"] == 0.005
    assert found["widest_gap"] < 7  # the points on all samples alone have wider ones
    assert found["sample_evaluations"] == DRAW * below["points"] + SAMPLES * above["points"]
    assert below["points"] * SAMPLES <= found["all_samples_everywhere"]
    json.dumps(dict(landscape.report))
    assert f"were evaluated on all {SAMPLES} samples" in refinement_said(landscape)
    assert f"{below['points']} on {DRAW} of them" in refinement_said(landscape)


def test_it_is_evaluated_as_often_as_is_said(monkeypatch, landscape):
    counted = {DRAW: 0, SAMPLES: 0}
    sums = Engine.sums

    def counting(self, points):
        counted[self.problem.size] += len(points)
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", counting)
    again = surface()
    assert [counted[n] for n in (DRAW, SAMPLES)] == [level["points"] for level in again.report["refinement"]["levels"]]
    assert again.loss.tobytes() == landscape.loss.tobytes()


def test_the_errors_of_the_draw_are_judged_too(monkeypatch):
    """A surface of the draw that is wrong between its points is found out at points on all samples."""
    from fastscape.runs import levels

    right = levels.measured_everywhere

    def wrong(*arguments):
        trend = right(*arguments)
        trend[:, 0] *= 1 + np.random.default_rng(0).random(len(trend))
        return trend

    monkeypatch.setattr(levels, "measured_everywhere", wrong)
    landscape = surface()
    assert landscape.evaluated.mean() > 0.5


def test_few_samples_are_evaluated_as_before():
    plain, found = surface(draw_samples=0), surface(draw_samples="auto")
    assert found.loss.tobytes() == plain.loss.tobytes()
    assert found.report["refinement"] == plain.report["refinement"]
    assert "levels" not in found.report["refinement"]


@pytest.mark.filterwarnings("ignore:batchnorm='batch' acts on no layer")
def test_many_samples_are_drawn_from_without_being_asked_for():
    options = {"x": (-1, 1, 16), "y": (-1, 1, 16), "tolerance": 0.05, "plan": Plan("vmap", chunk=64, microbatch=4096)}
    found = stored_runs.surface(None, 8192, **options)
    assert found.report["refinement"]["draw_samples"] == 1024
    assert "draw_samples" not in stored_runs.surface(None, 8191, **options).report["refinement"]
    one_thing = stored_runs.surface(None, 8192, **options, batchnorm="batch").report["refinement"]
    assert "draw_samples" not in one_thing


def test_statistics_that_are_estimated_anew_are_those_of_all_samples():
    generator = torch.Generator().manual_seed(0)
    batches = [
        (torch.randn(128, 4, generator=generator), torch.randint(2, (128,), generator=generator)) for _ in range(72)
    ]
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    options = {"x": (-1, 1, 16), "y": (-1, 1, 16), "tolerance": 0.1, "plan": Plan("loop", chunk=8), "progress": False}
    found = fastscape.surface(model, batches, batchnorm="recalibrate", **options)
    assert "draw_samples" not in found.report["refinement"]
    assert "draw_samples" in fastscape.surface(model, batches, **options).report["refinement"]


def test_it_is_reproduced(landscape):
    again = landscape.reproduce(*stored_runs.problem(SAMPLES), metrics=METRICS, progress=False)
    assert again.loss.tobytes() == landscape.loss.tobytes()
    assert again.report["refinement"] == landscape.report["refinement"]


def test_a_function_sees_the_surface_of_the_draw_and_then_the_sum():
    seen = []
    surface(progress=lambda estimate: seen.append((estimate.evaluated.sum(), estimate.report["samples"])))
    drawn = [evaluated for evaluated, samples in seen if samples == DRAW]
    assert drawn
    assert not any(drawn)
    assert seen[-1][0] > 0
    assert seen[-1][1] == SAMPLES


@pytest.mark.parametrize("ended", ["on the draw", "on all samples"])
def test_a_run_that_was_ended_goes_on_at_either_level(tmp_path, monkeypatch, landscape, ended):
    below, above = (level["points"] for level in landscape.report["refinement"]["levels"])
    sums = Engine.sums
    left = [below // 2 if ended == "on the draw" else below + above // 2]

    def ending(self, points):
        left[0] -= len(points)
        if left[0] < 0:
            raise MemoryError
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", ending)
    with pytest.raises(MemoryError):
        surface(tmp_path / "run.zarr")
    kept = Landscape.load(tmp_path / "run.zarr").report["progress"]["points"]
    assert (kept > 0) == (ended == "on all samples")
    left[0] = below + above
    resumed = surface(tmp_path / "run.zarr")
    evaluated = below + above - left[0]
    assert evaluated == (below - below // 2 + above if ended == "on the draw" else above - above // 2)
    assert resumed.loss.tobytes() == landscape.loss.tobytes()
    assert (resumed.evaluated == landscape.evaluated).all()
    assert Landscape.load(tmp_path / "run.zarr").loss.tobytes() == landscape.loss.tobytes()
    with pytest.raises(ValueError, match=r"begun with samples 60 \(now 50\)"):
        surface(tmp_path / "run.zarr", draw_samples=50)


def test_a_store_of_all_samples_is_taken_up_with_a_draw(tmp_path, whole):
    """As one that an earlier version has begun: its points are on all samples, however they were chosen."""
    before = surface(tmp_path / "run.zarr", draw_samples=0)
    after = surface(tmp_path / "run.zarr")
    assert (after.evaluated | ~before.evaluated).all()
    assert apart(after, whole) <= 0.01


def test_where_losses_are_not_finite_no_value_is_made_up():
    model, data = stored_runs.problem(SAMPLES)

    def loss(outputs, targets):
        each = torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
        return torch.where(outputs.abs().amax() > 10, torch.nan, each)

    options = {**OPTIONS, "x": (-2, 2, 24), "y": (-2, 2, 24), "loss": loss, "metrics": None, "progress": False}
    found, true = (
        fastscape.surface(model, data, **options, **more) for more in ({"tolerance": 0.01, "draw_samples": DRAW}, {})
    )
    assert 0 < np.isnan(true.loss).sum() < true.loss.size / 2
    assert (np.isnan(found.loss) == np.isnan(true.loss)).mean() > 0.99  # but for what is narrower than the gaps
    assert found.report["refinement"]["levels"][0]["points"] > 0


def test_as_many_samples_as_a_standard_error_needs_and_as_few_points_as_a_tolerance_allows():
    options = {"tolerance": 0.01, "target_standard_error": 0.1, "plan": PLAN, "x": (-1, 1, 24), "y": (-1, 1, 24)}
    several = {draw: stored_runs.surface(None, 2000, **options, draw_samples=draw) for draw in (0, DRAW)}
    used = several[0].report["samples"]
    assert used < 2000
    assert used % 256 == 0
    problem = stored_runs.problem(2000)
    for draw, found in several.items():
        report = found.report["standard_error"]
        assert found.report["samples"] == used
        assert report["met"]
        known = found.evaluated
        largest = found.standard_error[known].max()
        assert largest <= 0.1 * np.ptp(found.loss[known])
        assert (report["target"], report["available"]) == (0.1, 2000)
        assert found.report["order"] == "random"
        assert found.report["refinement"]["met"]
        again = found.reproduce(*problem, progress=False)
        assert again.loss.tobytes() == found.loss.tobytes()
        assert again.report["samples"] == used
        assert again.report["refinement"].get("draw_samples", 0) == draw
    both = several[0].evaluated & several[DRAW].evaluated
    assert (several[0].loss[both] == several[DRAW].loss[both]).all()
    assert apart(several[DRAW], several[0]) < 0.02


def test_the_samples_that_were_read_are_those_that_are_evaluated():
    """The values are means over the same samples as those of a run that reads as many without a tolerance."""
    options = {"plan": PLAN, "x": (-1, 1, 16), "y": (-1, 1, 16)}
    found = stored_runs.surface(None, 2000, **options, target_standard_error=0.1, tolerance=0.01)
    streamed = stored_runs.surface(None, 2000, **options, target_standard_error=0.1)
    assert streamed.report["samples"] == found.report["samples"] < 2000
    assert streamed.report["data_hash"] == found.report["data_hash"]
    np.testing.assert_allclose(found.loss[found.evaluated], streamed.loss[found.evaluated], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draw_samples": -1}, "must be a number of samples, 0 for none, or 'auto'"),
        ({"draw_samples": "some"}, "must be a number of samples"),
        ({"draw_samples": True}, "must be a number of samples"),
        (
            {"draw_samples": SAMPLES},
            "draw_samples=600 would draw all 600 samples, which are in 1 batches; ask for fewer, give",
        ),
        ({"batchnorm": "recalibrate"}, "statistics over all samples"),
        ({"tolerance": None}, "takes a tolerance above 0"),
        ({"tolerance": 0}, "takes a tolerance above 0"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        surface(**options)


@pytest.mark.filterwarnings("ignore:batchnorm='batch' acts on no layer")
def test_one_batch_that_must_stay_one_has_no_part():
    with pytest.raises(ValueError, match="smaller batches if a batch is one thing"):
        surface(batchnorm="batch")
