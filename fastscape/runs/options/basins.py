"""The options of `basin_radius`."""

from typing import Annotated, Literal, TypedDict

from fastscape.engine import Plan
from fastscape.results import Option, among
from fastscape.runs.options.exactly import PrecisionName
from fastscape.runs.options.measured import MeasureFunctions, ModeOptions
from fastscape.runs.options.running import DeviceOptions, KeptOptions
from fastscape.weights import NORMS, Distribution, Norm, Perturb

__all__ = ["BasinOptions"]

RANGE, WHERE, SEARCH, RUNS = "The range of the score", "Where", "How exactly", "How it runs"


class RangeOptions(TypedDict, total=False):
    """The score, and the range in which it must stay."""

    measure: Annotated[
        str,
        Option(
            "loss",
            'Name of the score: "loss", or a metric, for example "accuracy"; with several data sets also, for '
            'example, "loss of test". A term of the loss, or a value that the objective returns, can also be named. '
            'Default "loss".',
            RANGE,
            str,
        ),
    ]
    drop: Annotated[
        float,
        Option(
            0.05,
            "By which fraction of its value at the model the score may get worse: with 0.05 an accuracy of 0.9 may "
            "fall to 0.855, and a loss of 2 may rise to 2.1. It must be below 1 if lower scores are worse. A fraction "
            "of a small loss is small: compare models by a task score, or by `level`. Default 0.05.",
            RANGE,
            float,
        ),
    ]
    level: Annotated[
        float | None,
        Option(None, "Value that the score must not pass, instead of `drop`. Default: none.", RANGE, float),
    ]
    worse: Annotated[
        Literal["higher", "lower"] | None,
        Option(
            None,
            'Which scores are worse: "higher", as for a loss, or "lower", as for an accuracy. Default: "higher" for a '
            'loss (also of a class or of a further data set), "lower" for everything else.',
            RANGE,
            str,
        ),
    ]


class DrawnOptions(TypedDict, total=False):
    """The random directions."""

    directions: Annotated[
        int,
        Option(
            32,
            "Number of random directions. The interval follows from their spread: it shrinks like 1/sqrt(directions), "
            "and with fewer than six directions no interval holds with 95 %. Each direction is searched only as "
            "drawn, because its opposite would not be independent. Default 32.",
            WHERE,
            int,
        ),
    ]
    perturb: Annotated[
        "Perturb",
        Option(
            "weights",
            'What the directions move: "weights" (parameters of two or more dimensions), "weights+bias", "all" or '
            '"states"; or `f(name, parameter) -> bool`. Default "weights".',
            WHERE,
            str,
        ),
    ]
    normalize: Annotated[
        Norm,
        Option(
            "filter",
            f"Norm of each direction, which is the unit of its radius: {among(NORMS)}. See `fastscape.weights.NORMS`. "
            'Default "filter".',
            WHERE,
            str,
        ),
    ]
    distribution: Annotated[
        Distribution,
        Option(
            "normal",
            'Distribution of the entries of the directions: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 or '
            '1). Default "normal".',
            WHERE,
            str,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            0,
            "Seed of the first direction, an integer from 0 to 2^64 - 1. The seeds of the other directions follow "
            "from it, as for the `repeats` of a landscape. Default 0.",
            WHERE,
            int,
        ),
    ]


class SearchOptions(TypedDict, total=False):
    """How the radii are searched for, and the confidence of their intervals."""

    limit: Annotated[
        float,
        Option(
            1.0,
            "Largest radius of the search, in units of the directions. If the score has not left its range there, the "
            'radius is censored. Default 1: with the norm "filter", noise as long as the weights.',
            WHERE,
            float,
        ),
    ]
    steps: Annotated[
        int,
        Option(
            50,
            "Number of steps of the scan from the model to the limit, at least 2. The first point outside the range "
            "counts; a score that leaves and returns within one step is missed. If the first step already ends "
            "outside, it is scanned again in sixteen steps. Default 50.",
            SEARCH,
            int,
        ),
    ]
    tolerance: Annotated[
        float,
        Option(
            0.01,
            "Largest width of the interval of a single radius, as a fraction of the radius. Default 0.01.",
            SEARCH,
            float,
        ),
    ]
    confidence: Annotated[
        float,
        Option(0.95, "Confidence level of the intervals over directions. Default 0.95.", SEARCH, float),
    ]


class BasinOptions(
    MeasureFunctions, ModeOptions, DeviceOptions, RangeOptions, DrawnOptions, SearchOptions, KeptOptions, total=False
):
    """The options of `basin_radius`."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'Precision in which scores are evaluated: "float32", "float64", "bfloat16", or on a GPU "float16". '
            "Default: the precision of the model, tensor by tensor.",
            SEARCH,
            str,
        ),
    ]
    plan: Annotated[
        Plan | Literal["auto"],
        Option(
            "auto",
            'How scores are evaluated, a `fastscape.Plan`. Default "auto": fastscape searches for a suitable plan on '
            "the first radii.",
            RUNS,
        ),
    ]
    lend: Annotated[
        bool,
        Option(
            False,
            "Whether to evaluate scores in your own model instead of a copy: weights are written into it, and put "
            "back bit for bit. Default False.",
            RUNS,
        ),
    ]
    low_memory: Annotated[
        bool,
        Option(
            False,
            "Recompute directions wherever they are read, and search along them one after the other, instead of "
            "storing up to 32 at a time. Default False.",
            RUNS,
            bool,
        ),
    ]
    progress: Annotated[
        bool,
        Option(
            True,
            "Whether to show a count of the evaluated points when standard error is a terminal. Default True.",
            RUNS,
        ),
    ]
