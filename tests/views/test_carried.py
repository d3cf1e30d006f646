"""Pictures and the page draw whatever labels, marks and paths a landscape carries."""

import json
import re

import numpy as np
import pytest

from fastscape import Landscape, compare
from fastscape.views import page

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


@pytest.mark.parametrize("report", [{}, {"marks": {}}])
def test_without_them_axes_are_numbered_and_no_path_is_drawn(report):
    ax = Landscape(AXIS, AXIS, PLANE.loss, report=report).contour()
    assert ax.get_xlabel() == "x (along direction 1)"
    assert [line.get_label() for line in ax.lines] == (["the model"] if not report else [])
