"""The forces on a nudged elastic band: images on a chain between two models, which move downhill and stay apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["forces", "tangent"]


def tangent(before: Tensor, here: Tensor, after: Tensor, losses: Sequence[float]) -> Tensor:
    """The direction of a chain at an image, towards the neighbour of higher loss.

    At a maximum or a minimum both neighbours are weighted, so the direction does not jump.

    Args:
        before: The image in front [P].
        here: The image [P].
        after: The image behind [P].
        losses: The losses of the three images.

    Returns:
        The direction [P], of length 1; 0 if the images are equal.

    Source: Henkelman & Jonsson 2000, "Improved tangent estimate in the nudged elastic band method", equations 8 to 11.
    """
    low, middle, high = losses
    ahead, back = after - here, here - before
    if low < middle < high:
        along = ahead
    elif low > middle > high:
        along = back
    else:
        most, least = (pick(abs(high - middle), abs(low - middle)) for pick in (max, min))
        weights = (most, least) if high > low else (least, most)
        along = ahead * weights[0] + back * weights[1] if most > 0 else after - before
    return along / along.norm().clamp(min=torch.finfo(along.dtype).tiny)


def forces(chain: Sequence[Tensor], losses: Sequence[float], slopes: Sequence[Tensor], spring: float) -> list[Tensor]:
    """The forces on the images, which an optimizer takes as their gradients.

    With g the gradient of the loss at an image, u the direction of the chain there and k the stiffness of the
    springs, `g - (g . u) u - k (|w_(i + 1) - w_i| - |w_i - w_(i - 1)|) u`: the loss moves the images only at right
    angles to the chain, and the springs keep equal distances along it.

    Args:
        chain: Both ends and the images between them [P] each.
        losses: The loss of every point of the chain.
        slopes: Gradients of the images [P] each.
        spring: The stiffness k.

    Returns:
        One force [P] per image.

    Source: Draxler et al. 2018, arXiv 1803.00885, section 3; Jonsson et al. 1998.
    """
    found = []
    for k, slope in enumerate(slopes, start=1):
        before, here, after = chain[k - 1 : k + 2]
        along = tangent(before, here, after, losses[k - 1 : k + 2])
        pull = spring * ((after - here).norm() - (here - before).norm())
        found.append(slope - (slope @ along + pull) * along)
    return found
