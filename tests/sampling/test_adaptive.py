"""Adaptive sampling: surfaces of which only some points are evaluated."""

import json
from functools import cache

import numpy as np
import pytest
from matplotlib import pyplot as plt
from noted import noted, notes

import fastscape
import stored_runs
from fastscape import Landscape
from fastscape.sampling.adaptive import Refinement, Trust
from fastscape.sampling.choice_of_points import along_a_curve, first_points
from fastscape.views import refinement_said

AXIS = np.linspace(-1, 1, 51)
X, Y = np.meshgrid(AXIS, AXIS, indexing="ij")
BOWL = 1 + X**2 + Y**2
STEP = 2 / 50


def refined(surface, tolerance, log=False):
    """The refinement of a surface that is known, and its true error as a fraction of the range."""
    values = surface.reshape(-1, 1)
    refinement = Refinement((AXIS, AXIS), tolerance, log=log)
    while len(wanted := refinement.wanted()):
        assert not refinement.known[wanted].any()
        assert len(np.unique(wanted)) == len(wanted)
        refinement.take(wanted, values[wanted])
        refinement.judge()
    found = refinement.filled(np.where(refinement.known[:, None], values, 7.0))
    assert (np.isfinite(found) == np.isfinite(values)).all()  # nothing is predicted into a region without values
    heights, truth = (np.log10(array) if refinement.logarithmic else array for array in (found, values))
    finite = np.isfinite(values)
    span = np.ptp(truth[finite]) if finite.any() else 0.0
    errors = np.zeros_like(truth)
    np.subtract(heights, truth, out=errors, where=finite)
    return refinement, float(np.sqrt(np.square(errors).mean()) / (span or 1.0))


def line(angle, offset):
    """The distance from a straight line."""
    return X * np.cos(np.radians(angle)) + Y * np.sin(np.radians(angle)) - offset


SURFACES = {
    "bowl": BOWL,
    "step": np.where(X + 0.3 * Y > 0.1, 5.0, 1.0),
    "step along an axis": np.where(X > 0.13, 5.0, 1.0),
    "noise": np.random.default_rng(1).random((51, 51)) + 0.5,
    "noise on a bowl": BOWL + 0.02 * np.random.default_rng(1).standard_normal((51, 51)),
    "constant": np.full((51, 51), 2.0),
    "not a number beyond a line": np.where(X > 0.33, np.nan, BOWL),
    "infinite beyond a slanting line": np.where(X + Y > 0.33, np.inf, BOWL),
    "not a number in a disc": np.where(X**2 + (Y - 0.3) ** 2 < 0.1, np.nan, BOWL),
    "not a number here and there": np.where(np.random.default_rng(2).random((51, 51)) < 0.1, np.nan, BOWL),
    "nowhere finite": np.full((51, 51), np.nan),
    "a spike where the lattice is": BOWL + 10.0 * (np.arange(2601) == 0).reshape(51, 51),
    "a dip at the model": BOWL - 0.99 * np.exp(-(X**2 + Y**2) / (2 * STEP**2)),
    **{f"a valley at {a} degrees": BOWL - 0.75 * (abs(line(a, 0.11)) < 0.75 * STEP) for a in (0, 27, 45, 90, 120)},
    **{f"a wall at {a} degrees": BOWL + 10 * np.exp(-((line(a, -0.23) / STEP) ** 2)) for a in (0, 10, 63, 151)},
}


@cache
def of(name, tolerance):
    """What several tests look at."""
    return refined(SURFACES[name], tolerance)


@pytest.mark.parametrize("tolerance", [0.02, 0.005])
@pytest.mark.parametrize("name", SURFACES)
def test_no_surface_is_said_to_be_good_that_is_not(name, tolerance):
    refinement, error = of(name, tolerance)
    assert refinement.met
    assert error <= tolerance


def test_a_smooth_surface_takes_few_points_and_noise_takes_all():
    assert of("bowl", 0.005)[0].known.mean() < 0.15
    assert of("constant", 0.005)[0].known.mean() < 0.15
    assert of("noise", 0.005)[0].known.all()
    assert refined(BOWL, 0.0)[0].known.all()


