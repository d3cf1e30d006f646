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
    """Within which range which score is to stay."""

    measure: Annotated[
        str,
        Option(
            "loss",
            'Which score, by its name: "loss", or a metric, for example "accuracy"; with several data sets also '
            '"loss of test", for example. Terms of the loss, and what the objective returns, have names too. Default '
            '"loss".',
            RANGE,
            str,
        ),
    ]
    drop: Annotated[
        float,
        Option(
            0.05,
            "By which share of the score at the model it may get worse: with 0.05 an accuracy of 0.9 may fall to "
            "0.855, and a loss of 2 rise to 2.1. Below 1 where lower scores are worse. A share of a small loss is "
            "small: compare models by a task score, or by `level`. Default 0.05.",
            RANGE,
            float,
        ),
    ]
    level: Annotated[
        float | None,
        Option(
            None, "In the place of `drop`, the value itself that the score must not pass. Default: none.", RANGE, float
        ),
    ]
    worse: Annotated[
        Literal["higher", "lower"] | None,
        Option(
            None,
            'Which scores are worse: "higher" ones, as of a loss, or "lower" ones, as of an accuracy. Default: higher '
            "ones of a loss (also of a class or another data set), lower ones of everything else.",
            RANGE,
            str,
        ),
    ]


class DrawnOptions(TypedDict, total=False):
    """Along which random directions."""

    directions: Annotated[
        int,
        Option(
            32,
            "How many random directions are drawn, from whose spread the interval follows: it shrinks like "
            "1/sqrt(directions), and with fewer than six none holds with 95 %. Each goes one way, as it was drawn: "
            "the other way along it would not be independent. Default 32.",
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
            'What the entries of the directions are drawn from: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 '
            'or 1). Default "normal".',
            WHERE,
            str,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            0,
            "Seed of the first direction, an integer from 0 to 2^64 - 1; those of the others follow from it, as for "
            "the `repeats` of a landscape. Default 0.",
            WHERE,
            int,
        ),
    ]


class SearchOptions(TypedDict, total=False):
    """How radii are looked for, and what is said of them."""

    limit: Annotated[
        float,
        Option(
            1.0,
            "The largest radius that is looked at, in units of the directions. Where the score has not left by then, "
            "the radius is censored. Default 1: with the norm of filters, noise as long as the weights.",
            WHERE,
            float,
        ),
    ]
    steps: Annotated[
        int,
        Option(
            50,
            "Steps of the scan from the model to the limit, at least 2. The first one outside counts, and what leaves "
            "and comes back within a step is not seen. Where the first step is outside, it is scanned anew in "
            "sixteen. Default 50.",
            SEARCH,
            int,
        ),
    ]
    tolerance: Annotated[
        float,
        Option(
            0.01,
            "How wide the interval of a single radius may be, as a fraction of the radius. Default 0.01.",
            SEARCH,
            float,
        ),
    ]
    confidence: Annotated[
        float,
        Option(0.95, "The probability with which intervals over directions hold. Default 0.95.", SEARCH, float),
    ]


class BasinOptions(
    MeasureFunctions, ModeOptions, DeviceOptions, RangeOptions, DrawnOptions, SearchOptions, KeptOptions, total=False
):
    """Of `basin_radius`."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'In which precision scores are evaluated: "float32", "float64", "bfloat16", or on a GPU "float16". '
            "Default: that of the model, each tensor in its own.",
            SEARCH,
            str,
        ),
    ]
    plan: Annotated[
        Plan | Literal["auto"],
        Option(
            "auto",
            'How scores are evaluated, a `fastscape.Plan`. Default "auto": a suitable one is looked for on the first '
            "radii.",
            RUNS,
        ),
    ]
    lend: Annotated[
        bool,
        Option(
            False,
            "Whether scores are those of your own model in the place of a copy: weights are written into it, and put "
            "back bit for bit. Default False.",
            RUNS,
        ),
    ]
    low_memory: Annotated[
        bool,
        Option(
            False,
            "Whether directions are computed again wherever they are read, and searched one after the other, instead "
            "of being stored, up to 32 at a time. Default False.",
            RUNS,
            bool,
        ),
    ]
    progress: Annotated[
        bool,
        Option(
            True,
            "Whether to count evaluated points when standard error is a terminal. Default True.",
            RUNS,
        ),
    ]
