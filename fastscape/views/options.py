"""What can be said of a picture, once for all that draw one."""

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
    """What a picture of one measure takes."""

    metric: Annotated[str, Option("loss", '"loss" or the name of a metric. Default "loss".')]


class _SeveralMeasures(TypedDict, total=False):
    """What pictures side by side take, of which each may be of another measure."""

    metric: Annotated[
        str | Sequence[str],
        Option(
            "loss",
            '"loss" or the name of a metric; or such a name for each landscape, or several for one landscape, for '
            'example `["loss", "loss of test"]`. Default "loss".',
        ),
    ]


class _Heights(TypedDict, total=False):
    """How a picture makes heights of values."""

    log: Annotated[
        bool | None,
        Option(None, "Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes."),
    ]
    clip: Annotated[
        float | None,
        Option(
            None,
            "Values above it are drawn at it, and those of a metric of both signs below -clip at -clip. Default: none "
            "are.",
        ),
    ]


class _Shades(TypedDict, total=False):
    """How a picture colours heights."""

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
            "Number of levels, about: they lie at round values. Or the levels themselves, rising, in what is drawn, "
            "with `log` log10 of the values. Default: 25 on a map, 15 below a surface.",
        ),
    ]


class _Coloured(_Heights, _Shades, total=False):
    """What every picture takes that colours values."""


class _Picture(_Coloured, total=False):
    """What every picture of a plane takes."""

    paths: Annotated[
        Sequence[Walk | Trajectory | Any],
        Option(
            (),
            "Paths to draw besides those that the landscape carries: walks of optimizers, as `Landscape.descend` "
            "returns them, trajectories, or arrays of points [n, 2]. Default: none.",
        ),
    ]


class _Lines(TypedDict, total=False):
    """What lines of one height take."""

    linewidth: Annotated[
        float,
        Option(0.5, "Width of the contour lines in points; 0 for none, which wants `filled`. Default 0.5."),
    ]
    filled: Annotated[
        bool, Option(True, "Whether the areas between the lines are filled, or the lines coloured. Default True.")
    ]
    labels: Annotated[bool, Option(False, "Whether the lines are labelled with their values. Default False.")]


class _Map(_Lines, total=False):
    """What a map takes."""

    arrows: Annotated[
        bool | int,
        Option(
            False,
            "Whether to draw arrows of descent, for a landscape with `curvature=`, or how many along an axis, at "
            "most; True for 16. An arrow points along `-(dL/dx, dL/dy)`, which is the way that a small step of "
            "gradient descent in the coordinates goes, whatever metric is drawn. It is perpendicular to the lines of "
            "the loss where both axes have one scale. Its length says how steep the loss is, on a log scale of three "
            "decades. Default False.",
        ),
    ]
    points: Annotated[
        bool,
        Option(
            False, "Whether to draw a dot at every point that was evaluated, if others were predicted. Default False."
        ),
    ]


class _Surface(TypedDict, total=False):
    """What a surface in three dimensions takes."""

    elevation: Annotated[float, Option(40.0, "Height of the viewer, in degrees. Default 40.")]
    azimuth: Annotated[float, Option(-60.0, "Direction of the viewer, in degrees. Default -60.")]
    floor: Annotated[bool, Option(True, "Whether contours are drawn below the surface. Default True.")]


class _Placed(TypedDict, total=False):
    """What a picture takes that has one pair of axes."""

    ax: Annotated["Axes | Axes3D | None", Option(None, "Where to draw. Default: a new figure.")]
    colorbar: Annotated[bool, Option(True, "Whether to draw the colour bar. Default True.")]


class _Scaled(TypedDict, total=False):
    """What a picture takes that has one scale."""

    scale: Annotated[
        tuple[float, float] | None,
        Option(
            None, "The lowest and the highest height of the colours, and of the axis. Default: those of the landscape."
        ),
    ]


class _Sized(TypedDict, total=False):
    """What a picture takes that makes its own figure."""

    size: Annotated[
        Size | None,
        Option(
            None,
            'Size of the new figure: "column" of a paper (3.4 inches wide, letters of 8 points), "slide" (10 x 5.6 '
            "inches, letters of 18 points), or (width, height) in inches, with the letters that matplotlib is set to. "
            "Default: 7 x 5.5 inches at most.",
        ),
    ]


class _Alone(_Placed, _Scaled, _Sized, total=False):
    """What a picture takes that stands alone."""

    band: Annotated[
        "bool | Axes | None",
        Option(
            None,
            "Whether a band below the picture shows the losses of the checkpoints of paths, those of the plane below "
            "them and the distances off the plane; or axes to draw it on. Default: where these are known and `ax` is "
            "not given.",
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
            '"slice": the values where the other axes have the coordinates `at`. "min": along the other axes the '
            'point where the loss is smallest. "mean": the mean along them. Default "slice".',
        ),
    ]
    at: Annotated[
        Mapping[str, float] | None,
        Option(
            None,
            "Where slices are: coordinates by the name of the axis, of which the nearest on the grid count. Default: "
            "0, where the model is, or the middle of an axis that does not reach it.",
        ),
    ]


class TopologyPictureOptions(_Shades, _Lines, _Placed, _Scaled, total=False):
    """The options of a picture of a topology."""

    kind: Annotated[
        TopologyKind,
        Option(
            "all",
            '"map": the basins on the contour map of a plane, or on the curve of a line. "tree": the merge tree. '
            '"diagram": births and deaths. "barcode": a bar from birth to death for each. "all": map, tree and '
            'diagram side by side. Default "all".',
        ),
    ]


class Surface3dOptions(_OneMeasure, _Picture, _Surface, _Alone, total=False):
    """The options of a surface in three dimensions."""


class _Several(_Picture, _Map, _Surface, total=False):
    """What several pictures on one scale take; some is of one kind alone."""

    names: Annotated[
        Sequence[str] | None,
        Option(
            None,
            "A title for each. Default: the class of its model, as the report says it, or of several measures the "
            "measure; in frames its number.",
        ),
    ]
    kind: Annotated[Kind, Option("contour", '"contour" or "surface3d". Default "contour".')]


class SeveralOptions(_SeveralMeasures, _Several, total=False):
    """The options of several pictures side by side, on one scale."""


class AnimationOptions(_OneMeasure, _Several, _Placed, total=False):
    """The options of several pictures in one place, one after the other."""
