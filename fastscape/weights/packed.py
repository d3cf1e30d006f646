"""The weights of quantised layers, which no landscape moves because they are no floating-point parameters."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["packed_modules"]

_CODES = torch.int8, torch.uint8, torch.int16, torch.int32
"""Dtypes of quantised weights. Tables of indices are int64, masks are bool."""


_PARTS = re.compile(r"(\.|^)(_packed_params|_all_weight_values\.\d+)$")
"""Modules that only hold the weights of the layer above them."""


def packed_modules(model: nn.Module) -> dict[str, str]:
    """The modules that hold weights which are no floating-point parameters.

    These are weights that torch has packed (`torch.ao.nn.quantized`), and parameters that are integer codes
    (bitsandbytes). They are also integer codes in a buffer or an attribute, beside their floating-point scales, in a
    module that has no floating-point weight of two or more dimensions.

    Args:
        model: The model.

    Returns:
        The class of each module by its path.
    """
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) or not _holds_packed(module):
            continue
        owner = _PARTS.sub("", path)
        found[owner] = model.get_submodule(owner)._get_name()
    return found


def _holds_packed(module: nn.Module) -> bool:
    attributes = [value for value in vars(module).values() if isinstance(value, Tensor | torch.ScriptObject)]
    if any(isinstance(value, torch.ScriptObject) or value.is_quantized for value in attributes):
        return True
    parameters = [p for p in module.parameters(recurse=False) if not is_lazy(p)]
    buffers = [b for b in module.buffers(recurse=False) if not is_lazy(b)]
    if any(map(_is_code, parameters)):
        return True
    others = [*buffers, *(value for value in attributes if isinstance(value, Tensor))]
    weighted = any(parameter.is_floating_point() and parameter.dim() >= 2 for parameter in parameters)
    scaled = any(tensor.is_floating_point() for tensor in (*parameters, *others))
    return scaled and not weighted and any(map(_is_code, others))


def _is_code(tensor: Tensor) -> bool:
    """Whether it is a matrix of small integers, and no mask of zeros and ones."""
    if tensor.dtype not in _CODES or tensor.dim() < 2 or tensor.is_meta:
        return False
    return bool(((tensor < 0) | (tensor > 1)).any())
