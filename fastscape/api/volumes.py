"""The public call `volume`: landscapes with any number of axes."""

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

    With theta the model's weights and d1, ..., dN Gaussian random directions whose filters are scaled to the norms of
    the model's filters, `loss[i, j, k, ...] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2 + z[k] d3
    + ...))`. With two axes the result equals `surface`, number for number; a third direction does not change the
    first two. The axes are called x, y and z; more than three are called x1, x2 and so on.

    The size of a grid is the product of the counts of its axes: 21 points along each of three axes are 9,261 points,
    along each of four 194,481. With `tolerance=0.01` a smooth landscape takes a few hundred evaluations, and the
    remaining points are predicted; see `docs/tolerance.md`. Above ten million points fastscape warns, above a
    thousand million it refuses. Memory holds the coordinates and the measures, 8 bytes per value.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: The options of `fastscape.runs.VolumeOptions`.

    Returns:
        The landscape: `axes` by name, `loss` [H, W, D, ...] and each metric, float64, and the report.
        `Landscape.plot` draws sections of it; `Landscape.slice` and `Landscape.project` reduce the axes.

    Raises:
        TypeError: As for `surface`.
        ValueError: As for `surface`, and when a scheme takes a different number of coordinates, or the grid has more
            than a thousand million points.
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
