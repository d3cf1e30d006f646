"""The Triton kernel of the fused product of `perturbed_linear`.

Traffic: a tile of the basis once for all points of a program, x once per tile of outputs, y written once; the weights
of a point exist only in registers. 2 G R I O flops on the matrix unit, and in addition 2 K per weight, point and tile
of rows.
Tiling: a program makes [BLOCK_O, BLOCK_R] sums of POINTS points. It computes y^T = W x^T, so that the formed tile W is
the first factor, which the matrix units of NVIDIA's Ampere and Hopper and of AMD read from registers. Rows of W beyond
O, and rows of x beyond R, repeat the last row. This costs no mask, and they are not stored.
A seeded basis is drawn tile by tile, once for all points of a program; its rows begin at whole counters.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import _triton
from ._launch import FusedLaunch, fused_launch
from .philox import key
from .philox_triton import draw_tile
from .seeded import Seeded

__all__ = ["fused_triton", "launch_of"]

NEIGHBOURS = 8  # tiles of outputs whose programs run at the same time, and share the x that they read


@triton.jit
def _coefficient(c, o, k: tl.constexpr, K: tl.constexpr, PER_FILTER: tl.constexpr):  # type: ignore[no-untyped-def]
    """The coefficients of vector k: one per row of a tile, or a single coefficient."""
    if PER_FILTER:
        return tl.load(c + o * K + k)[:, None]
    else:
        return tl.load(c + k)


@triton.jit
def _step(  # type: ignore[no-untyped-def]
    sums,
    x,
    c,
    o,
    b0,
    b1,
    b2,
    within,
    K: tl.constexpr,
    PER_FILTER: tl.constexpr,
    EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDENED: tl.constexpr,
):
    """Forms the tile of one point's weights, and adds its product with the tile of x at these addresses."""
    w = _coefficient(c, o, 0, K, PER_FILTER) * b0.to(tl.float32)
    if K > 1:
        w += _coefficient(c, o, 1, K, PER_FILTER) * b1.to(tl.float32)
    if K > 2:
        w += _coefficient(c, o, 2, K, PER_FILTER) * b2.to(tl.float32)
    tile = tl.load(x) if EVEN else tl.load(x, mask=within[:, None], other=0.0)
    w = w.to(tile.dtype)
    if WIDENED:
        return tl.dot(w.to(tl.float32), tile.to(tl.float32), sums)
    else:
        return tl.dot(w, tile, sums, input_precision=PRECISION)


