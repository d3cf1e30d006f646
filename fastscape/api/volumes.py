"""Landscapes of any number of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from fastscape.api.watching import watched
from fastscape.landscape import Landscape
from fastscape.model import Data
from fastscape.results import documented
from fastscape.runs import VolumeOptions, computed, volume_request

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["volume"]


@documented(VolumeOptions)
def volume(model: nn.Module, data: Data, **given: Unpack[VolumeOptions]) -> Landscape:
    """The loss of a model on a grid of any number of axes through its weights.

    With theta the model's weights and d1, ..., dN Gaussian random directions, each filter of which is scaled to the
    norm of the model's filter, `loss[i, j, k, ...] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2 +
    z[k] d3 + ...))`. Two axes are those of `surface`, with the same numbers; a third direction changes nothing of the
    first two. The axes are called x, y and z, and of more than three x1, x2 and so on.

    A grid has the product of the counts of its axes: 21 points along each of three are 9,261, along each of four
    194,481. With `tolerance=0.01` a smooth one takes some hundred evaluations, and the other points are predicted; see
    `docs/tolerance.md`. Above ten million a warning says so, above a thousand million the call is refused. Memory is
    that of the coordinates and the measures, 8 bytes each for every point.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: As `fastscape.runs.VolumeOptions` says.

    Returns:
        The landscape: `axes` by name, `loss` [H, W, D, ...] and each metric, float64, and the report.
        `Landscape.plot` draws sections of it; `Landscape.slice` and `Landscape.project` take fewer axes.

    Raises:
        TypeError: As for `surface`.
        ValueError: As for `surface`, and when a scheme takes another number of coordinates, or the grid has more than
            a thousand million points.
        OSError: As for `surface`.
        ImportError: As for `surface`.
        RuntimeError: As for `surface`.

    Warns:
        UserWarning: As for `surface`, and when the grid has more than ten million points.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> landscape = fastscape.volume(model, data, axes=[(-1, 1, 5), (-1, 1, 5), (-1, 1, 3)])
        >>> landscape.shape, list(landscape.axes)
        ((5, 5, 3), ['x', 'y', 'z'])
        >>> plane = fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5))
        >>> bool(abs(landscape.slice(z=0.0).loss - plane.loss).max() < 1e-5)
        True
        >>> landscape.project("z").shape
        (5, 5)

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2, for one and two directions.
    """
    live = given.get("progress") == "live"
    request = volume_request(model, data, given, watched(given))
    if live and len(request.axes) != 2:
        raise ValueError(f"progress='live' draws a plane, got {len(request.axes)} axes; write True or False")
    return Landscape.of(computed(request))
