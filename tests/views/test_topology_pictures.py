"""Pictures of a topology: the map with its basins, the merge tree, the diagram and the barcode."""

import math
from itertools import pairwise

import numpy as np
import pytest
from noted import noted

from fastscape import Landscape
from fastscape import topology as topology_of
from fastscape.results import Basin, TopologyValues, Values
from fastscape.results.regions import Extent
from fastscape.views import topologies, topology
from fastscape.views.merge_tree_picture import MOST, tree_places


def wells(report: dict | None = None) -> Landscape:
    """Three wells whose minima and saddles lie on the grid."""
    x, y = np.linspace(-2, 2, 41), np.linspace(-1, 1, 21)
    deep = {-1.2: 0.8, 0.0: 0.4, 1.2: 1.0}
    loss = 2 + y**2 - sum(depth * np.exp(-8 * (x[:, None] - at) ** 2 - 4 * y**2) for at, depth in deep.items())
    return Landscape(x, y, loss, report=report)


def found(landscape: Landscape | None = None, **options) -> TopologyValues:
    return topology_of(landscape or wells(), **{"log": False, **options})


def lines(ax, label: str) -> list:
    return [line for line in ax.lines if line.get_label().startswith(label)]


def numbers(ax) -> dict[str, tuple]:
    """The dots with numbers: where they are."""
    return {text.get_text(): tuple(text.xy) for text in ax.texts if text.get_text().isdigit()}


def below(ax) -> str:
    """The note of a figure."""
    return noted(ax).replace("\n", " ")


def test_the_map_has_minima_saddles_and_outlines():
    shown = found(error=0.01)
    (ax,) = topology(shown, kind="map")
    at = {str(basin.number): shown.coordinates(basin.at) for basin in shown.basins}
    assert numbers(ax) == at
    np.testing.assert_allclose(list(at.values()), [(1.2, 0.0), (-1.2, 0.0), (0.0, 0.0)], atol=1e-12)
    crosses = [tuple(np.ravel(line.get_data())) for line in lines(ax, "_saddle")]
    assert crosses == [shown.coordinates(basin.saddle_at) for basin in shown.basins if basin.saddle_at]
    outlines = [one for one in ax.collections if len(getattr(one, "levels", ())) == 1]
    assert len(outlines) == len(shown.basins) == 3
    # The outline of a basin lies between its points and others: of the one in the middle left and right of it.
    (middle,) = (basin for basin in shown.basins if shown.coordinates(basin.at) == pytest.approx((0, 0)))
    border = np.concatenate([path.vertices for path in outlines[middle.number].get_paths()])
    inside = np.argwhere(shown.labels == middle.number)
    assert border[:, 0].min() == pytest.approx(shown.axes["x"][inside[:, 0].min()] - 0.05)
    assert border[:, 0].max() == pytest.approx(shown.axes["x"][inside[:, 0].max()] + 0.05)
    assert ax.get_xlabel() == "x (along direction 1)"


def test_axes_in_any_order_make_the_same_map():
    straight = wells()
    turned = Landscape(straight.x[::-1], straight.y, straight.loss[::-1])
    one, other = (topology(found(landscape), kind="map")[0] for landscape in (straight, turned))
    assert numbers(one) == numbers(other) != {}
    assert one.get_xlim() == other.get_xlim()


def test_models_and_paths_are_on_the_map():
    report = {"marks": {"a": [0.5, 0.5]}, "paths": [{"name": "SGD", "points": [[0.0, 0.0], [0.4, 0.4]]}]}
    (ax,) = topology(found(wells(report)), kind="map")
    (cross,) = lines(ax, "a")
    assert np.ravel(cross.get_data()).tolist() == [0.5, 0.5]
    assert any(np.allclose(np.array(line.get_data()).T, report["paths"][0]["points"]) for line in ax.lines)


def branches(ax) -> dict[int, np.ndarray]:
    found = {}
    for line in lines(ax, "_basin"):
        found[int(line.get_label().split()[1])] = np.array(line.get_data()).T
    return found


def test_the_tree_has_leaves_at_minima_and_joins_at_saddles():
    shown = found()
    (ax,) = topology(shown, kind="tree")
    drawn = branches(ax)
    assert set(drawn) == {0, 1, 2}
    places = {number: line[0, 0] for number, line in drawn.items()}
    for basin in shown.basins:
        line = drawn[basin.number]
        assert line[0, 1] == basin.minimum
        if basin.joins is None:
            assert line[-1, 1] == ax.get_ylim()[1]
        else:
            assert line[1].tolist() == [places[basin.number], basin.saddle]
            assert line[2].tolist() == [places[basin.joins], basin.saddle]
    assert numbers(ax) == {str(number): (line[0, 0], line[0, 1]) for number, line in drawn.items()}


