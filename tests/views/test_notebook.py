"""How a landscape shows itself in a notebook."""

import base64
import html
import re

import numpy as np
from matplotlib import pyplot as plt

from fastscape import Landscape
from fastscape.views import page


def test_a_plane_is_the_page_in_a_frame_of_its_own():
    plane = Landscape(np.arange(3.0), np.arange(4.0), np.ones((3, 4)), report={"model": 'a "net"'})
    shown = plane._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == page(plane)
    assert shown.startswith('<iframe title="Landscape(3 x 4 points')


def test_a_line_is_a_picture():
    shown = Landscape(np.arange(3.0), None, np.arange(3.0))._repr_html_()
    picture = re.search(r'src="data:image/png;base64,([^"]*)"', shown)[1]
    assert base64.b64decode(picture).startswith(b"\x89PNG")
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
