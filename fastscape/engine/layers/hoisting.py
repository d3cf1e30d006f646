"""Computes layers of all points together, from the parts of the basis instead of the weights of each point.

    layer(x, sum_k c_k W_k) = sum_k c_k layer(x, W_k)

Shapes: parts [K, *shape], the rows of the basis as tensors of the model; coefficients [K], or [filters, K] when each
filter has its own.

A linear or convolutional layer is linear in its weights. If its input does not depend on the point (the first layer,
and layers behind frozen layers), the K results on the right are computed once per microbatch. A point then costs K
multiplications per output instead of a matrix product. The result is exact up to the order of the sums. Under vmap,
torch knows which tensors depend on the point, so nothing is guessed. If the input depends on the point, a layer that
is a matrix product may be computed from the same parts: see `products`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map

from fastscape.engine.layers.absent import ABOUT
from fastscape.engine.layers.parts import Part, combined, parts_of, ranges_of
from fastscape.engine.layers.products import LAYERS, given_to, multiplied
from fastscape.engine.plan import Plan
from fastscape.weights import Layout, Space, Tensorwise

__all__ = ["Hoist", "HoistedWeight"]

_LAYERS: dict[Any, int] = {F.linear: -1, torch.conv1d: -2, torch.conv2d: -3, torch.conv3d: -4, F.embedding: -1}
"""Functions (input, weight, ...) that are linear in the weight, with the dimension of their output's channels."""


