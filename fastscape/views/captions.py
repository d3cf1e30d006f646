"""Sentences that describe a landscape, for commands, pictures and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastscape.results import SECTIONS, Values, heights, is_loss
from fastscape.views.facts import (
    directions_said,
    finite_in,
    moving_said,
    range_said,
    samples_said,
    text_in,
    value_at_the_model,
)
from fastscape.views.texts import LABEL, cleaned

__all__ = [
    "caption",
    "missing_said",
    "model_said",
    "refinement_said",
    "refinement_short",
    "repeats_said",
    "section_said",
]


def caption(landscape: Values, metric: str = "loss", *, log: bool | None = None) -> str:
    """Describes a picture of the landscape for its reader, in a few sentences.

    The caption has the measure with its scale and its value at the model, the samples, the directions, the range and
    the grid, the number of evaluated points, standard errors, the precision and the version. Facts that the report
    does not have are left out. Add yourself whether the samples are training or test data, and the picture's `clip`.

    Args:
        landscape: The landscape.
        metric: The measure that is drawn: "loss" or the name of a metric. Default "loss".
        log: The `log` of the picture. Default: as for pictures, True for a loss that is nowhere negative; False for a
            line.

    Returns:
        Two to four sentences in one line.

    Raises:
        ValueError: When the metric is unknown, `log` is none of True, False and None, or log=True is given for values
            below 0.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> axis = np.linspace(-1, 1, 3)
        >>> report = {"model": "Net", "loss": "torch.nn.functional.cross_entropy", "samples": 200}
        >>> print(Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2, report=report).caption())
        Shown is the loss (torch.nn.functional.cross_entropy) of Net on 200 samples, on a log10 scale. The grid has \
