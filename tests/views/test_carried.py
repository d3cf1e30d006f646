"""Pictures and the page draw whatever labels, marks and paths a landscape carries."""

import json
import re

import numpy as np
import pytest
from noted import noted

from fastscape import Landscape, compare
from fastscape.results import Values
from fastscape.views import page, refinement_said
from fastscape.views.captions import section_said
from fastscape.views.carried import carried, not_drawn
from fastscape.views.smooth import Smooth

AXIS = np.linspace(-1, 1, 5)
REPORT = {
    "labels": ["PC 1, 87 % of the variance", "PC 2"],
    "marks": {"the model": [0.0, 0.0], "start": [-0.5, 0.5], "far": [3.0, 0.0]},
    "paths": [{"name": "sgd", "points": [[-0.5, 0.5], [0.0, 0.25], [0.0, 0.0], [5.0, 0.0]]}],
}
PLANE = Landscape(AXIS, AXIS, AXIS[:, None] ** 2 + AXIS**2 + 1, report=REPORT)
LINE = Landscape(
    AXIS, None, AXIS**2 + 1,
    report={"labels": ["towards B"], "marks": {"B": [1.0]}, "paths": [{"name": "sgd", "points": [[-0.25], [0.5]]}]},
)  # fmt: skip


def of(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


def test_a_map():
    ax = PLANE.contour(paths=[PLANE.descend((0.5, 0.5), steps=2)])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (along PC 1, 87 % of the variance)", "y (along PC 2)")
    np.testing.assert_array_equal(np.stack(of(ax, "sgd").get_data(), 1), REPORT["paths"][0]["points"])
    assert {"the model", "start", "sgd", "nadam"} <= {line.get_label() for line in ax.lines}
    assert "far" not in {line.get_label() for line in ax.lines}
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (-1, 1))  # a path that leaves the grid widens nothing


def test_a_surface():
    ax = PLANE.surface3d(log=False)
    assert ax.get_xlabel() == "x (along PC 1, 87 % of the\nvariance)"  # a long label would leave the picture
    x, y, z = of(ax, "sgd").get_data_3d()
    np.testing.assert_allclose(z[:3], np.square(x[:3]) + np.square(y[:3]) + 1)
    assert np.isnan(z[3])  # beyond the border there is no surface


def test_a_line():
    ax = LINE.plot()
    assert ax.get_xlabel() == "x (along towards B)"
    np.testing.assert_allclose(of(ax, "sgd").get_ydata(), [1.125, 1.25])  # on the drawn curve
    assert of(ax, "B").get_xdata() == [1.0, 1.0]


def test_maps_side_by_side():
    for ax in compare([PLANE, PLANE], names=["a", "b"]):
        assert of(ax, "sgd")
        assert ax.get_ylabel() == "y (along PC 2)"


def test_the_page_holds_them():
    shown = json.loads(re.search(r'id="landscapes"[^>]*>(.*?)</script>', page(PLANE), flags=re.DOTALL)[1])[0]
    assert shown["labels"] == REPORT["labels"]
    assert shown["paths"] == [["sgd", REPORT["paths"][0]["points"]]]
    assert dict(shown["marks"])["start"] == [-0.5, 0.5]


