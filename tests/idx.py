"""Files in the format of MNIST."""

import struct
from pathlib import Path

import numpy as np


def idx(array: np.ndarray) -> bytes:
    """An array of bytes: type 8 is unsigned byte, then rank and big-endian sizes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(file: Path, array: np.ndarray) -> None:
    """Writes such a file."""
    file.write_bytes(idx(array))