3 x 3 points, from -1 to 1 along x and y.
    """
    if metric not in landscape.measures:
        raise ValueError(f"metric must be one of {cleaned(', '.join(landscape.measures), 200)}, got {metric!r:.80}")
    where = directions_said(landscape), moving_said(landscape)
    sentences = _shown(landscape, metric, log), "; ".join(filter(None, where)), _grid(landscape, metric)
    return " ".join(f"{said[:1].upper()}{said[1:]}." for said in [*sentences, _computed(landscape)] if said)


def _shown(landscape: Values, metric: str, log: bool | None) -> str:
    """The measure, the model and the samples, the scale, and the value at the model."""
    report, metrics = landscape.report, landscape.report.get("metrics")
    if metric == "loss":
        what, function = "the loss", text_in(report, "loss") or text_in(report, "objective")
    else:
        what = f"{'the ' if is_loss(metric) else ''}{cleaned(metric, LABEL)}"
        function = text_in(metrics, metric)
        function = "" if function == metric else function
    said = f"shown is {what}{f' ({function})' if function else ''}"
    said += f" of {model}" if (model := text_in(report, "model")) else ""
    said += f" on {samples}" if (samples := samples_said(landscape, metric)) else ""
    said += f", on a {_scale(landscape, metric, log)} scale"
    value = value_at_the_model(landscape, metric)
    return said if value is None else f"{said}; at the model it is {value:.4g}"


def _scale(landscape: Values, metric: str, log: bool | None) -> str:
    if log is None and (len(landscape.axes) == 1 or not np.isfinite(landscape.measures[metric]).any()):
        return "linear"
    return "linear" if heights(landscape, metric, log=log)[1] == metric else "log10"


def _grid(landscape: Values, metric: str) -> str:
    """The grid, the number of evaluated and of missing points, and the errors of the values."""
    section, repeats, error = section_said(landscape), repeats_said(landscape, metric), landscape.standard_error
    where = f" ({section[:1].lower()}{section[1:]})" if section else ""
    said = [f"the grid has {landscape.shape_text} points{where}, {range_said(landscape)}"]
    said += [refinement_said(landscape, metric), *missing_said(landscape, [metric])]
    known = np.empty(0) if error is None or metric != "loss" or repeats else error[np.isfinite(error)]
    if repeats:
        said.append(f"each value is the {repeats}")
    elif known.size:
        said.append(f"the standard error of the loss over samples is from {known.min():.2g} to {known.max():.2g}")
    return "; ".join(filter(None, said))


def _computed(landscape: Values) -> str:
    """The precision and the state of the model during the run, and the version."""
    report, said = landscape.report, []
    if precision := text_in(report, "precision"):
        error = finite_in(report.get("precision_error"), "largest")
        off = "" if error is None else f" (off by up to {error:.2g} of the largest loss at the checked points)"
        said.append(f"in {precision}{off}")
    if (norm := text_in(report, "batchnorm")) not in ("", "running"):
        said.append(f'with batchnorm="{norm}"')
    if report.get("training") is True:
        said.append("in training mode")
    if version := text_in(report.get("versions"), "fastscape"):
        said.append(f"by fastscape {version}")
    return f"computed {' '.join(said)}" if said else ""


def model_said(landscape: Values) -> str:
    """The class of the model of a landscape, from its report.

    Args:
        landscape: The landscape.

    Returns:
        The name; empty if the report has none.
    """
    name = landscape.report.get("model", "")
    return name if isinstance(name, str) else ""


def missing_said(landscape: Values, metrics: Sequence[str]) -> list[str]:
    """The number of points of a landscape that have no value to draw.

    Args:
        landscape: The landscape.
        metrics: The measures that are drawn, by name.

    Returns:
        Sentences without their full stops; none if every value can be drawn.
    """
    said = []
    for metric in metrics:
        values = landscape.measures[metric]
        missing = {
            "no value (left out)": np.isnan(values).sum(),
            "an infinite value (drawn at the largest or smallest)": np.isinf(values).sum(),
        }
        of = f", of {cleaned(metric, LABEL)}" if len(metrics) > 1 else ""
        said += [f"{count} of {values.size} points have {what}{of}" for what, count in missing.items() if count]
    return said


def repeats_said(landscape: Values, metric: str = "loss") -> str:
    """The number of random directions over which values are means, and the standard errors of these means.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of another measure. Default "loss".

    Returns:
        A sentence without its full stop; empty if random directions were drawn once, or the measure is neither a mean
        nor a spread over them.
    """
    sets = {1: "", 2: " pairs of"}.get(len(landscape.axes), " sets of")
    over = f"{landscape.repeated}{sets} random directions"
    if metric.removeprefix("spread of ") in landscape.repeats.keys() - {metric}:
        return f"standard deviation over {over}"
    if metric not in landscape.repeats:
        return ""
    said = f"mean of {over}"
    errors = {"directions": landscape.direction_error(metric)}
    if metric == "loss" and landscape.standard_error is not None:
        errors["samples"] = landscape.standard_error
    known = {over: error[np.isfinite(error)] for over, error in errors.items()}
    found = [f"{error.max():.2g} over {over}" for over, error in known.items() if error.size]
    return f"{said}, with a standard error of at most {' and '.join(found)}" if found else said


def refinement_said(landscape: Values, metric: str = "loss") -> str:
    """The number of evaluated points of a landscape, and the error of the predicted points.

    Args:
        landscape: The landscape.
        metric: "loss", to which the tolerance applies, or the name of a metric. Default "loss".

    Returns:
        A sentence without its full stop; empty if every point was evaluated because no tolerance was given.
    """
    known, points = int(landscape.evaluated.sum()), landscape.evaluated.size
    found = landscape.report.get("refinement")
    if found is None and known == points:
        return ""
    said = f"{known} of {points} points were evaluated"
    if found is None and landscape.report.get(SECTIONS):  # the error is known for the whole grid only
        return f"{said}, the rest predicted"
    if found is None or known == points:
        return said
    try:
        return said + _on_samples(found) + _predicted(found, metric)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # a report that no run wrote
        return f"{said}, the rest predicted; the report does not give their error"


def refinement_short(landscape: Values, metric: str = "loss") -> str:
    """The number of computed points, and the error of the predicted points, for one line below a picture.

    Args:
        landscape: The landscape.
        metric: "loss", to which the tolerance applies, or the name of a metric. Default "loss".

    Returns:
        The main numbers of `refinement_said`; empty if `refinement_said` is.
    """
    known, points = int(landscape.evaluated.sum()), landscape.evaluated.size
    found: Any = landscape.report.get("refinement")
    said = refinement_said(landscape, metric)
    if not said or known == points:
        return said
    short = f"{known} of {points} points computed"
    try:
        error = float(found["rms"] if metric == "loss" else found["metrics_rms"][metric])
        missed = (
            "" if metric != "loss" or found["met"] else f", above the tolerance of {100 * found['tolerance']:.2g} %"
        )
        return f"{short}; rms error {100 * error:.2g} % of the range{missed}"
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
    ):  # of a part, or a report that no run wrote
        return f"{short}, the rest predicted"


def section_said(landscape: Values) -> str:
    """The slices and projections by which a landscape was made from a larger one.

    Args:
        landscape: The landscape.

    Returns:
        A sentence without its full stop; empty if the landscape is neither a slice nor a projection.
    """
    try:
        said = "; then ".join(_section(one) for one in landscape.report.get(SECTIONS, ()))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # a report that no run wrote
        return "A slice or a projection; the report does not say which one"
    return said[:1].upper() + said[1:]


def _section(one: Any) -> str:
    if one["kind"] == "slice":
        where = ", ".join(f"{cleaned(name, LABEL)} = {at:.4g}" for name, at in one["at"].items())
        return f"slice at {where}"
    along = " and ".join(cleaned(name, LABEL) for name in one["along"])
    return f"smallest loss along {along}" if one["how"] == "min" else f"mean along {along}"


def _on_samples(found: Any) -> str:
    """The number of samples, if most points were evaluated on a random part of the samples."""
    if "levels" not in found:
        return ""
    below, above = found["levels"]
    return f" on all {above['samples']:d} samples and {below['points']:d} on {below['samples']:d} of them"


def _predicted(found: Any, metric: str) -> str:
    """The error of the predicted points, from the report."""
    unseen = f"features narrower than {found['widest_gap'] + 1} grid steps may be missed"
    if metric != "loss":
        error = found["metrics_rms"][metric]
        of = cleaned(metric, LABEL)
        return f", the rest predicted with an rms error of {error:.2g} of the range of {of}; {unseen}"
    scale = "log10 of the loss" if found["scale"] == "log10" else "the loss"
    met = "within the tolerance" if found["met"] else "NOT within the tolerance"
    said = f", the rest predicted with an rms error of {found['rms']:.2g} (at most {found['at_most']:.2g})"
    return f"{said} of the range of {scale}, {met} of {found['tolerance']:g}; {unseen}"
