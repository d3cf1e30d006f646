"""The page in a real browser: it loads without a network, its controls work, and its walks are Python's."""

import io
import json

import numpy as np
import pytest
from matplotlib.image import imread

from fastscape import Landscape

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "nadam")


def valley(n: int = 25, steep: float = 1.0, metrics: dict | None = None, **options) -> Landscape:
    x, y = np.linspace(-1, 1, n), np.linspace(-1.2, 1.2, n + 4)
    loss = 0.05 + steep * x[:, None] ** 2 + 0.3 * y**2 + 0.2 * np.sin(4 * x[:, None] + 3 * y)
    return Landscape(x, y, loss + 0.2, metrics or {"accuracy": 1 / (1 + loss)}, **options)


SQUARE = Landscape(np.array([-1.0, 1.0]), np.array([0.0, 1.0]), np.eye(2) + 1)


def rough(seed: int) -> Landscape:
    """Uneven axes in any order, a hole, an infinite value and a zero."""
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(0.02, 0.2, 17)) - 1, np.cumsum(rng.uniform(0.02, 0.2, 21)) - 1
    loss = rng.lognormal(size=(17, 21)) / 4 + x[:, None] ** 2 + y**2
    loss[3, 4], loss[12, 13], loss[15, 2] = np.nan, np.inf, 0.0
    return Landscape(x[::-1], y, loss[::-1], {"score": -loss[::-1]})


# [x, y, z] of a map, and walks on it as [start, optimizer, learning rate, betas]
WALKS = """([x, y, z, walks]) => {
  const values = Float64Array.from(z, (text) => Number(text));
  const map = new walking.Smooth(x, y, walking.heights(values, walking.facts(values), true));
  return walks.map(([start, name, lr, betas]) => walking.descend(map, start, name, 60, { lr, betas }));
}"""


@pytest.fixture
def scripts(show, window):
    """A page whose functions can be called: any will do."""
    if window.shown is None:
        show(valley())
    return window.page


MAPS = {"valley": valley(), "rough": rough(0), "rougher": rough(1), "2 x 2": SQUARE}


def walked_in_the_page(scripts, landscape, walks) -> list[dict]:
    axes = [np.sort(axis).tolist() for axis in (landscape.x, landscape.y)]
    order = np.ix_(np.argsort(landscape.x), np.argsort(landscape.y))
    texts = [json.dumps(value) for value in landscape.loss[order].ravel().tolist()]
    return scripts.evaluate(WALKS, [*axes, texts, walks])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("landscape", MAPS.values(), ids=MAPS)
def test_every_walk_is_pythons(scripts, landscape, optimizer):
    rng = np.random.default_rng(2)
    walks = []
    for _ in range(12):
        start = [float(rng.uniform(axis.min(), axis.max())) for axis in (landscape.x, landscape.y)]
        betas = float(rng.uniform(0, 0.99)), float(rng.uniform(0.5, 0.999))
        walks.append((start, optimizer, float(10 ** rng.uniform(-2.5, 0.5)), betas))
    compared = 0
    for walk, (start, _, lr, betas) in zip(walked_in_the_page(scripts, landscape, walks), walks, strict=True):
        options = {"lr": lr, **({"betas": betas} if "adam" in optimizer else {})}
        if walk["ended"] == "no start":
            with pytest.raises(ValueError, match="in or beside a hole"):
                landscape.descend(start, optimizer, 60, **options)
            continue
        path = landscape.descend(start, optimizer, 60, **options)
        # Where the learning rate is too large a walk is chaotic, and rounding decides where it goes.
        near = landscape.descend([c * (1 - 1e-12) for c in start], optimizer, 60, **options)
        n = min(len(path), len(near))
        apart = np.hypot(path.x[:n] - near.x[:n], path.y[:n] - near.y[:n]) > 1e-8
        n = int(apart.argmax()) if apart.any() else len(path)
        for name in ("x", "y", "height"):
            np.testing.assert_allclose(walk[name][:n], getattr(path, name)[:n], rtol=0, atol=1e-6)
        if not apart.any():
            assert walk["ended"] == path.ended
        compared += n
    assert compared > 60


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_walks_that_are_not_chaotic_agree_to_the_end(scripts, optimizer):
    landscape = valley()
    starts = [[x, y] for x in np.linspace(-1, 1, 5).tolist() for y in np.linspace(-1.2, 1.2, 5).tolist()]
    walks = [(start, optimizer, 0.03, (0.99, 0.999)) for start in starts]
    betas = {"betas": (0.99, 0.999)} if "adam" in optimizer else {}
    for walk, start in zip(walked_in_the_page(scripts, landscape, walks), starts, strict=True):
        path = landscape.descend(start, optimizer, 60, lr=0.03, **betas)
        assert walk["ended"] == path.ended
        for name in ("x", "y", "height"):
            np.testing.assert_allclose(walk[name], getattr(path, name), rtol=0, atol=1e-6)


