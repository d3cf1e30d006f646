"""Computations over all checkpoints: scalar products, combinations, and coordinates along given directions.

Each is one pass over the blocks of a stack. The Gram matrix G[i, j] = <w_i - w_b, w_j - w_b>, where b is the base, is
all that a plane through checkpoints needs: every vector between them is a combination of these differences, and so its
length and its angles follow. The matrix has to be exact: a second component that is a thousandth of the first has a
millionth of its square.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastscape.results import write_whole
from fastscape.weights.stack import Block, Stack

__all__ = ["KEPT", "Along", "Gram", "along", "combine", "gram_of", "nearest"]

KEPT = "gram.npz"
"""Name of the file that keeps a Gram matrix beside a recording."""

_EVERY = 8  # of this many blocks, one is computed in float64 too
_MANY = 1 << 26  # products of weights: float64 takes less than a second for fewer
_PANEL = 256  # rows of the Gram matrix that are computed at once; the part left of their diagonal is skipped


class Gram(NamedTuple):
    """Scalar products of the differences of the checkpoints and the model to the base.

    Args:
        products: The matrix [N, N], float64.
        error: Error of an entry, as a fraction of the lengths of its two vectors; 0 if only float64 rounds.
    """

    products: Tensor
    error: float


def gram_of(stack: Stack, *, exact: bool = True) -> Gram:
    """The Gram matrix of the differences of the checkpoints and the model to the base.

    If all trainings are recordings, the folder of the first keeps the matrix. It is read from there as long as no
    record, and no tensor that moves, has changed. For a different model only its row is computed again.

    Products in float32 take half the time. They are summed in float64 block by block. Their errors have no fixed sign,
    so they become small beside the sums; how small is measured on some of the blocks.

    Args:
        stack: The checkpoints.
        exact: Whether everything is in float64. Otherwise products of many checkpoints with many weights are in
            float32, if none of them is in float64. Default True.

    Returns:
        The matrix.

    Raises:
        ValueError: When a weight is NaN or infinite.
    """
    beside = _beside(stack)
    key = _key(stack) if beside else ""
    known, model = _read(beside, key, len(stack) + 1) if beside else (None, "")
    if known is not None and known.error and exact:
        known = None
    if known is not None and model == stack.model_hash:
        return known
    gram = None if known is None else Gram(_with_model(stack, known.products), known.error)
    if gram is None and not exact and stack.narrow and stack.size > _MANY:
        gram = _single(stack)
        if not bool(gram.products.isfinite().all()):  # float32 ends at 3e38
            gram = None
    if gram is None:
        gram = Gram(_products(stack), 0.0)
    stack.check_finite(gram.products)
    if beside:
        _write(beside, key, stack.model_hash, gram)
    return gram


def _products(stack: Stack) -> Tensor:
    """The matrix in float64."""
    count = len(stack) + 1
    gram = torch.zeros(count, count, dtype=torch.float64, device="cpu")
    for _, _, differences in stack.blocks():
        for start in range(0, count, _PANEL):
            stop = min(start + _PANEL, count)
            gram[start:stop, start:].addmm_(differences[start:stop], differences[start:].T)
    return gram.triu() + gram.triu(1).T


def _with_model(stack: Stack, known: Tensor) -> Tensor:
    """The matrix with the row of this model."""
    row = known.new_zeros(len(known))
    for _, _, differences in stack.blocks():
        row += differences @ differences[-1]
    known[-1] = known[:, -1] = row
    return known


def _single(stack: Stack) -> Gram:
    """The matrix of products in float32, and their error.

    For some blocks, some rows are computed in float64 too. The error of the sums there, times the ratio of all blocks
    to these blocks, bounds the error of the whole: it overestimates errors of random sign, and matches errors of one
    sign.

    Args:
        stack: The checkpoints.

    Returns:
        The matrix.
    """
    count = len(stack) + 1
    gram = torch.zeros(count, count, dtype=torch.float64, device="cpu")
    seen = torch.linspace(0, min(_PANEL, count) - 1, 8, device="cpu").long()
    off = torch.zeros(len(seen), count, dtype=torch.float64, device="cpu")
    for number, (_, _, differences) in enumerate(stack.blocks(torch.float32)):
        for start in range(0, count, _PANEL):
            stop = min(start + _PANEL, count)
            products = differences[start:stop] @ differences[start:].T
            gram[start:stop, start:] += products
            if not start and not number % _EVERY:
                off += products[seen] - differences[seen].double() @ differences.double().T
    gram = gram.triu() + gram.triu(1).T
    lengths = gram.diagonal().sqrt()
    scale = lengths[seen, None] * lengths
    error = (_EVERY * off)[scale > 0] / scale[scale > 0]
    return Gram(gram, float(error.square().mean().sqrt()) if len(error) else 0.0)


def combine(stack: Stack, coefficients: Tensor, rows: Tensor) -> None:
    """Writes combinations of the differences to rows of a basis, in one pass.

    Args:
        stack: The checkpoints.
        coefficients: Coefficients of the differences [K, N], float64.
        rows: The rows [K, P] to which they are written.
    """
    rows.zero_()
    for block in stack.blocks():
        view, where = _columns(rows, block)
        view[where] = (coefficients @ block.differences).to(rows.device, rows.dtype)


class Along(NamedTuple):
    """The places of checkpoints along directions.

    Args:
        coordinates: Coordinates [n, K] of the nearest point of the plane to each: least squares.
        off: Their distances [n] from the plane.
    """

    coordinates: Tensor
    off: Tensor


def along(stack: Stack, rows: Tensor) -> Along:
    """The places of the checkpoints on any plane through the model, in one pass.

    Args:
        stack: The checkpoints.
        rows: The directions [K, P] that span it, of any length and any angles.

    Returns:
        Coordinates and distances.

    Raises:
        ValueError: When a weight is NaN or infinite.
    """
    products = torch.zeros(len(stack), len(rows), dtype=torch.float64, device="cpu")
    squares = torch.zeros(len(stack), dtype=torch.float64, device="cpu")
    for block in stack.blocks():
        from_model = block.differences[:-1] - block.differences[-1]
        view, where = _columns(rows, block)
        products += from_model @ view[where].cpu().double().T
        squares += from_model.square().sum(1)
    stack.check_finite(squares)
    gram = sum(
        (part.cpu().double() @ part.cpu().double().T for part in rows.split(1 << 20, 1)), products.new_zeros(())
    )
    return nearest(products, squares, gram)


def nearest(products: Tensor, squares: Tensor, gram: Tensor) -> Along:
    """The nearest points of a plane to some vectors.

    Args:
        products: Scalar products [n, K] of the vectors with the directions of the plane.
        squares: Their squared lengths [n].
        gram: Gram matrix [K, K] of the directions.

    Returns:
        Coordinates and distances.
    """
    # Scaled to a diagonal of 1, so that a short direction beside a long one is not taken for 0.
    lengths = gram.diagonal().sqrt()
    unit = torch.where(lengths > 0, 1 / lengths, 0.0)
    inverse = torch.linalg.pinv(unit[:, None] * gram * unit, hermitian=True, rtol=1e-12)
    coordinates = (products * unit) @ inverse * unit
    off = (squares - (products * coordinates).sum(1)).clamp(min=0).sqrt()
    return Along(coordinates, off)


def _columns(rows: Tensor, block: Block) -> tuple[Tensor, tuple[Any, ...]]:
    """The place of a block in rows of a basis: a view of the rows, and an index for it."""
    entry = block.entry
    if entry.order == tuple(range(len(entry.split))):
        return rows, (slice(None), slice(entry.offset + block.start, entry.offset + block.stop))
    numbers = torch.arange(block.start, block.stop, device=rows.device)
    return entry.split_view(rows), (slice(None), *torch.unravel_index(numbers, entry.split))


def _key(stack: Stack) -> str:
    """The key of the matrix: everything it depends on except the model."""
    files = []
    for training in stack.trainings:
        recording = training.recording
        assert recording is not None  # _beside has checked this
        folder = "" if training is stack.trainings[0] else str(recording.folder.resolve())
        # A folder that was emptied and written again may have files of the same names and lengths.
        stats = [(recording.folder / row.file).stat().st_mtime_ns for row in recording.rows]
        files.append(
            [folder, *((row.step, row.file, row.bytes, at) for row, at in zip(recording.rows, stats, strict=True))]
        )
    entries = [(entry.name, entry.shape, entry.complex) for entry in stack.entries]
    return hashlib.sha256(json.dumps([1, files, entries, stack.base]).encode()).hexdigest()


def _beside(stack: Stack) -> Path | None:
    """The file that keeps the matrix; None if a training is no recording and so has no place for a file."""
    recordings = [training.recording for training in stack.trainings]
    return None if None in recordings or recordings[0] is None else recordings[0].folder / KEPT


def _read(path: Path, key: str, count: int) -> tuple[Gram | None, str]:
    """A kept matrix and the hash of its model; None if there is no matrix with this key."""
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), path.open("rb") as file:
        found = np.load(file)
        gram = found["gram"] if str(found["key"]) == key else np.empty(0)
        if gram.shape == (count, count) and gram.dtype == np.float64:
            return Gram(torch.from_numpy(gram), float(found["error"])), str(found["model"])
    return None, ""


def _write(path: Path, key: str, model: str, gram: Gram) -> None:
    """Keeps a matrix, if the folder can be written to."""
    content = io.BytesIO()
    np.savez(content, gram=gram.products.numpy(), error=gram.error, key=np.array(key), model=np.array(model))
    with suppress(OSError):
        write_whole(path, content.getvalue())
