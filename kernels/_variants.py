"""The variants of the kernels that are compiled ahead of time, with the cost of a launch of each.

A launch is on 3 vectors of 2^24 entries (theta alone, if the directions are seeded), in filters of 4096, and 16
points.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ._launch import GRAM, Cost, Variant, interpolate_launch, padded
from ._perturbed_variants import linear_variants
from .gram import gram_cost
from .gram_triton import _gram_kernel, _gram_seeded_kernel
from .interpolate import interpolate_cost
from .interpolate_triton import _interpolate_kernel, _interpolate_seeded_kernel
from .philox import FLOPS
from .philox_triton import _draw_kernel
from .seeded import Seeded
from .segments import Segments

__all__ = ["variants"]

VECTORS, ENTRIES, FILTER, POINTS = 3, 1 << 24, 4096, 16
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}


def variants(warp: int, memory: int) -> Iterator[Variant]:
    """Every kernel for every dtype of the basis, with one coefficient per point or one per filter.

    Seeded bases have normal directions, in `interpolate` and float32 every other option once; `draw` begins at a
    multiple of 4.

    Args:
        warp: Threads in a warp of the target.
        memory: Bytes of its shared memory that one program may take.

    Yields:
        The variants.
    """
    for name, dtype in _DTYPES.items():
        basis = torch.empty(VECTORS, ENTRIES, dtype=dtype, device="meta")
        yield _gram(name, basis)
        yield _interpolate(name, basis, warp, segmented=False)
        yield _interpolate(name, basis, warp, segmented=True)
        plane = Seeded(basis[0], 0, 2)
        yield _gram_seeded(name, plane)
        yield _interpolate_seeded(name, plane, warp, "per filter")
        yield _draw(name, dtype, warp)
    one = _gram("fp32 stride 1", torch.empty(VECTORS, ENTRIES, device="meta"))
    # Triton compiles arguments that are 1 in a launch as constants: here rows of one entry, one after another.
    yield one._replace(constants=one.constants | {"stride_basis": 1}, divisible=one.divisible[:-1])
    theta = torch.empty(ENTRIES, device="meta")
    for option, seeded in {
        "uniform": Seeded(theta, 0, 2),
        "per filter, line": Seeded(theta, 0, 1),
        "per filter, weighted": Seeded(theta, 0, 2, weighted=True),
        "per filter, uniform numbers": Seeded(theta, 0, 2, "uniform"),
        "per filter, rademacher": Seeded(theta, 0, 2, "rademacher"),
    }.items():
        yield _interpolate_seeded("fp32", seeded, warp, option)
    yield from linear_variants(memory)


_SEGMENTS = Segments(torch.arange(0, ENTRIES + 1, FILTER))


def _wide(name: str) -> str:
    return "fp64" if name == "fp64" else "fp32"


def _coefficients(vectors: int, *, segmented: bool) -> torch.Tensor:
    return torch.empty(POINTS, _SEGMENTS.count if segmented else 1, vectors, device="meta")


def _gram(title: str, basis: torch.Tensor) -> Variant:
    name = title.split()[0]
    return Variant(
        f"gram {title}",
        _gram_kernel,
        {
            "basis_KP": f"*{name}", "partial_TKK": f"*{_wide(name)}", "tile_start_T": "*i64", "tile_stop_T": "*i64",
            "K": "i32", "stride_basis": "i32",
        },
        {"K_PADDED": padded(VECTORS), "BLOCK": GRAM.block},
        ("basis_KP", "partial_TKK", "tile_start_T", "tile_stop_T", "stride_basis"),
        GRAM,
        gram_cost(basis, _SEGMENTS),
    )  # fmt: skip


def _gram_seeded(name: str, seeded: Seeded) -> Variant:
    return Variant(
        f"gram seeded {name}",
        _gram_seeded_kernel,
        {
            "theta_P": f"*{name}", "partial_TKK": f"*{_wide(name)}", "tile_start_T": "*i64", "tile_stop_T": "*i64",
            "key_1": "*i64", "first_counter": "i64",
        },
        {
            "K": seeded.shape[0], "DISTRIBUTION": seeded.distribution, "WEIGHTED": seeded.weighted,
            "BLOCK": GRAM.block,
        },
        ("theta_P", "partial_TKK", "tile_start_T", "tile_stop_T", "key_1"),
        GRAM,
        gram_cost(seeded, _SEGMENTS),
    )  # fmt: skip


def _interpolate(name: str, basis: torch.Tensor, warp: int, *, segmented: bool) -> Variant:
    launch = interpolate_launch(basis.element_size(), warp)
    return Variant(
        f"interpolate {name} {'per filter' if segmented else 'uniform'}",
        _interpolate_kernel,
        {
            "basis_KP": f"*{name}", "coefficients_GSK": f"*{_wide(name)}", "out_GP": f"*{name}", "starts_S1": "*i64",
            "block_segment_N1": "*i32", "G": "i32", "S": "i32", "P": "i32", "stride_basis": "i32",
            "stride_out": "i32",
        },
        {"K": VECTORS, "SEGMENTED": segmented, "BLOCK": launch.block},
        (
            "basis_KP", "coefficients_GSK", "out_GP", "starts_S1", "block_segment_N1", "P", "stride_basis",
            "stride_out",
        ),
        launch,
        interpolate_cost(basis, _coefficients(VECTORS, segmented=segmented), _SEGMENTS),
    )  # fmt: skip


def _interpolate_seeded(name: str, seeded: Seeded, warp: int, option: str) -> Variant:
    launch = interpolate_launch(seeded.dtype.itemsize, warp)
    segmented = option != "uniform"
    return Variant(
        f"interpolate seeded {name} {option}",
        _interpolate_seeded_kernel,
        {
            "theta_P": f"*{name}", "coefficients_GSK": f"*{_wide(name)}", "out_GP": f"*{name}", "starts_S1": "*i64",
            "block_segment_N1": "*i32", "key_1": "*i64", "first_counter": "i64", "G": "i32", "S": "i32", "P": "i32",
            "stride_out": "i32",
        },
        {
            "K": seeded.shape[0], "DISTRIBUTION": seeded.distribution, "WEIGHTED": seeded.weighted,
            "SEGMENTED": segmented, "BLOCK": launch.block,
        },
        ("theta_P", "coefficients_GSK", "out_GP", "starts_S1", "block_segment_N1", "key_1", "P", "stride_out"),
        launch,
        interpolate_cost(seeded, _coefficients(seeded.shape[0], segmented=segmented), _SEGMENTS),
    )  # fmt: skip


def _draw(name: str, dtype: torch.dtype, warp: int) -> Variant:
    launch = interpolate_launch(dtype.itemsize, warp)
    return Variant(
        f"draw {name}",
        _draw_kernel,
        {"out_N": f"*{name}", "key_1": "*i64", "stream": "i32", "start": "i64", "N": "i64"},
        {"DISTRIBUTION": "normal", "ALIGNED": True, "BLOCK": launch.block},
        ("out_N", "key_1", "start", "N"),
        launch,
        Cost(0, ENTRIES * dtype.itemsize, ENTRIES * FLOPS["normal"]),
    )
