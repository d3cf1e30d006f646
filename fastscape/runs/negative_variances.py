"""Warns of points at which a running variance is negative, as it can be beyond the models that directions lead to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fastscape.model import statistics_of
from fastscape.results import warn
from fastscape.runs.request import Request
from fastscape.weights import BasisRows, Entry, Grid, Space, Tensorwise, listed, owners

__all__ = ["negative_variances"]

AT_ONCE = 1 << 22
"""Largest number of values in memory at once."""

LISTED = 4
"""Largest number of coordinates that a message lists."""


def negative_variances(request: Request, space: Space, grid: Grid) -> list[str]:
    """Warns of running variances that a combination of models or directions makes negative.

    Args:
        request: The request.
        space: The space of the points.
        grid: The points.

    Returns:
        The warnings: none or one.
    """
    again = statistics_of(request.model)  # of torch's batch normalisation, on which the policy acts
    running = request.mode.batchnorm == "running"
    entries = [entry for entry in space.layout.entries if entry.numel and _is_variance(entry.name)]
    entries = [entry for entry in entries if running or entry.name not in again]
    # Of a model shared among processes only random directions move, and these move no variance.
    if not entries or space.basis.here is not None:
        return []
    found = {name: mask for name, mask in _negative(request.model, space, grid, entries).items() if mask.any()}
    if not found:
        return []
    where = torch.stack(list(found.values())).any(dim=0)
    estimated = (
        "write batchnorm='recalibrate', which estimates it at every point, or " if found.keys() <= again else ""
    )
    message = (
        f"{listed(found)} {'is' if len(found) == 1 else 'are'} negative {_places(grid, where)}, where normalisation "
        f"gives NaN; {estimated or 'write '}{_instead(grid, where)}"
    )
    warn(message)
    return [message]


def _is_variance(name: str) -> bool:
    return name.rpartition(".")[2] == "running_var"


def _negative(model: nn.Module, space: Space, grid: Grid, entries: list[Entry]) -> Mapping[str, Tensor]:
    """For each variance, by name, the points [G] at which an entry is negative even with the layer's eps."""
    vectors, layout, owner_of = space.basis.vectors, space.layout, owners(model)
    rows = vectors if isinstance(vectors, Tensorwise) else BasisRows(space.basis)
    eps = {entry.name: float(getattr(owner_of[entry.name][0], "eps", 0.0)) for entry in entries}
    widest = max(space.basis.gram.shape[0] * space.basis.gram.shape[2], *(entry.numel for entry in entries))
    found: dict[str, list[Tensor]] = {entry.name: [] for entry in entries}
    for points in grid.points.split(max(AT_ONCE // widest, 1)):
        c = space.coefficients(points).cpu().double()
        for entry in entries:
            of_filters = c[:, layout.segments_of[entry.name]] if c.shape[1] > 1 else c.expand(-1, entry.filters, -1)
            here = rows.rows(entry).cpu().double().unflatten(1, (entry.filters, -1))
            values = torch.einsum("gsk,ksn->gsn", of_filters, here)
            found[entry.name].append((values < -eps[entry.name]).flatten(1).any(dim=1))
    return {name: torch.cat(masks) for name, masks in found.items()}


def _places(grid: Grid, where: Tensor) -> str:
    """Where a mask [G] holds: the coordinates on a line, else the number of points and the point nearest the model."""
    points = grid.points[where]
    if len(grid.axes) == 1:
        ((name, _),) = grid.axes.items()
        shown = [f"{at:.4g}" for at in points[:, 0].tolist()]
        middle = ["..."] if len(shown) > LISTED else []
        shown = shown if not middle else [*shown[: LISTED // 2], *middle, *shown[-LISTED // 2 :]]
        return f"at {name}={', '.join(shown)} ({len(points)} of {len(grid)} points)"
    nearest = points[points.square().sum(dim=1).argmin()].tolist()
    at = ", ".join(f"{name}={value:.4g}" for name, value in zip(grid.axes, nearest, strict=True))
    return f"at {len(points)} of {len(grid)} points, of which {at} is nearest to the model"


def _instead(grid: Grid, where: Tensor) -> str:
    """The range to write: on a line the one around the model in which the mask [G] does not hold."""
    if len(grid.axes) > 1:
        return "smaller ranges"
    ((name, _),) = grid.axes.items()
    at, odd = grid.points[:, 0], grid.points[where, 0]
    below, above = odd[odd < 0], odd[odd > 0]
    within = at[(at > (below.max() if len(below) else -torch.inf)) & (at < (above.min() if len(above) else torch.inf))]
    return f"{name} from {within.min():.4g} to {within.max():.4g}" if len(within) > 1 else "a smaller range"
