"""Philox4x32-10 and what is made of its words, in numpy, once more: it shares no code with the kernels.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3; Box and Muller 1958.
"""

from __future__ import annotations

import numpy as np

__all__ = ["numbers", "words"]

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def words(counters: np.ndarray, seed: int) -> np.ndarray:
    """The four words of each counter.

    Args:
        counters: Four words of 32 bits each [n, 4], uint64.
        seed: The key of 64 bits.

    Returns:
        Words [n, 4], uint64, each below 2^32.
    """
    c0, c1, c2, c3 = (counters[:, k] for k in range(4))
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ np.uint64(k0), p1 & LOW, (p0 >> HALF) ^ c3 ^ np.uint64(k1), p0 & LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def numbers(seed: int, stream: int, start: int, size: int, distribution: str) -> np.ndarray:
    """The entries start .. start + size - 1 of a stream, float64, as `fastscape.kernels.draw` defines them."""
    first, last = start // 4, -(-(start + size) // 4)
    place = np.arange(first, last, dtype=np.uint64)
    counters = np.stack([place & LOW, place >> HALF, np.full_like(place, stream), np.zeros_like(place)], axis=1)
    high = (words(counters, seed) >> np.uint64(8)).astype(np.float64)
    if distribution == "uniform":
        made = high / 2**24
    elif distribution == "rademacher":
        made = np.where(high >= 2**23, 1.0, -1.0)
    else:
        radius, angle = np.sqrt(-2 * np.log((high[:, ::2] + 1) / 2**24)), 2 * np.pi * high[:, 1::2] / 2**24
        made = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(-1, 4)
    return made.reshape(-1)[start - 4 * first :][:size]
