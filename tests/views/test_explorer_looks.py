"""How the page looks: where its parts stand, in which colours, and how large the file is."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from fastscape import Landscape, to_html

AXIS = np.linspace(-1, 1, 21)
BOWL = Landscape(AXIS, AXIS, 0.1 + (AXIS[:, None] - 0.1) ** 2 + 2 * AXIS**2, report={"model": "Net"})
COVERED = """(id) => { const { left, top, right, bottom } = document.getElementById(id).getBoundingClientRect();
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight; }"""


def test_all_of_a_large_window_is_seen_at_once(show):
    shown = show(BOWL, size=(1400, 1000))
    whole = shown.page.evaluate(
        "(({ scrollWidth, scrollHeight }) => [scrollWidth, scrollHeight])(document.documentElement)"
    )
    assert whole == [1400, 1000]
    for control in ("x", "y", "steps", "optimizer", "lr", "beta1", "beta2", "rotation", "log", "reset", "call"):
        assert shown.page.evaluate(COVERED, control), control
    plot, controls = (shown.page.locator(name).bounding_box() for name in (".plot", "#controls"))
    assert controls["x"] >= plot["x"] + plot["width"]
    assert plot["width"] * plot["height"] > 0.5 * 1400 * 1000


def test_controls_are_seen_in_a_small_window(show):
    shown = show(BOWL, size=(800, 600))
    for control in ("x", "y", "steps", "optimizer", "lr"):
        assert shown.page.evaluate(COVERED, control), control
    assert shown.page.locator(".plot").bounding_box()["height"] >= 280


def test_a_phone_has_short_labels_and_its_bar_below(show):
    shown = show(BOWL, size=(390, 844))
    titles = [shown.drawn(f"layout.scene.{axis}axis.title.text") for axis in "xyz"]
    assert titles == ["x", "y", ""]
    assert shown.drawn("data[0].colorbar.orientation") == "h"
    assert shown.drawn("data[0].colorbar.title.text") == "log10 loss"


def test_the_name_of_a_single_landscape_is_said_once(show):
    shown = show(BOWL, names=["Net"])
    assert shown.page.locator("h1").inner_text() == "Loss landscape: Net"
    assert shown.page.locator("figcaption").is_hidden()
    shown = show([BOWL, BOWL], names=["one", "two"])
    assert all(caption.is_visible() for caption in shown.page.locator("figcaption").all())


def test_colours_are_those_of_the_pictures_and_sliders_have_none_of_them(show):
    shown = show(BOWL)
    scale = shown.drawn("data[0].colorscale")
    wanted = [to_hex(colormaps["viridis"](float(fraction))) for fraction, _ in scale]
    apart = [np.abs(np.subtract(*(([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in pair))).max()
             for pair in zip([colour for _, colour in scale], wanted, strict=True)]  # fmt: skip
    assert max(apart) <= 3
    accent = shown.page.evaluate("getComputedStyle(document.getElementById('x')).accentColor")
    red, _, blue = (int(part) for part in accent.removeprefix("rgb(").removesuffix(")").split(","))
    assert blue > red


def test_the_first_walk_goes_down_from_a_high_place_on_the_map(show):
    shown = show(BOWL)
    assert shown.page.locator("#optimizer").input_value() == "adam"
    assert shown.page.locator("#beta1").input_value() == "0.9"
    walk = shown.walk()
    assert walk["ended"] == "steps"
    assert walk["height"][0] > np.quantile(np.log10(BOWL.loss), 0.6)
    assert np.all(np.diff(walk["height"][:8]) < 0)


@pytest.mark.parametrize("low", [-1 / 3, 1000.1])
def test_the_call_in_python_has_few_digits(show, low):
    axis = np.linspace(low, low + 2 / 3, 21)
    landscape = Landscape(axis, axis, 1 + (axis[:, None] - low) ** 2 + axis**2)
    shown = show(landscape)
    start = shown.page.locator("#call").inner_text().partition("((")[2].partition(")")[0].split(", ")
    assert max(len(number.lstrip("-").replace(".", "").lstrip("0")) for number in start) <= 7
    path = eval(shown.page.locator("#call").inner_text(), {"landscape": landscape})
    np.testing.assert_allclose(shown.walk()["x"], path.x, rtol=0, atol=1e-6)


def test_the_view_can_be_reset(show):
    shown = show([BOWL, BOWL])
    before = shown.page.evaluate("scenes.cameraOf(explorer.maps[0].div).eye")
    shown.set("rotation", 10)
    assert shown.page.evaluate("scenes.cameraOf(explorer.maps[0].div).eye") != pytest.approx(before)
    shown.page.locator("#reset").click()
    for _ in range(100):
        eyes = [shown.page.evaluate(f"scenes.cameraOf(explorer.maps[{number}].div).eye") for number in range(2)]
        if eyes[0] == pytest.approx(before) and eyes[1] == pytest.approx(before):
            break
        shown.settled()
    assert eyes == [pytest.approx(before)] * 2
    assert shown.page.locator("#rotation-shown").inner_text() == "300°"


def test_no_number_of_a_height_stands_below_the_surface(show):
    ticks = show(BOWL).drawn("layout.scene.zaxis.tickvals")
    assert 2 <= len(ticks) <= 6
    assert np.log10(BOWL.loss).min() - 1e-9 <= min(ticks) <= max(ticks) <= np.log10(BOWL.loss).max() + 1e-9


def test_dark_pages_are_dark(show):
    shown = show(BOWL)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert shown.page.evaluate(ground) == "rgb(255, 255, 255)"
    light = shown.drawn("layout.font.color")
    shown.page.emulate_media(color_scheme="dark")
    shown.settled()
    assert sum(int(part) for part in shown.page.evaluate(ground)[4:-1].split(",")) < 150
    assert shown.drawn("layout.font.color") != light
    shown.page.emulate_media(color_scheme="light")
    shown.settled()
    assert shown.drawn("layout.font.color") == light


def test_a_page_is_small(tmp_path):
    assert to_html(BOWL, tmp_path / "page.html").stat().st_size < 2_500_000
