"""The public calls. They validate what is theirs and hand over to `fastscape.run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from fastscape import schemes
from fastscape.data import Data
from fastscape.directions import Direction, Distribution
from fastscape.grid import AxisSpec, axis
from fastscape.objective import Measure
from fastscape.plan import Plan
from fastscape.result import Landscape
from fastscape.run import Settings, chosen, landscape
from fastscape.selection import Perturb

__all__ = ["line", "surface"]

_Norm = Literal["filter", "layer", "weight", "dfilter", "dlayer", "none"]
_Precision = Literal["float64", "float32", "bfloat16", "float16"]


def surface(
    model: nn.Module,
    data: Data,
    *,
    loss: Measure = F.cross_entropy,
    metrics: Mapping[str, Measure] | None = None,
    x: AxisSpec = (-1.0, 1.0, 51),
    y: AxisSpec = (-1.0, 1.0, 51),
    directions: Sequence[Direction] | None = None,
    scheme: str | schemes.Scheme | schemes.Coefficients = "plane",
    normalize: _Norm | None = None,
    perturb: Perturb | None = None,
    distribution: Distribution = "normal",
    seed: int = 0,
    precision: _Precision = "float32",
    device: torch.device | str | None = None,
    plan: Plan | Literal["auto"] = "auto",
    low_memory: bool = False,
    progress: bool = True,
) -> Landscape:
    """The loss of a model on a plane through its weights.

    With theta the model's weights and d1, d2 two Gaussian random directions, each filter of which is scaled to the
    norm of the model's filter, `loss[i, j] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2))`. Other
    directions, norms and schemes are options.

    The model is evaluated as it would be in use: in evaluation mode, batch normalisation with its running
    statistics, dropout off. It is never written to; its parameters, buffers, flags and hooks, and every
    global random number generator, are bit for bit as before, also after an exception. The data are read once. Hooks
    run at every grid point.

    Args:
        model: Any trained module with `outputs = model(inputs)`.
        data: `(inputs, targets)` tensors, a Dataset, a DataLoader, or an iterable of `(inputs, targets)` batches.
        loss: `f(outputs, targets)` that returns the plain mean over the samples of the batch, or one value a sample
            [n]. Default: cross-entropy.
        metrics: Further functions of that kind by name; each becomes a grid in the same pass, for example
            `{"accuracy": fastscape.accuracy}`. Default: none.
        x: Axis along d1: `(start, stop, count)`, or increasing coordinates [H] as a list or array; in units of the
            normalised direction. Default: 51 from -1 to 1.
        y: Axis along d2, likewise [W].
        directions: Two directions: modules of the same architecture (the plane through three models: they lie at
            (1, 0) and (0, 1)), dicts of tensors by parameter name, or flat vectors. Default: random ones.
        scheme: How the coordinates combine theta, d1 and d2: "plane" (the sum above), "linear2x", "barycentric" or
            "bilinear", see `fastscape.schemes`; or a function `(gram, alpha, beta) -> coefficients`, or a
            `fastscape.schemes.Scheme`. Default "plane".
        normalize: Norm of the directions: "filter", "layer", "weight", "dfilter", "dlayer" or "none", see
            `fastscape.norms`. Default: the scheme's own for random directions ("filter" for the plane), "none" for
            others.
        perturb: What moves: "weights" (parameters of two or more dimensions), "weights+bias", "all", "states", or
            `f(name, parameter) -> bool`. Default: "weights", and "states" when a direction leads to another model,
            which is only reached when all of it moves.
        distribution: Of random directions: "normal", "uniform" or "rademacher". Default "normal".
        seed: Of random directions, an integer from 0 to 2^64 - 1. The same seed gives the same bits. Default 0.
        precision: Of weights and activations, "float32" (never TF32), "float64", "bfloat16", or on a GPU "float16".
            Losses are computed from outputs in float32 or float64, and sums over samples are float64. The report
            gives the error of a reduced precision at five grid points, as a fraction of the largest loss there.
        device: Where to compute, a CPU or a GPU. Default: where the model's parameters are.
        plan: How the points are evaluated, a `fastscape.Plan`. Default "auto": the fastest is looked for on the first
            grid points, which count; the report has it, and what was measured.
        low_memory: Whether random directions are computed again wherever they are read, instead of being kept: of
            the perturbed weights only the model's own and one chunk of points are in memory then. The values agree
            to rounding. Cheap on a GPU; on a CPU a pass over a direction costs some 20 ns a weight. Default False.
        progress: Whether to show a progress bar when standard error is a terminal. Default True.

    Returns:
        The landscape: `x` [H], `y` [W], `loss` [H, W] and each metric [H, W], float64, and the report.

    Raises:
        TypeError: When an argument is of another kind than above, or a measure returns something else.
        ValueError: When an argument has no such choice, there are no parameters or samples, lengths do not match,
            an axis is not finite or does not increase, or a measure returns a wrong shape.

    Warns:
        UserWarning: When the values depend on how the samples are batched (class weights or ignored targets in a
            scalar loss, batch statistics, random outputs), when the loss is the same at every point, or when vmap
            cannot batch the model. The report keeps it.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> landscape = fastscape.surface(model, data, x=(-1, 1, 11), y=(-1, 1, 11))
        >>> landscape.loss.shape
        (11, 11)

    Source: Li et al. 2018, arXiv 1712.09913.
    """
    axes = axis("x", x), axis("y", y)
    settings = Settings(
        loss, metrics, normalize, perturb, distribution, seed, precision, device, plan, low_memory, progress
    )
    return landscape(model, data, axes, _scheme(scheme, schemes.SURFACES), directions, settings)


def line(
    model: nn.Module,
    data: Data,
    *,
    x: AxisSpec = (-1.0, 1.0, 51),
    to: nn.Module | None = None,
    loss: Measure = F.cross_entropy,
    metrics: Mapping[str, Measure] | None = None,
    directions: Sequence[Direction] | None = None,
    scheme: str | schemes.Scheme | schemes.Coefficients | None = None,
    normalize: _Norm | None = None,
    perturb: Perturb | None = None,
    distribution: Distribution = "normal",
    seed: int = 0,
    precision: _Precision = "float32",
    device: torch.device | str | None = None,
    plan: Plan | Literal["auto"] = "auto",
    low_memory: bool = False,
    progress: bool = True,
) -> Landscape:
    """The loss of a model along a line through its weights.

    With theta the weights and d a Gaussian random direction, n(d) having the norm of theta in every tensor,
    `loss[i] = mean over the samples of loss(model((1 - x[i]) theta + x[i] n(d)))`; towards another model (`to`) it is
    `loss(model(theta + x[i] (theta_to - theta)))`, so that the models lie at 0 and 1.

    Arguments that are not named here are those of `fastscape.surface`.

    Args:
        model: Any trained module with `outputs = model(inputs)`.
        data: As for `surface`.
        x: Axis: `(start, stop, count)`, or increasing coordinates [H]. Default: 51 from -1 to 1.
        to: Another model of the same architecture. Default: none.
        loss: As for `surface`.
        metrics: As for `surface`.
        directions: One direction in a list: a module (the same as `to`), a dict of tensors, or a flat vector.
            Default: a random one.
        scheme: "line", the first formula, "plane", `theta + x[i] d`, or a function `(gram, alpha) -> coefficients`.
            Default: "line" for a random direction, "plane" for others.
        normalize: Norm of the direction before the scheme. Default: the scheme's own for a random direction ("none"
            for "line", "filter" for "plane"), "none" for others.
        perturb: As for `surface`.
        distribution: As for `surface`.
        seed: As for `surface`.
        precision: As for `surface`.
        device: As for `surface`.
        plan: As for `surface`.
        low_memory: As for `surface`.
        progress: As for `surface`.

    Returns:
        The landscape: `x` [H], no `y`, `loss` [H] and each metric [H], float64, and the report.

    Raises:
        TypeError: As for `surface`.
        ValueError: As for `surface`, and when both `to` and `directions` are given.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> path = fastscape.line(a, data, to=b, x=(0, 1, 5))
        >>> bool(abs(path.loss[-1] - torch.nn.functional.cross_entropy(b(data[0]), data[1]).item()) < 1e-5)
        True

    Source: the notebook "Navigating Through Loss Space"; Goodfellow et al. 2015, arXiv 1412.6544.
    """
    if to is not None and directions is not None:
        raise ValueError("both to and directions came; give the other model as to, or the direction in directions")
    if to is not None:
        directions = [to]
    if scheme is None:
        scheme = "line" if directions is None else "plane"
    settings = Settings(
        loss, metrics, normalize, perturb, distribution, seed, precision, device, plan, low_memory, progress
    )
    return landscape(model, data, [axis("x", x)], _scheme(scheme, schemes.LINES), directions, settings)


def _scheme(
    scheme: str | schemes.Scheme | schemes.Coefficients, named: Mapping[str, schemes.Scheme]
) -> tuple[str, schemes.Scheme]:
    """The scheme that an argument means, and its name for the report."""
    if isinstance(scheme, schemes.Scheme):
        return getattr(scheme.coefficients, "__qualname__", repr(scheme.coefficients)), scheme
    if callable(scheme):
        return getattr(scheme, "__qualname__", repr(scheme)), schemes.Scheme(scheme)
    return scheme, chosen("scheme", scheme, named)
