"""The public calls: they validate, connect the rooms, and return the result. No arithmetic happens here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape import schemes
from fastscape.data import Data, fixed_batches
from fastscape.directions import check_seed, direction_random
from fastscape.engine import Engine
from fastscape.grid import AxisSpec, axis, points
from fastscape.isolation import global_state_kept, private_copy
from fastscape.kernels import choose, gram, interpolate
from fastscape.objective import Measure, Objective
from fastscape.plan import Plan, plan_fixed
from fastscape.result import Landscape
from fastscape.selection import Perturb, own_buffers
from fastscape.trust import counts, environment, warned
from fastscape.weights import Layout, layout_of

__all__ = ["surface"]

_PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


def surface(
    model: nn.Module,
    data: Data,
    *,
    loss: Measure = F.cross_entropy,
    metrics: Mapping[str, Measure] | None = None,
    x: AxisSpec = (-1.0, 1.0, 51),
    y: AxisSpec = (-1.0, 1.0, 51),
    scheme: Literal["plane"] = "plane",
    normalize: Literal["filter", "layer", "none"] | None = None,
    perturb: Perturb = "weights",
    seed: int = 0,
    precision: Literal["float64", "float32"] = "float32",
    device: torch.device | str | None = None,
    plan: Plan | Literal["auto"] = "auto",
    progress: bool = True,
) -> Landscape:
    """The loss of a model on a plane through its weights.

    With theta the model's weights and d1, d2 two Gaussian random directions, each filter of which is scaled to the
    norm of the model's filter, `loss[i, j] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2))`.

    The model is evaluated as it would be in use: in evaluation mode, batch normalisation with its running
    statistics, dropout off. It is never written to; its parameters, buffers, flags and hooks, and every global
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
        scheme: How the coordinates combine theta, d1 and d2; "plane" is the sum above.
        normalize: Norm of the directions: "filter", "layer" (whole tensors) or "none". Default: the scheme's own,
            "filter" for the plane.
        perturb: What moves: "weights" (parameters of two or more dimensions), "weights+bias", "all", "states", or
            `f(name, parameter) -> bool`. Default "weights".
        seed: Of the directions, an integer from 0. The same seed gives the same bits. Default 0.
        precision: Of weights and activations, "float32" (never TF32) or "float64". Sums over samples are float64.
        device: Where to compute, a CPU or a GPU. Default: where the model's parameters are.
        plan: How the points are evaluated, or "auto".
        progress: Whether to show a progress bar when standard error is a terminal. Default True.

    Returns:
        The landscape: `x` [H], `y` [W], `loss` [H, W] and each metric [H, W], float64, and the report.

    Raises:
        TypeError: When an argument is of another kind than above, or a measure returns something else.
        ValueError: When an argument has no such choice, there are no parameters or samples, lengths do not match,
            an axis is not finite or does not increase, or a measure returns a wrong shape.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> landscape = fastscape.surface(model, data, x=(-1, 1, 11), y=(-1, 1, 11))
        >>> landscape.loss.shape
        (11, 11)

    Source: Li et al. 2018, arXiv 1712.09913.
    """
    started = time.perf_counter()
    x_H, y_W = axis("x", x), axis("y", y)
    objective = Objective(loss, {} if metrics is None else metrics)
    chosen = _choice("scheme", scheme, schemes.SCHEMES)
    norm = chosen.normalize if normalize is None else normalize
    schemes.check_norm(norm)
    dtype = _choice("precision", precision, _PRECISIONS)
    check_seed(seed)
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model came as {type(model).__name__}; wanted a torch.nn.Module")
    if plan != "auto" and not isinstance(plan, Plan):
        raise TypeError(f"plan={plan!r} cannot be used; wanted a fastscape.Plan or 'auto'")
    place = _place(model, device)
    with global_state_kept(place):
        layout = layout_of(model, perturb)
        planned = plan_fixed(model, layout.size, device=place, dtype=dtype) if plan == "auto" else plan
        engine = _engine(model, layout, objective, data, planned, place, dtype)
        basis, grams = _basis(model, layout, seed, norm, planned, place, dtype)
        grid = points(x_H, y_W)

        def coefficients(chunk: Tensor) -> Tensor:
            return chosen.coefficients(grams, chunk[:, 0], chunk[:, 1])

        # At a corner of the grid the loss is far from the cancellations of a perfect fit.
        corner = interpolate(basis, coefficients(grid[:1]), layout.segments, backend=planned.kernels)[0]
        dependence = engine.batch_dependence(corner)
        values, followed, reason = engine.evaluate(
            basis,
            grid,
            coefficients,
            planned,
            fallback=plan == "auto",
            progress=progress,
        )
    grids = {name: values[:, m].reshape(len(x_H), len(y_W)).numpy() for m, name in enumerate(objective.measures)}
    report = {
        "scheme": scheme,
        "normalize": norm,
        "perturb": perturb if isinstance(perturb, str) else getattr(perturb, "__qualname__", repr(perturb)),
        "seed": int(seed),
        "precision": precision,
        **_described(model, layout, engine),
        "cosine": schemes.cosine(grams, 1, 2),
        "plan": followed.as_dict(),
        "kernels": choose(place, followed.kernels),
        "fallback": reason,
        "not_finite": counts(grids),
        "warnings": warned(grids["loss"], dependence, dtype, planned.microbatch),
        "seconds": time.perf_counter() - started,
        **environment(place),
    }
    return Landscape(x_H, y_W, grids.pop("loss"), grids, report)


def _described(model: nn.Module, layout: Layout, engine: Engine) -> dict[str, Any]:
    """What was evaluated, for the report."""
    moving = {entry.name for entry in layout.entries}
    return {
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perturbed": layout.perturbed,
        "untouched": [name for name, _ in model.named_parameters() if name not in moving],
        "samples": engine.samples,
    }


def _choice(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is unknown; wanted one of {', '.join(map(repr, choices))}")
    return choices[value]


def _place(model: nn.Module, device: torch.device | str | None) -> torch.device:
    """The device asked for, else that of the model's first parameter."""
    if device is None:
        place = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    else:
        try:
            place = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"device={device!r} is unknown; write for example 'cpu' or 'cuda'") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={str(place)!r} was asked for, but torch finds no GPU here; write device='cpu'")
    if place.type not in ("cpu", "cuda"):
        raise ValueError(f"device={str(place)!r} has no kernels and no float64 sums here; write device='cpu'")
    return place


