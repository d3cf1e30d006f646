"""The picture of a spectrum, by matplotlib: the density of the eigenvalues, and ticks for eigenvalues at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import SpectrumValues
from fastscape.views.figure_parts import new_axes, note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["spectrum"]

_NAMES = {
    "hessian": "Hessian",
    "ggn": "Gauss-Newton matrix",
    "fisher": "Fisher matrix",
    "empirical-fisher": "empirical Fisher matrix",
}
_LOWEST = 0.1  # lower edge of the picture, as a fraction of the peak of a single eigenvalue


def spectrum(found: SpectrumValues, *, ax: Axes | None = None, log: bool = True, **style: Any) -> Axes:
    """Draws the density of the eigenvalues with a band of two standard errors, and a tick per known eigenvalue.

    The density spreads every eigenvalue over a peak. The lower edge of a logarithmic picture is a tenth of the peak of
    one of the n eigenvalues, so that a single outlier can be seen.

    Args:
        found: The spectrum.
        ax: Axes to draw on. Default: a new figure.
        log: Whether to draw the density on a logarithmic scale. Default True.
        **style: Options of matplotlib's `Axes.plot`, for the density.

    Returns:
        The axes that were drawn on.

    Example:
        >>> import torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
        >>> fastscape.spectrum(model, data).plot().get_xlabel()
        'eigenvalue of the Hessian'
    """
    density = found.density
    own = ax is None
    ax = new_axes("constrained")[0] if ax is None else ax
    single = 1 / (found.size * density.width * np.sqrt(2 * np.pi))
    floor = _LOWEST * single if log else 0.0
    (line,) = ax.plot(density.at, np.maximum(density.values, floor), **{"label": "density", **style})
    if density.standard_error.any():
        low, high = (density.values + k * np.nan_to_num(density.standard_error) for k in (-2, 2))
        colour = line.get_color()
        ax.fill_between(
            density.at, np.maximum(low, floor), np.maximum(high, floor), alpha=0.25, color=colour, linewidth=0,
            label="two standard errors",
        )  # fmt: skip
    transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
    ax.plot(
        found.eigenvalues, np.full(len(found.eigenvalues), 0.02), "|", color="C3", markersize=12, transform=transform,
        label="eigenvalues at both ends", clip_on=False,
    )  # fmt: skip
    if log:
        ax.set_yscale("log")
        ax.set_ylim(floor, None)
    ax.set(xlabel=f"eigenvalue of the {_NAMES.get(found.matrix, found.matrix)}", ylabel="density")
    ax.margins(x=0.02)
    ax.legend(fontsize=8, loc="upper right")
    note(_said(found), ax, own=own)
    return ax


def _said(found: SpectrumValues) -> list[str]:
    """The sentences of the note: sizes, extreme eigenvalues, trace and norm, and the width of the density."""
    worst = float(found.residuals.max())
    return [
        f"{found.size:,} weights, {found.samples:,} samples. Eigenvalues from {found.smallest:.4g} to "
        f"{found.largest:.4g}, residuals up to {worst:.1g} of the largest. Trace {found.trace}, Frobenius norm "
        f"{found.frobenius}. The density spreads every eigenvalue by {found.density.width:.2g}."
    ]
