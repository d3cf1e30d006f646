"""The picture of basin radii."""

import math

import numpy as np
import pytest
from noted import noted

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
    said = noted(ax)
    assert "8 random directions; the median is 22.5 % of the norm" in said
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "median radius 0.45",
        "95 % confidence interval of the share",
        "95 % confidence interval of the median",
    ]
    assert "filter-normalised" in ax.get_xlabel()


def test_it_ends_where_nothing_is_known():
    ax = basin(values(np.linspace(0.1, 0.8, 8), limit=0.33))
    curve = ax.lines[0]
    assert curve.get_xdata()[-1] == 0.33
    assert curve.get_ydata()[-1] == 1 - 3 / 8
    assert ax.get_legend().get_texts()[0].get_text() == "median radius above 0.33"
    assert "along 5 of them the score never leaves the range" in noted(ax)
    nothing = basin(values([1.0, 2.0], limit=0.5))
    assert nothing.lines[0].get_ydata().tolist() == [1.0, 1.0]


def test_several_models_share_a_picture():
    ax = basin({"first $": values([0.1, 0.2, 0.3]), "second": values([0.4], normalize="layer")}, linestyle="--")
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [name.partition(":")[0] for name in named[:2]] == [r"first \$", "second"]
    assert named[2:] == ["95 % confidence interval of the share", "95 % confidence interval of the median"]
    assert {line.get_color() for line in ax.lines} >= {"C0", "C1"}
    assert ax.get_xlim()[1] > 0.4
    assert "filter, layer-normalised" in ax.get_xlabel()
    ax.figure.canvas.draw()


def test_the_medians_of_several_models_hide_no_other_one():
    """Each bar has a height of its own above the curves; one without an upper bound goes to the edge."""
    same, cut = values(np.linspace(0.1, 0.8, 12)), values(np.linspace(0.1, 0.8, 12), limit=0.4, confidence=0.9)
    ax = basin({"a": same, "b": same, "c": cut})
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2.5]
    heights = [line.get_ydata()[0] for line in bars]
    assert heights == sorted(set(heights), reverse=True)
    assert 1 < min(heights) < max(heights) < ax.get_ylim()[1]
    assert [line.get_color() for line in bars] == ["C0", "C1", "C2"]
    for line in bars[:2]:
        np.testing.assert_allclose(line.get_xdata(), [same.median.low, same.median.high])
    np.testing.assert_allclose(bars[2].get_xdata(), [cut.median.low, ax.get_xlim()[1]])
    assert math.isinf(cut.median.high)
    assert ax.get_legend().get_texts()[-1].get_text() == "90, 95 % confidence interval of the median"
    assert max(ax.get_yticks()) == 1
    alone = [line for line in basin(same).lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2.5]
    assert [line.get_ydata()[0] for line in alone] == [0.5]


def test_no_models():
    with pytest.raises(
        ValueError, match="at least one report is needed, got none; give one report, or several by the names of"
    ):
        basin({})
