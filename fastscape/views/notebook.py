"""How a landscape shows itself in a notebook."""

from __future__ import annotations

import base64
import html
import io

from fastscape.results import Values
from fastscape.views import explorer, line_picture

__all__ = ["displayed"]

HEIGHT = 900  # pixels of the page


def displayed(landscape: Values) -> str | None:
    """A landscape as HTML: a plane as the interactive page, a line as a picture.

    Args:
        landscape: The landscape.

    Returns:
        HTML that refers to nothing outside itself; None when there is nothing to draw, and a notebook then shows the
        text of the landscape.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> from fastscape.views import displayed
        >>> displayed(Landscape(np.linspace(-1, 1, 5), None, np.linspace(-1, 1, 5) ** 2))[:31]
        '<img alt="Landscape(5 points, l'
    """
    text = html.escape(repr(landscape))
    try:
        if len(landscape.axes) == 1:
            return f'<img alt="{text}" src="data:image/png;base64,{_picture(landscape)}">'
        page = html.escape(explorer.page(landscape))
    except ValueError:  # it says what cannot be drawn, and nobody asked for a picture
        return None
    # In a frame of its own, its styles and scripts touch nothing else in the notebook.
    return f'<iframe title="{text}" srcdoc="{page}" width="100%" height="{HEIGHT}" style="border: 0"></iframe>'


def _picture(landscape: Values) -> str:
    from matplotlib.figure import Figure  # of no window, and in no list of pyplot's, which belongs to one thread

    content = io.BytesIO()
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    line_picture.plot(landscape, ax=figure.subplots())
    figure.savefig(content, format="png", dpi=100)
    return base64.b64encode(content.getvalue()).decode()
