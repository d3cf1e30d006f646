"""The public calls. They validate what is theirs and hand over to `fastscape.run`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from fastscape import schemes
from fastscape.data import Data
from fastscape.directions import Direction, Distribution
from fastscape.grid import AxisSpec, wanted_axis
from fastscape.live import shown_by
from fastscape.modes import BatchNorm
from fastscape.objective import Custom, Measure
from fastscape.plan import Plan
from fastscape.result import Landscape
from fastscape.run import computed
from fastscape.selection import Perturb
from fastscape.settings import Settings, scheme_of

__all__ = ["line", "surface"]

_Norm = Literal["filter", "layer", "weight", "dfilter", "dlayer", "none"]
_Precision = Literal["float64", "float32", "bfloat16", "float16"]


def surface(
    model: nn.Module,
    data: Data,
    *,
    loss: Measure = F.cross_entropy,
    metrics: Mapping[str, Measure] | None = None,
    objective: Custom | None = None,
    x: AxisSpec = (-1.0, 1.0, 51),
    y: AxisSpec = (-1.0, 1.0, 51),
    directions: Sequence[Direction] | None = None,
    scheme: str | schemes.Scheme | schemes.Coefficients = "plane",
    normalize: _Norm | None = None,
    perturb: Perturb | None = None,
    distribution: Distribution = "normal",
    seed: int = 0,
    batchnorm: BatchNorm = "running",
    training: bool = False,
    precision: _Precision = "float32",
    device: torch.device | str | None = None,
    plan: Plan | Literal["auto"] = "auto",
    low_memory: bool = False,
    store: str | os.PathLike[str] | None = None,
    stream: int | None = None,
    standard_error: float | None = None,
    tolerance: float | None = None,
    log: bool = True,
    distributed: bool = True,
    progress: bool | Literal["live"] | Callable[[Landscape], Any] = True,
) -> Landscape:
    """The loss of a model on a plane through its weights.

    With theta the model's weights and d1, d2 two Gaussian random directions, each filter of which is scaled to the
    norm of the model's filter, `loss[i, j] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2))`. Other
    directions, norms and schemes are options.

    The model is evaluated as it would be in use: in evaluation mode, batch normalisation with its running
    statistics, dropout off, unless asked otherwise. It is never written to; its parameters, buffers, flags and hooks,
    and every global random number generator, are bit for bit as before, also after an exception. The data are read
    once. Hooks run at every grid point.

    With `x="auto"` the axis is `(-r, r, 51)`, where r is the first of the reaches 2^(k/2) at which the loss has risen
    to ten times that at the centre: `mean(r) >= 10 max(L(0), 0.001 mean(1))` and `mean(r) > 0`, with L the loss along
    the axis, the other coordinate being 0, and `mean(r) = (L(r) + L(-r)) / 2`; NaN and infinite losses count as
    risen. The reaches are tried one after the other from 1, down to 2^-6 as long as the loss has risen, else up to
    2^6. The same holds for y.

    Args:
        model: Any trained module.
        data: `(inputs, targets)` tensors, a Dataset, a DataLoader, or an iterable of batches. A batch is
            `(inputs, targets)`; inputs that are a tuple or list are the model's arguments, and those that are a
            dictionary its arguments by name; a batch of inputs alone is its own target, as for an autoencoder. Batches
            of any other structure need an `objective`.
        loss: `f(outputs, targets)` that returns the plain mean over the samples of the batch, or one value a sample
            [n]. Default: cross-entropy.
        metrics: Further functions of that kind by name; each becomes a grid in the same pass, for example
            `{"accuracy": fastscape.accuracy}`. Default: none.
        objective: In the place of loss and metrics, `f(call, batch)` that runs the model by `call(*args, **kwargs)`
            and returns the loss in one of these two forms, or a dictionary with "loss" and further measures. It may
            differentiate outputs by inputs. Batches of tensors of one length, also in tuples and dictionaries, are
            cut into samples and joined; others stay whole and count as their `num_graphs`, or one. Default: none.
        x: Axis along d1: `(start, stop, count)`, or increasing coordinates [H] as a list or array; in units of the
            normalised direction; or "auto" or `("auto", count)`, count from 2: as far as the loss takes to rise, see
            above, and `report["reach"]` has the losses there. Default: 51 from -1 to 1.
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
        distribution: Of random directions: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 or 1). Default
            "normal".
        seed: Of random directions, an integer from 0 to 2^64 - 1. The same seed gives the same directions; with a plan
            that is given, also the same bits. Default 0.
        batchnorm: What batch normalisation uses: "running", the statistics that training has left, as in use, so that
            a point differs from the model in its weights alone; "batch", those of each batch; or "recalibrate", which
            at every point are estimated anew over the data, as is done between models that were averaged. The last
            two take batches as the data give them: tensors are one, a Dataset is read 64 at a time. Default "running".
        training: Whether everything but batch normalisation is in training mode: dropout draws the same random
            numbers at every point then. Default False.
        precision: Of weights and activations, "float32" (never TF32), "float64", "bfloat16", or on a GPU "float16".
            Losses are computed from outputs in float32 or float64, and sums over samples are float64. The report
            gives the error of a reduced precision at five grid points, as a fraction of the largest loss there.
            Default "float32".
        device: Where to compute, a CPU or a GPU. Default: where the model's parameters are.
        plan: How the points are evaluated, a `fastscape.Plan`. Default "auto": the fastest is looked for on the first
            grid points, which count; the report has it, and what was measured.
        low_memory: Whether random directions are computed again wherever they are read, instead of being kept: of
            the perturbed weights only the model's own and one chunk of points are in memory then. The values agree
            to rounding. Cheap on a GPU; on a CPU a pass over a direction costs some 20 ns a weight. Default False.
        store: A folder that finished points are written to as they come, in blocks; zarr and xarray read it. The same
            call goes on where a run was ended by whatever means, and computes no stored block again; another model,
            other data or settings are refused, but not another device. Ctrl-C and SIGTERM then finish the block
            first. Needs zarr: `pip install 'fastscape[store]'`. Default: none.
        stream: How many samples are in memory at once. The data, of any size, are then read once in such parts, each
            of which is evaluated at every point before the next one is read; three of them are in memory at most. A
            store is written to after each part. In the report "centre" and "reach" are of the first part, by which the
            range of an "auto" axis is chosen. Default: all samples.
        standard_error: Stops reading data when the standard error of the mean loss over the samples so far is at every
            grid point at most this fraction of the range of the surface, for example 0.01. It is looked at after every
            part of `stream` samples, by default 256, from the second part and 100 samples on. Samples of tensors and
            Datasets are taken in a random order (seed 0); a DataLoader or an iterable must be shuffled itself. Points
            whose loss is not finite do not count. The losses of single samples must be known. The report says how many
            samples were used and whether the target was met; with a store, a smaller target reads on. All points use
            the same samples, so that their errors are correlated: the shape is more exact. Default: all data are read.
        tolerance: The error that may be made by evaluating only some of the points, chosen round by round, and
            predicting the others: root mean square over the grid, as a fraction of the range, estimated at points that
            the prediction had not seen. `Landscape.evaluated` tells them apart, and the report has the estimates. 0
            evaluates all, coarse points first. Features that are smaller than the gaps between the evaluated points
            (`widest_gap` in the report) cannot be seen. It is of the loss; metrics are predicted too. Default: none,
            every point is evaluated.
        log: Whether the tolerance is of log10 of the loss, as pictures are drawn, as long as no loss is negative; else
            it is of the loss itself. The report has the scale. Default True.
        distributed: Whether the processes that torchrun has started, or those of an initialised process group, share
            the grid: all of them must make the call then, and all get the landscape. Write False where one of them
            calls alone. Default True.
        progress: Whether to show a progress bar when standard error is a terminal. With a tolerance also "live", which
            shows the surface after every round, in a notebook as a contour map, in a terminal as a map of coloured
            letters; or a function that gets a landscape after every round: what is known then, the rest predicted
            linearly, and the report with its "refinement"; of several processes the first one calls it. Default True.

    Returns:
        The landscape: `x` [H], `y` [W], `loss` [H, W] and each metric [H, W], float64, and the report; and where the
        losses of single samples are known the standard error of their mean [H, W].

    Raises:
        TypeError: When an argument is of another kind than above, or a measure returns something else.
        ValueError: When an argument has no such choice, there are no parameters or samples, lengths do not match,
            an axis is not finite or does not increase, arguments exclude each other, or a measure returns a wrong
            shape; when an axis is "auto",
            and a loss is below 0 by more than `0.001 mean(1)`, or not finite at the centre; when a store is of another
            run, damaged, or in use.
        OSError: When a store cannot be written to; what it holds is safe.
        ImportError: When a store is asked for and zarr is not installed.
        RuntimeError: When another process that shares the grid has failed.
        TimeoutError: When another process that shares the grid does not come within half an hour.

    Warns:
        UserWarning: When the values depend on how the samples are batched (class weights or ignored targets in a
            scalar loss, batch statistics, random outputs), when two evaluations of one point differ, when the loss at
            the centre is not that of the model called by itself, when the loss is the same at every point, when an
            axis is "auto" and the loss has risen nowhere or everywhere between 2^-6 and 2^6, when vmap cannot batch
            the model, or when other processes are waited for longer than a minute. The report keeps what concerns
            the values.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> landscape = fastscape.surface(model, data, x=(-1, 1, 11), y=(-1, 1, 11))
        >>> landscape.loss.shape
        (11, 11)
        >>> wide = fastscape.surface(model, data, x=("auto", 11), y=(-1, 1, 5))
        >>> bool(wide.x[-1] == wide.report["reach"]["x"]["reach"] == -wide.x[0])
        True

    Source: Li et al. 2018, arXiv 1712.09913.
    """
    axes = wanted_axis("x", x), wanted_axis("y", y)
    bar, shown = shown_by(progress)
    settings = Settings(
        loss=loss, metrics=metrics, objective=objective, normalize=normalize, perturb=perturb,
        distribution=distribution, seed=seed, batchnorm=batchnorm, training=training, precision=precision,
        device=device, plan=plan, low_memory=low_memory, progress=bar, store=store, stream=stream,
        distributed=distributed, tolerance=tolerance, log=log, standard_error=standard_error,
        shown=None if shown is None else lambda parts: shown(Landscape(*parts)),
    )  # fmt: skip
    return Landscape(*computed(model, data, axes, scheme_of(scheme, schemes.SURFACES), directions, settings))


def line(
    model: nn.Module,
    data: Data,
    *,
    x: AxisSpec = (-1.0, 1.0, 51),
    to: nn.Module | None = None,
    loss: Measure = F.cross_entropy,
    metrics: Mapping[str, Measure] | None = None,
    objective: Custom | None = None,
    directions: Sequence[Direction] | None = None,
    scheme: str | schemes.Scheme | schemes.Coefficients | None = None,
    normalize: _Norm | None = None,
    perturb: Perturb | None = None,
    distribution: Distribution = "normal",
    seed: int = 0,
    batchnorm: BatchNorm = "running",
    training: bool = False,
    precision: _Precision = "float32",
    device: torch.device | str | None = None,
    plan: Plan | Literal["auto"] = "auto",
    low_memory: bool = False,
    store: str | os.PathLike[str] | None = None,
    stream: int | None = None,
    standard_error: float | None = None,
    distributed: bool = True,
    progress: bool = True,
) -> Landscape:
    """The loss of a model along a line through its weights.

    With theta the weights and d a Gaussian random direction, n(d) having the norm of theta in every tensor,
    `loss[i] = mean over the samples of loss(model((1 - x[i]) theta + x[i] n(d)))`; towards another model (`to`) it is
    `loss(model(theta + x[i] (theta_to - theta)))`, so that the models lie at 0 and 1.

    Arguments that are not named here are those of `fastscape.surface`.

    Args:
        model: Any trained module.
        data: As for `surface`.
        x: Axis: `(start, stop, count)`, increasing coordinates [H], "auto", or `("auto", count)`, as for `surface`.
            Default: 51 from -1 to 1.
        to: Another model of the same architecture. Default: none.
        loss: As for `surface`.
        metrics: As for `surface`.
        objective: As for `surface`.
        directions: One direction in a list: a module (the same as `to`), a dict of tensors, or a flat vector.
            Default: a random one.
        scheme: "line", the first formula, "plane", `theta + x[i] d`, or a function `(gram, alpha) -> coefficients`.
            Default: "line" for a random direction, "plane" for others.
        normalize: Norm of the direction before the scheme. Default: the scheme's own for a random direction ("none"
            for "line", "filter" for "plane"), "none" for others.
        perturb: As for `surface`.
        distribution: As for `surface`.
        seed: As for `surface`.
        batchnorm: As for `surface`.
        training: As for `surface`.
        precision: As for `surface`.
        device: As for `surface`.
        plan: As for `surface`.
        low_memory: As for `surface`.
        store: As for `surface`.
        stream: As for `surface`.
        standard_error: As for `surface`.
        distributed: As for `surface`.
        progress: As for `surface`.

    Returns:
        The landscape: `x` [H], no `y`, `loss` [H] and each metric [H], float64, and the report.

    Raises:
        TypeError: As for `surface`.
        ValueError: As for `surface`, and when both `to` and `directions` are given.
        OSError: As for `surface`.
        ImportError: As for `surface`.
        RuntimeError: As for `surface`.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> path = fastscape.line(a, data, to=b, x=(0, 1, 5))
        >>> bool(abs(path.loss[-1] - torch.nn.functional.cross_entropy(b(data[0]), data[1]).item()) < 1e-5)
        True

    Source: the notebook "Navigating Through Loss Space"; Goodfellow et al. 2015, arXiv 1412.6544.
    """
    if not isinstance(progress, bool):
        raise TypeError(f"progress={progress!r} cannot be used; a line has no rounds to show: write True or False")
    if to is not None and directions is not None:
        raise ValueError("both to and directions came; give the other model as to, or the direction in directions")
    if to is not None:
        directions = [to]
    if scheme is None:
        scheme = "line" if directions is None else "plane"
    settings = Settings(
        loss=loss, metrics=metrics, objective=objective, normalize=normalize, perturb=perturb,
        distribution=distribution, seed=seed, batchnorm=batchnorm, training=training, precision=precision,
        device=device, plan=plan, low_memory=low_memory, progress=progress, store=store, stream=stream,
        distributed=distributed, standard_error=standard_error,
    )  # fmt: skip
    axes = [wanted_axis("x", x)]
    return Landscape(*computed(model, data, axes, scheme_of(scheme, schemes.LINES), directions, settings))
