"""Convolutions of the samples themselves as products with patches that are cut once for all points.

    conv(x, W)[n, o, h, w] = sum_k patches(x)[n, h, w, k] W[o, k]

Shapes: x [n, c, height, width]; W [o, c, i, j], read as [o, c i j]; patches [n, h, w, c i j].

The first convolution of a network sees the same samples at every point. With few channels and a small kernel the
libraries are slow: a product with patches, which are in memory from the first point on, is several times as fast. The
convolution is replaced on a copy of the module structure. The patches are a buffer, so compiled code reads the patches
of each microbatch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape.model import Batch, Footprint, Problem, twin
from fastscape.weights import in_channels_last

__all__ = ["Patches", "worthwhile"]

TIMED = 5  # how often each computation is timed; the fastest time counts


class Patches:
    """The first convolutions of a problem, as products.

    Args:
        problem: What is evaluated.
        points: All weights of some points by name. A convolution that reads the samples at all these points reads them
            at every point.
        batches: The microbatches.
        channels_last: Whether the output has its channels last.
        budget: Bytes of patches that may be kept; a convolution that needs more stays as it is.
    """

    def __init__(
        self,
        problem: Problem,
        points: Sequence[Mapping[str, Tensor]],
        batches: Sequence[Batch],
        *,
        channels_last: bool,
        budget: int,
    ) -> None:
        self.model: nn.Module = twin(problem.model)
        self._kept: list[dict[str, Tensor]] = [{} for _ in batches]
        self._products: dict[str, _Product] = {}
        found = [_reading_samples(problem, self.model, weights, batches[0]) for weights in points]
        for name, module in self.model.named_modules():
            if not isinstance(module, nn.Conv2d) or not all(name in names for names in found):
                continue
            cut = [_cut(module, batch.inputs) for batch in batches]
            budget -= sum(patches.numel() * patches.element_size() for patches in cut)
            if budget < 0:
                break
            module.__class__ = _Product
            product = cast(_Product, module)
            product.channels_last = channels_last
            product.register_buffer("patches", None)
            self._products[f"{name}.patches" if name else "patches"] = product
            for kept, patches in zip(self._kept, cut, strict=True):
                kept[f"{name}.patches" if name else "patches"] = patches

    def exchange(self, batches: Sequence[Batch]) -> None:
        """Cuts the patches of different samples, no more than before.

        Args:
            batches: The microbatches.
        """
        self._kept = [{name: _cut(conv, batch.inputs) for name, conv in self._products.items()} for batch in batches]

    def of(self, batch: int) -> dict[str, Tensor]:
        """The patches of one microbatch, by the name of the buffer."""
        return self._kept[batch]


@torch.no_grad()
def worthwhile(problem: Problem, batch: Batch, *, channels_last: bool) -> bool:
    """Whether a product is measured to be faster than a convolution of samples.

    Args:
        problem: What is evaluated, whose convolutions may read the samples.
        batch: A microbatch in the plan's memory format, on the CPU.
        channels_last: Whether the microbatch has its channels last.

    Returns:
        Whether a product is faster for any convolution that could read the samples.
    """
    images = batch.inputs
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        return False
    for module in problem.model.modules():
        if _usable(module) and module.in_channels == images.shape[1]:
            weight = module.weight.to(images)
            weight = in_channels_last(weight) if channels_last else weight
            bias = None if module.bias is None else module.bias.to(images)
            strided = module.stride, module.padding, module.dilation
            product = partial(_product, _cut(module, images), weight, bias)
            if _seconds(product) < _seconds(partial(F.conv2d, images, weight, bias, *strided)):
                return True
    return False


class _Product(nn.Conv2d):
    """A convolution of samples whose patches were cut before."""

    patches: Tensor
    channels_last: bool

    def forward(self, input: Tensor) -> Tensor:
        made = _product(self.patches, self.weight, self.bias)
        return made if self.channels_last else made.contiguous()


def _product(patches: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The output of the convolution [n, o, h, w], with its channels last in memory."""
    return F.linear(patches, weight.reshape(len(weight), -1), bias).permute(0, 3, 1, 2)


def _cut(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """The patches [n, h, w, c i j] that a convolution reads."""
    padding = cast(tuple[int, int], conv.padding)
    like, weight = images.to("meta"), conv.weight.to("meta", images.dtype)
    places = F.conv2d(like, weight, None, conv.stride, padding, conv.dilation).shape[2:]
    columns = F.unfold(images.contiguous(), conv.kernel_size, conv.dilation, padding, conv.stride)
    return columns.transpose(1, 2).reshape(len(images), *places, columns.shape[1]).contiguous()


def _usable(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a plain convolution of real numbers; a subclass may compute something different."""
    plain = type(module) is nn.Conv2d and module.groups == 1 and module.padding_mode == "zeros"
    return plain and not isinstance(module.padding, str) and not cast(nn.Conv2d, module).weight.is_complex()


def _reading_samples(problem: Problem, model: nn.Module, weights: Mapping[str, Tensor], batch: Batch) -> set[str]:
    """The names of the convolutions that are called once, with the unchanged samples."""
    calls: Counter[str] = Counter()
    same: set[str] = set()

    def watching(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def before(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            calls[name] += 1
            samples = batch.inputs
            if len(arguments) == 1 and isinstance(samples, Tensor) and arguments[0].shape == samples.shape:
                same.update({name} if torch.equal(arguments[0], samples) else ())

        return before

    hooks = [m.register_forward_pre_hook(watching(n)) for n, m in model.named_modules() if _usable(m)]
    known = problem if problem.footprint else replace(problem, footprint=Footprint())
    try:
        known.step(weights, batch, 0, model=model)
    finally:
        for hook in hooks:
            hook.remove()
    return {name for name in same if calls[name] == 1}


def _seconds(run: Callable[[], Any]) -> float:
    run()
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
