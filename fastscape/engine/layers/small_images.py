"""Convolutions of small images without the products with padding.

    out[n, o, i, j] = bias[o] + sum over taps (r, s) and channels c of W[o, c, r, s] x[n, c, i + r - p, j + s - p]

Shapes: x [n, c, height, width]; W [o, c, r, s], its channels innermost in memory; stride and dilation likewise.

Behind the last pooling of a network an image has a few pixels: of the nine taps of a 3 x 3 kernel, five read only
padding on 2 x 2 pixels, and eight on one. The libraries multiply by that padding, or are slow with so few pixels. Here
each tap is one product of all samples with the channels of its weight, only for pixels inside the image.
"""

from __future__ import annotations

from typing import TypeGuard, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["convolve", "skip_padding", "worthwhile"]

FEW = 0.7  # of the products: if more of them are inside the image, the libraries are as fast
WIDE = 1 << 16  # input times output channels: below, a product is too small to pay for its call


class SmallImages(nn.Conv2d):
    """A convolution that skips the padding of small images."""

    def forward(self, input: Tensor) -> Tensor:
        stride, padding, dilation = (cast(tuple[int, int], p) for p in (self.stride, self.padding, self.dilation))
        if worthwhile(input, self.weight, stride, padding, dilation):
            return convolve(input, self.weight, self.bias, [*stride], [*padding], [*dilation])
        return super().forward(input)


def skip_padding(model: nn.Module) -> None:
    """Lets the convolutions of a model skip the padding, if that is worthwhile for the images.

    Args:
        model: A private copy of a module. Its plain convolutions get a different class.
    """
    for module in model.modules():
        if _usable(module):
            module.__class__ = SmallImages


def worthwhile(
    images: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> bool:
    """Whether a convolution without padding has few and wide products, which read its weight without a copy.

    Args:
        images: Images [n, c, height, width].
        weight: Weights [o, c, r, s].
        stride: Of the two dimensions.
        padding: Of the two dimensions.
        dilation: Of the two dimensions.

    Returns:
        Whether `convolve` is faster.
    """
    if images.dim() != 4 or images.is_complex() or weight.stride(1) != 1 or weight.shape[0] * weight.shape[1] < WIDE:
        return False
    inside = total = 1
    for size, taps, step, pad, gap in zip(images.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True):
        pixels = _pixels(size, taps, step, pad, gap)
        inside *= sum(len(_reaching(size, pixels, tap, step, pad, gap)) for tap in range(taps))
        total *= pixels * taps
    return 0 < inside <= FEW * total


@torch.library.custom_op("fastscape::convolve", mutates_args=())
def convolve(
    images: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    """The convolution, as one product per tap.

    Args:
        images: Images [n, c, height, width].
        weight: Weights [o, c, r, s].
        bias: Added to every pixel [o], or None.
        stride: Of the two dimensions.
        padding: Of the two dimensions.
        dilation: Of the two dimensions.

    Returns:
        Images [n, o, height', width'], their channels last in memory. In half precision the products of the taps are
        added in float32.
    """
    (count, _, *sizes), (channels, inputs, *kernel) = images.shape, weight.shape
    height, width = (
        _pixels(size, taps, *rest) for size, taps, *rest in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )
    read = images.permute(2, 3, 0, 1).contiguous()
    made = read.new_zeros(height, width, count, channels, dtype=torch.promote_types(images.dtype, torch.float32))
    if bias is not None:
        made += bias
    for r in range(kernel[0]):
        rows = _reaching(sizes[0], height, r, stride[0], padding[0], dilation[0])
        for s in range(kernel[1]):
            columns = _reaching(sizes[1], width, s, stride[1], padding[1], dilation[1])
            if not rows or not columns:
                continue
            tap = weight[:, :, r, s].t()
            first = r * dilation[0] - padding[0], s * dilation[1] - padding[1]
            source = read[
                rows.start * stride[0] + first[0] : (rows.stop - 1) * stride[0] + first[0] + 1 : stride[0],
                columns.start * stride[1] + first[1] : (columns.stop - 1) * stride[1] + first[1] + 1 : stride[1],
            ]
            target = made[rows.start : rows.stop, columns.start : columns.stop]
            if made.dtype != images.dtype:
                target += (source.reshape(-1, inputs) @ tap).view(target.shape)
            elif len(columns) == width:
                target.view(-1, channels).addmm_(source.reshape(-1, inputs), tap)
            else:
                for line, pixels in zip(target, source, strict=True):  # a row, or a part of it, is one block of memory
                    line.view(-1, channels).addmm_(pixels.reshape(-1, inputs), tap)
    return made.permute(2, 3, 0, 1).to(images.dtype, memory_format=torch.channels_last)


@convolve.register_fake
def _(
    images: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    made = F.conv2d(images, weight, bias, stride, padding, dilation)
    return torch.empty_like(made, memory_format=torch.channels_last)


def _usable(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a plain convolution with more than one tap; a subclass may compute something different."""
    if type(module) is not nn.Conv2d or module.groups != 1 or module.padding_mode != "zeros":
        return False
    return not isinstance(module.padding, str) and module.kernel_size != (1, 1)


def _pixels(size: int, taps: int, step: int, pad: int, gap: int) -> int:
    """The pixels of the result along one dimension."""
    return (size + 2 * pad - gap * (taps - 1) - 1) // step + 1


def _reaching(size: int, pixels: int, tap: int, step: int, pad: int, gap: int) -> range:
    """The pixels of the result, along one dimension, for which a tap is inside the image."""
    offset = tap * gap - pad  # the first and the last i with 0 <= i * step + offset < size
    return range(max(0, -(offset // step)), min(pixels, (size - 1 - offset) // step + 1))
