"""The page in a browser, with what nobody would wish for: it lives, and says what it does not draw."""

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.views import Smooth

AXIS = np.linspace(-1, 1, 9)
BOWL = 0.25 + AXIS[:, None] ** 2 + 0.3 * AXIS**2
PHONE = (390, 844)


def bowl(report: dict | None = None, *, scale=(1.0, 1.0), loss=BOWL, **options) -> Landscape:
    return Landscape(AXIS * scale[0], AXIS * scale[1], loss, report=report, **options)


def notes(shown) -> list[str]:
    return shown.page.locator(".note").all_inner_texts()


def assert_alive(shown) -> None:
    """The controls move the walk, and nothing failed."""
    assert shown.page.locator("#failure").is_hidden()
    low = float(shown.page.locator("#x").get_attribute("min"))
    shown.set("x", low)
    assert shown.walk()["x"][0] == low
    assert len(shown.drawn("data[2].x")) == len(shown.walk()["x"])


def test_the_tools_of_a_picture_send_nothing_anywhere(show):
    shown = show(bowl())
    tools = shown.page.locator(".modebar-btn")
    names = [tool.get_attribute("data-title") for tool in tools.all()]
    # plotly 6 writes "png".
    assert [name.lower() for name in names] == [
        "download plot as a png",
        "zoom",
        "pan",
        "orbital rotation",
        "turntable rotation",
    ]
    opened = []
    shown.context.on("page", lambda page: opened.append(page.url))
    with shown.page.expect_download() as download:
        tools.first.click(force=True)
    assert download.value.url.startswith(("blob:", "data:"))
    for tool in tools.all()[1:]:
        tool.click(force=True)
    shown.settled()
    assert shown.page.locator("a[href], form[action], iframe, dialog").count() == 0
    assert opened == []  # and no request: see `show`


def test_the_policy_forbids_every_request(show):
    shown = show(bowl())
    refused = """new Promise((done) => {
      addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective), { once: true });
      fetch("https://example.org").catch(() => {});
    })"""
    assert shown.page.evaluate(refused) == "connect-src"
    shown.complaints.clear()  # the browser tells of it, as it should


NAMES = {
    "": "(unnamed)",
    "\n\u202e": "(unnamed)",
    "a\nb": "a b",
    "\ud800 half": "half",
    "%{x}": "%\u200b{x}",
    "\u6a21\u578b \u03b1": "\u6a21\u578b \u03b1",
    "<img src=x onerror=alert(1)>": "&#60;img src=x onerror=alert(1)&#62;",
    "L" * 100_000: "L" * 39 + "\u2026",
}


def test_marks_may_have_any_name(show):
    landscape = bowl()
    shown = show(landscape)
    of_objects = shown.page.evaluate("Object.getOwnPropertyNames(Object.prototype)")
    assert {"constructor", "__proto__", "toString"} <= set(of_objects)
    names = [*of_objects, *NAMES]
    places = np.linspace(-0.9, 0.9, len(names))
    marks = {name: [at, -at] for name, at in zip(names, places.tolist(), strict=True)}
    paths = [{"name": name, "points": [[0, 0], [0.1, 0.2]]} for name in names]
    metrics = dict.fromkeys(names, BOWL)
    shown = show(bowl({"marks": marks, "paths": paths, "model": names[-1]}, metrics=metrics))
    labels = [label["text"] for label in shown.drawn("_fullLayout.scene.annotations")]
    assert labels == [*of_objects, *NAMES.values()]
    np.testing.assert_allclose(shown.drawn("data[3].x"), places)
    assert shown.page.locator("#metric option").count() == len(names) + 1
    assert notes(shown) == [""]
    for name in ("constructor", "__proto__", names[-1]):
        shown.page.locator("#metric").select_option(name)
        shown.settled()
        np.testing.assert_array_equal(np.array(shown.drawn("data[0].z")).T, BOWL)
    assert_alive(shown)


