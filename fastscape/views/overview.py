"""A landscape in a few lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastscape.results import Values
from fastscape.views.captions import refinement_said, section_said
from fastscape.views.facts import (
    count_in,
    directions_said,
    moving_said,
    range_said,
    samples_said,
    text_in,
    value_at_the_model,
)
from fastscape.views.texts import HOVER, cleaned

__all__ = ["overview"]

VERSIONS = "fastscape", "torch", "python"


def overview(landscape: Values) -> dict[str, str]:
    """The main facts of a landscape by name. Facts that the report does not have are left out.

    Args:
        landscape: The landscape.

    Returns:
        Some of "model", "grid", "loss", "samples", "directions", "plan", "progress", "warnings" and "versions", each
        with one line of text.
    """
    report = landscape.report
    parameters = count_in(report, "parameters")
    grid = f"{landscape.shape_text} points", range_said(landscape), section_said(landscape), refinement_said(landscape)
    value = value_at_the_model(landscape)
    at_model = "" if value is None else f"{value:.4g} at the model"
    found = {
        "model": _joined(text_in(report, "model"), "" if parameters is None else f"{parameters} parameters"),
        "grid": "; ".join(filter(None, [_joined(*grid[:2]), *grid[2:]])),
        "loss": _joined(text_in(report, "loss") or text_in(report, "objective"), at_model),
        "samples": samples_said(landscape),
        "directions": "; ".join(filter(None, [directions_said(landscape), moving_said(landscape)])),
        "plan": _plan(report),
        "progress": _progress(report.get("progress")),
        "warnings": _warnings(report.get("warnings")),
        "versions": _joined(
            *(f"{name} {text}" for name in VERSIONS if (text := text_in(report.get("versions"), name)))
        ),
    }
    return {name: said for name, said in found.items() if said}


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _plan(report: Mapping[str, Any]) -> str:
    """The batching, the precision and the device of the run."""
    plan = report.get("plan")
    counts = {name: count_in(plan, name) for name in ("chunk", "microbatch")}
    precision, device = text_in(report, "precision"), text_in(report, "device")
    place = f"{precision}{' ' if precision else ''}on {device}" if device else precision
    sizes = (f"{name} {count}" for name, count in counts.items() if count is not None)
    return _joined(text_in(plan, "batching"), *sizes, place)


def _progress(found: Any) -> str:
    """The progress of a run with a store, and whether a process is running it."""
    points, of, samples, parts = (count_in(found, name) for name in ("points", "of", "samples", "parts"))
    done = "" if points is None or of is None else f"{points} of {of} points"
    if samples is not None and parts is not None:
        done = f"{samples} samples, in {parts} part{'' if parts == 1 else 's'}"
    running = found.get("running") if isinstance(found, Mapping) else None
    at_it = {True: "a process is running", False: "no process is running"}
    return _joined(done, at_it[running] if isinstance(running, bool) else "")


def _warnings(found: Any) -> str:
    """The first warning, and the number of further warnings."""
    if not isinstance(found, list):
        return ""
    said = [cleaned(one, HOVER) for one in found[:1]]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{said[0]}{more}" if said else "none"
