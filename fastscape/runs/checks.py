"""Checks the options of a call before anything is read or computed."""

from __future__ import annotations

import math
import numbers
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastscape.engine import Plan
from fastscape.model import BATCHNORM
from fastscape.results import chosen
from fastscape.runs.options import SurfaceOptions
from fastscape.weights import KEEPS, PRECISIONS, check_norm

__all__ = ["check_fraction", "check_options", "check_positive", "check_residual", "check_whole", "is_positive"]


def check_options(options: SurfaceOptions, shown: object) -> None:
    """Refuses options with a wrong type or an unknown value, and options that exclude each other.

    Args:
        options: All options.
        shown: The function that shows rounds, or None.

    Raises:
        TypeError: When an option has the wrong type.
        ValueError: When an option has an unknown value, or two options exclude each other.
    """
    _check_choices(options)
    _check_timeout(options)
    _check_repeats(options)
    _check_lent(options)
    _check_curvature(options)
    _check_samples(options)
    _check_tolerance(options, shown)
    _check_draw(options)


def _check_choices(options: SurfaceOptions) -> None:
    if options["normalize"] is not None:
        check_norm(options["normalize"])
    if options["precision"] is not None:
        chosen("precision", options["precision"], PRECISIONS)
    chosen("batchnorm", options["batchnorm"], dict.fromkeys(BATCHNORM))
    if options["plan"] != "auto" and not isinstance(options["plan"], Plan):
        raise TypeError(f"plan must be a fastscape.Plan or 'auto', got {options['plan']!r}")
    for name in ("progress", "train_mode", "distributed", "low_memory", "lend"):
        value = cast(Any, options)[name]
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")
    store = options["store"]
    if store is not None and not isinstance(store, str | os.PathLike):
        raise TypeError(f"store must be the name of a folder, got {store!r}; for example 'run.zarr'")


def _check_timeout(options: SurfaceOptions) -> None:
    timeout = options["timeout"]
    if not _is_number(timeout):
        raise TypeError(f"timeout must be a number of seconds, got {timeout!r}; for example 300")
    if not timeout > 0:
        raise ValueError(f"timeout must be a number of seconds above 0, got {timeout!r}; for example 300")


def _check_repeats(options: SurfaceOptions) -> None:
    """Refuses an invalid number of repeats, and runs that cannot be repeated."""
    repeats = options["repeats"]
    if type(repeats) is not int:
        raise TypeError(f"repeats must be an integer of at least 1, got {repeats!r:.80}; for example 32")
    if repeats < 1:
        raise ValueError(f"repeats must be an integer of at least 1, got {repeats}; for example 32")
    if repeats == 1:
        return
    if options["directions"] is not None:
        raise ValueError(f"repeats={repeats} draws random directions again, and directions were given; leave out one")
    if options["tolerance"] is not None:
        raise ValueError(
            f"tolerance chooses the points of one surface, and repeats={repeats} are several; leave out one"
        )


def _check_lent(options: SurfaceOptions) -> None:
    """Refuses options that are impossible with a lent model."""
    plan = options["plan"]
    _check_kept(options)
    if not options["lend"]:
        return
    for name in ("precision", "device"):
        if cast(Any, options)[name] is not None:
            raise ValueError(
                f"lend=True evaluates in your own model, in its precision and where it is; leave out {name}"
            )
    if isinstance(plan, Plan) and (plan.batching == "vmap" or plan.workers > 1 or plan.compile or plan.channels_last):
        raise ValueError(
            "lend=True evaluates one point at a time in your own model; write a plan with batching='loop', workers=1, "
            "compile=False and memory_format='contiguous'"
        )
    if options["low_memory"] and isinstance(plan, Plan) and (plan.hoist or plan.graphs or plan.overlap):
        raise ValueError(
            "low_memory=True with lend=True has the weights of one point in memory, those of your model; write "
            "hoist=False, graphs=False and overlap=False in the plan"
        )
    if options["batchnorm"] == "recalibrate":
        raise ValueError(
            "batchnorm='recalibrate' is for copies, and lend=True for your own model; leave out one of them"
        )


def _check_kept(options: SurfaceOptions) -> None:
    """Refuses an invalid `keep`, and `keep` without `lend`."""
    keep = options["keep"]
    if isinstance(keep, str) and keep not in KEEPS and (os.sep in keep or Path(keep).is_dir()):
        raise ValueError(
            f"keep={keep[:200]!r} is a string; write a folder as a path, keep=pathlib.Path({keep[:200]!r})"
        )
    if not isinstance(keep, os.PathLike) and (not isinstance(keep, str) or keep not in KEEPS):
        raise ValueError(
            f"keep must be one of {', '.join(map(repr, KEEPS))}, or a folder as pathlib.Path, got {keep!r:.80}"
        )
    if isinstance(keep, os.PathLike) and not Path(keep).is_dir():
        raise ValueError(f"keep={str(keep)[-200:]!r} is no folder; make it first, or write keep='disk'")
    if keep != "device" and not options["lend"]:
        raise ValueError(
            f"keep={str(keep)[-200:]!r} says where a copy of your model is kept while weights are written into it; "
            "write lend=True too, or leave out keep"
        )


