"""The page of a landscape of three axes: what it holds, and its level surfaces, slices and controls in a browser."""

import base64
import json
import re

import numpy as np
import pytest

from fastscape import Landscape, to_html
from fastscape.results import Values
from fastscape.views import displayed, page

PHONE = (390, 844)


def wells(n: int = 9, report: dict | None = None, **options) -> Landscape:
    """Axes of three lengths, the second one falling and none uniform, without symmetry."""
    x = np.linspace(-1, 1, n)
    y, z = (np.sign(x) * x**2)[::-1], np.linspace(-0.5, 1.5, n + 2) ** 2 * np.sign(np.linspace(-0.5, 1.5, n + 2))
    grid = x[:, None, None], y[:, None], z
    loss = 0.2 + grid[0] ** 2 + 2 * grid[1] ** 2 + (grid[2] - 0.3) ** 2 + 0.1 * grid[0] * grid[2]
    return Landscape.of(Values({"x": x, "y": y, "z": z}, {"loss": loss, "score": -loss}, report or {}, **options))


def held(text: str) -> list[dict]:
    return json.loads(re.search(r'id="landscapes">(.*?)</script>', text)[1])


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f8")


def test_the_page_holds_the_values_bit_for_bit():
    landscape = wells()
    (shown,) = held(page(landscape, names=["one"]))
    assert shown["axes"] == ["x", "y", "z"]
    order = np.ix_(*(np.argsort(axis) for axis in landscape.axes.values()))
    for text, axis in zip(shown["t"], landscape.axes.values(), strict=True):
        np.testing.assert_array_equal(numbers(text), np.sort(axis))
    for name, values in landscape.measures.items():
        np.testing.assert_array_equal(numbers(dict(shown["values"])[name]).reshape(landscape.shape), values[order])


def test_nothing_in_the_page_is_fetched():
    text = page(wells())
    own = text[: text.index('id="plotly">')] + text[text.index("</script>", text.index('id="plotly">')) :]
    assert not re.search(r"(src|href)\s*=(?!.data:)|@import|url\(|fetch\(|XMLHttpRequest|import\(", own)
    assert "default-src 'none'" in text
    assert "{{" not in own


def four() -> Values:
    return Values({f"x{k}": np.arange(2.0) for k in range(1, 5)}, {"loss": np.ones((2,) * 4)})