def test_a_smaller_tolerance_asks_for_the_same_points_and_more():
    loose, tight = (of("a wall at 63 degrees", tolerance)[0].known for tolerance in (0.02, 0.002))
    assert (tight | ~loose).all()
    assert tight.sum() > loose.sum()


def test_the_scale_is_that_of_the_picture():
    surface = 10.0 ** (-4 + 4 * np.sqrt(X**2 + Y**2))
    logarithmic, error = refined(surface, 0.005, log=True)
    assert logarithmic.logarithmic
    assert error <= 0.005
    assert not refined(surface, 0.005, log=False)[0].logarithmic
    assert not refined(surface - 1, 0.005, log=True)[0].logarithmic  # losses below 0


def test_the_first_points_meet_every_row_and_column():
    for height, width in ((51, 51), (13, 120), (481, 481)):
        x, y = np.linspace(-1, 1, height), np.linspace(-2, 2, width)
        first = first_points((x, y))
        assert len(first) == len(np.unique(first)) <= max(56, width + 5)
        assert len(first_points((x, y), size=16)) % 16 == 0
        assert set(first // width) == set(range(height))
        assert set(first % width) == set(range(width))
        assert {0, width - 1, height * width - 1, (height // 2) * width + width // 2} <= set(first.tolist())
        told = first_points((x, y), told=True)
        assert len(told) <= 32
        assert {0, width - 1, height * width - 1, (height // 2) * width + width // 2} <= set(told.tolist())


def test_a_curve_keeps_neighbours_together():
    order = along_a_curve(np.arange(16), (4, 4))
    assert order.tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def surface(store=None, **options):
    wanted = {"x": (-1, 1, 24), "y": (-1, 1, 24), "tolerance": 0.01, "metrics": {"accuracy": fastscape.accuracy}}
    return stored_runs.surface(store, **{**wanted, **options})


@pytest.fixture(scope="module")
def whole():
    return surface(tolerance=None)


@pytest.fixture(scope="module")
def landscape():
    return surface()


def test_a_surface_of_which_some_points_are_evaluated(whole, landscape):
    report = landscape.report["refinement"]
    known = landscape.evaluated
    assert report["met"]
    assert report["evaluated"] == known.sum() < known.size == report["evaluated"] + report["saved"]
    for name, grid in whole.values.items():
        assert (landscape.values[name][known] == grid[known]).all()
    assert (landscape.standard_error[known] == whole.standard_error[known]).all()
    heights, truth = np.log10(landscape.loss), np.log10(whole.loss)
    assert np.sqrt(np.square(heights - truth).mean()) / np.ptp(truth) <= 0.01
    accuracies = landscape.metrics["accuracy"]
    assert accuracies.min() >= whole.metrics["accuracy"].min()
    assert accuracies.max() <= whole.metrics["accuracy"].max()
    assert f"24 x 24 points, {known.sum()} of them evaluated" in repr(landscape)
    json.dumps(dict(landscape.report))
    assert (whole.evaluated).all()


def test_every_point_when_none_may_be_predicted(whole):
    landscape = surface(tolerance=0)
    assert landscape.loss.tobytes() == whole.loss.tobytes()
    assert landscape.evaluated.all()
    assert landscape.report["refinement"]["rms"] == 0


def test_small_grids_are_evaluated_whole():
    landscape = surface(x=(-1, 1, 8), y=(-1, 1, 40))
    assert landscape.evaluated.all()
    assert landscape.report["refinement"]["met"]


def test_a_file_and_a_store_know_which_points_were_evaluated(tmp_path):
    landscape = surface(tmp_path / "run.zarr")
    loaded = Landscape.load(landscape.save(tmp_path / "a.npz"))
    stored = Landscape.load(tmp_path / "run.zarr")
    for other in (loaded, stored):
        assert (other.evaluated == landscape.evaluated).all()
        assert other.loss.tobytes() == landscape.loss.tobytes()
    model, data = stored_runs.problem()
    metrics = {"accuracy": fastscape.accuracy}
    again = landscape.reproduce(model, data, metrics=metrics, progress=False)
    assert again.loss.tobytes() == landscape.loss.tobytes()
    assert (again.evaluated == landscape.evaluated).all()


def test_exports_tell_what_was_predicted(tmp_path, landscape):
    pytest.importorskip("h5py")
    for ending in ("csv", "h5"):
        loaded = Landscape.load(landscape.export(tmp_path / f"a.{ending}"))
        assert (loaded.evaluated == landscape.evaluated).all()
        assert list(loaded.metrics) == ["accuracy"]
        whole = Landscape(loaded.x, loaded.y, loaded.loss)
        assert Landscape.load(whole.export(tmp_path / f"b.{ending}")).evaluated.all()
    pytest.importorskip("xarray")
    assert (landscape.to_xarray()["evaluated"] == landscape.evaluated).all()


def test_a_run_that_was_ended_asks_for_no_stored_point_again(tmp_path, monkeypatch, landscape):
    alone = landscape
    engine = fastscape.engine.engine.Engine
    sums, left = engine.sums, [44]

    def ending(self, points):
        left[0] -= len(points)
        if left[0] < 0:
            raise MemoryError
        return sums(self, points)

    monkeypatch.setattr(engine, "sums", ending)
    with pytest.raises(MemoryError):
        surface(tmp_path / "run.zarr")
    begun = Landscape.load(tmp_path / "run.zarr")
    kept = begun.report["progress"]["points"]
    assert 0 < kept < alone.evaluated.sum()
    known = np.isfinite(begun.loss)
    assert known.sum() == kept
    assert (begun.loss[known] == alone.loss[known]).all()
    left[0] = int(alone.evaluated.sum()) - kept
    resumed = surface(tmp_path / "run.zarr")
    assert left[0] == 0
    assert resumed.report["points_before"] == kept
    assert resumed.loss.tobytes() == alone.loss.tobytes()
    left[0] = 10**6
    tighter = surface(tmp_path / "run.zarr", tolerance=0.0005)
    assert tighter.report["points_before"] == alone.evaluated.sum()
    assert (tighter.evaluated | ~alone.evaluated).all()
    assert tighter.loss.tobytes() == surface(tolerance=0.0005).loss.tobytes()
    with pytest.raises(ValueError, match="begun with refined True"):
        surface(tmp_path / "run.zarr", tolerance=None)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tolerance": -0.1}, ValueError, "must be a fraction of the range"),
        ({"tolerance": 1.5}, ValueError, "must be a fraction of the range"),
        ({"tolerance": float("nan")}, ValueError, "must be a fraction of the range"),
        ({"tolerance": "fine"}, TypeError, "must be a number"),
        ({"tolerance": None, "tolerance_scale": "linear"}, ValueError, "write tolerance= too"),
        ({"tolerance_scale": "yes"}, ValueError, "must be one of .log10., .linear."),
        ({"stream_samples": 5}, ValueError, "leave out one"),
    ],
)
def test_mistakes(options, kind, message):
    with pytest.raises(kind, match=message):
        surface(**options)


def test_a_reduced_precision_is_judged_at_points_that_are_evaluated_for_it():
    landscape = surface(precision="bfloat16", plan=fastscape.Plan("loop", chunk=8))
    assert landscape.report["precision_error"]["points"] == 5


def bowl(**options):
    return Landscape(AXIS, AXIS, BOWL, report={"refinement": {"scale": "linear", "met": True, "rms": 0.00123,
        "at_most": 0.0017, "tolerance": 0.005, "widest_gap": 5} | options}, evaluated=BOWL > 1.5)  # fmt: skip


GOOD = Trust(rms=0.004, at_most=0.005, largest=0.3, left_out=0.015, edge=0, held_out=9, others=[])


@pytest.mark.parametrize("worse", [{"at_most": 0.0051}, {"held_out": 0}, {"edge": 1}])
def test_a_round_is_good_enough_when_all_that_it_shows_is(worse):
    assert GOOD.within(0.005)
    assert not GOOD._replace(**worse).within(0.005)


def test_the_last_round_decides():
    refinement = Refinement((AXIS, AXIS), 0.005)
    assert not refinement.met
    refinement.trust = GOOD
    assert refinement.met
    refinement.trust = GOOD._replace(at_most=0.1)
    assert not refinement.met
    refinement.known[:] = True
    assert refinement.met  # nothing is predicted


def test_how_good_predictions_are_is_said():
    known = int((BOWL > 1.5).sum())
    assert refinement_said(bowl()) == (
        f"{known} of 2601 points were evaluated, the rest predicted with an rms error of 0.0012 (at most 0.0017) of "
        "the range of the loss, within the tolerance of 0.005; features narrower than 6 grid steps may be missed"
    )
    assert "the range of log10 of the loss, NOT within" in refinement_said(bowl(scale="log10", met=False))
    assert refinement_said(bowl(metrics_rms={"accuracy": 0.04}), "accuracy") == (
        f"{known} of 2601 points were evaluated, the rest predicted with an rms error of 0.04 of the range of "
        "accuracy; features narrower than 6 grid steps may be missed"
    )
    assert refinement_said(Landscape(AXIS, AXIS, BOWL)) == ""
    whole = Landscape(AXIS, AXIS, BOWL, report=bowl().report)
    assert refinement_said(whole) == "2601 of 2601 points were evaluated"
    assert (
        refinement_said(Landscape(AXIS, AXIS, BOWL, evaluated=BOWL > 1.5)) == f"{known} of 2601 points were evaluated"
    )


def test_a_spike_that_was_missed_is_narrower_than_what_the_report_speaks_of():
    """No method sees what leaves no trace: the statement is about wider features, and says so."""
    refinement, error = refined(BOWL + 10.0 * (np.arange(2601) == 43 * 51 + 32).reshape(51, 51), 0.005)
    assert refinement.met
    assert error > 0.005
    assert refinement.widest_gap() > 1


@pytest.mark.parametrize("draw", range(4))
def test_features_as_wide_as_the_report_speaks_of_are_not_missed(draw):
    """Squares as wide as the widest gap of a smooth surface, anywhere."""
    gap = of("bowl", 0.005)[0].widest_gap() + 1
    i, j = np.random.default_rng(draw).integers(0, 51 - gap, 2)
    surface = BOWL.copy()
    surface[i : i + gap, j : j + gap] += 5.0
    refinement, error = refined(surface, 0.005)
    assert refinement.met
    assert error <= 0.005


def test_pictures_say_what_is_predicted_and_show_what_is_not():
    landscape = bowl()
    ax = landscape.contour(points=True)
    (dots,) = (line for line in ax.lines if line.get_label() == "evaluated")
    known = np.argwhere(landscape.evaluated)
    np.testing.assert_array_equal(np.stack(dots.get_data(), 1), AXIS[known])
    assert "points computed; rms error" in noted(ax)
    assert "may be missed" in landscape.caption()
    assert not any(line.get_label() == "evaluated" for line in landscape.contour().lines)
    plt.close("all")


@pytest.mark.parametrize("kind", ["contour", "surface3d"])
def test_what_is_said_below_a_picture_is_seen_whole(kind):
    loss = np.where(X > 0.9, np.inf, np.where(X < -0.9, np.nan, BOWL))
    landscape = Landscape(AXIS, AXIS, loss, report=bowl().report, evaluated=BOWL > 1.5)
    ax = getattr(landscape, kind)()
    ax.figure.draw_without_rendering()
    assert noted(ax).count("\n") == 2  # computed, missing, infinite
    (note,) = notes(ax)
    assert note.get_text()[:20] == noted(ax)[:20]
    box, page = note.get_window_extent(), ax.figure.bbox
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert page.y0 <= box.y0 < box.y1 <= page.y1
    plt.close("all")


def test_a_note_leaves_the_map_as_large_as_it_was():
    sizes = []
    for landscape in (bowl(), Landscape(AXIS, AXIS, BOWL)):
        ax = landscape.contour()
        ax.figure.draw_without_rendering()
        sizes.append(ax.get_position().width)
    assert sizes[0] > 0.85 * sizes[1]
    plt.close("all")


ROUGH = 10.0 ** (np.sin(9 * X) * np.cos(7 * Y) + X)  # what many points would be needed for
DIFFERENT = 1 + 0.05 * (X - Y**2)


def with_trend(trend, surface=ROUGH * DIFFERENT, **options):
    values = np.stack([surface.ravel(), 0.5 + 0.1 * X.ravel()], 1)
    refinement = Refinement((AXIS, AXIS), 0.002, trend=trend, **options)
    while len(wanted := refinement.wanted()):
        refinement.take(wanted, values[wanted])
        refinement.judge()
    found = refinement.filled(np.where(refinement.known[:, None], values, 7.0))
    heights = np.log10(np.stack([found[:, 0], values[:, 0]]))
    return refinement, float(np.sqrt(np.square(heights[0] - heights[1]).mean()) / np.ptp(heights[1])), found


def test_what_is_known_of_all_points_saves_most_of_them():
    refinement, error, found = with_trend(ROUGH.reshape(-1, 1))
    assert refinement.met
    assert refinement.logarithmic
    assert error <= 0.002
    assert refinement.known.sum() < 60 < 5 * 60 < with_trend(None)[0].known.sum()
    np.testing.assert_allclose(found[:, 1], 0.5 + 0.1 * X.ravel(), atol=1e-3)  # the trend is of the loss alone
    quick = refinement.filled(np.where(refinement.known[:, None], found, 7.0), quickly=True)
    np.testing.assert_allclose(quick[:, 0], found[:, 0], rtol=0.05)


def test_a_trend_may_be_of_all_measures_and_may_have_holes():
    trend = np.stack([ROUGH.ravel(), 0.4 + 0.1 * X.ravel()], 1)
    trend[(np.abs(X) + np.abs(Y) < 0.2).ravel(), 0] = np.nan
    trend[77, 0], trend[78, 0], trend[:, 1] = 0.0, -1.0, np.inf
    refinement, error, found = with_trend(trend)
    assert refinement.met
    assert error <= 0.002
    assert np.isfinite(found).all()
    assert refinement.trust.rms <= 0.002


def test_a_trend_that_has_nothing_to_tell_does_no_harm():
    for trend in (np.full((2601, 1), np.nan), np.ones((2601, 1))):
        refinement, error, _ = with_trend(trend)
        assert refinement.met
        assert error <= 0.002


def test_an_edge_is_counted_as_it_is_looked_for():
    """What is wanted next is at the edge exactly as long as the report speaks of points there."""
    values = np.where(X > 0.33, np.nan, BOWL).reshape(-1, 1)
    refinement = Refinement((AXIS, AXIS), 0.005)
    counts = []
    while len(wanted := refinement.wanted()):
        refinement.take(wanted, values[wanted])
        refinement.judge()
        counts.append(refinement.trust.edge)
    first = counts.index(0)
    assert first > 0
    assert refinement.known.sum() < 300
    assert counts[0] > 100


def test_a_smaller_chunk_of_a_plan_does_not_change_what_is_evaluated():
    known = [
        surface(plan=fastscape.Plan("loop", chunk=chunk, microbatch=7)).evaluated
        for chunk in (8, 512)
    ]  # fmt: skip
    assert (known[0] == known[1]).all()
    assert known[0].sum() <= 96


def test_basins_are_made_certain_where_metrics_are_measured_too():
    """Metrics have ranges of their own; which points settle the basins is a matter of the loss."""
    found = surface(topology=True)
    pairs = found.report["refinement"]["topology"]
    assert pairs["certain"]
    assert pairs["pairs"] == len(found.topology().basins)
    assert list(found.metrics) == ["accuracy"]
