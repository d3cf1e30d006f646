"""The options of pictures, defined once for all functions that draw them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from fastscape.results import Option, Trajectory
from fastscape.views.sizes import Size
from fastscape.views.walks import Walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D

__all__ = [
    "AnimationOptions",
    "ContourOptions",
    "Kind",
    "SectionsOptions",
    "SeveralOptions",
    "Surface3dOptions",
    "TopologyPictureOptions",
]

Kind = Literal["contour", "surface3d"]
TopologyKind = Literal["all", "map", "tree", "diagram", "barcode"]
SectionKind = Literal["slice", "min", "mean"]


class _OneMeasure(TypedDict, total=False):
    """The options of pictures of one measure."""

    metric: Annotated[str, Option("loss", '"loss" or the name of a metric. Default "loss".')]


class _SeveralMeasures(TypedDict, total=False):
    """The options of pictures side by side, each of which may show a different measure."""

    metric: Annotated[
        str | Sequence[str],
        Option(
            "loss",
            '"loss" or the name of a metric; or a list of one name per landscape, or of several names for one '
            'landscape, for example `["loss", "loss of test"]`. Default "loss".',
        ),
    ]


class _Heights(TypedDict, total=False):
    """The options by which a picture turns values into heights."""

    log: Annotated[
        bool | None,
        Option(None, "Whether to draw log10 of the values. Default: True for a loss that is nowhere negative."),
    ]
    clip: Annotated[
        float | None,
        Option(
            None,
            "Values above `clip` are drawn at `clip`; for a metric of both signs also values below -clip at -clip. "
            "Default: no limit.",
        ),
    ]


class _Shades(TypedDict, total=False):
    """The options by which a picture colours heights."""

    cmap: Annotated[
        str | None,
        Option(
            None,
            'Name of a matplotlib colour map. Default: "viridis"; for a metric of both signs "coolwarm", whose middle '
            "is 0.",
        ),
    ]
    levels: Annotated[
        int | Sequence[float] | None,
        Option(
            None,
            "Approximate number of levels, at round values. Or the levels themselves as increasing heights, with "
            "`log` log10 of the values. Default: 25 on a map, 15 below a surface.",
        ),
    ]


class _Coloured(_Heights, _Shades, total=False):
    """The options of all pictures that colour values."""


class _Picture(_Coloured, total=False):
    """The options of all pictures of planes."""

    paths: Annotated[
        Sequence[Walk | Trajectory | Any],
        Option(
            (),
            "Further paths to draw besides the paths that the landscape carries: walks of optimizers, as "
            "`Landscape.descend` returns them, trajectories, or arrays of points [n, 2]. Default: none.",
        ),
    ]


class _Lines(TypedDict, total=False):
    """The options of contour lines."""

    linewidth: Annotated[
        float,
        Option(0.5, "Width of the contour lines in points; 0, for no lines, needs `filled`. Default 0.5."),
    ]
    filled: Annotated[
        bool, Option(True, "Whether to fill the areas between the lines; otherwise lines are coloured. Default True.")
    ]
    labels: Annotated[bool, Option(False, "Whether to label the lines with their values. Default False.")]


class _Map(_Lines, total=False):
    """The options of maps."""

    arrows: Annotated[
        bool | int,
        Option(
            False,
            "Whether to draw arrows of descent, for a landscape with `curvature=`; or the largest number of arrows "
            "along an axis; True for 16. An arrow points along `-(dL/dx, dL/dy)`, the direction of a small step of "
            "gradient descent in the coordinates, for every metric. If both axes have one scale, it is perpendicular "
            "to the contour lines of the loss. Its length shows the steepness of the loss, on a log scale of three "
            "decades. Default False.",
        ),
    ]
    points: Annotated[
        bool,
        Option(False, "Whether to draw a dot at every evaluated point, if some points were predicted. Default False."),
    ]


class _Surface(TypedDict, total=False):
    """The options of surfaces in three dimensions."""

    elevation: Annotated[float, Option(40.0, "Elevation of the viewer, in degrees. Default 40.")]
    azimuth: Annotated[float, Option(-60.0, "Azimuth of the viewer, in degrees. Default -60.")]
    floor: Annotated[bool, Option(True, "Whether to draw contours below the surface. Default True.")]


class _Placed(TypedDict, total=False):
    """The options of pictures with one pair of axes."""

    ax: Annotated["Axes | Axes3D | None", Option(None, "Axes to draw on. Default: a new figure.")]
    colorbar: Annotated[bool, Option(True, "Whether to draw the colour bar. Default True.")]


class _Scaled(TypedDict, total=False):
    """The options of pictures with one scale."""

    scale: Annotated[
        tuple[float, float] | None,
        Option(None, "Lowest and highest height of the colours and of the axis. Default: the range of the landscape."),
    ]


class _Sized(TypedDict, total=False):
    """The options of pictures that make their own figure."""

    size: Annotated[
        Size | None,
        Option(
            None,
            'Size of the new figure: "column" of a paper (3.4 inches wide, letters of 8 points), "slide" (10 x 5.6 '
            "inches, letters of 18 points), or (width, height) in inches, with letters as set in matplotlib. "
            "Default: 7 x 5.5 inches at most.",
        ),
    ]


class _Alone(_Placed, _Scaled, _Sized, total=False):
    """The options of single pictures."""

    band: Annotated[
        "bool | Axes | None",
        Option(
            None,
            "Whether to draw a band below the picture with the own losses of the checkpoints of paths, the losses of "
            "the plane below them, and the distances off the plane; or axes to draw the band on. Default: True if "
            "these are known and `ax` is not given.",
        ),
    ]


class ContourOptions(_OneMeasure, _Picture, _Map, _Alone, total=False):
    """The options of a contour map."""


class SectionsOptions(_OneMeasure, _Coloured, _Lines, _Scaled, total=False):
    """The options of maps for each pair of several axes."""

    how: Annotated[
        SectionKind,
        Option(
            "slice",
            'Treatment of the axes that a panel does not show. "slice": values at the coordinates `at` of these axes. '
            '"min": values at the point of smallest loss along these axes. "mean": the mean along these axes. Default '
            '"slice".',
        ),
    ]
    at: Annotated[
        Mapping[str, float] | None,
        Option(
            None,
            "Places of the slices: coordinates by the name of the axis; the nearest grid coordinates are used. "
            "Default: 0, the coordinate of the model, or the middle of an axis that does not reach 0.",
        ),
    ]


class TopologyPictureOptions(_Shades, _Lines, _Placed, _Scaled, total=False):
    """The options of a picture of a topology."""

    kind: Annotated[
        TopologyKind,
        Option(
            "all",
            '"map": the basins on the contour map of a plane, or on the curve of a line. "tree": the merge tree. '
            '"diagram": the persistence diagram of births and deaths. "barcode": a bar per feature from birth to '
            'death. "all": map, tree and diagram side by side. Default "all".',
        ),
    ]


class Surface3dOptions(_OneMeasure, _Picture, _Surface, _Alone, total=False):
    """The options of a surface in three dimensions."""


class _Several(_Picture, _Map, _Surface, total=False):
    """The options of several pictures on one scale; some apply to one kind of picture only."""

    names: Annotated[
        Sequence[str] | None,
        Option(
            None,
            "A title per picture. Default: the class of the model, from the report; the name of the measure, if there "
            "are several measures; the number of the frame, in animations.",
        ),
    ]
    kind: Annotated[Kind, Option("contour", '"contour" or "surface3d". Default "contour".')]


class SeveralOptions(_SeveralMeasures, _Several, total=False):
    """The options of several pictures side by side, on one scale."""


class AnimationOptions(_OneMeasure, _Several, _Placed, total=False):
    """The options of animations."""
