"""The `Curve` class: a curve through weight space between two models, given by its control points."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.model import whole_copy
from fastscape.paths.curve_files import CurveContent, read_curve, written_curve
from fastscape.paths.shapes import SHAPES, ShapeName, length_of
from fastscape.weights import AlongModels, ModelsOfPath, PlaneOfModels, every_tensor, listed, tensors_of

__all__ = ["Curve"]

COLUMNS = 1 << 20
"""Number of weights whose scalar products are computed at once, in float64."""


@dataclass(frozen=True, eq=False, repr=False)
class Curve:
    """A curve between two models: what `fastscape.connect` returns.

    `theta(t) = sum_k C_k(t) c_k`, with the first model at t = 0 and the last one at t = 1. For a Bezier curve `C_k(t)
    = binom(n, k) (1 - t)^(n - k) t^k`; a polygon and a band are straight between their control points, which are at t
    = k / n.

    Args:
        shape: "bezier", "polygon" or "band".
        points: The control points [n + 1, *shape] of every tensor that moves, by name: the first model, the bends, the
            last model.
        still: All other parameters and buffers, from the first model.
        names: The stored name of every tensor of a state dict; tied tensors share a stored name.
        dtypes: Dtypes of the tensors of the model, by name.
        losses: The loss of the batch of every training step [steps]; for a band the mean over its images.
        report: How it was trained, as plain values.
        model: A model of the architecture, for `model_at`. Default: none, as for a curve from a file.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.randn(60, 4), torch.randint(3, (60,))
        >>> curve = fastscape.connect(a, b, data, epochs=5, progress=False)
        >>> curve.bends, bool((curve.weights(1.0)["weight"] == b.weight).all())
        (1, True)
        >>> path = fastscape.line(a, data, along=curve, x=(0, 1, 5), progress=False)
        >>> path.loss.shape
        (5,)
    """

    shape: ShapeName
    points: Mapping[str, Tensor]
    still: Mapping[str, Tensor]
    names: Mapping[str, str]
    dtypes: Mapping[str, torch.dtype]
    losses: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)
    model: nn.Module | None = None

    def __post_init__(self) -> None:
        for name in ("points", "still", "names", "dtypes", "report"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        losses = np.array(self.losses, dtype=np.float64)
        losses.setflags(write=False)
        object.__setattr__(self, "losses", losses)

    @classmethod
    def of(
        cls,
        model: nn.Module,
        shape: ShapeName,
        points: Mapping[str, Tensor],
        losses: Sequence[float],
        report: Mapping[str, Any],
    ) -> Curve:
        """Makes a curve from a model and control points.

        Args:
            model: The first model, which gives all tensors that do not move. It is not changed. Parameters that do
                not move are not copied: they may be a large model below adapters.
            shape: The name of its shape.
            points: The control points [n + 1, *shape] of every tensor that moves, by name.
            losses: The loss of every step [steps].
            report: How it was trained, as plain values.

        Returns:
            The curve.
        """
        own = tensors_of(model)
        first = {id(tensor): name for name, tensor in own.items()}
        hidden = {
            f"{path}.{leaf}" if path else leaf
            for path, module in model.named_modules(remove_duplicate=False)
            for leaf in module._non_persistent_buffers_set
        }
        names = {name: first[id(tensor)] for name, tensor in every_tensor(model).items() if name not in hidden}
        still = {
            name: tensor.detach().cpu() if isinstance(tensor, nn.Parameter) else tensor.detach().cpu().clone()
            for name, tensor in own.items()
            if name not in points
        }
        dtypes = {name: own[name].dtype for name in points}
        return cls(shape, points, still, names, dtypes, np.array(losses), report, model)

    def __repr__(self) -> str:
        weights = sum(tensor[0].numel() * (1 + tensor.is_complex()) for tensor in self.points.values())
        bends = f"{self.bends} bend{'s' * (self.bends != 1)}"
        return (
            f"{type(self).__name__}({self.shape}, {bends}, {weights} weights, length {self.length:.4g} between ends "
            f"{self.distance:.4g} apart)"
        )

    @property
    def bends(self) -> int:
        """Number of control points between the ends."""
        return len(next(iter(self.points.values()))) - 2

    @property
    def length(self) -> float:
        """The length of the curve in units of weights: exact for a chain, by quadrature for a Bezier curve."""
        return self._lengths[0]

    @property
    def distance(self) -> float:
        """The distance between both ends in units of weights."""
        return self._lengths[1]

    @cached_property
    def _lengths(self) -> tuple[float, float]:
        """Length and distance, from the scalar products of the steps between control points, in float64."""
        steps = self.bends + 1
        gram = torch.zeros(steps, steps, dtype=torch.float64, device="cpu")
        for part in self._columns():
            differences = part[1:] - part[:-1]
            gram += differences @ differences.T
        return length_of(self.shape, gram.numpy()), float(gram.sum().clamp(min=0).sqrt())

    def _columns(self) -> Iterator[Tensor]:
        """The real entries of all control points, in chunks [n + 1, m], float64."""
        for tensor in self.points.values():
            real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            for part in real.reshape(len(real), -1).split(COLUMNS, 1):
                yield part.double()

    def weights(self, t: float) -> dict[str, Tensor]:
        """The state dict of the model at t on the curve.

        Tensors that move are evaluated at t, and all other tensors are from the first model. This includes its
        statistics of batch normalisation, which do not fit other weights. See `model_at`.

        Args:
            t: The position on the curve, from 0 for the first model to 1 for the last.

        Returns:
            Tensors by name in the dtypes of the model, on the CPU; at both ends the tensors that move equal the
            models bit for bit.

        Raises:
            ValueError: When t is beyond the curve.
        """
        moved = {name: tensor.to(self.dtypes[name], copy=True) for name, tensor in self._moved(t).items()}
        found = moved | {name: tensor.clone() for name, tensor in self.still.items()}
        return {name: found[own] for name, own in self.names.items()}

    def _moved(self, t: float) -> dict[str, Tensor]:
        """The tensors that move at t, in float64 or complex128."""
        if not 0 <= t <= 1:
            raise ValueError(f"t must be a number from 0 to 1, got {t!r:.40}")
        return self._models.at(float(t))

    def model_at(self, t: float, model: nn.Module | None = None) -> nn.Module:
        """A copy of the model with the weights at t on the curve, in the mode of the original.

        Batch normalisation keeps the statistics of the first model, which do not fit other weights; estimate them
        again with `torch.optim.swa_utils.update_bn(loader, model)`.

        Args:
            t: The position on the curve, from 0 to 1.
            model: A model of the architecture. Default: the first model given to `connect`, if the curve comes from
                `connect`.

        Returns:
            The copy; it shares no memory.

        Raises:
            ValueError: When t is beyond the curve, no model is known, or the model has a different architecture.
        """
        like = self.model if model is None else model
        if like is None:
            raise ValueError("a curve from a file knows no module; write curve.model_at(t, model)")
        found: dict[str, Tensor] = {**self.still, **self._moved(t)}
        copied = whole_copy(like)
        there = every_tensor(copied)
        odd = [name for name in found if name not in there or there[name].shape != found[name].shape]
        if odd:
            raise ValueError(
                f"{type(like).__name__} has no {listed(odd)} of these shapes; give a model of the curve's architecture"
            )
        with torch.no_grad():
            for name, tensor in found.items():
                there[name].data.copy_(tensor)
        return copied

    @cached_property
    def _models(self) -> ModelsOfPath:
        """The control points as the models that a scheme combines."""
        count = self.bends + 2
        inner = ["the bend"] if count == 3 else [f"bend {k}" for k in range(1, count - 1)]
        tensors = [{name: tensor[k] for name, tensor in self.points.items()} for k in range(count)]
        coefficients = partial(_coefficients, self.shape, count - 1)
        return ModelsOfPath(self.shape, ["model A", *inner, "model B"], tensors, coefficients, self.still)

    @property
    def _facts(self) -> dict[str, Any]:
        """The entries on the directions in the report of a landscape."""
        return {
            "directions": f"{self.shape} curve",
            "curve_hash": self._hash,
            "distribution": None,
            "seed": None,
        }

    @cached_property
    def _hash(self) -> str:
        """A hash of the control points."""
        found = hashlib.sha256(self.shape.encode())
        for name, tensor in sorted(self.points.items()):
            found.update(name.encode())
            found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def as_line(self) -> AlongModels:
        """The curve as a line with the coordinate t, for `fastscape.line(a, data, along=curve)`."""
        return AlongModels(self._models, self._facts)

    def plane(self, *, points: int = 51) -> PlaneOfModels:
        """The plane of the curve, in true distances, to use as `directions=` of `surface`.

            d_1 = (b - a) / |b - a|,    d_2 = the strongest direction of what is left of the curve without its part
            along d_1, of length 1

        Of all planes through both ends, this plane has the smallest squared distances from the curve. A curve with
        one bend is in the plane. With more bends, `plane["length_off_plane"]` in the report of the landscape is the
        fraction of the length of the curve that the plane loses, and the losses of the curve itself are evaluated
        too. The model for `surface` must be the first model. Statistics of batch normalisation are estimated again at
        every point, unless `surface` gets a different `batchnorm`.

        Args:
            points: Number of points of the drawn curve. Default 51.

        Returns:
            A source of directions for `surface`.

        Raises:
            ValueError: When there are fewer than two points.

        Source: Garipov et al. 2018, arXiv 1802.10026, section 3 and its figure 1.
        """
        if isinstance(points, bool) or not isinstance(points, int) or points < 2:
            raise ValueError(f"points must be a whole number of at least 2, got {points!r:.40}")
        return PlaneOfModels(self._models, points, self._facts)

    def save(self, path: str | os.PathLike[str], *, still: bool = True) -> Path:
        """Saves the curve to a safetensors file, whole or not at all, without pickle.

        Args:
            path: A file name that ends in .safetensors. Missing folders are created.
            still: Whether to save the tensors that do not move too: buffers, and a large model below adapters.
                Without them, `weights` of the loaded curve has only the tensors that move, and `model_at` takes the
                rest from its `model`. Default True.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has a different ending.
        """
        names = self.names if still else {name: own for name, own in self.names.items() if own in self.points}
        kept = self.still if still else {}
        content = CurveContent(self.shape, self.points, kept, names, self.dtypes, self.losses, dict(self.report))
        return written_curve(Path(path), content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Curve:
        """Loads a curve that `save` wrote.

        Args:
            path: The file.

        Returns:
            The curve, bit for bit, on the CPU; it has no `model`.

        Raises:
            OSError: When the file cannot be read.
            ValueError: When the file is not a curve, or is damaged.
        """
        found = read_curve(Path(path))
        return cls(*found)


def _coefficients(shape: ShapeName, n: int, t: Tensor) -> Tensor:
    return SHAPES[shape](t, n)
