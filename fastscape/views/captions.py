"""The sentences by which a command, a picture and a page say what a landscape is."""

from __future__ import annotations

from fastscape.results import Values

__all__ = ["refinement_said"]


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
    if found is None or known == points:
        return said
    unseen = f"features narrower than {found['widest_gap'] + 1} grid steps may be missed"
    if metric != "loss":
        error = found["metrics_rms"][metric]
        return f"{said}, the others predicted with an rms error of {error:.2g} of the range of {metric}; {unseen}"
    scale = "log10 of the loss" if found["scale"] == "log10" else "the loss"
    met = "within the tolerance" if found["met"] else "NOT within the tolerance"
    said += f", the others predicted with an rms error of {found['rms']:.2g} (at most {found['at_most']:.2g})"
    said += f" of the range of {scale}, {met} of {found['tolerance']:g}"
    return f"{said}; {unseen}"