def _engine(
    model: nn.Module,
    layout: Layout,
    objective: Objective,
    data: Data,
    plan: Plan,
    device: torch.device,
    dtype: torch.dtype,
) -> Engine:
    """The engine with copies of all that does not move: a forward pass may write to it."""
    moving = {entry.name for entry in layout.entries}

    def fixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: tensor.detach().to(device, dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in tensors.items()
            if name not in moving
        }

    return Engine(
        private_copy(model, device=device, dtype=dtype),
        fixed(dict(model.named_parameters())),
        fixed(own_buffers(model)),
        layout,
        objective,
        fixed_batches(data, plan.microbatch, device=device, dtype=dtype),
    )


def _basis(
    model: nn.Module,
    layout: Layout,
    seed: int,
    normalize: str,
    plan: Plan,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """The basis (theta, d1, d2) [3, P] with normalised directions, and its Gram matrices [S, 3, 3] on the CPU."""
    basis = torch.empty(3, layout.size, dtype=dtype, device=device)
    layout.flatten({**dict(model.named_parameters()), **own_buffers(model)}, out=basis[0])
    for k in (1, 2):
        basis[k] = direction_random(layout, seed, k - 1, dtype=dtype).to(device)
    raw = gram(basis, layout.segments, backend=plan.kernels).cpu()
    factors = schemes.directions_first(raw, layout.layer_of_segment, normalize)
    for k in (1, 2):
        row = basis[k : k + 1]
        interpolate(row, factors[None, :, k : k + 1], layout.segments, out=row, backend=plan.kernels)
    return basis, schemes.rescaled(raw, factors)
