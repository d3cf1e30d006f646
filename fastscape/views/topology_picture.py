"""Pictures of a topology, by matplotlib: basins on the map, the merge tree beside it, and births and deaths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastscape.results import TopologyValues, chosen, documented, with_defaults
from fastscape.views.basin_map import draw_basins
from fastscape.views.figure_parts import colour_bar, new_axes, note, note_of_all
from fastscape.views.merge_tree_picture import MARGIN, draw_tree
from fastscape.views.options import TopologyPictureOptions
from fastscape.views.persistence_picture import draw_barcode, draw_diagram
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.topology_shown import ShownTopology, shown_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Unpack

__all__ = ["topologies", "topology"]

_SIDE = 4.6  # inches of a panel
_BESIDE: dict[str, Callable[[Any, ShownTopology], list[str]]] = {
    "tree": draw_tree,
    "diagram": draw_diagram,
    "barcode": draw_barcode,
}
_KINDS = {"all": ("map", "tree", "diagram"), "map": ("map",), **{name: (name,) for name in _BESIDE}}
_NO_MAP = "The map is left out: it would show a slice, whose basins differ from the basins of the whole landscape."


@documented(TopologyPictureOptions)
def topology(found: TopologyValues, **given: Unpack[TopologyPictureOptions]) -> list[Axes]:
    """Draws the topology of a landscape: its basins on the map, their merge tree, and the persistence diagram.

    On the map each basin has an outline and, at its minimum, its number in the table; crosses are saddles. The merge
    tree has a leaf at the height of each minimum, and a join where a basin meets a deeper basin; its axis is also the
    scale of the colours. In the diagram, the height of a point above the diagonal is the persistence of the feature.
    The band along the diagonal contains features with a persistence up to twice the error of the heights. These may be
    noise, and are hollow and grey.

    Args:
        found: The topology, as `fastscape.topology` returns it.
        **given: As `TopologyPictureOptions` says.

    Returns:
        The axes of the panels. A topology of three axes or more has no map.

    Raises:
        TypeError: When there is no such option.
        ValueError: When `kind` is unknown, `ax` comes for several panels, a map is asked for three axes or more, there
            are no heights, or `contour` would refuse the options of heights and colours.

    Example:
        >>> import numpy as np, fastscape
        >>> x = np.linspace(-2, 2, 81)
        >>> found = fastscape.topology(fastscape.Landscape(x, None, (x**2 - 1) ** 2 + 0.1 * x), log=False)
        >>> [ax.get_ylabel() for ax in fastscape.views.topology(found)]
        ['loss', 'loss', 'death, loss']
    """
    options = with_defaults(TopologyPictureOptions, given, "topology")
    (shown,), kinds = shown_together([found], options), _kinds([found], options)
    if options["ax"] is not None and len(kinds) > 1:
        raise ValueError("ax has room for one panel; name one, for example kind='tree'")
    if len(kinds) == 1:
        layout: Literal["compressed", "constrained"] = "compressed" if kinds[0] == "map" else "constrained"
        own = options["ax"] is None
        ax: Any = new_axes(layout)[0] if own else options["ax"]
        said = _panels([ax], shown, kinds)
        note([*_said(shown, options), *said], ax, own=own)
        return [ax]
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(_SIDE * len(kinds) + 0.8, _SIDE + 0.5), layout="constrained")
    axes = list(figure.subplots(1, len(kinds)))
    more = _panels(axes, shown, kinds)
    note_of_all([*_said(shown, options), *more], figure)
    return axes


@documented(TopologyPictureOptions)
def topologies(several: Mapping[str, TopologyValues], **given: Unpack[TopologyPictureOptions]) -> list[Axes]:
    """Draws topologies side by side, on one scale: a column per topology, with the panels of `topology` in rows.

    Args:
        several: Topologies by name, of one measure, all with heights in log10 or none.
        **given: As `TopologyPictureOptions` says, without `ax`.

    Returns:
        The axes, column by column.

    Raises:
        TypeError: When there is no such option.
        ValueError: When there is no topology, two have no common scale, `ax` is given, or as for `topology`.

    Example:
        >>> import numpy as np, fastscape
        >>> x = np.linspace(-2, 2, 81)
        >>> wells = {"shallow": (x**2 - 1) ** 2, "deep": 2 * (x**2 - 1) ** 2}
        >>> found = {name: fastscape.topology(fastscape.Landscape(x, None, y), log=False) for name, y in wells.items()}
        >>> [ax.get_title() for ax in fastscape.views.topologies(found, kind="tree")]
        ['shallow', 'deep']
    """
    import matplotlib.pyplot as plt

    options = with_defaults(TopologyPictureOptions, given, "topologies")
    if options["ax"] is not None:
        raise ValueError(
            "ax cannot be combined with several topologies, which need their own figure; draw each with topology"
        )
    if not several:
        raise ValueError("at least one topology is needed, got none; give several by name")
    shown, kinds = shown_together(list(several.values()), options), _kinds(list(several.values()), options)
    figure = plt.figure(figsize=(_SIDE * len(shown) + 0.8, (_SIDE - 0.4) * len(kinds) + 0.5), layout="constrained")
    grid = figure.subplots(len(kinds), len(shown), squeeze=False)
    said = []
    for column, (name, one) in enumerate(zip(several, shown, strict=True)):
        title = literal(cleaned(name, LABEL))
        grid[0, column].set_title(title)
        more = _panels(list(grid[:, column]), one, kinds)
        said += [f"{title}: {sentence}" for sentence in [*one.said(), *more]]
    dimensions = {one.found.heights.ndim for one in shown}
    note_of_all([*said, *([_NO_MAP] if max(dimensions) > 2 and options["kind"] == "all" else [])], figure)
    return [ax for column in grid.T for ax in column]


def _kinds(several: list[TopologyValues], options: Any) -> tuple[str, ...]:
    """The panels of a picture."""
    kinds: tuple[str, ...] = chosen("kind", options["kind"], _KINDS)
    most = max(found.heights.ndim for found in several)
    if most > 2 and kinds == ("map",):
        raise ValueError(
            f"kind='map' must have a topology of one or two axes, got {most}; write kind='tree', or compute the "
            "topology of a plane"
        )
    return tuple(kind for kind in kinds if most <= 2 or kind != "map")


def _said(shown: ShownTopology, options: Any) -> list[str]:
    left_out = shown.found.heights.ndim > 2 and options["kind"] == "all"
    return [*shown.said(), *([_NO_MAP] if left_out else [])]


def _panels(axes: Sequence[Any], shown: ShownTopology, kinds: Sequence[str]) -> list[str]:
    """Draws the panels of a topology; returns sentences that name the parts left out."""
    of = dict(zip(kinds, axes, strict=True))
    said = [sentence for kind, ax in of.items() if kind != "map" for sentence in _BESIDE[kind](ax, shown)]
    coloured = draw_basins(of["map"], shown) if "map" in of else None
    if coloured is not None and shown.options["colorbar"]:
        _bar(of, coloured, shown.label)
    return said


def _bar(of: dict[str, Any], coloured: Any, label: str) -> None:
    """Draws the colour bar of the map; with a merge tree, along the vertical axis of the tree."""
    tree = of.get("tree")
    if tree is None:
        colour_bar(coloured, of["map"], label)
        return
    bottom = MARGIN / (1 + MARGIN)  # the place of the lowest height
    tree.figure.colorbar(
        coloured, cax=tree.inset_axes((-0.055, bottom, 0.045, 1.0 - bottom)), label=label, ticklocation="left"
    )
    tree.set(ylabel="")
    tree.tick_params(labelleft=False, left=False)