def test_long_names_are_shortened_and_shown_whole_when_asked_for(show):
    name = "N" * 100_000
    report = {"marks": {name: [0.0, 0.0]}, "labels": [name, "short"], "model": name}
    shown = show(bowl(report, metrics={name: BOWL}), size=PHONE)
    caption = shown.page.locator("figcaption")
    assert caption.inner_text() == "N" * 99 + "\u2026"
    assert caption.get_attribute("title") == "N" * 299 + "\u2026"
    assert shown.page.locator("h1").get_attribute("title") == f"Loss landscape: {'N' * 299}\u2026"
    assert shown.page.title() == f"Loss landscape: {'N' * 99}\u2026"
    hover = shown.drawn("data[3].text[0]")
    assert hover.replace("<br>", "").startswith("N" * 299 + "\u2026")
    assert max(map(len, hover.split("<br>"))) <= 50
    shown.page.locator("#metric").select_option(name)  # the call in Python needs all of it
    shown.settled()
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert shown.page.locator("#call").bounding_box()["height"] < 200


SEVERAL = {
    "nan": [np.nan, 0.0],
    "inf": [np.inf, 0.0],
    "text": ["1", "2"],
    "number": 3,
    "nothing": None,
    "far": [9.0, 0.0],
}
ODD = {
    "marks": (
        {"marks": {**SEVERAL, "here": [0.5, 0.5]}},
        'Not drawn: the mark "nan", the mark "inf", the mark "text", the mark "number", the mark "nothing" '
        '(not 2 finite numbers), the mark "far" (outside the grid).',
    ),
    "a list of marks": ({"marks": [1, 2]}, "Not drawn: the marks (not places by name)."),
    "no marks": ({"marks": None}, "Not drawn: the marks (not places by name)."),
    "labels": ({"labels": [1, "y"]}, "Not drawn: the label of x (not a text)."),
    "paths": (
        {"paths": [{"name": "a", "points": [[0, 0], [np.nan, 0], [7, 0]]}, {"name": "b", "points": []}, 5]},
        'Not drawn: 1 of 3 points of the path "a" (no finite coordinates), 1 of 3 points of the path "a" (outside the '
        'grid), the path "b" (no points), path 3 (without "name" and "points").',
    ),
    "one point": ({"paths": [{"name": "a", "points": [[0, 0]]}]}, ""),
}


def test_what_is_not_drawn_is_said(show):
    shown = show([bowl(report) for report, _ in ODD.values()], names=list(ODD), size=(1200, 800))
    assert dict(zip(ODD, notes(shown), strict=True)) == {name: said for name, (_, said) in ODD.items()}
    assert shown.page.locator(".note").first.is_visible()
    assert shown.drawn("data[3].x", list(ODD).index("marks")) == [0.5]
    assert shown.drawn("data[5].x", list(ODD).index("paths")) == [0, None, None]
    assert shown.drawn("data[5].x", list(ODD).index("one point")) == [0]
    assert_alive(shown)


def test_what_lies_in_a_hole_is_said_for_the_heights_that_are_shown(show):
    hole = BOWL.copy()
    hole[0, 0] = np.nan
    report = {"marks": {"a": [-1.0, -1.0], "b": [1.0, 1.0]}, "paths": [{"name": "p", "points": [[-1, -1], [1, 1]]}]}
    lost = np.full_like(BOWL, np.nan)
    shown = show(bowl(report, loss=hole, metrics={"whole": BOWL, "lost": lost}))
    assert notes(shown) == [
        '1 of 81 points have no value and are left out. Not drawn: the heights of "lost" (finite nowhere), the mark '
        '"a", 1 of 2 points of the path "p" (no value near).'
    ]
    assert (shown.drawn("data[3].x"), shown.drawn("data[5].x")) == ([1], [None, 1])
    shown.page.locator("#metric").select_option("whole")
    shown.settled()
    assert notes(shown) == ['Not drawn: the heights of "lost" (finite nowhere).']
    assert shown.drawn("data[3].x") == [-1, 1]


def test_measures_that_not_all_landscapes_have_are_named(show):
    shown = show([bowl(metrics={"mine": BOWL}), bowl()])
    assert notes(shown) == ['Not drawn: the heights of "mine" (not in every landscape).', ""]


MOST = np.finfo(np.float64).max
LIMITS = {
    "both ends": (np.where(BOWL > 1, MOST, np.where(BOWL < 0.4, -MOST, 5e-324)), "both ends, in units of 1e308"),
    "from least to most": (np.where(BOWL > 1, MOST, 5e-324), "log10 from least to most"),
    "least": (np.full_like(BOWL, 5e-324), "log10 least"),
    "negative": (-1e300 * BOWL, "negative, in units of 1e300"),
    "tiny": (-1e-310 * BOWL, "tiny, in units of 1e-310"),
    "the same": (np.full_like(BOWL, -1e20), "the same"),
    "infinite": (np.where(BOWL > 1, np.inf, np.where(BOWL < 0.4, -np.inf, BOWL)), "log10 infinite"),
    "nowhere": (np.full_like(BOWL, np.nan), None),
}


