"""A copy of a model's tensors, kept where the user chooses: on their device, in main memory, or in a file.

The file is a safetensors file that is written tensor by tensor and read through a shared, read-only map: its pages
belong to the file, and the system takes them away when memory is short.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, get_args

import torch
from torch import Tensor

__all__ = ["KEEPS", "Keep", "KeptTensors", "NamedKeep", "kept_tensors"]

NamedKeep: TypeAlias = Literal["device", "cpu", "disk"]
Keep: TypeAlias = "NamedKeep | os.PathLike[str]"

KEEPS = get_args(NamedKeep)
"""Where a copy of a model can be kept, besides a named folder."""

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
}
"""The names of dtypes in safetensors. Tensors of other dtypes are written as their bytes."""

_AT_ONCE = 1 << 24  # bytes that are written to the file at once


class KeptTensors(Protocol):
    """A copy of a model's tensors."""

    def read(self, name: str) -> Tensor:
        """The original values of a tensor, in its shape and dtype; do not write to it.

        Args:
            name: Its name.

        Returns:
            The tensor: on the CPU if it is kept there or in a file, else on its device.
        """

    def close(self) -> None:
        """Frees the copy; nothing can be read afterwards."""


def kept_tensors(tensors: Mapping[str, Tensor], keep: Keep) -> KeptTensors:
    """Keeps a copy of tensors.

    Args:
        tensors: The tensors by name. They are not changed.
        keep: "device", on the device of each tensor; "cpu", in main memory; "disk", in a file in the folder for
            temporary files; or the path of another folder for this file.

    Returns:
        The copy.

    Raises:
        OSError: When there is no such folder, or no room on the disk.

    Example:
        >>> import torch
        >>> from fastscape.weights import kept_tensors
        >>> weight = torch.ones(2)
        >>> kept = kept_tensors({"weight": weight}, "disk")
        >>> _ = weight.zero_()
        >>> kept.read("weight").tolist()
        [1.0, 1.0]
        >>> kept.close()
    """
    if keep in ("device", "cpu"):
        return _InMemory(tensors, torch.device("cpu") if keep == "cpu" else None)
    return _OnDisk(tensors, tempfile.gettempdir() if keep == "disk" else os.fspath(keep))


class _InMemory:
    """Copies in memory.

    Args:
        tensors: The tensors by name.
        device: Where the copies are; None for the device of each.
    """

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device | None) -> None:
        self._copies = {name: _copied(tensor, device) for name, tensor in tensors.items()}

    def read(self, name: str) -> Tensor:
        return self._copies[name]

    def close(self) -> None:
        self._copies = {}


class _OnDisk:
    """Copies in a file with its own folder.

    On systems that can delete a mapped file, such as Linux and macOS, the file has no name any more once it is
    written. Its room on the disk is then free again when the copy is closed, or the process ends in any way. On other
    systems its folder is removed when the copy is closed or no longer referenced, or Python ends.

    Args:
        tensors: The tensors by name.
        folder: The folder in which the file's folder is made.
    """

    def __init__(self, tensors: Mapping[str, Tensor], folder: str) -> None:
        dense = {n: t for n, t in tensors.items() if t.layout is torch.strided and not t.is_quantized}
        others = {name: tensor for name, tensor in tensors.items() if name not in dense}
        self._others = _InMemory(others, torch.device("cpu"))
        own = _new_folder(folder)
        self._removed = weakref.finalize(self, shutil.rmtree, own, ignore_errors=True)
        try:
            self._map, starts = _written(Path(own) / "model.safetensors", dense)
        except BaseException as error:
            self._removed()
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                size = sum(tensor.numel() * tensor.element_size() for tensor in dense.values())
                raise OSError(
                    errno.ENOSPC,
                    f"the copy of the model takes {size / 1e6:.0f} MB, and {folder[-200:]!r} has no room for it; name "
                    "another folder, keep=pathlib.Path(...), or write keep='cpu'",
                ) from error
            raise
        if os.name == "posix":
            self._removed()
        self._tensors = {name: _seen(self._map, dense[name], start) for name, start in starts.items()}

    def read(self, name: str) -> Tensor:
        return self._tensors[name] if name in self._tensors else self._others.read(name)

    def close(self) -> None:
        self._tensors, self._map = {}, None
        self._others.close()
        self._removed()


def _new_folder(parent: str) -> str:
    """Makes a folder inside another folder, which must exist and be writable."""
    try:
        return tempfile.mkdtemp(prefix="fastscape-kept-", dir=parent)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the copy of the model cannot be written to {parent[-200:]!r} ({error.strerror}); name a different "
            "folder, keep=pathlib.Path(...), or write keep='cpu'",
        ) from error


def _copied(tensor: Tensor, device: torch.device | None) -> Tensor:
    return tensor.detach().clone() if device is None else tensor.detach().to(device, copy=True)


def _written(path: Path, tensors: Mapping[str, Tensor]) -> tuple[mmap.mmap | None, dict[str, int]]:
    """Writes tensors to a file and maps it.

    Args:
        path: The file.
        tensors: The tensors by name.

    Returns:
        The map, None if there are no bytes; and where each tensor begins.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    places, stop = {}, 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):  # keeps all tensors aligned
        start, stop = stop, stop + tensor.numel() * tensor.element_size()
        known = tensor.dtype in _NAMES
        shape = list(tensor.shape) if known else [stop - start]
        header[name] = {"dtype": _NAMES.get(tensor.dtype, "U8"), "shape": shape, "data_offsets": [start, stop]}
        places[name] = start
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with path.open("w+b", buffering=0) as file:
        _write(file, len(text).to_bytes(8, "little") + text)
        for name in places:
            _write_tensor(file, tensors[name])
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if stop else None
    return mapped, {name: 8 + len(text) + start for name, start in places.items()}


def _seen(mapped: mmap.mmap | None, like: Tensor, start: int) -> Tensor:
    """The part of a map that holds a tensor."""
    if mapped is None or not like.numel():
        return torch.empty(like.shape, dtype=like.dtype, device="cpu")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")  # nobody writes to it
        flat = torch.frombuffer(mapped, dtype=like.dtype, count=like.numel(), offset=start)
    return flat.view(like.shape)


def _write_tensor(file: Any, tensor: Tensor) -> None:
    """Writes the bytes of a tensor in the order of its shape, piece by piece."""
    if not tensor.numel():
        return
    rows = tensor.detach().resolve_conj().resolve_neg()
    rows = rows.reshape(1) if not rows.dim() else rows
    if rows.is_contiguous():
        rows = rows.view(-1)
    step = max(_AT_ONCE * len(rows) // (tensor.numel() * tensor.element_size()), 1)
    for part in rows.split(step):
        _write(file, part.cpu().contiguous().view(-1).view(torch.uint8).numpy())


def _write(file: Any, data: Any) -> None:
    """Writes all bytes; an unbuffered file may take them piece by piece."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]