def test_a_slider_moves_the_path(show):
    shown = show(valley())
    before = shown.walk()
    shown.page.focus("#x")
    shown.page.keyboard.press("ArrowLeft")
    shown.settled()
    after = shown.walk()
    assert after["x"][0] == pytest.approx(before["x"][0] - 2 / 400)
    np.testing.assert_array_equal(shown.drawn("data[2].x"), after["x"])
    shown.set("steps", 7)
    assert len(shown.drawn("data[2].x")) == 8
    assert shown.page.locator("#steps-shown").inner_text() == "7"


def test_the_controls_choose_the_walk_and_say_it_in_python(show):
    landscape = valley()
    shown = show(landscape)
    for name in OPTIMIZERS:
        shown.set("optimizer", name)
        shown.set("lr", 0.05)
        shown.set("beta1", 0.8)
        betas = "adam" in name
        assert shown.page.locator("#beta1").is_enabled() == betas
        call = shown.page.locator("#call").inner_text()
        path = eval(call, {"landscape": landscape})
        walk = shown.walk()
        assert (path.optimizer, len(path), walk["ended"]) == (name, len(walk["x"]), path.ended)
        np.testing.assert_allclose(walk["x"], path.x, rtol=0, atol=1e-6)
    assert "betas=(0.8, 0.999)" in call


def test_a_number_out_of_bounds_is_said_and_walks_nowhere(show):
    shown = show(valley())
    before = shown.walk()
    for control, value in (("lr", ""), ("lr", "-1"), ("beta1", "1.5")):
        shown.set(control, value)
        assert "correct it" in shown.page.locator(".walk").inner_text()
        assert shown.walk() == before
        shown.set(control, "0.1")
    assert "correct it" not in shown.page.locator(".walk").inner_text()
    shown.set("beta1", "")
    shown.set("optimizer", "sgd")  # which has no betas
    assert "correct it" not in shown.page.locator(".walk").inner_text()
    shown.set("lr", "")
    shown.page.locator("#log").uncheck()
    shown.settled()
    assert shown.drawn("data[2].x") == [None]  # no walk, instead of one at other heights


def test_log_and_metric_switch(show):
    landscape = valley()
    shown = show(landscape)
    assert shown.page.locator("#log").is_checked()
    shown.page.locator("#log").uncheck()
    shown.settled()
    np.testing.assert_array_equal(np.array(shown.drawn("data[0].z")).T, landscape.loss)
    assert shown.drawn("layout.scene.zaxis.title.text") == "loss"
    shown.page.locator("#metric").select_option("accuracy")
    shown.settled()
    assert not shown.page.locator("#log").is_checked()
    np.testing.assert_array_equal(np.array(shown.drawn("data[0].z")).T, landscape.metrics["accuracy"])
    path = eval(shown.page.locator("#call").inner_text(), {"landscape": landscape})
    np.testing.assert_allclose(shown.walk()["height"], path.height, rtol=0, atol=1e-6)
    assert "accuracy" in shown.page.locator(".walk").inner_text()


def test_a_landscape_of_which_all_was_evaluated_offers_no_points(show):
    assert not show(valley()).page.locator("#evaluated").is_visible()