@triton.jit
def _put(sums, y, bias, o, r, outputs, rows, left, HAS_BIAS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Writes the outputs of one point, transposed back; writes nothing if no points are left."""
    if HAS_BIAS:
        sums += tl.load(bias + o, mask=o < outputs, other=0.0).to(tl.float32)[:, None]
    places = y + r.to(tl.int64)[None, :] * outputs + o[:, None]
    # The mask has no scalar truth value: the interpreter of Triton 3.9 gives such a value a different type.
    within = (o < outputs)[:, None] & (r < tl.minimum(left, 1) * rows)[None, :]
    tl.store(places, sums.to(y.dtype.element_ty), mask=within)


@triton.jit
def _read(basis, place, within, EVEN: tl.constexpr):  # type: ignore[no-untyped-def]
    """A tile of one vector."""
    return tl.load(basis + place) if EVEN else tl.load(basis + place, mask=within[None, :], other=0.0)


@triton.jit
def _tile_of(  # type: ignore[no-untyped-def]
    G,
    R,
    outputs,
    NEIGHBOURS: tl.constexpr,
    POINTS: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """The outputs, the rows and the first point of this program."""
    tiles_r = tl.cdiv(R, BLOCK_R)
    others = tiles_r * tl.cdiv(G, POINTS)
    program = tl.program_id(0)
    first = program // (NEIGHBOURS * others) * NEIGHBOURS
    near = tl.minimum(tl.cdiv(outputs, BLOCK_O) - first, NEIGHBOURS)
    within = program % (NEIGHBOURS * others)
    other = within // near
    o = (first + within % near) * BLOCK_O + tl.arange(0, BLOCK_O)
    return o, other % tiles_r * BLOCK_R + tl.arange(0, BLOCK_R), other // tiles_r * POINTS


@triton.jit(do_not_specialize=["first_counter", "G", "R"])
def _fused_kernel(  # type: ignore[no-untyped-def]
    x_GRI,
    basis_KOI,
    c_GSK,
    bias_GO,
    y_GRO,
    key_1,
    first_counter,
    G,
    R,
    I,  # noqa: E741
    O,  # noqa: E741
    stride_xg,
    stride_xr,
    stride_basis,
    K: tl.constexpr,
    DISTRIBUTION: tl.constexpr,  # "" for a basis in memory
    WEIGHTED: tl.constexpr,
    PER_FILTER: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDENED: tl.constexpr,  # by the interpreter, which cannot multiply bfloat16
    NEIGHBOURS: tl.constexpr,
    POINTS: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_I: tl.constexpr,
):
    o, r, g0 = _tile_of(G, R, O, NEIGHBOURS, POINTS, BLOCK_O, BLOCK_R)
    own_o = tl.minimum(o, O - 1).to(tl.int64)  # 64 bits: a matrix may hold more than 2^31 entries
    own_r = tl.minimum(r, R - 1).to(tl.int64)
    i = tl.arange(0, BLOCK_I)
    place = own_o[:, None] * I + i[None, :]
    step_k = tl.cast(stride_basis, tl.int64)
    step_g = tl.cast(stride_xg, tl.int64)
    c_step = O * K if PER_FILTER else K
    g1 = tl.minimum(g0 + 1, G - 1)
    g2 = tl.minimum(g0 + 2, G - 1)
    g3 = tl.minimum(g0 + 3, G - 1)
    x0 = x_GRI + g0 * step_g + own_r[None, :] * stride_xr + i[:, None]
    c0 = c_GSK + tl.cast(g0, tl.int64) * c_step
    c1 = c_GSK + tl.cast(g1, tl.int64) * c_step
    c2 = c_GSK + tl.cast(g2, tl.int64) * c_step
    c3 = c_GSK + tl.cast(g3, tl.int64) * c_step
    x1 = x0 + (g1 - g0) * step_g
    x2 = x0 + (g2 - g0) * step_g
    x3 = x0 + (g3 - g0) * step_g
    sums0 = tl.zeros([BLOCK_O, BLOCK_R], tl.float32)
    sums1 = sums0
    sums2 = sums0
    sums3 = sums0
    if DISTRIBUTION != "":
        counter = first_counter + own_o[:, None] * (I // 4) + tl.arange(0, BLOCK_I // 4)[None, :]
    for start in range(0, I, BLOCK_I):
        within = start + i < I
        b0 = _read(basis_KOI, place + start, within, EVEN)
        b1 = b0
        b2 = b0
        if DISTRIBUTION == "":
            if K > 1:
                b1 = _read(basis_KOI, step_k + place + start, within, EVEN)
            if K > 2:
                b2 = _read(basis_KOI, 2 * step_k + place + start, within, EVEN)
        else:
            b1 = draw_tile(key_1, 0, counter + start // 4, DISTRIBUTION, tl.float32)
            b2 = draw_tile(key_1, 1, counter + start // 4, DISTRIBUTION, tl.float32) if K > 2 else b1
            if WEIGHTED:
                b1 *= b0.to(tl.float32)
                b2 *= b0.to(tl.float32)
        sums0 = _step(sums0, x0 + start, c0, own_o, b0, b1, b2, within, K, PER_FILTER, EVEN, PRECISION, WIDENED)
        if POINTS > 1:
            sums1 = _step(sums1, x1 + start, c1, own_o, b0, b1, b2, within, K, PER_FILTER, EVEN, PRECISION, WIDENED)
        if POINTS > 2:
            sums2 = _step(sums2, x2 + start, c2, own_o, b0, b1, b2, within, K, PER_FILTER, EVEN, PRECISION, WIDENED)
            sums3 = _step(sums3, x3 + start, c3, own_o, b0, b1, b2, within, K, PER_FILTER, EVEN, PRECISION, WIDENED)
    size = tl.cast(R, tl.int64) * O
    _put(sums0, y_GRO + g0 * size, bias_GO + tl.cast(g0, tl.int64) * O, o, r, O, R, G - g0, HAS_BIAS)
    if POINTS > 1:
        _put(sums1, y_GRO + g1 * size, bias_GO + tl.cast(g1, tl.int64) * O, o, r, O, R, G - g0 - 1, HAS_BIAS)
    if POINTS > 2:
        _put(sums2, y_GRO + g2 * size, bias_GO + tl.cast(g2, tl.int64) * O, o, r, O, R, G - g0 - 2, HAS_BIAS)
        _put(sums3, y_GRO + g3 * size, bias_GO + tl.cast(g3, tl.int64) * O, o, r, O, R, G - g0 - 3, HAS_BIAS)


def fused_triton(
    x: Tensor, basis: Tensor | Seeded, c_GSK: Tensor, bias: Tensor | None, tile: FusedLaunch | None = None
) -> Tensor:
    """Outputs [G, R, O] by the fused kernel, by the tile of `launch_of`. See `fastscape.kernels.perturbed_linear`."""
    points, rows, inputs = x.shape
    outputs = basis.shape[1] // inputs if isinstance(basis, Seeded) else basis.shape[1]
    if x.stride(2) != 1:
        x = x.contiguous()
    y = x.new_empty(points, rows, outputs)
    tile = tile or launch_of(x, basis)
    tiles = -(-outputs // tile.outputs) * -(-rows // tile.rows) * -(-points // tile.points)
    _fused_kernel[(tiles,)](
        x,
        basis.theta if isinstance(basis, Seeded) else basis,
        c_GSK,
        y if bias is None else bias.contiguous(),
        y,
        key(basis.seed if isinstance(basis, Seeded) else 0, x.device),
        basis.first // 4 if isinstance(basis, Seeded) else 0,
        points,
        rows,
        inputs,
        outputs,
        x.stride(0),
        x.stride(1),
        0 if isinstance(basis, Seeded) else basis.stride(0),
        **_options(basis, c_GSK, tile, even=inputs % tile.inputs == 0),
        WIDENED=_triton.interpreting() and x.dtype == torch.bfloat16,
        HAS_BIAS=bias is not None,
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )
    return y


def _options(basis: Tensor | Seeded, c_GSK: Tensor, tile: FusedLaunch, *, even: bool) -> dict[str, Any]:
    """The constants of a launch."""
    return {
        "K": basis.shape[0],
        "DISTRIBUTION": basis.distribution if isinstance(basis, Seeded) else "",
        "WEIGHTED": isinstance(basis, Seeded) and basis.weighted,
        "PER_FILTER": c_GSK.shape[1] > 1,
        "EVEN": even,
        "PRECISION": "tf32" if _triton.tf32() else "ieee",
        "NEIGHBOURS": NEIGHBOURS,
        "POINTS": tile.points,
        "BLOCK_O": tile.outputs,
        "BLOCK_R": tile.rows,
        "BLOCK_I": tile.inputs,
    }


def launch_of(x: Tensor, basis: Tensor | Seeded) -> FusedLaunch:
    """The launch of the fused kernel on these arguments."""
    return fused_launch(
        x.shape[1],
        len(x),
        x.dtype,
        wide=basis.dtype.itemsize,
        exact=not _triton.tf32(),
        even=x.shape[2] % 32 == 0,
        memory=_memory(x.device),
    )


@cache
def _memory(device: torch.device) -> int:
    """Bytes of shared memory that one program may use."""
    if device.type != "cuda":
        return 99 << 10  # the interpreter has no such limit
    properties = torch.cuda.get_device_properties(device)
    return int(getattr(properties, "shared_memory_per_block_optin", 64 << 10))
