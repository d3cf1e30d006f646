"""Files of tensors from which slices are read: safetensors files, and files that `torch.save` writes."""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastscape.weights.complex_pairs import complex_of

__all__ = ["Kept", "TensorFile", "mapped", "weights_in"]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
}
"""Dtypes of weights in safetensors. Tensors of other dtypes hold no numbers that move."""

_LONGEST = 100_000_000  # bytes of a header, as in safetensors itself


class Kept(NamedTuple):
    """A tensor of a checkpoint that has not been read yet.

    Args:
        shape: Its shape in the model.
        dtype: Dtype of its real numbers; None if it has none.
        complex: Whether it is complex.
        start: Its first byte in the file.
        stop: The position after its last byte.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype | None
    complex: bool
    start: int = 0
    stop: int = 0


class TensorFile:
    """A safetensors file, whose tensors are read slice by slice.

    The library safetensors reads a slice through a map of the whole file, and makes a new map whenever the file is
    opened. For a thousand files, read block by block, this takes longer than the reading. Maps that are kept count as
    memory of the process. So the header is read once, and slices are read by their positions.

    Args:
        path: The file.

    Raises:
        ValueError: When it is not a safetensors file, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST):
                raise self._damaged("its header is cut off")
            header = file.read(length)
        self.kept = _tables.get(header) or self._table(header, 8 + length)
        if len(_tables) < _TABLES:
            _tables[header] = self.kept
        if max((one.stop for one in self.kept.values()), default=0) > size:
            raise self._damaged("tensors of it are cut off")

    def _damaged(self, why: str) -> ValueError:
        return ValueError(f"{str(self.path)[-200:]!r} is no whole safetensors file: {why}")

    def _table(self, header: bytes, data: int) -> dict[str, Kept]:
        """The tensors that a header names."""
        try:
            found = json.loads(header)
            extra = found.pop("__metadata__", None) or {}
            pairs = set(json.loads(extra.get("complex", "[]")))
            return {name: _kept(entry, data, name in pairs) for name, entry in found.items()}
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise self._damaged(f"its header cannot be read ({type(error).__name__})") from None

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        """Real numbers of a tensor in the order of the model; a complex tensor gives pairs.

        Args:
            name: Its name.
            start: The first number.
            stop: The position after the last number.

        Returns:
            The numbers [stop - start], in the dtype of the file.
        """
        kept = self.kept[name]
        assert kept.dtype is not None  # the caller has checked this
        width = kept.dtype.itemsize
        return torch.frombuffer(self._read(kept.start + start * width, (stop - start) * width), dtype=kept.dtype)

    def _read(self, at: int, size: int) -> bytearray:
        """Bytes of the file. The bytes after them are read ahead during the next computation."""
        found = bytearray(size)
        view = memoryview(found)
        with self.path.open("rb", buffering=0) as file:
            file.seek(at)
            done = 0
            while done < size:
                count = file.readinto(view[done:])
                if not count:
                    raise self._damaged("it ends too early")
                done += count
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), at + size, size, os.POSIX_FADV_WILLNEED)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the file by name; tensors that were kept as pairs of numbers are complex again."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found = load_file(self.path)
        except SafetensorError as error:
            raise self._damaged(str(error)[:80]) from None
        pairs = {name for name, kept in self.kept.items() if kept.complex and not found[name].is_complex()}
        return {name: complex_of(tensor) if name in pairs else tensor for name, tensor in found.items()}


_tables: dict[bytes, dict[str, Kept]] = {}
"""The contents of headers, by their bytes: all headers of a training are the same, and are kept in memory once."""

_TABLES = 32


def _kept(entry: Mapping[str, Any], data: int, pairs: bool) -> Kept:
    """A tensor as the header of its file describes it."""
    shape, (start, stop) = tuple(entry["shape"]), entry["data_offsets"]
    dtype = _DTYPES.get(entry["dtype"])
    if not all(isinstance(size, int) and size >= 0 for size in (*shape, start, stop)):
        raise ValueError
    if dtype is not None and stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError
    if dtype is not None and dtype.is_complex:
        return Kept(shape, torch.float32, True, data + start, data + stop)
    if pairs and shape[-1:] != (2,):
        raise ValueError
    return Kept(shape[:-1] if pairs else shape, dtype, pairs, data + start, data + stop)


_OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""With which files of `torch.save` began before torch 1.6, which are no zip archives."""

_INSIDE = "state_dict", "model_state_dict", "model"
"""Names under which training loops put the weights into a file with other things."""


def mapped(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file that `torch.save` has written.

    The file is mapped, not read: a tensor takes memory when it is read, and the system can take this memory back.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        ValueError: When it holds no state dict, or holds objects other than tensors and plain values.
    """
    if path.is_file() and _of_old(path):
        raise ValueError(
            f"a checkpoint must be a file of safetensors or of torch.save since torch 1.6, got {str(path)[-120:]!r} "
            "in the older form; load and save it again: torch.save(torch.load(file, weights_only=True), file)"
        )
    try:
        found = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ValueError(
            f"{str(path)[-200:]!r} must be a state dict that torch.save or safetensors has written: "
            f"{str(error).partition(chr(10))[0]:.120}"
        ) from None
    tensors = weights_in(found)
    if tensors is None:
        raise ValueError(
            f"{str(path)[-200:]!r} must hold a state dict, tensors by name, as model.state_dict() gives them, also "
            f"under one of the names {', '.join(map(repr, _INSIDE))}"
        )
    return tensors


def _of_old(path: Path) -> bool:
    """Whether `torch.save` wrote a file before torch 1.6: it begins with a magic number, and is no zip archive."""
    with path.open("rb") as file:
        return file.read(len(_OLD)) == _OLD


def weights_in(found: object) -> dict[str, Tensor] | None:
    """The tensors of a state dict, or of the state dict in a checkpoint that also holds other things.

    Args:
        found: A state dict, or a mapping with a state dict as "state_dict", "model_state_dict" or "model".

    Returns:
        The tensors by name; None if there are none.
    """
    if not isinstance(found, Mapping):
        return None
    for name in _INSIDE:
        if isinstance(inside := found.get(name), Mapping):
            found = inside
            break
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    return tensors or None
