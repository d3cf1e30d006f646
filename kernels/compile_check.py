"""What the compiler makes of the kernels, for GPUs that need not be there.

    python -m fastscape.kernels.compile_check [--json]

Every variant of every kernel is compiled ahead of time by Triton's own compiler for each target, and the machine code
is read: registers, spills, shared memory, and how many bits each access to global memory moves. Bytes and flops are
those of one launch on 3 vectors of 2^24 entries, in filters of 4096, and 16 points. This shows what the compiler did,
and nothing about how fast it runs.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ._launch import GRAM, Cost, Launch, interpolate_launch, padded
from .gram import _gram_kernel, gram_cost
from .interpolate import _interpolate_kernel, interpolate_cost
from .segments import Segments

__all__ = ["TARGETS", "Compiled", "Variant", "ahead_of_time", "compile_variant", "variants"]

TARGETS: dict[str, tuple[str, Any, int]] = {
    "cuda 80": ("cuda", 80, 32),
    "cuda 90": ("cuda", 90, 32),
    "cuda 100": ("cuda", 100, 32),
    "hip gfx942": ("hip", "gfx942", 64),
}
"""Backend, architecture and threads in a warp, by name."""

VECTORS, ENTRIES, FILTER, POINTS = 3, 1 << 24, 4096, 16
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}


class Variant(NamedTuple):
    """One specialisation of a kernel: its argument types, constants, and what a launch of it costs."""

    name: str
    kernel: Any
    signature: dict[str, str]
    constants: dict[str, int]
    divisible: tuple[str, ...]  # arguments that are multiples of 16, as those of a flat buffer are
    launch: Launch
    cost: Cost


class Compiled(NamedTuple):
    """What the compiler reported for one variant on one target. Widths map bits to numbers of instructions."""

    variant: str
    target: str
    registers: int
    spills: int
    shared: int
    loads: dict[int, int]
    stores: dict[int, int]
    bytes_read: int
    bytes_written: int
    flops: int


def variants(warp: int) -> Iterator[Variant]:
    """Every kernel, for every dtype of the basis, with one coefficient per point or one per filter.

    Args:
        warp: Threads in a warp of the target.

    Yields:
        The variants.
    """
    segments = Segments(torch.arange(0, ENTRIES + 1, FILTER))
    for name, dtype in _DTYPES.items():
        wide = "fp64" if name == "fp64" else "fp32"
        basis = torch.empty(VECTORS, ENTRIES, dtype=dtype, device="meta")
        yield Variant(
            f"gram {name}",
            _gram_kernel,
            {
                "basis_KP": f"*{name}", "partial_TKK": f"*{wide}", "tile_start_T": "*i64", "tile_stop_T": "*i64",
                "K": "i32", "stride_basis": "i32",
            },
            {"K_PADDED": padded(VECTORS), "BLOCK": GRAM.block},
            ("basis_KP", "partial_TKK", "tile_start_T", "tile_stop_T", "stride_basis"),
            GRAM,
            gram_cost(basis, segments),
        )  # fmt: skip
        launch = interpolate_launch(dtype.itemsize, warp)
        for segmented in (False, True):
            coefficients = torch.empty(POINTS, segments.count if segmented else 1, VECTORS, device="meta")
            yield Variant(
                f"interpolate {name} {'per filter' if segmented else 'uniform'}",
                _interpolate_kernel,
                {
                    "basis_KP": f"*{name}", "coefficients_GSK": f"*{wide}", "out_GP": f"*{name}", "starts_S1": "*i64",
                    "block_segment_N1": "*i32", "G": "i32", "S": "i32", "K": "i32", "P": "i32", "stride_basis": "i32",
                    "stride_out": "i32",
                },
                {"SEGMENTED": segmented, "K_PADDED": padded(VECTORS), "BLOCK": launch.block},
                (
                    "basis_KP", "coefficients_GSK", "out_GP", "starts_S1", "block_segment_N1", "P", "stride_basis",
                    "stride_out",
                ),
                launch,
                interpolate_cost(basis, coefficients, segments),
            )  # fmt: skip


def ahead_of_time(variant: Variant, target: tuple[str, Any, int]) -> Any:
    """Compiles one variant for one target, which need not be there.

    Args:
        variant: The kernel and its specialisation.
        target: Backend, architecture and threads in a warp.

    Returns:
        Triton's compiled kernel, with the text of every stage in `asm`.
    """
    from triton import compile as triton_compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    places = {parameter.name: place for place, parameter in enumerate(variant.kernel.params)}
    source = ASTSource(
        fn=variant.kernel,
        signature=variant.signature | dict.fromkeys(variant.constants, "constexpr"),
        constexprs={(places[constant],): value for constant, value in variant.constants.items()},
        attrs={(places[argument],): [["tt.divisibility", 16]] for argument in variant.divisible},
    )
    return triton_compile(source, target=GPUTarget(*target), options={"num_warps": variant.launch.num_warps})


def compile_variant(variant: Variant, name: str, target: tuple[str, Any, int]) -> Compiled:
    """Compiles one variant for one target and reads its machine code.

    Args:
        variant: The kernel and its specialisation.
        name: The target's name.
        target: Backend, architecture and threads in a warp.

    Returns:
        What the compiler made of it.
    """
    code = ahead_of_time(variant, target)
    read = _read_cuda if target[0] == "cuda" else _read_hip
    registers, spills, loads, stores = read(code.asm)
    return Compiled(variant.name, name, registers, spills, code.metadata.shared, loads, stores, *variant.cost)


def _read_cuda(asm: Any) -> tuple[int, int, dict[int, int], dict[int, int]]:
    """Registers, spill accesses, and widths of global accesses, by the cuobjdump that comes with Triton."""
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder, "kernel.cubin")
        cubin.write_bytes(asm["cubin"])
        run = [str(tool), "-res-usage", "-sass", str(cubin)]
        environment = {**os.environ, "PATH": f"{tool.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        text = subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout
    registers = int(re.search(r"REG:(\d+)", text)[1])  # type: ignore[index]
    spills = len(re.findall(r"\b(?:LDL|STL)\b", text))
    return registers, spills, _widths(r"\bLDG\.E(\S*)", text, _sass_bits), _widths(r"\bSTG\.E(\S*)", text, _sass_bits)


def _sass_bits(suffix: str) -> int:
    """Bits of an access with this suffix: .128, .64, .U16 or .U8, and 32 without one."""
    found = re.search(r"\.[US]?(128|64|16|8)\b", suffix)
    return int(found[1]) if found else 32


def _read_hip(asm: Any) -> tuple[int, int, dict[int, int], dict[int, int]]:
    """Registers, spills, and widths of global accesses, from the assembler text."""
    text = asm["amdgcn"]
    registers = int(re.search(r"\.vgpr_count:\s+(\d+)", text)[1])  # type: ignore[index]
    spills = sum(int(count) for count in re.findall(r"_spill_count:\s+(\d+)", text))
    bits = {"dwordx4": 128, "dwordx3": 96, "dwordx2": 64, "dword": 32}
    loads = _widths(r"\b(?:global|buffer)_load_(\w+)", text, lambda width: bits.get(width, 16))
    stores = _widths(r"\b(?:global|buffer)_store_(\w+)", text, lambda width: bits.get(width, 16))
    return registers, spills, loads, stores


def _widths(pattern: str, text: str, bits: Callable[[str], int]) -> dict[int, int]:
    counted = collections.Counter(bits(suffix) for suffix in re.findall(pattern, text))
    return dict(sorted(counted.items(), reverse=True))


def main() -> None:
    """Compiles everything and prints one row for each variant and target."""
    parser = argparse.ArgumentParser(prog="python -m fastscape.kernels.compile_check", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    arguments = parser.parse_args()
    if not hasattr(_gram_kernel, "params") or os.environ.get("TRITON_INTERPRET") == "1":
        sys.exit("compile_check: wanted Triton's compiler; install triton, and leave TRITON_INTERPRET unset")
    rows = [
        compile_variant(variant, name, target) for name, target in TARGETS.items() for variant in variants(target[2])
    ]
    if arguments.json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    head = ("variant", "target", "registers", "spills", "shared", "loads", "stores", "MB read", "MB written", "Mflop")
    table = [head] + [
        (
            row.variant, row.target, str(row.registers), str(row.spills), str(row.shared), _shown(row.loads),
            _shown(row.stores), f"{row.bytes_read / 1e6:.0f}", f"{row.bytes_written / 1e6:.0f}",
            f"{row.flops / 1e6:.0f}",
        )
        for row in rows
    ]  # fmt: skip
    columns = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, columns, strict=True)).rstrip())


def _shown(widths: dict[int, int]) -> str:
    return " ".join(f"{count}x{bits}" for bits, count in widths.items())


if __name__ == "__main__":
    main()