NAMES = ["constructor", "__proto__", "", "$x^{", "<b>", "L" * 100_000, "a\nb"]
ODD = {
    "marks of other kinds": {
        "marks": {
            "a": [np.nan, 0.0],
            "b": [np.inf, 0.0],
            "c": ["1", "2"],
            "d": 3,
            "e": None,
            "f": [1, [2]],
            "g": [True, 0],
        }
    },
    "a place with a number too large": {"marks": {"a": [10**400, 0]}},
    "a list of marks": {"marks": [1, 2]},
    "no marks": {"marks": None},
    "labels": {"labels": 5},
    "one label": {"labels": ["x"]},
    "numbers for labels": {"labels": [1, 2]},
    "paths": {"paths": "abc"},
    "paths of other kinds": {"paths": [5, {}, {"name": "p"}, {"points": 3}, {"name": "q", "points": "ab"}]},
    "paths without points": {"paths": [{"name": "p", "points": []}, {"name": 3, "points": [["a", 1], 7]}]},
    "many": {"marks": {str(k): [0.0, 0.0] for k in range(300)}},
}
DRAW = {
    "contour": Landscape.contour,
    "surface3d": Landscape.surface3d,
    "compare": lambda landscape: compare([landscape])[0],
    "compare surfaces": lambda landscape: compare([landscape], kind="surface3d")[0],
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize("report", ODD.values(), ids=ODD)
def test_what_cannot_be_drawn_is_said(draw, report):
    ax = draw(PLANE.with_report(report))
    ax.figure.canvas.draw()
    assert noted(ax) == not_drawn(carried(PLANE.with_report(report)).left_out)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_names_of_any_kind_are_drawn(draw):
    marks = {name: [-0.5, 0.5] for name in NAMES}
    paths = [{"name": name, "points": [[0, 0]]} for name in NAMES]
    report = {"marks": marks, "paths": paths, "labels": NAMES[-3:-1], "model": NAMES[-2]}
    ax = draw(Landscape(AXIS, AXIS, PLANE.loss, {NAMES[-2]: PLANE.loss}, report))
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.texts]
    wanted = ["constructor", "__proto__", "(unnamed)", r"\$x^{", "<b>", "L" * 39 + "\u2026", "a b"]
    assert [text for text in texts if "Not drawn" not in text] == wanted
    assert not any("Not drawn" in text for text in texts)
    assert max(len(line) for line in ax.get_title().split("\n")) <= 40


LEFT_OUT = [
    ({"marks": {"a": [9.0, 0.0]}}, [('the mark "a"', "outside the grid")]),
    ({"marks": {"a": [0.0]}}, [('the mark "a"', "not 2 finite numbers")]),
    ({"marks": 3}, [("the marks", "not places by name")]),
    ({"labels": ["x", 2]}, [("the label of y", "not a text")]),
    (
        {"paths": [{"name": "p", "points": [[0, 0], [np.nan, 0], [9, 9], None]}]},
        [
            ('2 of 4 points of the path "p"', "no finite coordinates"),
            ('1 of 4 points of the path "p"', "outside the grid"),
        ],
    ),
    (
        {"marks": {str(k): [0, 0] for k in range(201)}},
        [("all marks after the first 200", "they would hide each other")],
    ),
    (
        {
            "paths": [
                {
                    "name": "p",
                    "points": [[0, 0], [0, 0.5]],
                    "steps": [0, np.nan],
                    "off_plane": [1.0],
                    "height": "high",
                    "loss": ["a", 1.0],
                    "measures": {"lr": [None, True], 3: [1], "text": "b"},
                }
            ]
        },
        [
            ('the distances off the plane of the path "p"', "not 2 numbers"),
            ('1 of 2 of the losses of the path "p"', "not numbers"),
            ('the losses of the plane of the path "p"', "not 2 numbers"),
            ('the steps of the path "p"', "not all of them numbers up to 1e+15"),
            ('2 of 2 of "lr" of the path "p"', "not numbers"),
            ('"(unnamed)" of the path "p"', "not 2 numbers"),
            ('"text" of the path "p"', "not 2 numbers"),
        ],
    ),
    (
        {"paths": [{"name": "p", "points": [[0, 0]], "measures": [1], "loss": [10**400]}]},
        [('the measures of the path "p"', "not columns by name")],
    ),
    (
        {"paths": [{"name": "p", "points": [[0, 0]], "measures": {str(k): [k] for k in range(25)}}]},
        [('all measures of the path "p" after the first 20', "there is no room for them")],
    ),
    ({}, []),
    (REPORT, [('the mark "far"', "outside the grid"), ('1 of 4 points of the path "sgd"', "outside the grid")]),
]


@pytest.mark.parametrize(("report", "left_out"), LEFT_OUT)
def test_each_thing_that_is_left_out_has_a_reason(report, left_out):
    assert carried(PLANE.with_report(report)).left_out == left_out


def test_what_is_whole_of_a_damaged_path_is_kept():
    report = {
        "paths": [{"name": "p", "points": [[0, 0], [9, 9]], "steps": [0, 5], "loss": [1.0], "height": [2.0, "x"]}]
    }
    (path,) = carried(PLANE.with_report(report)).paths
    assert path.steps.tolist() == [0, 5]
    assert path.loss is None
    np.testing.assert_array_equal(path.height, [2.0, np.nan])
    PLANE.with_report(report).contour().figure.canvas.draw()


