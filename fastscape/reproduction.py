"""A landscape once more, from its report, the model and the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import nn

from fastscape import schemes
from fastscape.data import Data
from fastscape.directions import Direction
from fastscape.objective import Custom, Measure, accuracy
from fastscape.parts import Parts
from fastscape.plan import Plan
from fastscape.run import computed
from fastscape.settings import Settings, scheme_of
from fastscape.trust import name_of

if TYPE_CHECKING:
    from fastscape.result import Landscape

__all__ = ["reproduced"]

_KNOWN: dict[str, Measure] = {name_of(accuracy): accuracy}


def reproduced(
    landscape: Landscape,
    model: nn.Module,
    data: Data,
    *,
    loss: Measure | None = None,
    metrics: Mapping[str, Measure] | None = None,
    objective: Custom | None = None,
    directions: Sequence[Direction] | None = None,
    scheme: schemes.Scheme | schemes.Coefficients | None = None,
    device: Any = None,
    progress: bool = True,
) -> Parts:
    """Computes a landscape again by what its report says.

    Args:
        landscape: The landscape.
        model: The model that it is of.
        data: The samples that it was computed on, in the same order.
        loss: The loss, where it is no function of `torch.nn.functional`. Default: that of the report.
        metrics: The metrics by name, where one of them is no function of fastscape. Default: those of the report.
        objective: The objective, where there was one. Default: none.
        directions: The directions, where they were given. Default: those of the report's seed.
        scheme: The scheme, where it has no name of its own. Default: that of the report.
        device: Where to compute. Default: where the model is.
        progress: Whether to show a progress bar. Default True.

    Returns:
        The parts of the landscape.

    Raises:
        ValueError: When the report does not say enough, or model or data are others than those of the report.
    """
    report = landscape.report
    missing = {"weights_hash", "moving", "plan", "seed", "scheme", "batchnorm"} - report.keys()
    if missing:
        raise ValueError(
            f"the report does not say {', '.join(sorted(missing))}; only a landscape that fastscape.surface or "
            "fastscape.line has computed can be reproduced"
        )
    if report["directions"] != "random" and directions is None:
        raise ValueError("the directions were given, and are not in the report; give them again: directions=[...]")
    if report["objective"] and objective is None:
        raise ValueError(f"the objective {report['objective']} is not in the report; give it again: objective=...")
    moving = set(report["moving"])
    settings = Settings(
        loss=_loss(report["loss"], loss) if objective is None else F.cross_entropy,
        metrics=_metrics(report["metrics"], metrics) if objective is None else metrics,
        objective=objective,
        normalize=report["normalize"],
        perturb=_perturb(report["perturb"], moving),
        distribution=report["distribution"] or "normal",
        seed=report["seed"] or 0,
        batchnorm=report["batchnorm"],
        training=report["training"],
        precision=report["precision"],
        device=device,
        plan=Plan(**report["plan"]),
        low_memory=report["low_memory"],
        progress=progress,
        stream=report.get("stream"),
        tolerance=report.get("tolerance"),
        log=report.get("log", True),
        standard_error=(report.get("standard_error") or {}).get("target"),
        exactly=report["samples"],
        expected={"weights_hash": report["weights_hash"], "data_hash": report["data_hash"]},
    )
    axes = [axis.copy() for axis in (landscape.x, landscape.y) if axis is not None]  # torch takes none that are frozen
    named = schemes.SURFACES if len(axes) == 2 else schemes.LINES
    if scheme is None and report["scheme"] not in named:
        raise ValueError(f"the scheme {report['scheme']} is not in the report; give it again: scheme=...")
    return computed(model, data, axes, scheme_of(scheme or report["scheme"], named), directions, settings)


def _perturb(name: str, moving: set[str]) -> Any:
    """What moved: by its name, or where that was a function of the user's by the names of the tensors."""
    return name if name in ("weights", "weights+bias", "all", "states") else lambda tensor, _: tensor in moving


def _loss(name: str, given: Measure | None) -> Measure:
    module, _, leaf = name.rpartition(".")
    if given is None and module == F.__name__:
        given = getattr(F, leaf, None)
    if given is None:
        raise ValueError(f"the loss {name} is not in the report; give it again: loss=...")
    return given


def _metrics(names: Mapping[str, str], given: Mapping[str, Measure] | None) -> dict[str, Measure]:
    found = {name: (given or {}).get(name) or _KNOWN.get(function) for name, function in names.items()}
    unknown = [name for name, metric in found.items() if metric is None]
    if unknown:
        raise ValueError(
            f"the metrics {', '.join(unknown)} are not in the report; give them again: metrics={{'{unknown[0]}': ...}}"
        )
    return {name: metric for name, metric in found.items() if metric is not None}
