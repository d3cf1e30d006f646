"""Computes eigenvectors and spectra of curvature matrices of a user's model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from fastscape.curvature import (
    CurvatureMatrix,
    Eigenpairs,
    EigenvectorDirections,
    check_count,
    density,
    eigenpairs,
    traces,
)
from fastscape.model import Data
from fastscape.results import LayerCurvature, SpectrumValues, with_defaults
from fastscape.runs.checks import check_residual, check_whole
from fastscape.runs.counting import counted
from fastscape.runs.options import HessianOptions, SpectrumOptions
from fastscape.runs.single_point import Point, at_model

__all__ = ["eigenvectors_of", "spectrum_of"]


def eigenvectors_of(model: nn.Module, data: Data, given: HessianOptions) -> EigenvectorDirections:
    """Computes eigenvectors of a curvature matrix at the model, as directions.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The eigenvectors.
    """
    options = with_defaults(HessianOptions, given, "hessian")
    return at_model(model, data, options, partial(_eigenvectors, options), call="hessian")


def spectrum_of(model: nn.Module, data: Data, given: SpectrumOptions) -> SpectrumValues:
    """Computes the spectrum of a curvature matrix at the model.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The spectrum.
    """
    options = with_defaults(SpectrumOptions, given, "spectrum")
    for name, least in (("k", 1), ("probes", 2), ("steps", 10), ("trace_probes", 4), ("seed", 0)):
        check_whole(name, options[name], least)  # type: ignore[literal-required]
    check_residual("tolerance", options["tolerance"])
    return at_model(model, data, options, partial(_spectrum, options), call="spectrum")


def _matrix(point: Point, options: Mapping[str, Any]) -> CurvatureMatrix:
    """The matrix, after checking that the options fit it."""
    matrix = CurvatureMatrix(point.problem, point.layout, point.theta, point.microbatch, options["matrix"])
    check_count(options["k"], matrix.size, options.get("which", "both"))
    check_residual("tolerance", options["tolerance"])
    return matrix


def _report(point: Point, matrix: CurvatureMatrix, started: float) -> dict[str, Any]:
    seconds = time.perf_counter() - started
    return {**point.report, "products": matrix.products, "seconds": seconds + point.report["seconds_of_checks"]}


def _eigenvectors(options: HessianOptions, point: Point) -> EigenvectorDirections:
    started, which = time.perf_counter(), options["which"]
    matrix = _matrix(point, options)
    with counted(matrix, options["progress"]) as watched:
        pairs = eigenpairs(watched, options["k"], which, tolerance=options["tolerance"], seed=options["seed"])
    if which == "smallest":
        pairs = _in_order(pairs, range(len(pairs.values))[::-1])
    elif which == "both":  # the largest, the smallest, the second largest, ...
        last = len(pairs.values) - 1
        pairs = _in_order(pairs, [place for k in range(options["k"]) for place in (k, last - k)])
    report = _report(point, matrix, started)
    return EigenvectorDirections(pairs, point.layout, options["matrix"], options["perturb"], report)


def _in_order(pairs: Eigenpairs, order: Any) -> Eigenpairs:
    places = list(order)
    return replace(
        pairs, values=pairs.values[places], vectors=pairs.vectors[places], residuals=pairs.residuals[places]
    )


def _spectrum(options: SpectrumOptions, point: Point) -> SpectrumValues:
    started, seed = time.perf_counter(), options["seed"]
    matrix = _matrix(point, options)
    sizes = tuple(entry.numel for entry in point.layout.entries) if options["layers"] else ()
    count = min(options["k"], matrix.size // 2)
    with counted(matrix, options["progress"]) as watched:
        pairs = eigenpairs(watched, count, "both", tolerance=options["tolerance"], seed=seed)
        found = traces(watched, pairs.vectors, probes=options["trace_probes"], seed=seed + 1, parts=sizes)
        spread = density(watched, pairs, probes=options["probes"], steps=options["steps"], seed=seed + 2)
        layers = {}
        for entry, trace in zip(point.layout.entries, found.parts, strict=False):
            top = eigenpairs(watched.block(entry.name), 1, tolerance=options["tolerance"], seed=seed)
            layers[entry.name] = LayerCurvature(entry.numel, trace, float(top.values[0]), float(top.residuals[0]))
    report = _report(point, matrix, started) | {"tolerance": options["tolerance"], "norm": pairs.norm}
    return SpectrumValues(
        matrix.kind,
        matrix.size,
        matrix.samples,
        pairs.values,
        pairs.residuals,
        found.trace,
        found.frobenius,
        spread,
        layers,
        report,
    )