class Hoist:
    """What the points of a run share: the parts of the basis, and the results of layers for each part.

    Args:
        space: The space of the points.
        dtype: Of the weights of the points.
        plan: Whether layers are hoisted, and how products are computed.
        budget: Bytes of results that may be kept from one chunk of points to the next.
    """

    def __init__(self, space: Space, dtype: torch.dtype, plan: Plan, budget: int) -> None:
        self.dtype, self.plan, self.budget = dtype, plan, budget
        self.parts = self._parts(space)
        self.seen = False
        self.read: set[str] = set()
        self.unfilled: set[str] = set()
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def _parts(self, space: Space) -> dict[str, Part]:
        wanted = {"layers": self.plan.hoist, "products": self.plan.products != "materialised"}
        vectors = space.basis.vectors
        assert not isinstance(vectors, Tensorwise)  # points of such a basis are evaluated one by one
        return parts_of(vectors, space.layout, self.dtype, **wanted)

    def coefficients(self, c: Tensor, layout: Layout) -> dict[str, Tensor]:
        """The coefficients of a chunk of points by tensor.

        Args:
            c: Coefficients [g, S or 1, K].
            layout: The flat buffer.

        Returns:
            By name [g, K], or [g, filters, K] when each filter has its own.
        """
        some = next((part.rows for part in self.parts.values()), c)
        c = c.to(some.device, some.dtype)
        if c.shape[1] == 1 < layout.segments.count:
            return dict.fromkeys(self.parts, c[:, 0])
        return {name: c[:, layout.segments_of[name]] for name in self.parts}

    def weights(self, tensors: Mapping[str, Tensor], c: Mapping[str, Tensor], batch: int) -> dict[str, Tensor]:
        """The weights of one point for one microbatch, inside vmap.

        Args:
            tensors: The ordinary tensors by name; tensors that are never read may hold anything.
            c: Coefficients of the point by name.
            batch: The number of the microbatch. Its layers have the same order for every chunk of points.

        Returns:
            The tensors; a hoisted weight replaces every tensor that has parts.
        """
        place = ((batch, call) for call in itertools.count())
        return {
            **tensors,
            **{
                name: HoistedWeight.of(
                    name, part, c[name], None if name in self.unfilled else tensors[name], self, place
                )
                for name, part in self.parts.items()
            },
        }

    def ranges(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        """The entries of the flat buffer that evaluations have read so far; all before the first evaluation.

        Other entries need not be written for the next chunk of points.

        Args:
            layout: The flat buffer.

        Returns:
            For each range its first entry and the entry behind its last.
        """
        if not self.seen:
            return ((0, layout.size),)
        needed = {entry.name for entry in layout.entries} - (self.parts.keys() - self.read)
        ranges = ranges_of(layout, needed)
        self.unfilled = {entry.name for entry in layout.entries if not any(a <= entry.offset < b for a, b in ranges)}
        return ranges

    def turn(self, space: Space) -> None:
        """Continues with different directions.

        Args:
            space: The space along these directions.
        """
        self.parts = self._parts(space)
        self.forget()

    def forget(self) -> None:
        """Drops the results that were kept: they belong to other samples, or to other directions."""
        self.budget += sum(results.numel() * results.element_size() for results in self._kept.values())
        self._kept.clear()

    def shared(self, key: tuple[Any, ...], compute: Callable[[], Tensor]) -> Tensor:
        """The results of one layer for each part: computed, or kept from the previous chunk.

        Args:
            key: The layer's weight, the microbatch, and the number of the call in the microbatch.
            compute: Computes the results.

        Returns:
            Results [K, ...].
        """
        if key in self._kept:
            return self._kept[key]
        results = compute()
        size = results.numel() * results.element_size()
        if size <= self.budget:
            self.budget -= size
            self._kept[key] = results
        return results


class HoistedWeight(torch.Tensor):
    """The weight `sum_k c_k W_k` of one point; a layer that is computed from the parts needs none of its entries.

    Any other use gets the ordinary tensor: its entries are read from the point's own memory, or computed.
    """

    weight_name: str
    part: Part
    coefficients: Tensor
    entries: Tensor | None
    hoist: Hoist
    place: Iterator[tuple[int, int]]

    @staticmethod
    def of(
        name: str,
        part: Part,
        coefficients: Tensor,
        entries: Tensor | None,
        hoist: Hoist,
        place: Iterator[tuple[int, int]],
    ) -> HoistedWeight:
        """The weight of one point, inside vmap.

        Args:
            name: Its name in the model.
            part: The rows of the basis for it.
            coefficients: Of the point: [K], or [filters, K].
            entries: The tensor itself, if it is in memory.
            hoist: What the points share.
            place: Numbers the calls of hoisted layers in this evaluation.

        Returns:
            The weight.
        """
        options: dict[str, Any] = {"dtype": part.dtype, "device": part.rows.device}
        make = torch.Tensor._make_wrapper_subclass
        weight: HoistedWeight = make(HoistedWeight, part.shape, **options)
        weight.weight_name, weight.part, weight.coefficients = name, part, coefficients
        weight.entries, weight.hoist, weight.place = entries, hoist, place
        return weight

    def plain(self) -> Tensor:
        """The ordinary tensor."""
        self.hoist.read.add(self.weight_name)
        if self.entries is not None:
            return self.entries
        return self.part.at(self.coefficients)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Hoists the layers that can be hoisted; everything else gets the ordinary tensor."""
        kwargs = dict(kwargs or {})
        if func in ABOUT:
            return func(*(arg.part.like if isinstance(arg, cls) else arg for arg in args), **kwargs)
        if func in _LAYERS and _shareable(cls, func, args, kwargs):
            return _layer(func, *args, **kwargs)
        if func in LAYERS and (made := _product(cls, func, args, kwargs)) is not None:
            return made
        if func is F.linear and len(args) == 3 and args[2] is not None and isinstance(args[1], cls):
            # torch's rule for vmap adds the bias to a copy of the product; adding in place saves a sixth of the layer.
            return cls.__torch_dispatch__(func, types, args[:2]).add_(args[2])
        return cls.__torch_dispatch__(func, types, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Functions that bypass `__torch_function__` get the ordinary tensor too: a hoisted weight has no memory."""
        args, kwargs = tree_map(lambda arg: arg.plain() if isinstance(arg, cls) else arg, (args, dict(kwargs or {})))
        return func(*args, **kwargs)


def _shareable(cls: type, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether this call is a layer with a hoisted weight and an input that all points share."""
    if len(args) < 2 or "weight" in kwargs or "input" in kwargs or not isinstance(args[1], cls):
        return False
    weight: Any = args[1]
    inputs = args[0]
    if not weight.hoist.plan.hoist or weight.part.transposed:
        return False
    # A wrapped input depends on the point, or the model differentiates or maps over it.
    if isinstance(inputs, cls) or torch._C._functorch.is_functorch_wrapped_tensor(inputs) or inputs.requires_grad:
        return False
    # A filter of an embedding is a row, not a channel; and a lookup may renormalise or scale gradients.
    plain = len(args) == 2 and kwargs.get("max_norm") is None and not kwargs.get("scale_grad_by_freq")
    return func is not F.embedding or (weight.coefficients.dim() == 1 and plain)


def _layer(func: Any, inputs: Tensor, weight: HoistedWeight, bias: Any = None, *args: Any, **kwargs: Any) -> Tensor:
    def compute() -> Tensor:
        if func is F.embedding:
            return torch.stack([func(inputs, part) for part in weight.part.whole()])
        return torch.stack([func(inputs, part, None, *args, **kwargs) for part in weight.part.whole()])

    results = weight.hoist.shared((weight.weight_name, *next(weight.place)), compute)
    channels = _LAYERS[func]
    made = combined(results, weight.coefficients, channels)
    if bias is None:
        return made
    bias = bias.plain() if isinstance(bias, HoistedWeight) else bias
    return made.add_(bias.reshape(-1, *(1,) * (-channels - 1)))


def _product(cls: type, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The layer as a product with the parts of its weight; None if it is no product, or the plan computes weights."""
    given = given_to(func, args, kwargs)
    weight = given.get("weight")
    if not isinstance(weight, HoistedWeight) or any(isinstance(given.get(name), cls) for name in ("input", "bias")):
        return None
    return multiplied(func, given, weight.part, weight.coefficients, weight.hoist.plan)
