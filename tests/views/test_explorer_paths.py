"""The page shows trainings: their steps, their own losses, and a slider that follows them."""

import numpy as np
import pytest
from test_explorer import held, numbers

from drawn_trainings import ADAM, SAM, SGD, bowl, landscape
from fastscape.results import Trajectory
from fastscape.views import page
from fastscape.views.path_looks import look_of, marks_of

THREE = landscape(SGD, ADAM, SAM)
OTHERS = 5  # the traces before those of the paths


def test_the_page_holds_what_is_known_of_a_path_bit_for_bit():
    (shown,) = held(page(landscape(SGD)))
    (known,) = shown["known"]
    for name in ("steps", "off_plane", "loss", "height"):
        np.testing.assert_array_equal(numbers(known[name]), getattr(SGD, name))
    for name, column in known["measures"]:
        np.testing.assert_array_equal(numbers(column), SGD.measures[name])
    assert known["names"] == [list(mark) for mark in marks_of(SGD)]
    assert known["look"] == list(look_of(0)[:2])
    (bare,) = held(page(landscape(Trajectory("bare", [[0.0, 0.0]]))))[0]["known"]
    assert [bare[name] for name in ("steps", "loss", "measures", "names")] == [None, None, [], []]


def test_a_slider_follows_the_training(show):
    shown = show(THREE)
    assert shown.page.locator("#moment-shown").inner_text() == "step 600"
    assert shown.drawn(f"data[{OTHERS}].x") == SGD.points[:, 0].tolist()
    moments = sorted({*SGD.steps, *ADAM.steps, *SAM.steps})
    shown.set("moment", moments.index(120))
    x = shown.drawn(f"data[{OTHERS}].x")
    assert x == [*SGD.points[:7, 0], *[None] * 24]  # step 120 is the seventh
    assert shown.drawn(f"data[{OTHERS + 1}].x") == [*ADAM.points[:5, 0], *[None] * 16]
    (start, now) = shown.drawn(f"data[{OTHERS + 3 + 3}].x")  # its traces: below, losses, names, ends
    assert (start, now) == (SGD.points[0, 0], SGD.points[6, 0])
    told = shown.page.locator(".trained").inner_text()
    assert told.startswith(
        f"SGD: step 120, epoch 1.2, own loss {SGD.loss[6]:.4g}, loss of the plane {SGD.height[6]:.4g}, "
        f"{SGD.off_plane[6]:.4g} off the plane, recorded lr {SGD.measures['lr'][6]:.4g}; Adam: step 120, epoch 1.2, "
    )
    shown.page.focus("#moment")
    shown.page.keyboard.press("End")
    shown.settled()
    assert shown.drawn(f"data[{OTHERS}].x") == SGD.points[:, 0].tolist()
    shown.page.keyboard.press("ArrowLeft")
    shown.settled()
    assert shown.page.locator("#moment-shown").inner_text() == "step 580"
    assert shown.drawn(f"data[{OTHERS}].x")[-2:] == [SGD.points[-2, 0], None]


def test_the_slider_is_there_where_there_is_a_training(show):
    shown = show(THREE)
    assert shown.page.locator("#training").is_visible()
    assert shown.page.locator("#steps").input_value() == "0"
    assert shown.page.locator(".walk").first.inner_text().startswith("start of a walk: (")
    seen = set()
    for _ in range(40):
        shown.page.keyboard.press("Tab")
        seen.add(shown.page.evaluate("document.activeElement.id"))
    assert "moment" in seen
    shown = show(landscape(Trajectory("bare", SGD.points)))
    assert not shown.page.locator("#training").is_visible()
    assert shown.page.locator("#steps").input_value() == "30"
    assert shown.page.locator(".keys").inner_text().startswith("bare")
    assert not shown.page.locator(".trained").is_visible()


def test_a_tooltip_says_everything_of_a_checkpoint(show):
    shown = show(THREE)
    texts = shown.drawn(f"data[{OTHERS}].text")
    assert texts[3] == (
        f"SGD<br>step 60<br>epoch 0.6<br>own loss {SGD.loss[3]:.4g}<br>loss of the plane {SGD.height[3]:.4g}<br>"
        f"{SGD.off_plane[3]:.4g} off the plane<br>recorded lr {SGD.measures['lr'][3]:.4g}<br>"
        f"x {SGD.points[3, 0]:.4g}<br>y {SGD.points[3, 1]:.4g}"
    )
    assert "own loss" not in texts[4]  # which was not evaluated
    colours = shown.drawn(f"data[{OTHERS}].line.color")
    ends = [f"rgb({','.join(str(round(255 * part)) for part in look_of(0).at(share))})" for share in (0.0, 1.0)]
    assert [colours[0], colours[-1]] == ends