def random_tree(seed: int) -> TopologyValues:
    rng = np.random.default_rng(seed)
    loss = rng.normal(size=(14, 17))
    loss[7] = np.nan if seed % 2 else loss[7]  # two parts that are not connected
    return topology_of(Landscape(np.arange(14.0), np.arange(17.0), loss), log=False, threshold=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_no_branches_of_a_tree_cross(seed):
    shown = random_tree(seed)
    places = tree_places(shown.basins)
    assert sorted(places.values()) == list(range(len(shown.basins)))
    assert len(shown.basins) > 8
    for basin in shown.basins:
        if basin.joins is None:
            continue
        left, right = sorted((places[basin.number], places[basin.joins]))
        for other in shown.basins:
            if left < places[other.number] < right:  # its way up has ended below the way of the basin to the left
                assert other.saddle <= basin.saddle


def test_of_many_basins_the_deepest_are_in_the_tree():
    def basin(number: int) -> Basin:
        joins = None if number == 0 else 0
        saddle = math.inf if number == 0 else 1.0 + number / 100
        return Basin(number, (number,), 0.0, None, saddle, joins, True, False, Extent(1, 1.0, 1.0, (1.0,)), {})

    axis = np.arange(60.0)
    shown = TopologyValues({"x": axis}, "loss", "linear", axis % 2, axis.astype(int), (), tuple(map(basin, range(60))))
    (ax,) = topology(shown, kind="tree")
    assert set(branches(ax)) == {0, *range(60 - MOST + 1, 60)}
    assert f"shows the {MOST} deepest of 60 basins" in noted(ax)


def test_what_may_be_noise_is_grey_and_hollow():
    shown = found(error=0.25, threshold=0.001, dimensions=(0, 1))
    unsure = [basin.number for basin in shown.basins if not basin.certain]
    assert unsure == [2]
    drawn = {line.get_label(): line.get_color() for line in lines(topology(shown, kind="tree")[0], "_basin")}
    assert drawn == {"_basin 0": "black", "_basin 1": "black", "_basin 2": "0.6"}
    (ax,) = topology(shown, kind="diagram")
    (noise,), (sure,) = lines(ax, "_noise of basins"), lines(ax, "basins")
    assert noise.get_markerfacecolor() == "none"
    births = [pair.birth for pair in shown.pairs if pair.dimension == 0]
    lasting = [pair.birth for pair in shown.pairs if pair.dimension == 0 and pair.death - pair.birth > 0.5]
    assert sorted(sure.get_xdata()) == sorted(lasting)
    assert sorted([*noise.get_xdata(), *sure.get_xdata()]) == sorted(births)
    (band,) = ax.collections
    low, high = ax.get_xlim()
    corners = {tuple(np.round(point, 9)) for point in band.get_paths()[0].vertices}
    assert {(round(low, 9), round(low + 0.5, 9)), (round(high, 9), round(high + 0.5, 9))} <= corners


def test_the_diagram_has_births_and_deaths():
    shown = found(dimensions=(0, 1))
    (ax,) = topology(shown, kind="diagram")
    (points,) = lines(ax, "basins")
    places = np.array(points.get_data()).T
    finite = [[pair.birth, pair.death] for pair in shown.pairs if pair.dimension == 0 and math.isfinite(pair.death)]
    for pair in finite:
        assert (np.abs(places - pair).max(axis=1) == 0).any()
    (never,) = lines(ax, "_never")
    assert places[places[:, 1] == never.get_ydata()[0]].tolist() == [[shown.basins[0].minimum, never.get_ydata()[0]]]
    assert not ax.collections  # without an error there is no band
    assert {"0", "1", "2"} == set(numbers(ax))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("birth, loss", "death, loss")


def test_numbers_of_basins_that_are_alike_stand_in_one_text():
    x = np.linspace(-3, 3, 61)
    periodic = np.tile(1 - np.cos(2 * np.pi * x), (2, 1)).T + np.array([0.0, 1.0])
    shown = found(Landscape(x, np.arange(2.0), periodic))
    (ax,) = topology(shown, kind="diagram")
    assert len(shown.basins) == 7
    assert [text.get_text() for text in ax.texts[:3]] == ["never", "0", "1, 2, 3, 4..."]


def test_the_barcode_has_a_bar_for_each_feature():
    shown = found(error=0.01, threshold=0.001)
    (ax,) = topology(shown, kind="barcode")
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    pairs = sorted(shown.pairs, key=lambda pair: -pair.persistence)
    assert len(bars) == len(pairs)
    for (birth, death), pair in zip(bars, pairs, strict=True):
        assert birth == pair.birth
        assert death == pair.death if math.isfinite(pair.death) else death > ax.get_xlim()[1] - 1e-9
    assert set(numbers(ax)) == {"0", "1", "2"}


def test_all_stand_beside_each_other_and_the_colours_are_the_axis_of_the_tree():
    shown = found(error=0.01)
    axes = topology(shown)
    assert len(axes) == 3
    tree = axes[1]
    (bar,) = tree.child_axes
    assert bar.get_ylim()[1] == tree.get_ylim()[1]
    tree.figure.canvas.draw()
    for height in bar.get_ylim():  # the tree begins below, with the circle of its lowest leaf
        where = [ax.transData.transform((0, height))[1] for ax in (bar, tree)]
        assert where[0] == pytest.approx(where[1], abs=0.5)
    assert bar.get_ylabel() == "loss"
    assert "3 basins deeper than" in below(tree)
    assert "the error of the heights is taken as 0.01 (given 0.01)" in below(tree)
    assert not topology(shown, colorbar=False)[1].child_axes
    tree.figure.canvas.draw()


def test_heights_are_named_as_they_are():
    axes = topology(topology_of(wells()), kind="diagram")
    assert axes[0].get_xlabel() == "birth, log10 loss"
    assert "The errors of the heights are not known" in noted(axes[0])


def test_a_line_has_its_basins_on_the_curve():
    x = np.linspace(-2, 2, 81)
    shown = found(Landscape(x, None, (x**2 - 1) ** 2 + 0.1 * x))
    ax = topology(shown)[0]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), shown.heights)
    assert numbers(ax) == {str(b.number): (*shown.coordinates(b.at), b.minimum) for b in shown.basins}
    (saddle,) = lines(ax, "_saddle")
    assert np.ravel(saddle.get_data()).tolist() == [
        *shown.coordinates(shown.basins[1].saddle_at),
        shown.basins[1].saddle,
    ]


