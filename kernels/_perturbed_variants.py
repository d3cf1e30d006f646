"""The variants of the kernels of `perturbed_linear` that are compiled ahead of time.

A launch is on a layer of 4096 x 4096 at 16 points: with one full tile of rows per point, with few, and from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from . import combined_triton
from ._launch import Cost, Launch, Variant, fused_launch
from .perturbed_linear import perturbed_linear_cost
from .perturbed_linear_triton import NEIGHBOURS, _fused_kernel
from .seeded import Seeded

__all__ = ["linear_variants"]

POINTS, WIDTH, VECTORS = 16, 4096, 3
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# The arithmetic, the dtype of x, the dtype of the basis if it differs, and rows: every tile of the table once.
_KINDS = [
    *(("fp32", "fp32", rows) for rows in (1, 32, 2048)),
    *(("bf16", "bf16", rows) for rows in (1, 32, 64, 128, 2048)),
    ("bf16", "fp32", 64),
    ("tf32", "fp32", 128),
]


def linear_variants(memory: int) -> Iterator[Variant]:
    """Every tile of the fused kernel, some of its options, and the combination of shared products.

    Args:
        memory: Bytes of shared memory that a program of the target may use.

    Yields:
        The variants.
    """
    for arithmetic, basis, rows in _KINDS:
        yield _fused(arithmetic, basis, rows, memory)
    yield _fused("bf16", "bf16", 128, memory, option="shared coefficients")
    yield _fused("bf16", "bf16", 128, memory, option="seeded")
    yield _fused("bf16", "bf16", 128, memory, option="odd inputs")
    for name in _DTYPES:
        yield _combined(name)


def _fused(arithmetic: str, basis_name: str, rows: int, memory: int, option: str = "") -> Variant:
    name = "fp32" if arithmetic == "tf32" else arithmetic
    dtype, wide = _DTYPES[name], _DTYPES[basis_name]
    seeded, per_filter, even = option == "seeded", option != "shared coefficients", option != "odd inputs"
    tile = fused_launch(rows, POINTS, dtype, wide=wide.itemsize, exact=arithmetic != "tf32", even=even, memory=memory)
    x = torch.empty(POINTS, rows, WIDTH, dtype=dtype, device="meta")
    stored = torch.empty(VECTORS, WIDTH, WIDTH, dtype=wide, device="meta")
    basis = Seeded(stored[0].flatten(), 0, VECTORS - 1) if seeded else stored
    c = torch.empty(POINTS, WIDTH if per_filter else 1, VECTORS, device="meta")
    title = f"linear {arithmetic}{'' if basis_name == name else f' of {basis_name}'}, {rows} rows"
    return Variant(
        f"{title}{', ' if option else ''}{option}",
        _fused_kernel,
        {
            "x_GRI": f"*{name}", "basis_KOI": f"*{basis_name}", "c_GSK": "*fp32", "bias_GO": f"*{name}",
            "y_GRO": f"*{name}", "key_1": "*i64", "first_counter": "i64", "G": "i32", "R": "i32", "I": "i32",
            "O": "i32", "stride_xg": "i32", "stride_xr": "i32", "stride_basis": "i32",
        },
        {
            "K": VECTORS, "DISTRIBUTION": "normal" if seeded else "", "WEIGHTED": False, "PER_FILTER": per_filter,
            "HAS_BIAS": True, "EVEN": even, "PRECISION": "tf32" if arithmetic == "tf32" else "ieee",
            "WIDENED": False, "NEIGHBOURS": NEIGHBOURS, "POINTS": tile.points, "BLOCK_O": tile.outputs,
            "BLOCK_R": tile.rows, "BLOCK_I": tile.inputs,
        },
        ("x_GRI", "basis_KOI", "c_GSK", "bias_GO", "y_GRO", "key_1")
        + (("I", "O", "stride_xg", "stride_xr", "stride_basis") if even else ()),
        tile,
        perturbed_linear_cost(x, basis, c, "fused"),
    )  # fmt: skip


def _combined(name: str) -> Variant:
    dtype, rows = _DTYPES[name], 32
    moved = POINTS * rows * WIDTH
    return Variant(
        f"linear combined {name}",
        combined_triton._combine_kernel,
        {
            "products_GRKO": "*fp32", "c_GSK": "*fp32", "bias_GO": f"*{name}", "y_GRO": f"*{name}", "R": "i32",
            "O": "i32", "K": "i32", "stride_products": "i32",
        },
        {"PER_FILTER": True, "HAS_BIAS": True, "BLOCK": combined_triton.BLOCK},
        ("products_GRKO", "c_GSK", "bias_GO", "y_GRO", "R", "O", "stride_products"),
        Launch(combined_triton.BLOCK, 4),
        Cost(4 * VECTORS * moved, dtype.itemsize * moved, 2 * VECTORS * moved),
    )  # fmt: skip
