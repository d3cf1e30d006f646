"""The sentences by which a command, a picture and a page say what a landscape is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastscape.results import SECTIONS, Values
from fastscape.views.texts import LABEL, cleaned

__all__ = ["missing_said", "model_said", "refinement_said", "repeats_said", "section_said"]


def model_said(landscape: Values) -> str:
    """The class of the model of a landscape, as the report says it; nothing where the report says none.

    Args:
        landscape: The landscape.

    Returns:
        The name.
    """
    name = landscape.report.get("model", "")
    return name if isinstance(name, str) else ""


def missing_said(landscape: Values, metrics: Sequence[str]) -> list[str]:
    """How many points of a landscape have no value to draw.

    Args:
        landscape: The landscape.
        metrics: The measures that are drawn, by name.

    Returns:
        Sentences without their full stops; none where every value can be drawn.
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
    """Over how many random directions values are means, and how well these means are known.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of another measure. Default "loss".

    Returns:
        A sentence without its full stop; nothing where random directions were drawn once, or the measure is neither a
        mean over them nor their spread.
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
    """How many points of a landscape were evaluated, and how good the others are.

    Args:
        landscape: The landscape.
        metric: "loss", which the tolerance is of, or the name of a metric. Default "loss".

    Returns:
        A sentence without its full stop; nothing where every point was evaluated because that was asked for.
    """
    known, points = int(landscape.evaluated.sum()), landscape.evaluated.size
    found = landscape.report.get("refinement")
    if found is None and known == points:
        return ""
    said = f"{known} of {points} points were evaluated"
    if found is None and landscape.report.get(SECTIONS):  # how well is known of the whole grid only
        return f"{said}, the others predicted"
    if found is None or known == points:
        return said
    try:
        return said + _on_samples(found) + _predicted(found, metric)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # a report that no run wrote
        return f"{said}, the others predicted; the report does not say how well"


def section_said(landscape: Values) -> str:
    """Of which larger landscape this one is a part, and where.

    Args:
        landscape: The landscape.

    Returns:
        A sentence without its full stop; nothing where the landscape is no slice and no projection.
    """
    try:
        said = "; then ".join(_section(one) for one in landscape.report.get(SECTIONS, ()))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # a report that no run wrote
        return "A slice or a projection; the report does not say which"
    return said[:1].upper() + said[1:]


def _section(one: Any) -> str:
    if one["kind"] == "slice":
        where = ", ".join(f"{cleaned(name, LABEL)} = {at:.4g}" for name, at in one["at"].items())
        return f"slice at {where}"
    along = " and ".join(cleaned(name, LABEL) for name in one["along"])
    return f"smallest loss along {along}" if one["how"] == "min" else f"mean along {along}"


def _on_samples(found: Any) -> str:
    """On how many samples points were evaluated, where most were on a draw of them."""
    if "levels" not in found:
        return ""
    below, above = found["levels"]
    return f" on all {above['samples']:d} samples and {below['points']:d} on {below['samples']:d} of them"


def _predicted(found: Any, metric: str) -> str:
    """How well the points are predicted that were not evaluated, as the report says it."""
    unseen = f"features narrower than {found['widest_gap'] + 1} grid steps may be missed"
    if metric != "loss":
        error = found["metrics_rms"][metric]
        of = cleaned(metric, LABEL)
        return f", the others predicted with an rms error of {error:.2g} of the range of {of}; {unseen}"
    scale = "log10 of the loss" if found["scale"] == "log10" else "the loss"
    met = "within the tolerance" if found["met"] else "NOT within the tolerance"
    said = f", the others predicted with an rms error of {found['rms']:.2g} (at most {found['at_most']:.2g})"
    return f"{said} of the range of {scale}, {met} of {found['tolerance']:g}; {unseen}"