def test_losses_near_the_limits_of_float64_are_drawn(show):
    shown = show(bowl(loss=LIMITS["nowhere"][0], metrics={name: loss for name, (loss, _) in LIMITS.items()}))
    assert notes(shown)[0].endswith('Not drawn: the heights of "loss", the heights of "nowhere" (finite nowhere).')
    assert shown.page.locator("#metric option").all_inner_texts() == list(LIMITS)[:-1]
    for name, (loss, label) in list(LIMITS.items())[:-1]:
        shown.page.locator("#metric").select_option(name)
        shown.settled()
        if label.startswith("log10"):
            shown.page.locator("#log").check()
            shown.settled()
        assert shown.drawn("layout.scene.zaxis.title.text") == label
        drawn = np.array(shown.drawn("data[0].z"), float)
        low, high = shown.drawn("layout.scene.zaxis.range")
        assert low < drawn.min() <= drawn.max() < high
        assert np.abs([low, high]).max() < 1e30  # float32, in which browsers draw, ends at 3e38
        assert (np.ptp(drawn) > 0) == (np.ptp(loss[np.isfinite(loss)] / 2) > 0)
        assert_alive(shown)


AXES = {
    "huge and tiny": ((1e300, 1e-300), ["1e300", "1e-300"]),
    "nearly nothing": ((3e-318, 1e20), ["1e-318", None]),
}


@pytest.mark.parametrize(("scale", "units"), AXES.values(), ids=AXES)
def test_axes_of_any_size_are_drawn(show, scale, units):
    report = {"marks": {"a": [0.5 * scale[0], 0.5 * scale[1]]}, "paths": [{"name": "p", "points": [list(scale)]}]}
    shown = show(bowl(report, scale=scale))
    for k, (name, unit) in enumerate(zip("xy", units, strict=True)):
        title = shown.drawn(f"layout.scene.{name}axis.title.text")
        assert title == f"{name} (along direction {k + 1})" + (f", in units of {unit}" if unit else "")
        factor = scale[k] / float(unit or 1)
        for number, wanted in {0: AXIS, 3: [0.5], 5: [1.0]}.items():
            drawn = np.array(shown.drawn(f"data[{number}].{name}"), float)
            np.testing.assert_allclose(drawn, np.array(wanted) * factor, rtol=1e-4)
    assert notes(shown) == [""]
    hover = "explorer.maps[0].div.emit('plotly_hover', { points: [{ data: { type: 'surface' }, x: 0, y: 0 }] })"
    shown.page.evaluate(hover)
    assert "x 0, y 0, loss 0.25" in shown.page.locator(".pointed").inner_text()
    assert_alive(shown)


SMOOTH = """([x, y, z, points]) => {
  const surface = new walking.Smooth(...[x, y, z].map((texts) => Float64Array.from(texts, Number)));
  return points.map((at) => surface.at(...at.map(Number)).map(String));
}"""


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (1e300, 1e-300, 1e308), (1e-310, 1.0, 1e-310)], ids=str)
def test_the_smooth_surface_is_pythons_at_every_size(show, size):
    x, y, z = AXIS * size[0], AXIS * size[1], (BOWL - 0.7) * size[2]
    points = np.random.default_rng(0).uniform(-1, 1, (20, 2)) * size[:2]
    texts = [list(map(repr, values.ravel().tolist())) for values in (x, y, z)]
    found = show(bowl()).page.evaluate(SMOOTH, [*texts, [list(map(repr, at)) for at in points.tolist()]])
    surface = Smooth(x, y, z)
    wanted = np.array([surface.at(*at) for at in points.tolist()])
    found = np.array([[float(text.replace("Infinity", "inf")) for text in row] for row in found])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert np.isfinite(wanted[:, 0]).all()


def test_a_failure_is_said(show):
    shown = show(bowl())
    shown.page.evaluate("void Promise.reject(new Error('something odd'))")
    shown.page.locator("#failure").wait_for(state="visible")
    assert shown.page.locator("#failure").inner_text().endswith("may be missing: something odd")
    shown.page.evaluate("document.getElementById('failure').hidden = true")
    shown.complaints.clear()