# plotly writes down cameras that it was told of for a later moment, and until then takes no movement of a hand.
LISTENS = "explorer.maps.every(({ div }) => div._fullLayout.scene._scene.camera.view.lastT() < performance.now())"


def waited_for(shown, condition, otherwise):
    for _ in range(100):
        if shown.page.evaluate(condition):
            return
        shown.settled()
    pytest.fail(otherwise)


def turned_by_hand(shown):
    shown.page.locator(".plot").first.scroll_into_view_if_needed()
    box = shown.page.locator(".plot").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    waited_for(shown, LISTENS, "plotly takes no movements")
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + 60, y, steps=3)
    shown.page.mouse.up()
    waited_for(shown, "document.getElementById('rotation').value !== '300'", "the slider did not follow the camera")


def at_rest(shown):
    """The eye of the first camera, once it no longer glides: plotly moves it on for a while after the hand left it."""
    eye = "scenes.cameraOf(explorer.maps[0].div).eye"
    before = None
    for _ in range(40):
        after = shown.page.evaluate(f"new Promise((done) => setTimeout(() => done({eye}), 500))")
        if after == before:
            return after
        before = after
    pytest.fail("the camera never came to rest")


def test_the_camera_stays_when_the_heights_change(show):
    shown = show(valley())
    shown.page.locator("#log").uncheck()
    shown.settled()
    turned_by_hand(shown)
    before = at_rest(shown)
    shown.page.locator("#log").check()
    shown.settled()
    assert at_rest(shown) == pytest.approx(before)


def test_the_keyboard_reaches_every_control(show):
    shown = show(valley())
    wanted = {"x", "y", "steps", "optimizer", "lr", "beta1", "beta2", "rotation", "metric", "log"}
    seen = set()
    for _ in range(40):
        shown.page.keyboard.press("Tab")
        seen.add(shown.page.evaluate("document.activeElement.id"))
    assert wanted <= seen
    unnamed = shown.page.evaluate(
        "[...document.querySelectorAll('input, select')].filter((e) => !e.labels.length).length"
    )
    assert unnamed == 0


def test_it_shows_a_landscape(show):
    shown = show(valley(), names=["a valley"], drawn=True)
    assert shown.page.title() == "Loss landscape: a valley"
    assert shown.page.locator("figcaption").all_inner_texts() == ["a valley"]
    surface, base, path, marks, _, shadow = shown.drawn("data")
    assert (surface["type"], base["type"], path["type"]) == ("surface", "surface", "scatter3d")
    np.testing.assert_allclose(np.array(surface["z"]).T, np.log10(valley().loss), rtol=0, atol=1e-15)
    assert shadow["x"] == path["x"]  # below it, so that a white line is seen on light colours
    assert np.ptp(base["z"]) == 0
    assert base["z"][0][0] < np.min(surface["z"])
    assert marks["text"] == ["the model<br>x 0<br>y 0"]
    assert [label["text"] for label in shown.drawn("layout.scene.annotations")] == ["the model"]
    picture = imread(io.BytesIO(shown.page.locator(".plot").screenshot()))
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 500  # colours
    assert "30 steps to (" in shown.page.locator(".walk").inner_text()


def test_pointing_shows_the_values(show):
    landscape = valley()
    shown = show(landscape, names=["a valley"], drawn=True)
    shown.page.evaluate(
        "explorer.maps[0].div.on('plotly_hover', ({ points: [{ x, y, z }] }) => { window.under = [x, y, z]; })"
    )
    box = shown.page.locator(".plot").bounding_box()
    for k in range(60):  # the pointer wanders over the middle, until it meets the surface
        across, down = 0.3 + 0.3 * (k % 7) / 6, 0.35 + 0.25 * (k % 5) / 4
        shown.page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * down, steps=2)
        shown.page.wait_for_timeout(150)
        if shown.page.evaluate("'under' in window"):
            break
    at_x, at_y, height = shown.page.evaluate("window.under")
    said = shown.page.locator(".pointed").inner_text()
    x, y, loss, accuracy = (float(part.split(" ")[1]) for part in said.split(", "))
    assert (x, y, np.log10(loss)) == pytest.approx((at_x, at_y, height), abs=1e-3)
    i, j = np.abs(landscape.x - at_x).argmin(), np.abs(landscape.y - at_y).argmin()
    assert (loss, accuracy) == pytest.approx((landscape.loss[i, j], landscape.metrics["accuracy"][i, j]), rel=1e-3)