def test_own_losses_stand_on_stems(show):
    shown = show(landscape(SGD))
    losses = f"data[{OTHERS + 2}]"
    z = np.array(shown.drawn(f"{losses}.z"), float).reshape(-1, 3)
    known = np.isfinite(SGD.loss)
    np.testing.assert_allclose(z[:, 1], np.log10(SGD.loss[known]))
    np.testing.assert_allclose(z[:, 0], np.log10(SGD.height[known]), atol=0.02)
    assert np.isnan(z[:, 2]).all()
    assert shown.drawn(f"{losses}.visible") is True
    shown.page.locator("#log").uncheck()
    shown.settled()
    z = np.array(shown.drawn(f"{losses}.z"), float).reshape(-1, 3)
    np.testing.assert_allclose(z[:, 1], SGD.loss[known])
    shown.page.locator("#metric").select_option("accuracy")
    shown.settled()
    assert shown.drawn(f"{losses}.visible") is False  # a loss is no accuracy


def test_losses_beyond_the_picture_are_named(show):
    above = landscape(Trajectory("above", [[0.0, 0.0], [1.0, 1.0]], loss=[1.5 * THREE.loss.max(), 0.2]))
    top = np.log10(1.5 * THREE.loss.max())
    assert top < show(above).drawn("layout.scene.zaxis.range")[1] < top + 0.2
    far = Trajectory("far", [[0.0, 0.0], [1.0, 1.0], [2.0, 1.0]], loss=[1e9, 0.2, np.inf], steps=[0, 1, 2])
    shown = show(landscape(far))
    note = shown.page.locator(".note").inner_text()
    assert 'Not drawn: 1 loss of the path "far" (above or below the picture).' in note
    assert "own loss Infinity" in shown.page.locator(".trained").inner_text()


def test_orthonormal_axes_have_one_scale(show):
    sides = show(THREE).drawn("layout.scene.aspectratio")
    assert sides["x"] / sides["y"] == pytest.approx(2.0)
    report = {name: value for name, value in THREE.report.items() if name != "plane"}
    sides = show(THREE.with_report(report)).drawn("layout.scene.aspectratio")
    assert (sides["x"], sides["y"]) == (1, 1)


def test_checkpoints_without_steps_are_counted(show):
    shown = show(landscape(Trajectory("list", SGD.points, loss=SGD.loss)))
    assert shown.page.locator("#moment-shown").inner_text() == "point 30"
    shown.set("moment", 3)
    assert shown.page.locator(".trained").inner_text() == f"list: point 3, own loss {SGD.loss[3]:.4g}"
    assert "colours: point 0 to 30" in shown.page.locator(".keys").inner_text()


def test_names_and_measures_are_no_code(show):
    code = "<img src=x onerror=alert(1)>%{x}</script>"
    path = Trajectory(
        code, SGD.points, SGD.steps, measures={code: SGD.steps, "__proto__": SGD.steps, "epoch": SGD.steps}
    )
    shown = show(landscape(path))
    told = shown.page.locator(".trained").inner_text()
    assert told.startswith("<img src=x onerror=alert(1)>%{x}</scrip")
    assert "recorded __proto__ 600" in told
    assert shown.page.locator(".trained img, .keys img").count() == 0
    assert shown.page.locator(".keys span").count() == 2


def test_paths_that_begin_late_or_end_early(show):
    """A path is not there before its first step, and stays at its last one."""
    late = Trajectory("late", [[1.0, 1.0], [0.5, 0.5]], steps=[100, 200])
    early = Trajectory("early", [[2.0, 1.0], [1.5, 0.5]], steps=[0, 50], loss=[bowl(2.0, 1.0), np.nan])
    shown = show(landscape(late, early))
    shown.set("moment", 1)
    assert shown.page.locator("#moment-shown").inner_text() == "step 50"
    assert shown.drawn(f"data[{OTHERS}].x") == [None, None]
    assert shown.drawn(f"data[{OTHERS + 1}].x") == [2.0, 1.5]
    assert shown.page.locator(".trained").inner_text() == "early: step 50"
    shown.set("moment", 3)
    assert shown.page.locator(".trained").inner_text() == "late: step 200; early: step 50"