def _check_curvature(options: SurfaceOptions) -> None:
    """Refuses curvature if torch cannot differentiate the loss by the weights, or the data are read in parts."""
    curvature = options["curvature"]
    check_residual("eigenvalue_tolerance", options["eigenvalue_tolerance"])
    if curvature is None:
        return
    chosen("curvature", curvature, dict.fromkeys(("plane", "ratio")))
    for name in ("stream_samples", "target_standard_error"):
        if curvature == "ratio" and cast(Any, options)[name] is not None:
            raise ValueError(
                f"curvature='ratio' takes eigenvalues of the Hessian over all samples, which {name} reads in parts; "
                "leave out one of them"
            )
    if options["lend"]:
        raise ValueError(
            f"curvature={curvature!r} differentiates a copy of the model, and lend=True writes into your own; leave "
            "out one of them"
        )
    if options["batchnorm"] == "recalibrate":
        raise ValueError(
            f"curvature={curvature!r} differentiates by the weights, and with batchnorm='recalibrate' statistics "
            "follow them unseen; write batchnorm='running' or 'batch', or leave out curvature"
        )


def _check_samples(options: SurfaceOptions) -> None:
    part, target = options["stream_samples"], options["target_standard_error"]
    if part is not None and (type(part) is not int or part < 1):
        raise ValueError(f"stream_samples must be a number of samples of at least 1, or None, got {part!r}")
    if part is not None and options["batchnorm"] == "recalibrate":
        raise ValueError(
            "batchnorm='recalibrate' reads all data at every point, which stream_samples cannot; leave out one of them"
        )
    if target is None:
        return
    if not _is_number(target):
        raise TypeError(f"target_standard_error must be a number, got {target!r}; for example 0.01")
    if not 0 < target < 1:
        raise ValueError(
            f"target_standard_error must be a fraction of the range, above 0 and below 1, got {target!r}; for example "
            "0.01"
        )
    if options["batchnorm"] == "recalibrate":
        raise ValueError(
            "batchnorm='recalibrate' reads all data at every point, and target_standard_error no more than are "
            "needed; leave out one of them"
        )


def _check_tolerance(options: SurfaceOptions, shown: object) -> None:
    tolerance, scale, topology = options["tolerance"], options["tolerance_scale"], options["topology"]
    if not isinstance(topology, bool) and not (_is_number(topology) and 0 < topology < 1):
        raise ValueError(
            f"topology must be True, False or a fraction of the range, got {topology!r:.80}; for example 0.05"
        )
    if scale not in ("log10", "linear"):
        raise ValueError(f"tolerance_scale must be one of 'log10', 'linear', got {scale!r}")
    if tolerance is None:
        if shown is not None:
            raise ValueError(
                "progress would show the surface after every round, and without a tolerance there is one; write "
                "tolerance=0.005 too, or 0 for every point"
            )
        if scale != "log10":
            raise ValueError(f"tolerance_scale={scale!r} says what a tolerance is of; write tolerance= too")
        if topology:
            raise ValueError(
                f"topology={topology!r} says which basins a tolerance must be certain of; write tolerance=0.01 too, "
                "or leave it out, as every point is evaluated"
            )
        return
    if not _is_number(tolerance):
        raise TypeError(f"tolerance must be a number, got {tolerance!r}; for example 0.005")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be a fraction of the range, got {tolerance!r}; for example 0.005")
    if options["stream_samples"] is not None:
        raise ValueError(
            "tolerance chooses points by their values over all samples, which stream_samples reads in parts; leave "
            "out one"
        )


def _check_draw(options: SurfaceOptions) -> None:
    """Refuses an invalid draw of the samples, and a draw from data that allow none."""
    draw = options["draw_samples"]
    if draw == "auto" or (type(draw) is int and draw == 0):
        return
    if type(draw) is not int or draw < 0:
        raise ValueError(f"draw_samples must be a number of samples, 0 for none, or 'auto', got {draw!r}")
    if not options["tolerance"]:
        raise ValueError(
            f"draw_samples={draw} evaluates few samples at most points and predicts the rest, which takes a tolerance "
            "above 0; write tolerance=0.005 too, or leave it out"
        )
    if options["batchnorm"] == "recalibrate":
        raise ValueError(
            "batchnorm='recalibrate' estimates statistics over all samples, which draw_samples leaves out at most "
            "points; leave out one of them"
        )


def check_whole(name: str, value: object, least: int) -> None:
    """Refuses a value that is not a whole number.

    Args:
        name: Name of the option.
        value: Its value.
        least: The smallest valid value.

    Raises:
        ValueError: When the value is not a whole number, or smaller.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r:.80}")


def check_residual(name: str, value: object) -> None:
    """Refuses an invalid tolerance of residuals, a fraction of the largest eigenvalue; see `check_fraction`."""
    check_fraction(name, value, "1e-5")


def check_fraction(name: str, value: object, example: str) -> None:
    """Refuses a value that is not a fraction.

    Args:
        name: Name of the option.
        value: Its value.
        example: A valid value.

    Raises:
        ValueError: When the value is not a number between 0 and 1.
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 < value < 1:  # type: ignore[operator]
        raise ValueError(f"{name} must be a fraction, got {value!r:.80}; for example {example}")


def check_positive(name: str, value: object) -> None:
    """Refuses a value that is not a positive number.

    Args:
        name: Name of the option.
        value: Its value.

    Raises:
        ValueError: When the value is not a positive number, or infinite.
    """
    if not is_positive(value):
        raise ValueError(f"{name} must be a number above 0, got {value!r:.80}")


def is_positive(value: object) -> bool:
    """Whether a value is a positive, finite number."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0  # type: ignore[arg-type, operator]


def _is_number(value: Any) -> bool:
    """Whether a value is a number, of Python or of numpy."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