def test_dragging_one_picture_turns_all(show):
    shown = show([valley(), valley(steep=3)], drawn=True)
    turned_by_hand(shown)
    for _ in range(100):  # on a busy machine the picture under the hand is drawn first
        eyes = [shown.page.evaluate(f"scenes.cameraOf(explorer.maps[{number}].div).eye") for number in range(2)]
        if eyes[0] == pytest.approx(eyes[1]):
            return
        shown.settled()
    pytest.fail(f"the cameras stay apart: {eyes}")


FLAT_AND_STEEP, PHONE = [valley(steep=0.5), valley(steep=40.0)], (390, 844)


def test_several_landscapes_share_scale_start_and_camera(show):
    flat, steep = FLAT_AND_STEEP
    shown = show(FLAT_AND_STEEP, size=PHONE)
    values = np.log10(np.stack([flat.loss, steep.loss]))
    for number in range(2):
        surface = shown.drawn("data[0]", number)
        assert (surface["cmin"], surface["cmax"]) == pytest.approx((values.min(), values.max()))
    assert shown.drawn("layout.scene.zaxis.range", 0) == shown.drawn("layout.scene.zaxis.range", 1)
    shown.set("x", -0.5)
    assert [shown.walk(number)["x"][0] for number in range(2)] == pytest.approx([-0.5, -0.5])
    shown.set("rotation", 90)
    eyes = [shown.drawn("layout.scene.camera.eye", number) for number in range(2)]
    assert eyes[0] == eyes[1]
    assert eyes[0]["x"] == pytest.approx(0, abs=1e-9)
    shown.page.evaluate("Plotly.relayout(explorer.maps[1].div, {'scene.camera': {eye: {x: -1.5, y: 0, z: 0.5}}})")
    shown.settled()
    assert shown.drawn("layout.scene.camera.eye", 0) == pytest.approx({"x": -1.5, "y": 0, "z": 0.5})
    assert shown.page.locator("#rotation-shown").inner_text() == "180°"


def test_it_fits_a_phone(show):
    shown = show(FLAT_AND_STEEP, size=PHONE)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [plot.bounding_box() for plot in shown.page.locator(".plot").all()]
    assert all(box["width"] > 300 for box in boxes)
    assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]


def test_points_that_were_evaluated_are_shown_where_others_are_predicted(show):
    x = valley().x
    landscape = valley(evaluated=np.broadcast_to((np.arange(len(x)) % 6 == 0)[:, None], valley().shape))
    shown = show([landscape, valley()])
    assert "145 of 725 points were evaluated" in shown.page.locator(".note").first.inner_text()
    assert shown.drawn("data[4].visible") is False
    shown.page.locator("#evaluated").check()
    shown.settled()
    assert shown.drawn("data[4].visible") is True
    assert set(shown.drawn("data[4].x")) == set(x[::6])
    rows, columns = landscape.evaluated.nonzero()
    np.testing.assert_array_equal(shown.drawn("data[4].y"), landscape.y[columns])
    heights = np.log10(landscape.loss[rows, columns])
    assert 0 < np.min(shown.drawn("data[4].z") - heights) <= np.max(shown.drawn("data[4].z") - heights) < 0.01
    shown.page.locator("#evaluated").uncheck()
    shown.settled()
    assert shown.drawn("data[4].visible") is False


