"""Facts of a report in words for a sentence. A report may hold anything; facts of a wrong form are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastscape.results import SECTIONS, Values
from fastscape.views.carried import bounds_of, carried
from fastscape.views.texts import LABEL, TITLE, cleaned

__all__ = [
    "count_in",
    "directions_said",
    "finite_in",
    "moving_said",
    "range_said",
    "samples_said",
    "text_in",
    "value_at_the_model",
]

MOST = 2**64  # larger counts and seeds are left out
MOST_AXES = 8  # largest number of axes that are named one by one

_ALONG = {  # one axis, several axes
    "random": ("runs along a random direction", "run along random directions"),
    "given": ("runs along a given direction", "run along given directions"),
    "between models": ("runs to another model", "run to other models"),
    "pca": ("runs along a principal component of checkpoints", "run along principal components of checkpoints"),
    "start to end": (
        "runs from the start of a training to its end",
        "lie in the plane of a training from start to end",
    ),
    "through three models": ("lies in the plane through three models", "lie in the plane through three models"),
}
_NORMALISED = {
    "filter": "filter-normalised",
    "filter-input": "filter-normalised, dense layers by input",
    "layer": "layer-normalised",
    "weight": "each entry times the weight",
    "dfilter": "each filter of norm 1",
    "dlayer": "each layer of norm 1",
    "none": "not normalised",
}


def text_in(facts: Any, name: str) -> str:
    """A text of a report.

    Args:
        facts: Facts by name, or any other value.
        name: The name of the text.

    Returns:
        The text in one line, of at most 100 letters; empty if there is none.
    """
    found = facts.get(name) if isinstance(facts, Mapping) else None
    return cleaned(found, TITLE) if isinstance(found, str) and found else ""


def count_in(facts: Any, name: str) -> int | None:
    """A count of a report.

    Args:
        facts: Facts by name, or any other value.
        name: The name of the count.

    Returns:
        The count; None if there is none.
    """
    found = facts.get(name) if isinstance(facts, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < MOST else None


def finite_in(facts: Any, name: str) -> float | None:
    """A finite number of a report.

    Args:
        facts: Facts by name, or any other value.
        name: The name of the number.

    Returns:
        The number; None if there is none.
    """
    found = facts.get(name) if isinstance(facts, Mapping) else None
    known = isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < np.inf
    return float(found) if known and abs(found) < 10**300 else None  # type: ignore[arg-type]


def samples_said(landscape: Values, metric: str = "loss") -> str:
    """The number of samples on which a measure was computed, and their data set if there are several.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of another measure. Default "loss".

    Returns:
        For example "200 samples", or '200 samples of "test"'; empty if the report does not have it.
    """
    sets, facts, of = landscape.report.get("data_sets"), landscape.report, ""
    names = [name for name in sets if isinstance(name, str)] if isinstance(sets, Mapping) else []
    if names:
        name = next((name for name in names if metric.endswith(f" of {name}")), names[0])
        facts, of = sets[name], f' of "{cleaned(name, LABEL)}"'  # type: ignore[index]
    count = count_in(facts, "samples")
    return "" if count is None else f"{count} sample{'' if count == 1 else 's'}{of}"


def value_at_the_model(landscape: Values, metric: str = "loss") -> float | None:
    """A measure at the model itself: the value on the grid if the model is a grid point, else the loss in the report.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of another measure. Default "loss".

    Returns:
        The value; None if it is not known.
    """
    report = landscape.report
    sections = report.get(SECTIONS, ())
    projected = any(not isinstance(one, Mapping) or one.get("kind") != "slice" for one in _listed(sections))
    marks = report.get("marks")
    if projected or not isinstance(marks, Mapping):  # the smallest loss above a model is not that of the model
        return None
    for mark in carried(landscape).marks:
        at = [np.flatnonzero(axis == c) for axis, c in zip(landscape.axes.values(), mark.at, strict=True)]
        if mark.name == "the model" and all(found.size for found in at):
            place = tuple(int(found[0]) for found in at)
            value = float(landscape.measures[metric][place])
            return value if landscape.evaluated[place] and np.isfinite(value) else None
    # If samples are read in several parts, the loss in the report is the loss of the first part.
    if metric != "loss" or sections or report.get("stream") is not None:
        return None
    return finite_in(report.get("centre"), "loss")


def directions_said(landscape: Values) -> str:
    """The directions of the axes, their normalisation, and the scheme that combines them.

    Args:
        landscape: The landscape.

    Returns:
        A sentence without its full stop; empty if the report does not have it.
    """
    report = landscape.report
    kinds = [kind for kind in _listed(report.get("directions"))[:MOST_AXES] if isinstance(kind, str) and kind]
    if not kinds:
        return ""
    counts = Counter(kinds)
    one = len(landscape.axes) == 1 and not report.get(SECTIONS)  # a slice has the directions of the whole landscape
    said = f"The ax{'i' if one else 'e'}s {_along(landscape, kinds[0], one)}"
    if len(counts) > 1:
        each = (f"{'one' if n == 1 else n} {_along(landscape, kind, n == 1)}" for kind, n in counts.items())
        said = f"Of the axes {' and '.join(each)}"
    seed = count_in(report, "seed") if "seed" in report else None
    drawn = [text_in(report, "distribution"), "" if seed is None else f"seed {seed}"]
    said += f" ({', '.join(filter(None, drawn))})" if any(drawn) else ""
    norm = text_in(report, "normalize")
    said += ", orthonormal" if landscape.orthonormal else f", {_NORMALISED.get(norm, f'norm {norm}')}" if norm else ""
    scheme = text_in(report, "scheme")
    return said + (f', combined by the scheme "{scheme}"' if scheme not in ("", "plane", "line") else "")


def moving_said(landscape: Values) -> str:
    """The number of parameters that move.

    Args:
        landscape: The landscape.

    Returns:
        For example "112 of 131 parameters move (weights)"; empty if the report does not have it.
    """
    moved, known = count_in(landscape.report, "perturbed"), count_in(landscape.report, "parameters")
    if moved is None:
        return ""
    which = text_in(landscape.report, "perturb")
    of = f"{moved} numbers in parameters and buffers" if which == "states" else f"{moved} numbers"
    if known is not None and moved <= known and which != "states":
        of = f"{moved} of {known} parameters"
    return f"{of} move{f' ({which})' if which else ''}"


def range_said(landscape: Values) -> str:
    """The ranges of the axes.

    Args:
        landscape: The landscape.

    Returns:
        For example "from -1 to 1 along x and y".
    """
    found = landscape.report.get("reach")
    reach = found if isinstance(found, Mapping) else {}
    grouped: dict[str, list[str]] = {}
    for name, (low, high) in zip(landscape.axes, bounds_of(landscape), strict=True):
        span = f"from {low:.4g} to {high:.4g}" if low < high else f"at {low:.4g}"
        span += " (found automatically)" if name in reach else ""
        grouped.setdefault(span, []).append(cleaned(name, LABEL))
    parts = [f"{span} along {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]}"
             for span, names in grouped.items()]  # fmt: skip
    return " and ".join(parts)


def _listed(given: Any) -> list[Any]:
    """The entries of a list, or a single value as a list."""
    return list(given) if isinstance(given, list | tuple) else [given]


def _along(landscape: Values, kind: str, one: bool) -> str:
    """The part of a sentence that says along which kind of directions one axis runs, or several axes run."""
    if kind in _ALONG:
        return _ALONG[kind][0 if one else 1]
    plane, kind = landscape.report.get("plane"), cleaned(kind, LABEL)
    if isinstance(plane, Mapping) and "eigenvalues" in plane:
        return f"runs along an eigenvector of the {kind}" if one else f"run along eigenvectors of the {kind}"
    if kind.endswith(" curve"):
        return f"runs along a {kind}" if one else f"lie in the plane of a {kind}"
    return f'runs along a direction of the kind "{kind}"' if one else f'run along directions of the kind "{kind}"'