def test_three_axes_have_no_map():
    t = np.linspace(-1, 1, 7)
    cube = Values({"x": t, "y": t, "z": t}, {"loss": np.add.outer(np.add.outer(t**2, t**2), t**2)})
    shown = found(Landscape.of(cube))
    axes = topology(shown)
    assert [ax.get_xlabel() for ax in axes] == ["basins", "birth, loss"]
    assert "The map is left out" in below(axes[0])
    with pytest.raises(ValueError, match="kind='map' must have a topology of one or two axes, got 3"):
        topology(shown, kind="map")


def test_several_share_one_scale():
    shallow = wells()
    deep = Landscape(shallow.x, shallow.y, 2 * shallow.loss)
    several = {"shallow": found(shallow), "deep $": found(deep)}
    axes = topologies(several)
    assert len(axes) == 6
    assert [axes[k].get_title() for k in (0, 3)] == ["shallow", r"deep \$"]
    assert axes[1].get_ylim() == axes[4].get_ylim()
    levels = [ax.collections[0].levels.tolist() for ax in (axes[0], axes[3])]
    assert levels[0] == levels[1]
    assert levels[0][0] <= shallow.loss.min() < deep.loss.max() <= levels[0][-1]
    assert all(a < b for a, b in pairwise(levels[0]))
    assert "shallow: 3 basins deeper" in below(axes[0])


def test_huge_heights_have_a_unit():
    values = wells()
    (ax,) = topology(found(Landscape(values.x, values.y, 1e200 * values.loss)), kind="tree")
    assert ax.get_ylabel() == "loss, in units of 1e200"
    assert branches(ax)[0][0, 1] == pytest.approx(values.loss.min())
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: topology(found(), kind="trees"),
            "kind must be one of 'all', 'map', 'tree', 'diagram', 'barcode', got 'trees'",
        ),
        (lambda: topologies({}), "at least one topology is needed, got none; give several by name"),
        (
            lambda: topologies({"a": found(), "b": topology_of(wells())}),
            "topologies must have one scale, got loss and log10 loss",
        ),
        (
            lambda: topologies({"a": found()}, ax=topology(found(), kind="tree")[0]),
            "ax cannot be combined with several topologies, which need their own figure; draw",
        ),
        (
            lambda: topology(found(), ax=topology(found(), kind="tree")[0]),
            "ax has room for one panel; name one, for example kind='tree'",
        ),
        (
            lambda: topology(found(), levels=0),
            "levels must be a number of at least 1, or two or more increasing values, got 0; for",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_options_that_are_none_are_refused():
    with pytest.raises(TypeError, match="topology has no option 'clip'"):
        topology(found(), clip=1.0)


def test_a_topology_draws_itself():
    assert len(found().plot(kind="tree")) == 1
