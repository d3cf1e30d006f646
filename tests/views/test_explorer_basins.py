"""Basins on the page: what is said of them under the pointer, and their outlines."""

import json
import re

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Values
from fastscape.views import page


def wells(turned: bool = False) -> Landscape:
    x, y = np.linspace(-2, 2, 21), np.linspace(-1, 1, 11)
    loss = (
        2 + y**2 - sum(d * np.exp(-4 * (x[:, None] - at) ** 2 - 4 * y**2) for at, d in {-1.2: 0.8, 1.2: 1.0}.items())
    )
    return Landscape(x[::-1], y, loss[::-1]) if turned else Landscape(x, y, loss)


def held(text: str) -> list[dict]:
    return json.loads(re.search(r'id="landscapes">(.*?)</script>', text)[1])


def pointed(shown, x: float, y: float) -> str:
    point = {"data": {"type": "surface"}, "x": x, "y": y}
    shown.page.evaluate(f"explorer.maps[0].div.emit('plotly_hover', {{ points: [{json.dumps(point)}] }})")
    return shown.page.locator(".pointed").inner_text()


@pytest.mark.parametrize("turned", [False, True])
def test_the_pointer_names_the_basin(show, turned):
    landscape = wells(turned)
    found = landscape.topology(error=0.001)
    deep, shallow = found.basins
    shown = show(landscape, topology=found)
    assert pointed(shown, 1.2, 0.0).endswith(
        f"basin 0 of 2: minimum {deep.minimum:.4g}, joins no deeper basin (certain)"
    )
    other = f"saddle {shallow.saddle:.4g} to basin 0, depth {shallow.depth:.4g} (certain)"
    assert pointed(shown, -1.2, 0.2).endswith(f"basin 1 of 2: minimum {shallow.minimum:.4g}, {other}")
    text = np.array(shown.drawn("data[0].text"))
    assert text.shape == (11, 21)
    assert text[5, 4].startswith("basin 1 of 2<br>minimum")  # rows are those of y
    assert text[5, 16].startswith("basin 0 of 2<br>minimum")
    assert "%{text}" in shown.drawn("data[0].hovertemplate")
    assert "Basins of log10 loss are shown if they are deeper than" in shown.page.locator(".note").inner_text()


def test_outlines_lie_between_the_basins_and_a_switch_hides_them(show):
    landscape = wells()
    found = landscape.topology()
    shown = show(landscape, topology=found)
    above, below, minima, numbers = shown.drawn("data.slice(-4)")
    x = np.array([at for at in above["x"] if at is not None])
    y = np.array([at for at in above["y"] if at is not None])
    points = np.argwhere(found.labels[1:] != found.labels[:-1])
    borders = (landscape.x[1:] + landscape.x[:-1])[points[:, 0]] / 2
    assert set(np.round(borders, 9)) <= set(np.round(x, 9))
    assert y.min() == -1
    assert y.max() == 1
    assert len(set(np.round([at for at in below["z"] if at is not None], 9))) == 1
    assert minima["text"] == ["0", "1"]
    np.testing.assert_allclose(
        np.transpose([minima["x"], minima["y"]]), [found.coordinates(basin.at) for basin in found.basins]
    )
    assert np.array(minima["z"]) == pytest.approx([basin.minimum for basin in found.basins], abs=0.02)
    assert max(numbers["z"]) < min(minima["z"])
    count = len(shown.drawn("data"))
    shown.page.locator("#basins").uncheck()
    shown.settled()
    assert len(shown.drawn("data")) == count - 4


def test_what_may_be_noise_is_a_ring(show):
    landscape = wells()
    found = landscape.topology(error=0.2)
    assert [basin.certain for basin in found.basins] == [True, False]
    shown = show(landscape, topology=found)
    assert shown.drawn("data.at(-1).marker.symbol") == ["circle", "circle-open"]
    assert "(may be noise)" in pointed(shown, -1.2, 0.0)


def test_without_a_topology_nothing_is_offered(show):
    shown = show(wells())
    assert not shown.page.locator("#basins").is_visible()
    assert "basin" not in pointed(shown, 1.2, 0.0)
    assert shown.drawn("data[0].text") is None


def test_a_volume_names_the_basin_too(show):
    t = np.linspace(-2, 2, 11)
    loss = 1 + t[:, None] ** 2 + t**2 + ((t**2 - 1) ** 2 + 0.1 * t)[:, None, None]
    landscape = Landscape.of(Values({"x": t, "y": t, "z": t}, {"loss": loss}))
    found = landscape.topology(threshold=0.001)
    assert len(found.basins) == 2
    shown = show(landscape, topology=found)
    assert shown.drawn("data.at(-1).text") == ["0", "1"]
    shown.page.evaluate("explorer.maps[0].div.emit('plotly_hover', { points: [{ x: 0.8, y: 0, z: 0 }] })")
    assert "basin 1 of 2: minimum" in shown.page.locator(".pointed").inner_text()
    shown.page.locator("#basins").uncheck()
    shown.settled()
    assert shown.drawn("data.at(-1).mode") == "markers"


def test_a_landscape_writes_its_basins(tmp_path):
    landscape = wells()
    (shown,) = held(landscape.to_html(tmp_path / "a.html", basins=True).read_text())
    assert len(shown["basins"]["said"]) == 2
    few = landscape.topology(threshold=0.99)
    (shown,) = held(landscape.to_html(tmp_path / "b.html", basins=few).read_text())
    assert len(shown["basins"]["said"]) == 1
    (shown,) = held(landscape.to_html(tmp_path / "c.html").read_text())
    assert shown["basins"] is None


def test_topologies_of_other_grids_are_refused(tmp_path):
    other = Landscape(np.arange(3.0), np.arange(3.0), np.eye(3)).topology()
    with pytest.raises(
        ValueError, match="the topology must be of the landscape's grid with 21 x 11 points, got one of 3 x 3"
    ):
        page(wells(), topology=other)
    with pytest.raises(ValueError, match="topologies must be one or None per landscape, got 2 for 1 landscapes"):
        page(wells(), topology=[None, None])
    with pytest.raises(
        TypeError, match=r"a topology must be what landscape\.topology\(\) returns, or a list with one or None per"
    ):
        wells().to_html(tmp_path / "a.html", basins="yes")
    text = page([wells(), wells()], topology=[None, wells().topology()])
    assert [one["basins"] is None for one in held(text)] == [True, False]
