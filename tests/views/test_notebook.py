"""How a landscape shows itself in a notebook."""

import base64
import html
import io
import re

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

import fastscape
from fastscape import Landscape
from fastscape.results import Values, axis_names
from fastscape.views import page

MOST = 60_000  # characters: ten cells then make 600 kB, and GitHub still shows the notebook


def picture_in(shown):
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]*)"', shown)[1])


def rows_in(shown):
    return {
        name: html.unescape(said) for name, said in re.findall(r"<th[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td>", shown)
    }


def test_a_plane_is_a_picture_with_a_summary_and_the_way_to_the_page():
    x, y = np.linspace(-1, 1, 3), np.linspace(-1, 1, 5)
    loss = 1 + x[:, None] ** 2 + y**2
    report = {
        "model": 'a "net" <b>',
        "parameters": 12,
        "samples": 64,
        "warnings": ["one & two", "three"],
        "marks": {"the model": [0.0, 0.0]},
        "centre": {"loss": 1.0},
    }
    plane = Landscape(x, y, loss, {"accuracy": loss / 4}, report, standard_error=loss / 100)
    shown = plane._repr_html_()
    assert picture_in(shown).startswith(b"\x89PNG")
    assert rows_in(shown) == {
        "model": 'a "net" <b>, 12 parameters',
        "grid": "3 x 5 points, from -1 to 1 along x and y",
        "loss": "1 at the model, 1 to 3 on the grid",
        "accuracy": "0.25 at the model, 0.25 to 0.75 on the grid",
        "samples": "64 samples, standard error of the loss 0.01 to 0.03",
        "warnings": "one & two (and 1 more)",
    }
    assert ".explore()" in shown
    assert '.to_html("page.html")' in shown
    assert "<b>" not in shown
    assert "<iframe" not in shown
    assert plt.get_fignums() == []


def test_a_plane_without_a_report_says_what_it_knows():
    assert rows_in(Landscape(np.arange(3.0), np.arange(4.0), np.ones((3, 4)))._repr_html_()) == {
        "grid": "3 x 4 points, from 0 to 2 along x and from 0 to 3 along y",
        "loss": "1 to 1 on the grid",
    }


@pytest.mark.parametrize("shape", [(51, 51), (201, 201), (101,), (9, 9, 9), (4, 4, 4, 4, 4)])
def test_what_a_notebook_keeps_is_small(shape):
    noise = np.random.default_rng(0).lognormal(size=shape)  # of all surfaces the one that compresses least
    axes = {name: np.linspace(-1, 1, size) for name, size in zip(axis_names(len(shape)), shape, strict=True)}
    shown = Landscape.of(Values(axes, {"loss": noise, "accuracy": noise}))._repr_html_()
    assert 5_000 < len(shown) < MOST
    assert (".explore()" in shown) == (len(shape) in (2, 3))
    assert plt.get_fignums() == []


def test_pictures_are_opaque_and_the_text_has_the_colours_of_the_notebook():
    with plt.rc_context({"figure.facecolor": (1, 1, 1, 0), "savefig.transparent": False}):
        shown = Landscape(np.arange(3.0), np.arange(4.0), np.ones((3, 4)))._repr_html_()
    picture = Image.open(io.BytesIO(picture_in(shown)))
    assert picture.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert "transparency" not in picture.info
    assert "color" not in re.sub(r'src="[^"]*"', "", shown)


def test_the_page_comes_on_demand_in_a_frame_of_its_own():
    plane = Landscape(np.arange(3.0), np.arange(4.0), 1 + np.arange(12.0).reshape(3, 4), report={"model": 'a "net"'})
    explored = plane.explore(title="My page")
    shown = explored._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == page(plane, title="My page")
    assert shown.startswith('<iframe title="Landscape(3 x 4 points')
    assert 'height="900"' in shown
    assert 'height="500"' in plane.explore(height=500)._repr_html_()
    assert "basin" in plane.explore(basins=True).page
    assert repr(explored) == (
        f'the interactive page of {plane!r}; a notebook shows it, landscape.to_html("page.html") writes it'
    )
    with pytest.raises(ValueError, match=r"height must be a number of pixels, got '9em'; write height=900"):
        plane.explore(height="9em")


def test_a_line_has_no_page():
    line = Landscape(np.arange(3.0), None, np.arange(3.0))
    shown = line._repr_html_()
    assert picture_in(shown).startswith(b"\x89PNG")
    assert ".explore()" not in shown
    assert plt.get_fignums() == []


def test_reports_are_a_picture_with_their_text():
    x = np.linspace(-2, 2, 41)
    line = Landscape(x, None, (x**2 - 1) ** 2 + 0.1 * x)
    model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
    topology, spectrum = fastscape.topology(line, log=False), fastscape.spectrum(model, data, progress=False)
    radius = fastscape.basin_radius(model, data, directions=8, progress=False)
    for report, text in ((topology, str(topology)), (spectrum, repr(spectrum)), (radius, radius.summary())):
        shown = report._repr_html_()
        assert picture_in(shown).startswith(b"\x89PNG")
        assert f"<pre>{html.escape(text)}</pre>" in shown
        assert len(shown) < MOST
    assert plt.get_fignums() == []


def test_what_cannot_be_drawn_is_left_to_the_text():
    for shape in ((1, 4), (1,), (3, 1)):
        axes = [np.arange(float(n)) for n in shape]
        assert Landscape(axes[0], axes[1] if len(axes) > 1 else None, np.ones(shape))._repr_html_() is None
    assert Landscape(np.zeros(2), np.arange(2.0), np.ones((2, 2)))._repr_html_() is None
    lost = Landscape(np.arange(2.0), np.arange(2.0), np.full((2, 2), np.nan))
    assert lost._repr_html_() is None
    assert Landscape(np.arange(2.0), None, np.full(2, np.nan))._repr_html_() is None
    assert plt.get_fignums() == []
