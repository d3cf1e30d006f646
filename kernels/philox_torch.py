"""The numbers of `philox` by torch, operation for operation, on any device.

Shapes: the words of n counters are four vectors [n], int64, of 32 bits each; pairs_2n [2, n] holds words 0 and 2, or 1
and 3, of n counters.

Normals are made from integers by +, -, *, / and sqrt of float64, which IEEE 754 fixes to the last bit, in one order.
So they are the same on every machine, and `philox.c`, which does the same operations, gives the same bits. Logarithm,
sine and cosine of a library would not be: they differ by units in the last place from version to version. A product
and a sum are therefore two operations here; a fused one (`addcmul`) may round once.

The logarithm and the polynomials are those of fdlibm (Sun Microsystems, 1993; e_log.c, k_sin.c, k_cos.c), without
branches: each number has 24 bits, so no argument is special.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["draw_plain"]

_MASK = (1 << 32) - 1
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
# Counters handled at a time: the fastest on a CPU; a GPU has more to keep busy.
_COUNTERS = {"cpu": 1 << 13, "cuda": 1 << 20}

_ROOT_HALF = 0x3FE6A09E << 32  # the bits of sqrt(1 / 2), below which a mantissa counts as one of the next power of 2
_ONE = 0x3FF << 52
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


def draw_plain(out: Tensor, seed: int, stream: int, start: int, distribution: str) -> Tensor:
    """Numbers written to `out` [N], in float64 until they are stored."""
    stop = start + out.numel()
    step = _COUNTERS[out.device.type]
    for first in range(start // 4, -(-stop // 4), step):
        last = min(first + step, -(-stop // 4))
        numbers = _numbers(_words(seed, stream, first, last, out.device), distribution)
        begin, end = max(4 * first, start), min(4 * last, stop)
        out[begin - start : end - start] = numbers[begin - 4 * first : end - 4 * first]
    return out


def _words(seed: int, stream: int, first: int, last: int, device: torch.device) -> tuple[Tensor, ...]:
    """The four words, each [last - first], int64, of the counters first .. last - 1."""
    c0 = torch.arange(first, last, dtype=torch.int64, device=device)
    c1 = c0 >> 32
    c0 &= _MASK
    c2, c3 = torch.full_like(c0, stream), torch.zeros_like(c0)
    product0, product2 = torch.empty_like(c0), torch.empty_like(c0)
    k0, k1 = seed & _MASK, seed >> 32
    for _ in range(10):
        torch.mul(c0, _MULTIPLIERS[0], out=product0)  # of 32 by 32 bits: the 64 bits that int64 keeps
        torch.mul(c2, _MULTIPLIERS[1], out=product2)
        torch.bitwise_right_shift(product2, 32, out=c0).bitwise_xor_(c1).bitwise_xor_(k0).bitwise_and_(_MASK)
        torch.bitwise_right_shift(product0, 32, out=c2).bitwise_xor_(c3).bitwise_xor_(k1).bitwise_and_(_MASK)
        c1, product2 = product2, c1
        c3, product0 = product0, c3
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1.bitwise_and_(_MASK), c2, c3.bitwise_and_(_MASK)


def _numbers(words: tuple[Tensor, ...], distribution: str) -> Tensor:
    """The numbers [4 n], float64, of the four words [n], in the order of their entries."""
    if distribution == "normal":
        radius_2n = _radius(torch.stack(words[0::2]).bitwise_right_shift_(8))
        numbers = torch.empty(len(words[0]), 2, 2, dtype=torch.float64, device=radius_2n.device)
        for j, turned_2n in enumerate(_turned(torch.stack(words[1::2]).bitwise_right_shift_(8))):
            torch.mul(radius_2n, turned_2n, out=numbers[:, :, j].T)
        return numbers.view(-1)
    high = torch.stack(words, dim=1).view(-1) >> 8
    if distribution == "uniform":
        return high.double().mul_(2.0**-24)
    return (high >> 23).double().mul_(2.0).sub_(1.0)


def _radius(pairs_2n: Tensor) -> Tensor:
    """sqrt(-2 log((a + 1) / 2^24)) of integers a below 2^24, which are written over."""
    bits = pairs_2n.add_(1).double().view(torch.int64).add_(_ONE - _ROOT_HALF)
    k = (bits >> 52).sub_(1023 + 24).double()
    f = bits.bitwise_and_((1 << 52) - 1).add_(_ROOT_HALF).view(torch.float64).sub_(1.0)  # (a + 1) / 2^24 = 2^k (1 + f)
    s = f / (f + 2.0)
    h = (f * f).mul_(0.5)
    p = _polynomial(s * s, _LOGARITHM)
    p.add_(h).mul_(s).add_(k * _LN2[1])
    return f.sub_(h.sub_(p)).add_(k.mul_(_LN2[0])).mul_(-2.0).sqrt_()


def _turned(pairs_2n: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of b 2 pi / 2^24, of integers b below 2^24."""
    shifted = pairs_2n + (1 << 21)  # from bit 22 on this is the nearest quarter
    x, quarter = pairs_2n.double().mul_(_TURN), (shifted >> 22).double()
    x.sub_(quarter * _QUARTER[0]).sub_(quarter.mul_(_QUARTER[1]))
    z = x * x
    sine = _polynomial(z, _SINE).mul_(x).add_(x)
    cosine = _polynomial(z, _COSINE).add_(1.0)
    odd = (shifted & (1 << 22)).bool()
    first, second = torch.where(odd, sine, cosine), torch.where(odd, cosine, sine)
    for numbers, negative in ((second, shifted), (first, shifted + (1 << 22))):
        numbers.view(torch.int64).bitwise_xor_((negative << 40).bitwise_and_(-1 << 63))
    return first, second


def _polynomial(z: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """The sum of coefficients[-i] z^i, without a constant, by the rule of Horner."""
    p = z * coefficients[0]
    for coefficient in coefficients[1:]:
        p.add_(coefficient).mul_(z)
    return p
