"""Saves and loads a curve as one safetensors file: control points and fixed tensors, report in the header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from fastscape.paths.shapes import SHAPES, ShapeName
from fastscape.results import check_file, clipped, parsed, write_whole

__all__ = ["CurveContent", "read_curve", "written_curve"]

FORMAT, VERSION = "fastscape-curve", "1"
MOVING, STILL, LOSSES = "curve/", "still/", "losses"


class CurveContent(NamedTuple):
    """The content of a curve file; see `Curve`.

    Args:
        shape: The name of its shape.
        points: The control points [n + 1, *shape] of every tensor that moves.
        still: All other parameters and buffers.
        names: The stored name of every tensor of a state dict.
        dtypes: The dtypes of the tensors of the model.
        losses: The loss of every step [steps].
        report: How it was trained.
    """

    shape: ShapeName
    points: Mapping[str, Tensor]
    still: Mapping[str, Tensor]
    names: Mapping[str, str]
    dtypes: Mapping[str, torch.dtype]
    losses: np.ndarray
    report: Mapping[str, Any]


def written_curve(path: Path, content: CurveContent) -> Path:
    """Writes a curve, whole or not at all.

    Args:
        path: A file name that ends in .safetensors.
        content: The curve.

    Returns:
        The path.

    Raises:
        OSError: When the file cannot be written.
        ValueError: When the name has a different ending.
    """
    from safetensors.torch import save

    if path.suffix != ".safetensors":
        raise ValueError(f"the name of a curve's file must end in .safetensors, got {path.name!r:.200}")
    tensors = {MOVING + name: tensor for name, tensor in content.points.items()}
    tensors |= {STILL + name: tensor for name, tensor in content.still.items()}
    pairs = [name for name, tensor in tensors.items() if tensor.is_complex()]
    held = {
        name: (torch.view_as_real(tensor.resolve_conj()) if name in set(pairs) else tensor).contiguous().clone()
        for name, tensor in tensors.items()
    }
    held[LOSSES] = torch.from_numpy(content.losses.copy())
    facts: dict[str, Any] = {"shape": content.shape, "names": dict(content.names), "report": dict(content.report)}
    facts |= {"complex": pairs, "dtypes": {n: str(d).removeprefix("torch.") for n, d in content.dtypes.items()}}
    metadata = {"format": FORMAT, "version": VERSION, **{name: json.dumps(fact) for name, fact in facts.items()}}
    write_whole(path, save(held, metadata))
    return path


def read_curve(path: Path) -> CurveContent:
    """Reads a file that `written_curve` wrote.

    Args:
        path: The file.

    Returns:
        The curve, on the CPU.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When the file is not a curve, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    check_file(path, "a curve must be a .safetensors file that Curve.save wrote")
    with path.open("rb"):  # the error of the system says why it cannot be read
        pass
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        return _content(metadata, tensors)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"{str(path)[-200:]} is no curve ({clipped(error)}); give a file that Curve.save has written"
        ) from error


def _content(metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> CurveContent:
    """The curve of a file, after checking that its parts fit together."""
    if metadata.get("format") != FORMAT:
        raise ValueError("it does not name itself one")
    if metadata.get("version") != VERSION:
        raise ValueError(f"it has version {metadata.get('version')!r:.20}, and this package reads version {VERSION}")
    facts = {name: parsed(metadata[name]) for name in ("shape", "names", "report", "complex", "dtypes")}
    losses = tensors.pop(LOSSES).numpy()
    for name in facts["complex"]:
        tensors[name] = torch.view_as_complex(tensors[name])
    points, still = (
        {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
        for start in (MOVING, STILL)
    )
    dtypes = {name: getattr(torch, kind) for name, kind in facts["dtypes"].items()}
    if not all(isinstance(dtype, torch.dtype) for dtype in dtypes.values()) or dtypes.keys() != points.keys():
        raise ValueError("the dtypes of what moves are not in it")
    counts = {len(tensor) if tensor.dim() else 0 for tensor in points.values()}
    if facts["shape"] not in SHAPES or len(counts) != 1 or min(counts) < 3 or losses.ndim != 1:
        raise ValueError("its control points are not those of a curve")
    if not set(facts["names"].values()) <= {*points, *still}:
        raise ValueError("it names tensors that it has not")
    names = cast("dict[str, str]", facts["names"])
    return CurveContent(facts["shape"], points, still, names, dtypes, losses, facts["report"])
