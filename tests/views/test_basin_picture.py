"""The picture of basin radii."""

import math

import numpy as np
import pytest

from fastscape.results import BasinValues
from fastscape.views import basin


def values(radii, limit=math.inf, **settings):
    radii = np.asarray(radii, dtype=float)
    inside, outside = np.minimum(radii, limit), np.where(radii > limit, np.inf, radii * (1 + 1e-9))
    told = {"drop": 0.05, "worse": "higher", "normalize": "filter", "confidence": 0.95, **settings}
    return BasinValues("loss", 1.0, 1.05, inside, outside, np.full(len(radii), 2.0), range(len(radii)), 4.0, told)


def test_the_curve_falls_at_every_radius():
    radii = np.linspace(0.1, 0.8, 8)
    ax = basin(values(radii))
    curve = ax.lines[0]
    np.testing.assert_allclose(curve.get_xdata()[1:-1], radii)
    np.testing.assert_allclose(curve.get_ydata(), [1, *(1 - np.arange(1, 9) / 8), 0])
    assert curve.get_drawstyle() == "steps-post"
    said = ax.texts[-1].get_text().replace("\n", " ")
    assert "8 random directions; the median is 22.5 % of the norm" in said
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "median radius 0.45",
        "95 % interval of the share",
        "95 % interval of the median",
    ]
    assert "filter-normalised" in ax.get_xlabel()


def test_it_ends_where_nothing_is_known():
    ax = basin(values(np.linspace(0.1, 0.8, 8), limit=0.33))
    curve = ax.lines[0]
    assert curve.get_xdata()[-1] == 0.33
    assert curve.get_ydata()[-1] == 1 - 3 / 8
    assert ax.get_legend().get_texts()[0].get_text() == "median radius above 0.33"
    assert "along 5 of which it never left" in ax.texts[-1].get_text().replace("\n", " ")
    nothing = basin(values([1.0, 2.0], limit=0.5))
    assert nothing.lines[0].get_ydata().tolist() == [1.0, 1.0]


def test_several_models_share_a_picture():
    ax = basin({"first $": values([0.1, 0.2, 0.3]), "second": values([0.4], normalize="layer")}, linestyle="--")
    assert len(ax.get_legend().get_texts()) == 2
    assert {line.get_color() for line in ax.lines[:-1]} == {"C0", "C1"}
    assert ax.get_xlim()[1] > 0.4
    assert "filter, layer-normalised" in ax.get_xlabel()
    ax.figure.canvas.draw()


def test_no_models():
    with pytest.raises(ValueError, match="no reports came"):
        basin({})
