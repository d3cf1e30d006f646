"""Counts products with a matrix, and shows the count on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor
from tqdm import tqdm

from fastscape.curvature import CurvatureMatrix

__all__ = ["counted"]


@contextmanager
def counted(matrix: CurvatureMatrix, shown: bool) -> Iterator[CurvatureMatrix]:
    """Counts the products computed inside the context.

    Args:
        matrix: The matrix.
        shown: Whether to show the count when standard error is a terminal.

    Yields:
        The same matrix.
    """
    with tqdm(desc=f"products with the {matrix.kind}", unit="", disable=None if shown else True, leave=False) as bar:
        matrix.told = partial(_advance, bar)
        try:
            yield matrix
        finally:
            matrix.told = None


def _advance(bar: tqdm[None], vectors: Tensor) -> None:
    bar.update(vectors.shape[1] if vectors.dim() > 1 else 1)
