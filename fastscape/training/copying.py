"""Makes the only copy of the weights that a record takes: the content of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastscape.results import clipped
from fastscape.training.contents import whole
from fastscape.weights import listed

__all__ = ["Copy", "check_writable", "copied", "distance_between", "kept_in"]

# The names of dtypes in safetensors.
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}


@dataclass(frozen=True)
class Copy:
    """The weights of one record.

    Args:
        tensors: Tensors by name, on the CPU; a complex tensor as pairs of real numbers [..., 2].
        complex: The names of the complex tensors.
        content: The content of the file, of which the tensors are views. Default: the file exists already.
    """

    tensors: Mapping[str, Tensor]
    complex: list[str]
    content: bytearray = field(default_factory=bytearray)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors in the model."""
        return {
            name: tuple(view.shape[:-1] if name in self.complex else view.shape) for name, view in self.tensors.items()
        }


def copied(tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> Copy:
    """Copies tensors into the content of a safetensors file: a length, a header, and the tensors one after the other.

    `safetensors.torch.save` would copy them three times: onto the CPU, to bytes, and into the whole.

    Args:
        tensors: Tensors by name, on any device.
        dtype: The dtype of the copy; for a complex tensor, of its real and imaginary parts. Default: unchanged.

    Returns:
        The copy.
    """
    real = {name: _real(tensor, dtype) for name, tensor in tensors.items()}
    # The widest dtypes come first, so every tensor is aligned to its entries.
    order = sorted(real, key=lambda name: -real[name][0].itemsize)
    sizes = [real[name][0].itemsize * real[name][1].numel() for name in order]
    ends = list(accumulate(sizes, initial=0))
    complex_ = [name for name in tensors if tensors[name].is_complex()]
    header: dict[str, Any] = {"__metadata__": {"complex": json.dumps(complex_)}} if complex_ else {}
    for name, start, end in zip(order, ends, ends[1:], strict=False):
        kind, shape = real[name]
        header[name] = {"dtype": _NAMES[kind], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    content = bytearray(8 + len(text) + ends[-1])
    content[: 8 + len(text)] = len(text).to_bytes(8, "little") + text
    views = {}
    with torch.no_grad():
        for name, start in zip(order, ends, strict=False):
            views[name] = _view(content, 8 + len(text) + start, *real[name])
            source = whole(tensors[name])
            views[name].copy_(torch.view_as_real(source.resolve_conj()) if source.is_complex() else source)
    return Copy({name: views[name] for name in tensors}, complex_, content)


def check_writable(tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> None:
    """Refuses a dtype that safetensors cannot name.

    Args:
        tensors: Tensors by name.
        dtype: The dtype of the file. Default: the dtype of each tensor.

    Raises:
        ValueError: When a tensor has such a dtype.
    """
    for name, tensor in tensors.items():
        kind, _ = _real(tensor, dtype)
        if kind not in _NAMES:
            raise ValueError(
                f"{listed([name])} has dtype {kind}, which safetensors cannot hold; write Recorder(..., "
                "dtype='float32')"
            )


def kept_in(file: Path) -> Copy:
    """The weights of an existing record.

    Args:
        file: The file of the record.

    Returns:
        The weights.

    Raises:
        ValueError: When the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as found:
            names = list(found.keys())
            complex_ = json.loads((found.metadata() or {}).get("complex", "[]"))
            return Copy({name: found.get_tensor(name) for name in names}, complex_)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged ({clipped(error)}); give another folder") from None


def distance_between(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The Euclidean distance between two copies.

    Args:
        a: Real tensors on the CPU by name.
        b: The tensors of the second copy; tensors that are not in both do not count.

    Returns:
        The square root of the sum over all entries of the squared difference.
    """
    squares = 0.0
    for name in a.keys() & b.keys():
        wide = torch.promote_types(torch.promote_types(a[name].dtype, b[name].dtype), torch.float32)
        difference = a[name].to(wide) - b[name].to(wide)
        squares += float(torch.linalg.vector_norm(difference, dtype=torch.float64).square())
    return squares**0.5


def _real(tensor: Tensor, dtype: torch.dtype | None) -> tuple[torch.dtype, torch.Size]:
    """The dtype and the shape of a written tensor."""
    own = tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype
    return dtype or own, torch.Size([*tensor.shape, 2]) if tensor.is_complex() else tensor.shape


def _view(content: bytearray, start: int, dtype: torch.dtype, shape: torch.Size) -> Tensor:
    if not shape.numel():
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype, count=shape.numel(), offset=start).view(shape)
