"""The methods of a topology: its table, and distances to others."""

import numpy as np
import pytest

from fastscape import Landscape, Topology, topology
from fastscape.results import Values

AXIS = np.linspace(-2, 2, 81)


def line(loss, **options) -> Topology:
    return Landscape(np.arange(float(len(loss))), None, np.array(loss, float)).topology(
        **{"log": False, "threshold": 0, **options}
    )


def test_the_table():
    x = np.linspace(-2, 2, 41)
    wells = (x[:, None] ** 2 - 1) ** 2 + 0.1 * x[:, None] + x**2
    given = Landscape(x, x, wells, report={"samples": 100}, standard_error=np.full((41, 41), 0.01))
    said = str(given.topology(log=False, dimensions=(0, 1)))
    assert said.splitlines() == [
        "2 basins of loss on 41 x 41 points, deeper than 0.665 (5 % of the range, -0.1 to 13.2)",
        "",
        "basin  at x, y  minimum  depth  saddle  joins  width      share   certain",
        "-------------------------------------------------------------------------",
        "0      -1, 0    -0.1     -      -       -      1.4 x 2.1  12.8 %  yes",
        "1      1, 0     0.1      0.9    1       0      1.3 x 1.9  10.8 %  yes",
        "",
        "0 loops, 0 of them more persistent than twice the error.",
        "The error of the heights is taken as 0.044: 0.044 (samples). A basin deeper than twice this error is",
        "certain.",
    ]  # fmt: skip


def test_the_table_of_many_basins_is_short_and_says_what_lies_at_the_edge():
    said = str(line([0.0, 1.0] * 30 + [0.5]))
    assert "11 more basins with higher minima." in said
    assert "0 *" in said
    assert "* The minimum is at the border" in said
    assert "The error of the values is not known" in said
    assert max(map(len, said.splitlines())) <= 100


def test_holes_in_the_table():
    cube = np.zeros((5, 5, 5))
    cube[2, 2, 2] = 3.0
    found = topology(Values({k: np.arange(5.0) for k in "xyz"}, {"loss": cube}), log=False, dimensions=(0, 1, 2))
    assert "\n0 loops, 0 of them more persistent than twice the error.\n1 void, 1 of them" in str(found)
    shape = (5, 5, 5, 5)
    four = np.zeros(shape)
    four[2, 2, 2, 2] = np.inf
    found = topology(Values({k: np.arange(5.0) for k in "xyzu"}, {"loss": four}), log=False, dimensions=(3,))
    assert "1 hole of dimension 3, 1 of them more persistent than twice the error." in str(found)


def test_distances_of_lines_by_hand():
    one = line([0.0, 3.0, 1.0, 5.0])  # (0, inf), (1, 3)
    other = line([0.5, 4.0, 1.5, 5.0])  # (0.5, inf), (1.5, 4)
    flat = line([0.0, 1.0, 2.0])  # (0, inf)
    assert one.distance(one) == one.distance(one, "wasserstein") == 0
    assert one.distance(other) == other.distance(one) == 1.0
    assert one.distance(other, "wasserstein") == pytest.approx(0.5 + 1.0, rel=1e-5)
    assert one.distance(other, "wasserstein", order=2.0) == pytest.approx(np.hypot(0.5, 1.0), rel=1e-5)
    assert one.distance(other, "wasserstein", order=1, internal_p=2.0) == pytest.approx(
        0.5 + np.hypot(0.5, 1.0), rel=1e-5
    )
    assert one.distance(flat) == 1.0  # half of what lasts for 2
    assert one.distance(flat, "wasserstein") == pytest.approx(1.0, rel=1e-5)
    divided = line([0.0, np.nan, 1.0, 5.0])  # a second one that never ends
    assert one.distance(divided) == np.inf == divided.distance(one, "wasserstein")
    assert divided.distance(line([4.0, np.nan, 0.5])) == 3.0  # births in their order: 0 and 0.5, 1 and 4


def test_distances_are_those_of_an_assignment():
    """Wasserstein and bottleneck distances by scipy, each point of one diagram to one of the other or its diagonal."""
    from scipy.optimize import linear_sum_assignment

    draw = np.random.default_rng(0)
    for _ in range(10):
        grids = draw.normal(size=(2, 6, 7))
        found = [Landscape(np.arange(6.0), np.arange(7.0), g).topology(log=False, dimensions=(0, 1)) for g in grids]
        for dimension in (0, 1):
            a, b = (t.diagram(dimension)[np.isfinite(t.diagram(dimension)[:, 1])] for t in found)
            ends = [t.diagram(dimension)[np.isinf(t.diagram(dimension)[:, 1]), 0] for t in found]
            cost = np.zeros((len(a) + len(b),) * 2)
            cost[: len(a), : len(b)] = np.abs(a[:, None] - b[None]).max(-1)
            cost[: len(a), len(b) :] = np.diff(a, axis=1) / 2
            cost[len(a) :, : len(b)] = np.diff(b, axis=1).T / 2
            essential = np.abs(np.sort(ends[0]) - np.sort(ends[1]))
            total = cost[linear_sum_assignment(cost)].sum() + essential.sum()
            assert found[0].distance(found[1], "wasserstein", dimension) == pytest.approx(total, rel=1e-5)
            levels = np.unique(cost)
            fits = [(cost > level)[linear_sum_assignment(cost > level)].sum() == 0 for level in levels]
            wanted = max(levels[fits.index(True)], *essential) if len(essential) else levels[fits.index(True)]
            assert found[0].distance(found[1], dimension=dimension) == pytest.approx(wanted, abs=1e-12)


def test_distances_that_cannot_be_taken():
    one = line([0.0, 3.0, 1.0])
    with pytest.raises(ValueError, match=r"heights on the same scale, got linear and log10; compute"):
        one.distance(line([1.0, 3.0, 2.0], log=True))
    with pytest.raises(ValueError, match=r"kind must be one of 'bottleneck', 'wasserstein'.*, got 'sup'"):
        one.distance(one, "sup")
    with pytest.raises(ValueError, match="dimension=1 came, and the pairs are of 0"):
        one.distance(one, dimension=1)
    with pytest.raises(ValueError, match=r"order must be a number of at least 1.*, got 0.5"):
        one.distance(one, "wasserstein", order=0.5)
    with pytest.raises(ValueError, match=r"order must be .*, got inf"):
        one.distance(one, "wasserstein", order=np.inf)
    with pytest.raises(ValueError, match=r"internal_p must be .*, got '2'"):
        one.distance(one, "wasserstein", internal_p="2")
    with pytest.raises(TypeError, match=r"other must be a topology, as fastscape\.topology returns it, got Landscape"):
        one.distance(Landscape(AXIS, None, AXIS**2))