def test_marks_beyond_a_grid_that_was_made_by_hand_are_no_news():
    away = Landscape(AXIS + 9, AXIS, PLANE.loss)
    assert (carried(away).marks, carried(away).left_out) == ([], [])


def test_a_sentence_names_some_and_counts_the_others():
    said = not_drawn(carried(PLANE.with_report({"marks": {str(k): None for k in range(20)}})).left_out)
    assert said.count("the mark") == 8
    assert said.endswith('the mark "7" (not 2 finite numbers), and 12 more')


def test_pins_stand_at_every_mark_whose_height_is_known():
    loss = PLANE.loss.copy()
    loss[0, 0] = np.nan
    marks = {"a": [0.0, 0.5], "b": [0.1, 0.0], "c": [-1.0, -1.0]}
    ax = Landscape(AXIS, AXIS, loss, report={"marks": marks}).surface3d()
    pins = {line.get_label(): line for line in ax.lines if line.get_label() in marks}
    assert pins.keys() == {"a", "b"}
    (height,) = pins["b"].get_data_3d()[2]  # between two grid points of the surface that is drawn
    heights = np.log10(loss) if ax.figure.axes[-1].get_ylabel().startswith("log10") else loss
    assert height == pytest.approx(Smooth(AXIS, AXIS, heights).at(0.1, 0.0)[0])
    assert 'Not drawn: the mark "c" (no value there)' in noted(ax)
    assert "between grid points: b; its height is interpolated" in noted(ax)


def test_a_line_with_odd_things():
    report = {
        "marks": {"B": [1.0], "far": [7.0], "text": "B", "$x^{": [0.5]},
        "paths": [{"name": "p", "points": [0.5, [0.0], ["a"]]}],
        "labels": None,
    }
    ax = LINE.with_report(report).plot()
    ax.figure.canvas.draw()
    assert [text.get_text().strip() for text in ax.texts] == ["B", r"\$x^{"]
    assert noted(ax) == (
        'Not drawn: the labels (not a list of 1), the mark "far" (outside the grid), the mark "text" (not 1 finite '
        'number), 1 of 3 points of the path "p" (no finite coordinates)'
    )
    np.testing.assert_allclose(of(ax, "p").get_ydata(), [1.25, 1.0, np.nan])


def test_a_prediction_that_the_report_says_nothing_of():
    some = Landscape(AXIS, AXIS, PLANE.loss, report={"refinement": {"odd": 1}}, evaluated=np.eye(5))
    said = "5 of 25 points were evaluated, the rest predicted; the report does not give their error"
    assert refinement_said(some) == said
    assert refinement_said(some.with_report({"refinement": [1]})) == said


@pytest.mark.parametrize("report", [{}, {"marks": {}}])
def test_without_them_axes_are_numbered_and_no_path_is_drawn(report):
    ax = Landscape(AXIS, AXIS, PLANE.loss, report=report).contour()
    assert ax.get_xlabel() == "x (along direction 1)"
    assert [line.get_label() for line in ax.lines] == (["the model"] if not report else [])


def test_of_which_landscape_a_part_is_stands_below_it():
    t = np.linspace(-1, 1, 5)
    evaluated = np.zeros((5, 5, 5), dtype=bool)
    evaluated[::2] = True
    heights = 1 + t[:, None, None] ** 2 + t[:, None] ** 2 + t**2
    whole = Landscape.of(Values({"x": t, "y": t, "z": t}, {"loss": heights}, {}, None, evaluated))
    assert section_said(whole) == ""
    part = whole.slice(z=0.4)
    assert section_said(part) == "Slice at z = 0.5"
    assert section_said(part.project("y", how="mean")) == "Slice at z = 0.5; then mean along y"
    assert section_said(whole.project("x", "z")) == "Smallest loss along x and z"
    assert refinement_said(part) == "15 of 25 points were evaluated, the rest predicted"
    assert section_said(part.with_report({"sections": [3]})).startswith("A slice or a projection")
    assert "Slice at z = 0.5" in noted(part.contour())
    assert "Slice at z = 0.5. 15 of 25 points" in page(part)
