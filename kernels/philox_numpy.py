"""The numbers of `philox` by numpy, operation for operation as in `philox.c`.

Shapes: for n counters, words 0 and 2 are in one row [2, n] of 64-bit integers, words 1 and 3 in a second row. rows
[R, 2, n] is memory that all blocks share, small enough for the second-level cache.

Normals are made from integers by +, -, *, / and sqrt of float64, which IEEE 754 fixes to the last bit, in a fixed
order. So they are the same on every machine, and `philox.c`, which does the same operations, gives the same bits.
Library functions for logarithm, sine and cosine differ by units in the last place from library to library, and so does
the square root of torch (Intel's MKL). The logarithm and the polynomials are fdlibm's (Sun Microsystems, 1993;
e_log.c, k_sin.c, k_cos.c) without branches, because no number of 24 bits is a special case.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["draw_numpy"]

_COUNTERS = 1 << 13
"""Counters handled at a time: the fastest."""

_ROWS = 8

_EACH = 1 << 16
"""Numbers from which a further thread is worth starting: 1 ms."""

_MASK, _WORD, _BYTE = (np.uint64(n) for n in ((1 << 32) - 1, 32, 8))
_MULTIPLIERS = np.array([[0xD2511F53, 0xCD9E8D57], [0xCD9E8D57, 0xD2511F53]], np.uint64)[:, :, None]
_WEYL = 0x9E3779B9, 0xBB67AE85
_INTEGER = np.uint64(0x433 << 52)  # the bits of 2^52: with it an integer i below 2^52 is the number 2^52 + i
_SIGN = np.uint64(1 << 63)

_ROOT_HALF = 0x3FE6A09E << 32  # the bits of sqrt(1 / 2), below which a mantissa counts for the next power of 2
_TO_ROOT, _FROM_ROOT = np.uint64((0x3FF << 52) - _ROOT_HALF), np.uint64(_ROOT_HALF)
_EXPONENT, _MANTISSA = np.uint64(52), np.uint64((1 << 52) - 1)
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # its first 32 bits, and the rest
_LOGARITHM = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip
_SINE = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
    8.33333333332248946124e-03, -1.66666666666666324348e-01,
)  # fmt: skip
_COSINE = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513506633035e-07, 2.48015872894767294178e-05,
    -1.38888888888741095749e-03, 4.16666666666666019037e-02, -0.5,
)  # fmt: skip
_TURN = math.tau * 2.0**-24
# A quarter of a turn; the first part has 50 bits, so that 0 to 4 times it is exact.
_QUARTER = math.pi / 2, float.fromhex("0x1.1a62633145c07p-54")
_HALF_EIGHTH, _EIGHTHS = np.uint64(1 << 21), np.uint64(22)
_NEXT, _TO_SIGN, _TO_ALL = np.uint64(1 << 22), np.uint64(63 - 23), np.uint64(63 - 22)

Array = np.ndarray[Any, Any]


def draw_numpy(out: Tensor, seed: int, stream: int, start: int, distribution: str) -> Tensor:
    """Numbers written to `out` [N] on the CPU, in float64 until they are stored, by as many threads as torch uses."""
    threads = min(torch.get_num_threads(), out.numel() // _EACH)
    if threads < 2:
        return _draw_part(out, seed, stream, start, distribution)
    each = -(-out.numel() // threads)
    with ThreadPoolExecutor(threads) as pool:
        begins = range(0, out.numel(), each)
        list(pool.map(lambda b: _draw_part(out[b : b + each], seed, stream, start + b, distribution), begins))
    return out


def _draw_part(out: Tensor, seed: int, stream: int, start: int, distribution: str) -> Tensor:
    first, stop = start // 4, start + out.numel()
    counters = min(_COUNTERS, -(-stop // 4) - first)
    memory, numbers = np.empty((_ROWS, 2, counters), np.uint64), np.empty((counters, 2, 2))
    drawn = torch.from_numpy(numbers.reshape(-1))
    for here in range(first, -(-stop // 4), _COUNTERS):
        # The last block may hold some unneeded counters: all of them have numbers.
        _numbers(*_words(seed, stream, here, memory), memory, distribution, numbers)
        begin, end = max(4 * here, start), min(4 * (here + counters), stop)
        out[begin - start : end - start] = drawn[begin - 4 * here : end - 4 * here]
    return out


def _words(seed: int, stream: int, first: int, rows: Array) -> tuple[Array, Array]:
    """Words 0 and 2, and words 1 and 3, of the counters from `first` on, in two of the first three rows."""
    # c_0 and c_2 swap after each round. The low halves of the products are the next c_1 and c_3, so the products stay
    # where they are.
    u, product, before = rows[:3]
    before[0] = np.arange(first, first + u.shape[1], dtype=np.uint64)
    np.bitwise_and(before[0], _MASK, out=u[0])
    before[0] >>= _WORD
    u[1], before[1] = stream, 0
    k0, k1 = seed & (1 << 32) - 1, seed >> 32
    for r in range(10):
        keys = np.array([[k1], [k0]] if r % 2 == 0 else [[k0], [k1]], np.uint64)
        np.multiply(u, _MULTIPLIERS[r % 2], out=product)  # products of 32 by 32 bits: all 64 bits are kept
        np.right_shift(product, _WORD, out=u)
        np.bitwise_xor(u, before[::-1], out=u)
        np.bitwise_xor(u, keys, out=u)
        np.bitwise_and(u, _MASK, out=u)
        product, before = before, product
        k0, k1 = (k0 + _WEYL[0]) & (1 << 32) - 1, (k1 + _WEYL[1]) & (1 << 32) - 1
    return u, np.bitwise_and(before, _MASK, out=before)


def _numbers(even: Array, odd: Array, rows: Array, distribution: str, out: Array) -> None:
    """The numbers of words 0 and 2 and words 1 and 3, written to `out` [n, 2, 2] in the order of their entries."""
    floats = rows.view(np.float64)
    even >>= _BYTE
    odd >>= _BYTE
    if distribution == "normal":
        radius = _radius(even, floats[3:])
        for j, turned in enumerate(_turned(odd, floats[4:])):
            np.multiply(radius, turned, out=out[:, :, j].T)
        return
    for j, high in enumerate((even, odd)):
        if distribution == "uniform":
            np.multiply(_double(high), 2.0**-24, out=out[:, :, j].T)
        else:
            high >>= np.uint64(23)
            np.subtract(np.multiply(_double(high), 2.0, out=floats[3]), 1.0, out=out[:, :, j].T)


def _double(integers: Array) -> Array:
    """Integers below 2^52 as floating-point numbers, in place: numpy has no vector instruction for it."""
    np.bitwise_or(integers, _INTEGER, out=integers)
    numbers = integers.view(np.float64)
    return np.subtract(numbers, 2.0**52, out=numbers)


def _radius(a: Array, floats: Array) -> Array:
    """sqrt(-2 log((a + 1) / 2^24)) of integers a [2, n] below 2^24, in one of the rows `floats`."""
    h, s, p, k = floats[:4]
    f = np.add(_double(a), 1.0, out=a.view(np.float64))
    np.add(a, _TO_ROOT, out=a)
    np.right_shift(a, _EXPONENT, out=k.view(np.uint64))
    np.subtract(_double(k.view(np.uint64)), 1023.0 + 24.0, out=k)
    np.bitwise_and(a, _MANTISSA, out=a)
    np.add(a, _FROM_ROOT, out=a)
    np.subtract(f, 1.0, out=f)  # (a + 1) / 2^24 = 2^k (1 + f)
    np.divide(f, np.add(f, 2.0, out=s), out=s)
    _polynomial(np.multiply(s, s, out=h), _LOGARITHM, p)
    np.multiply(np.multiply(f, f, out=h), 0.5, out=h)
    np.multiply(np.add(p, h, out=p), s, out=p)
    np.add(p, np.multiply(k, _LN2[1], out=s), out=p)
    np.subtract(np.subtract(h, p, out=h), f, out=h)
    np.subtract(h, np.multiply(k, _LN2[0], out=k), out=h)
    return np.sqrt(np.multiply(h, 2.0, out=h), out=h)


def _turned(b: Array, floats: Array) -> tuple[Array, Array]:
    """Cosine and sine of b 2 pi / 2^24, of integers b [2, n] below 2^24, in two of the rows `floats`."""
    x, z, sine, cosine = floats[:4]
    x_bits, z_bits, sine_bits, cosine_bits = (row.view(np.uint64) for row in (x, z, sine, cosine))
    x_bits[...] = b
    np.multiply(_double(x_bits), _TURN, out=x)
    np.add(b, _HALF_EIGHTH, out=b)
    np.right_shift(b, _EIGHTHS, out=z_bits)  # the nearest quarter
    _double(z_bits)
    np.subtract(x, np.multiply(z, _QUARTER[0], out=sine), out=x)
    np.subtract(x, np.multiply(z, _QUARTER[1], out=z), out=x)
    np.multiply(x, x, out=z)
    np.multiply(_polynomial(z, _SINE, sine), x, out=sine)
    np.add(sine, x, out=sine)
    np.add(_polynomial(z, _COSINE, cosine), 1.0, out=cosine)
    # In every second quarter sine and cosine swap, and in two of four quarters each is negative.
    swap = np.left_shift(b, _TO_ALL, out=z_bits).view(np.int64)
    np.right_shift(swap, 63, out=swap)
    np.bitwise_and(np.bitwise_xor(sine_bits, cosine_bits, out=x_bits), z_bits, out=z_bits)
    for bits in (sine_bits, cosine_bits):
        np.bitwise_and(np.left_shift(b, _TO_SIGN, out=x_bits), _SIGN, out=x_bits)
        np.bitwise_xor(np.bitwise_xor(bits, z_bits, out=bits), x_bits, out=bits)
        np.add(b, _NEXT, out=b)
    return cosine, sine


def _polynomial(z: Array, coefficients: tuple[float, ...], out: Array) -> Array:
    """The sum of coefficients[-i] z^i, without a constant, by the rule of Horner."""
    np.multiply(z, coefficients[0], out=out)
    for coefficient in coefficients[1:]:
        np.multiply(np.add(out, coefficient, out=out), z, out=out)
    return out
