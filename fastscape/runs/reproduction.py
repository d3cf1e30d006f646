"""Computes a landscape again from its report, the model and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

import torch.nn.functional as F
from torch import nn

from fastscape.engine import Plan
from fastscape.model import Data, Loss, Measure, accuracy, name_of, public_name
from fastscape.results import SECTIONS, Values, along_each, with_defaults
from fastscape.runs.options import RECORDED, ReproduceOptions, SurfaceOptions
from fastscape.runs.request import Expected, request_of
from fastscape.runs.run import computed
from fastscape.runs.space_asked import directions_given
from fastscape.weights import NamedPerturb, schemes_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["reproduced"]

_KNOWN: dict[str, Measure] = {name_of(accuracy): accuracy}


def reproduced(values: Values, model: nn.Module, data: Data, **given: Unpack[ReproduceOptions]) -> Values:
    """Computes a landscape again from its report.

    Args:
        values: The landscape.
        model: The model.
        data: The samples.
        ****given: Options that the report cannot hold.

    Returns:
        The values.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the report lacks entries, the model or the data differ from the report, or two points that
            are evaluated first differ from the landscape.
    """
    report = values.report
    missing = {"weights_hash", "moving", "plan", "seed", "scheme", "batchnorm"} - report.keys()
    if missing:
        raise ValueError(
            f"the report does not say {', '.join(sorted(missing))}; only a landscape that fastscape.surface, "
            "line or volume has computed can be reproduced"
        )
    if report.get(SECTIONS):
        raise ValueError(
            "the landscape is a slice or a projection of another one; reproduce that one, and take the same of it"
        )
    if report.get("repeats", 1) != values.repeated:
        raise ValueError(
            f"the report says {report.get('repeats', 1)!r:.40} repeats, and the landscape has {values.repeated}; give "
            "one as it was computed"
        )
    with_defaults(ReproduceOptions, given, "reproduce")  # refuses unknown options
    to, along = given.pop("to", None), given.pop("along", None)
    if to is not None or along is not None:
        if (count := len(values.axes)) != 1:
            kind = "a surface" if count == 2 else f"a landscape of {count} axes"
            raise ValueError(f"to and along are of a line, and this is {kind}; give directions=[...]")
        given["directions"] = directions_given(model, to, along, given.get("directions"))
    came = getattr(given.get("directions"), "facts", {}).get("curve_hash")
    if came != report.get("curve_hash") and given.get("directions") is not None:
        raise ValueError(
            "the landscape belongs to a different curve than the curve given; give the curve that it was computed with"
        )
    own = getattr(given.get("directions"), "scheme", None) is not None
    named = schemes_of(len(values.axes))
    for name, needed in {
        "directions": report["directions"] != "random",
        "objective": report["objective"],
        "scheme": not own and report["scheme"] not in named,
    }.items():
        if needed and given.get(name) is None:
            what = "directions were given, and are" if name == "directions" else f"{name} {report[name]} is"
            again = "them again: directions=[...]" if name == "directions" else f"it again: {name}=..."
            again += ", to=... or along=..." if name == "directions" and len(values.axes) == 1 else ""
            raise ValueError(f"the {what} not in the report; give {again}")
    known = cast(SurfaceOptions, {**_recorded(report), **_measured(report, given)})
    options = with_defaults(SurfaceOptions, known, "reproduce")
    options["scheme"] = None if own else options["scheme"]
    axes = {name: axis.copy() for name, axis in values.axes.items()}  # torch refuses frozen arrays
    hashes = {name: report[name] for name in ("weights_hash", "data_hash")}
    values = along_each(values)
    expected = Expected(hashes, report["samples"], values)
    return computed(request_of(model, data, axes, options, expected=expected))


def _recorded(report: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a report holds."""
    moving, perturb = set(report["moving"]), report["perturb"]
    if perturb not in get_args(NamedPerturb):  # a function of the user

        def perturb(name: str, _: object) -> bool:
            return name in moving

    return {
        "scheme": report["scheme"],
        "normalize": report["normalize"],
        "perturb": perturb,
        "distribution": report["distribution"] or "normal",
        "seed": report["seed"] or 0,
        "repeats": report.get("repeats", 1),
        **{name: report[key] for name, key in RECORDED.items() if key in report},  # a later version may have more
        # A name does not say whether tensors keep the dtypes of the model; reports without this entry used one dtype
        # for all.
        "precision": None if report.get("own_precision") else report["precision"],
        "plan": Plan(**report["plan"]),
        "stream_samples": report.get("stream"),
        "tolerance": report.get("tolerance"),
        "draw_samples": (report.get("refinement") or {}).get("draw_samples", 0),
        "topology": ((report.get("refinement") or {}).get("topology") or {}).get("threshold", False),
        "tolerance_scale": "log10" if report.get("log", True) else "linear",
        "target_standard_error": (report.get("standard_error") or {}).get("target"),
    }


def _measured(report: Mapping[str, Any], given: ReproduceOptions) -> dict[str, Any]:
    """The given options, with the functions of the report that can be found again."""
    found = {name: value for name, value in given.items() if value is not None or name == "progress"}
    if given.get("objective") is None:
        found["loss"] = _loss(report["loss"], given.get("loss"))
        found["metrics"] = _metrics(report["metrics"], given.get("metrics"))
    return found


def _loss(name: str, given: Loss | None) -> Loss:
    module, _, leaf = name.rpartition(".")
    if given is None and module == F.__name__:
        given = getattr(F, leaf, None)
    if given is None:
        raise ValueError(f"the loss {name} is not in the report; give it again: loss=...")
    return given


def _metrics(names: Mapping[str, str], given: Mapping[str, Measure] | None) -> dict[str, Measure]:
    found = {name: (given or {}).get(name) or _KNOWN.get(public_name(function)) for name, function in names.items()}
    unknown = [name for name, metric in found.items() if metric is None]
    if unknown:
        raise ValueError(
            f"the metrics {', '.join(unknown)} are not in the report; give them again: metrics={{'{unknown[0]}': ...}}"
        )
    return {name: metric for name, metric in found.items() if metric is not None}