def test_the_loss_of_another_data_set_is_drawn_as_a_loss(show):
    other = valley(steep=3.0).loss
    shown = show(valley(metrics={"loss of test": other, "accuracy": 1 / other}))
    for metric, wanted in (("accuracy", 1 / other), ("loss of test", np.log10(other))):
        shown.page.locator("#metric").select_option(metric)
        shown.settled()
        assert shown.page.locator("#log").is_checked() == (metric == "loss of test")
        np.testing.assert_allclose(np.array(shown.drawn("data[0].z")).T, wanted, rtol=1e-12)


def test_a_metric_without_logarithms_offers_none(show):
    shown = show(rough(4))
    shown.page.locator("#metric").select_option("score")
    shown.settled()
    assert shown.page.locator("#log").is_disabled()
    assert shown.drawn("layout.scene.zaxis.title.text") == "score"


def start_at(shown, landscape, kind) -> None:
    """Starts at the first grid point with such a value."""
    i, j = np.argwhere(kind(landscape.loss))[0]
    shown.set("x", landscape.x[i])
    shown.set("y", landscape.y[j])


def test_the_values_at_the_start_are_said(show):
    landscape = rough(4)
    shown = show(landscape)
    start_at(shown, landscape, np.isinf)
    said = shown.page.locator(".pointed").inner_text()
    assert said.startswith("nearest grid point: x ")
    assert said.endswith("loss Infinity, score -Infinity")


def test_from_a_hole_the_walk_goes_on_elsewhere(show):
    landscape = rough(4)
    shown = show(landscape)
    start_at(shown, landscape, np.isnan)
    assert "no value near it" in shown.page.locator(".walk").inner_text()
    shown.set("rotation", 10)  # plotly reads the empty path again
    start_at(shown, landscape, lambda loss: loss == loss[np.isfinite(loss)].max())
    assert len(shown.drawn("data[2].x")) == len(shown.walk()["x"]) > 0


@pytest.mark.parametrize(
    "loss",
    [np.zeros((5, 4)), -np.eye(3), np.full((2, 2), 0.7), np.array([[1.0, np.nan], [np.inf, 2.0]])],
    ids=["zeros", "negative", "constant", "holes"],
)
def test_odd_landscapes_are_shown(show, loss):
    shown = show(Landscape(*(np.arange(float(n)) for n in loss.shape), loss))
    shown.settled()
    assert not shown.page.locator("#metric").is_visible()  # there is one
    missing, infinite = np.isnan(loss).sum(), np.isinf(loss).sum()
    note = shown.page.locator(".note").inner_text()
    assert (f"{missing} of {loss.size} points have no value" in note) == bool(missing)
    assert (f"{infinite} of {loss.size} points are infinite" in note) == bool(infinite)


def test_of_a_large_map_as_many_points_are_drawn_as_a_screen_shows(show):
    x, y = np.linspace(0, 1, 302), np.arange(4.0)
    shown = show(Landscape(x, y, 1 + x[:, None] + y))
    assert shown.drawn("data[0].x") == [*x[::2], x[-1]]
    assert shown.drawn("data[0].y") == y.tolist()
    np.testing.assert_allclose(np.array(shown.drawn("data[0].z"))[:, -2:].T, np.log10(1 + x[[300, 301], None] + y))
    assert "leaves out grid points" in shown.page.locator(".note").inner_text()


NAMES = ["5", "constructor", "a 'quoted' \"name\"", "<b>%{x}</b>"]
CODE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>{{plotly}}"


@pytest.fixture
def named(show):
    metrics = {name: np.eye(25, 29) for name in NAMES}
    return show(valley(metrics=metrics, report={"marks": {CODE: [0.0, 0.0]}}), names=[CODE])


def test_names_are_no_code(named):
    assert named.page.locator("figcaption").inner_text() == CODE
    assert named.page.title() == f"Loss landscape: {CODE}"


def test_measures_may_have_any_name(named):
    assert named.page.locator("#metric option").all_inner_texts() == ["loss", *NAMES]
    assert named.page.locator("#metric").input_value() == "loss"
    named.page.locator("#metric").select_option(NAMES[2])
    named.settled()
    assert f"metric={json.dumps(NAMES[2])}" in named.page.locator("#call").inner_text()