@pytest.mark.parametrize(
    ("landscapes", "message"),
    [
        (four(), r"a landscape on a page must have two or three axes, got 4; write landscape\.slice"),
        ([wells(), four()], "must have two or three axes, got 4"),
        (
            [wells(), Landscape(np.arange(2.0), np.arange(2.0), np.eye(2))],
            "must have the same number of axes, got 2 and 3",
        ),
        (
            Values({"x": np.arange(2.0), "y": np.zeros(1), "z": np.arange(2.0)}, {"loss": np.ones((2, 1, 2))}),
            "one point",
        ),
        (
            Values({"x": np.zeros(2), "y": np.arange(2.0), "z": np.arange(2.0)}, {"loss": np.ones((2,) * 3)}),
            "x must have coordinates that all differ, got 0 twice",
        ),
        ([wells()] * 13, "a page holds 1 to 12 landscapes, because browsers draw no more scenes at once, got 13"),
    ],
)
def test_what_cannot_be_explored_is_refused(landscapes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        to_html(landscapes, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_a_picture_and_the_page_on_demand():
    assert displayed(wells()).startswith("<div><img")
    assert "isosurface" in wells().explore().page
    shown = displayed(four())  # a page draws two axes or three
    assert shown.startswith("<div><img")
    assert ".explore()" not in shown


def surface(shown, number: int = 0) -> dict:
    return shown.drawn("data[0]", number)


def test_the_surfaces_are_of_the_values_at_their_places(show):
    landscape = wells()
    shown = show(landscape)
    found = surface(shown)
    assert found["type"] == "isosurface"
    axes = [np.sort(axis) for axis in landscape.axes.values()]
    order = np.ix_(*(np.argsort(axis) for axis in landscape.axes.values()))
    grid = np.meshgrid(*axes, indexing="ij")
    for name, coordinates in zip("xyz", grid, strict=True):
        np.testing.assert_array_equal(found[name], coordinates.ravel())
    np.testing.assert_allclose(found["value"], np.log10(landscape.loss[order]).ravel(), rtol=1e-12, atol=1e-15)
    titles = [shown.drawn(f"layout.scene.{name}axis.title.text") for name in "xyz"]
    assert titles == [f"{name} (along direction {k})" for k, name in enumerate("xyz", start=1)]
    assert found["colorbar"]["title"]["text"] == "log10 loss"
    assert (found["cmin"], found["cmax"]) == pytest.approx(
        (np.log10(landscape.loss.min()), np.log10(landscape.loss.max()))
    )


def test_the_slider_moves_the_level_and_the_page_says_how_much_lies_below(show):
    landscape = wells()
    shown = show(landscape)
    heights = np.log10(landscape.loss)
    for fraction in (0.25, 0.7):
        shown.set("level", fraction)
        level = heights.min() + fraction * np.ptp(heights)
        assert surface(shown)["isomax"] == pytest.approx(level)
        assert surface(shown)["isomin"] == pytest.approx(heights.min() + (level - heights.min()) / 3)
        share = float(shown.page.locator(".walk").inner_text().split(" %")[0])
        assert share == pytest.approx(100 * (heights <= level).mean(), rel=1e-3)
        said = shown.page.locator("#level-shown").inner_text().split(" = log10 of ")
        assert [float(one) for one in said] == pytest.approx([level, 10**level], rel=1e-3)
    shown.set("shells", 1)
    assert surface(shown)["isomin"] == surface(shown)["isomax"]
    assert surface(shown)["surface"]["count"] == 1
    shown.set("opacity", 0.8)
    assert surface(shown)["opacity"] == 0.8
    assert surface(shown)["caps"]["y"]["show"] is True
    shown.page.locator("#caps").uncheck()
    shown.settled()
    assert surface(shown)["caps"]["y"]["show"] is False
    before = surface(shown)["isomax"]
    shown.page.focus("#level")
    shown.page.keyboard.press("ArrowRight")
    shown.settled()
    assert surface(shown)["isomax"] > before


def test_slices_stand_where_their_sliders_are(show):
    landscape = wells()
    shown = show(landscape)
    axes = [np.sort(axis) for axis in landscape.axes.values()]
    values = np.log10(landscape.loss[np.ix_(*(np.argsort(axis) for axis in landscape.axes.values()))])
    assert [shown.drawn(f"data[{1 + d}].visible") for d in range(3)] == [False] * 3
    for d, number in enumerate((2, 5, 7)):
        shown.set(f"at-{d}", number)
        assert shown.page.locator(f"#wall-{d}").is_checked()
        wall = shown.drawn(f"data[{1 + d}]")
        assert wall["visible"] is True
        assert np.unique(wall["xyz"[d]]).tolist() == [axes[d][number]]
        np.testing.assert_allclose(wall["surfacecolor"], values.take(number, axis=d), rtol=1e-12, atol=1e-15)
        first, second = (k for k in range(3) if k != d)
        np.testing.assert_array_equal(np.array(wall["xyz"[first]])[:, 0], axes[first])
        np.testing.assert_array_equal(np.array(wall["xyz"[second]])[0], axes[second])
        assert float(shown.page.locator(f"#at-{d}-shown").inner_text()) == pytest.approx(axes[d][number], rel=1e-3)
    shown.page.locator("#wall-1").uncheck()
    shown.settled()
    assert [shown.drawn(f"data[{1 + d}].visible") for d in range(3)] == [True, False, True]


def test_metric_and_log_switch(show):
    landscape = wells()
    shown = show(landscape)
    order = np.ix_(*(np.argsort(axis) for axis in landscape.axes.values()))
    shown.page.locator("#log").uncheck()
    shown.settled()
    np.testing.assert_array_equal(surface(shown)["value"], landscape.loss[order].ravel())
    shown.page.locator("#metric").select_option("score")
    shown.settled()
    assert shown.page.locator("#log").is_disabled()
    np.testing.assert_array_equal(surface(shown)["value"], -landscape.loss[order].ravel())
    assert surface(shown)["colorbar"]["title"]["text"] == "score"


def test_models_and_paths_are_drawn(show):
    points = [[0.5, 0.4, 0.3], [0.2, 0.1, 0.1], [0.0, 0.0, 0.0]]
    report = {"marks": {"a": [0.5, 0.5, 0.5], "far": [9.0, 0.0, 0.0]}, "paths": [{"name": "SGD", "points": points}]}
    shown = show(wells(report=report))
    marks, line, ends = (shown.drawn(f"data[{number}]") for number in (4, 5, 6))
    assert marks["text"] == ["a<br>x 0.5<br>y 0.5<br>z 0.5"]
    assert [label["text"] for label in shown.drawn("layout.scene.annotations")] == ["a"]
    np.testing.assert_array_equal([line[name] for name in "xyz"], np.transpose(points))
    np.testing.assert_array_equal([ends[name] for name in "xyz"], np.transpose([points[0], points[-1]]))
    assert 'Not drawn: the mark "far" (outside the grid)' in shown.page.locator(".note").inner_text()
    assert shown.page.locator("#at-0").input_value() == "6"  # at the first model: x is 0.5 there


def test_the_pointer_reads_the_values(show):
    landscape = wells()
    shown = show(landscape)
    shown.page.evaluate("explorer.maps[0].div.emit('plotly_hover', { points: [{ x: 0.26, y: -0.06, z: 0.2 }] })")
    said = shown.page.locator(".pointed").inner_text()
    i, j, k = (
        int(np.abs(axis - at).argmin()) for axis, at in zip(landscape.axes.values(), (0.26, -0.06, 0.2), strict=True)
    )
    loss = landscape.loss[i, j, k]
    assert said.startswith(f"nearest grid point: x {landscape.axes['x'][i]:.4g}, y {landscape.axes['y'][j]:.4g}")
    assert f"loss {loss:.4g}, score {-loss:.4g}" in said


def test_what_has_no_value_is_above_every_level(show):
    landscape = wells()
    loss = landscape.loss.copy()
    loss[3, 4, 5], loss[0, 0, 0] = np.nan, np.inf
    shown = show(Values(landscape.axes, {"loss": loss}))
    found = surface(shown)
    values = np.array(found["value"]).reshape(loss.shape)
    holes = np.argwhere(values > found["cmax"])
    assert holes.tolist() == [[3, loss.shape[1] - 1 - 4, 5]]  # y falls
    note = shown.page.locator(".note").inner_text()
    assert f"1 of {loss.size} points have no value; the surfaces end just before them." in note
    assert f"1 of {loss.size} points are infinite" in note
    shown.set("at-0", 3)
    assert shown.drawn("data[1].surfacecolor")[loss.shape[1] - 1 - 4][5] is None


def test_large_grids_leave_points_out_and_say_so(show):
    t, few = np.linspace(0, 1, 83), np.arange(2.0)
    loss = 1 + t[:, None, None] + few[:, None] + few
    shown = show(Values({"x": t, "y": few, "z": few}, {"loss": loss}))
    assert np.unique(surface(shown)["x"]).tolist() == [*t[:-1:3], t[-1]]
    assert "leave out grid points" in shown.page.locator(".note").inner_text()


def test_huge_coordinates_and_values_have_units(show):
    landscape = wells()
    axes = {
        name: axis * scale for (name, axis), scale in zip(landscape.axes.items(), (1e200, 1.0, 1e-200), strict=True)
    }
    shown = show(Values(axes, {"loss": landscape.loss * 1e250}))
    shown.page.locator("#log").uncheck()
    shown.settled()
    assert shown.drawn("layout.scene.xaxis.title.text") == "x (along direction 1), in units of 1e200"
    assert surface(shown)["colorbar"]["title"]["text"] == "loss, in units of 1e250"
    assert np.max(np.abs(surface(shown)["x"])) == pytest.approx(1)
    assert np.max(surface(shown)["value"]) == pytest.approx(landscape.loss.max())
    shown.set("level", 0.5)
    assert surface(shown)["isomax"] == pytest.approx((landscape.loss.max() + landscape.loss.min()) / 2)


def test_several_share_scale_level_and_camera(show):
    one = wells()
    other = Values(one.axes, {"loss": 3 * one.loss}, {"model": "other"})
    shown = show([one, other], size=PHONE)
    assert surface(shown)["cmax"] == surface(shown, 1)["cmax"] == pytest.approx(np.log10(3 * one.loss.max()))
    shown.set("level", 0.4)
    assert surface(shown)["isomax"] == surface(shown, 1)["isomax"]
    shown.page.evaluate("Plotly.relayout(explorer.maps[0].div, {'scene.camera': {eye: {x: -1.5, y: 0, z: 0.5}}})")
    shown.settled()
    assert shown.drawn("layout.scene.camera.eye", 1) == pytest.approx({"x": -1.5, "y": 0, "z": 0.5})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


CODE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>{{plotly}}"


def test_names_are_no_code(show):
    landscape = wells(report={"marks": {CODE: [0.0, 0.0, 0.0]}, "labels": [CODE, "b", "c"]})
    shown = show(
        Values(landscape.axes, {"loss": landscape.loss, CODE: landscape.loss}, landscape.report), names=[CODE]
    )
    assert shown.page.locator("figcaption").inner_text() == CODE
    assert shown.page.title() == f"Loss landscape: {CODE}"
    shown.page.locator("#metric").select_option(CODE)
    shown.settled()
    assert shown.page.title() == f"Loss landscape: {CODE}"
    assert shown.page.locator("img").count() == 0


def test_a_constant_volume_is_shown(show):
    t = np.arange(3.0)
    shown = show(Values({"x": t, "y": t, "z": t}, {"loss": np.full((3, 3, 3), 0.7)}))
    assert shown.page.locator("#failure").is_hidden()
    assert "100 % of the grid points" in shown.page.locator(".walk").inner_text()
