"""Pictures and tables of barriers: what they show, and what they can bear."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from noted import noted

from fastscape import Barrier, Barriers, views
from fastscape.results import EXCESS_ERRORS, Values

matplotlib.use("Agg")

T = np.linspace(0, 1, 9)
SINE = np.sin(np.pi * T)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def barrier(height=1.0, start=0.2, end=0.4, *, sets=False, odd=None, error=0.05) -> Barrier:
    loss = start + (end - start) * T + height * SINE
    if odd is not None:
        loss[3] = odd
    measures = {"loss": loss, "accuracy": 0.9 - 0.5 * SINE}
    report = {"samples": 100, "batchnorm": "running", EXCESS_ERRORS: {"loss": [error, 0.0], "accuracy": [0.0, 0.02]}}
    if sets:
        measures |= {"loss of test": loss + 0.3, "accuracy of test": 0.8 - 0.4 * SINE, "loss of class 3": loss}
        report["data_sets"] = {"train": {"samples": 60}, "test": {"samples": 40}}
    return Barrier(Values({"x": T}, measures, report, np.full(9, 0.01)))


def texts(ax) -> str:
    return "\n".join([*(text.get_text() for text in ax.texts), noted(ax)])


def arrows(ax) -> list[tuple[float, float, float]]:
    """Where arrows stand, and from which height to which they lead."""
    return [(t.xy[0], t.xyann[1], t.xy[1]) for t in ax.texts if getattr(t, "arrow_patch", None) is not None]


def test_a_panel_for_each_measure_with_an_arrow_from_the_chord():
    loss, accuracy = barrier().plot()
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    ((at, foot, head),) = arrows(loss)
    assert (at, foot, head) == (0.5, pytest.approx(0.3), pytest.approx(1.3))
    assert "+1 ± 0.05" in texts(loss)
    ((_, foot, head),) = arrows(accuracy)
    assert (foot, head) == (pytest.approx(0.9), pytest.approx(0.4))
    assert "-0.5 ± 0.02" in texts(accuracy)
    assert len(loss.collections) == 1  # the band
    assert not accuracy.collections
    assert "9 points, 100 samples, batchnorm 'running'" in texts(loss)


def test_what_cannot_be_seen_has_no_arrow():
    (ax,) = barrier(height=0.001).plot(measures="loss")
    assert not arrows(ax)
    down_and_up = Values({"x": T}, {"loss": np.sin(2 * np.pi * T)})
    (ax,) = Barrier(down_and_up).plot()
    assert sorted(head for _, _, head in arrows(ax)) == [pytest.approx(-1), pytest.approx(1)]
    assert "+1" in texts(ax)
    assert "±" not in texts(ax).partition("9 points")[0]


def test_train_and_test_share_a_panel_and_classes_are_asked_for():
    found = barrier(sets=True)
    loss, _ = found.plot()
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["train: +1 ± 0.05", "test: +1"]
    assert {line.get_linestyle() for line in loss.lines} >= {"-", "--"}
    assert len(arrows(loss)) == 2
    assert "samples: 60 of train, 40 of test" in texts(loss)
    (ax,) = found.plot(measures=["loss of class 3"])
    assert ax.get_ylabel() == "loss of class 3"


def test_before_and_after_are_on_one_scale():
    both = barrier().beside(barrier(height=0.1), names=["before", "after"])
    loss, accuracy = both.plot()
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["before: +1 ± 0.05", "after: +0.1 ± 0.05"]
    assert len({line.get_color() for line in loss.lines}) == 2
    assert len(arrows(loss)) == 2
    assert repr(both) == "BarriersBeside(before, after)"
    text = str(both)
    assert text.index("before: 9 points") < text.index("after: 9 points")
    assert both._repr_html_().count("<table") == 2
    assert repr(barrier().beside(barrier())) == "BarriersBeside(A, B)"
    (drawn,) = both.plot(measures="loss", ax=plt.figure().add_subplot())
    assert drawn.get_ylabel() == "loss"
    assert accuracy.get_ylabel() == "accuracy"


def test_what_is_refused():
    found = barrier()
    with pytest.raises(ValueError, match=r"measures must be some of loss, accuracy.*, got 'size'"):
        found.plot(measures=["size"])
    with pytest.raises(ValueError, match="measures must be some of loss, accuracy, got none"):
        found.plot(measures=[])
    with pytest.raises(
        ValueError, match="ax has room for one measure, got 2; name one of them, for example measures='loss'"
    ):
        found.plot(ax=plt.figure().add_subplot())
    with pytest.raises(ValueError, match=r"names must be one per barrier, all different, got .* for 2 barriers"):
        found.beside(barrier(), names=["one"])
    with pytest.raises(ValueError, match="a comparison needs at least two barriers, got 1"):
        found.beside(names=["one"])
    other = Barrier(Values({"x": T}, {"size": T}))
    with pytest.raises(ValueError, match="have no measure in common"):
        found.beside(other)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_or_far(odd):
    found = barrier(odd=odd)
    panels = found.plot()
    panels[0].figure.canvas.draw()
    if odd == 1e300:
        assert "in units of 1e" in panels[0].get_ylabel()
    else:
        assert "loss is not finite at some of 9 points" in texts(panels[0])
        assert "loss is not finite at some of 9 points" in str(found)
    Barrier(Values({"x": T}, {"loss": np.full(9, odd)})).plot()[0].figure.canvas.draw()


def several(count: int = 4, sign: float = 1.0, **options) -> Barriers:
    names = [f"model {k}" for k in range(count)]
    pairs = {}
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        pairs[a, b] = barrier(height=sign * (1 + i + 0.1 * j), start=0.1 * i, end=0.1 * j, **options)
    return Barriers(tuple(names), pairs)


def test_a_matrix_with_numbers_in_its_cells():
    found = several()
    ax = found.plot()
    (image,) = ax.images
    assert (np.asarray(image.get_array()) == found.matrix()).all()
    cells = [text.get_text() for text in ax.texts]
    assert cells.count("1.1\n±0.05") == 2
    assert "0.3" in cells  # of the last model by itself
    assert [label.get_text() for label in ax.get_xticklabels()] == list(found.names)
    assert image.get_clim() == (0, found.matrix().max())
    assert ax.get_title() == "loss: largest excess on the line between two models"
    assert "grey: each model itself" in texts(ax).lower()
    assert "most negative" in found.plot(which="lowest").get_title()


def test_0_is_in_the_middle_of_the_colours_where_signs_differ():
    assert several(sign=-1).plot(which="farthest").images[0].get_clim()[1] == 0
    mixed = Barriers(("a", "b", "c"), {("a", "b"): barrier(2.0), ("a", "c"): barrier(-0.5), ("b", "c"): barrier(0.25)})
    assert mixed.plot(which="farthest").images[0].get_clim() == pytest.approx((-2, 2))
    assert mixed.plot().images[0].get_clim() == pytest.approx((0, 2))
    assert mixed.plot(measure="accuracy").images[0].get_clim() == pytest.approx((-0.5, 0))


def test_many_models_nothing_finite_and_odd_names():
    many = several(26).plot()
    assert not many.texts  # cells are too small for numbers
    assert noted(many)
    nowhere = several(3, odd=np.nan).plot()
    nowhere.figure.canvas.draw()
    assert "3 of 3 pairs have no finite value" in noted(nowhere)
    odd = {name: barrier() for name in combinations(("$\\frac", "a\nb", "c" * 50), 2)}
    Barriers(("$\\frac", "a\nb", "c" * 50), odd).plot().figure.canvas.draw()


def test_tables():
    text = str(barrier(sets=True))
    assert max(map(len, text.splitlines())) <= 100
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert rows["loss"].split() == ["loss", "0.2", "0.4", "1", "±", "0.05", "0.5", "0", "0", "1"]
    assert "Excess: the measure minus the chord between its values at 0 and 1" in text
    assert barrier()._repr_html_().count("<tr") == 3
    bound = Barrier(Values({"x": T}, {"loss": SINE}, {}, np.full(9, 0.1)))
    assert "1 ≤ 0.2" in str(bound)
    assert "an upper bound" in str(bound)
    found = several(5)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "loss: largest excess" in text
    assert "1.1±0.05" in text
    wide = str(several(9))
    assert max(map(len, wide.splitlines())) <= 100
    assert "±0.05" not in wide
    assert found._repr_html_().count("<table") == 2
    assert views.barriers_html(several(9)).count("1.1±0.05") == 2
