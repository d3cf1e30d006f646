"""The compiler's results for the kernels, for GPUs that need not be present.

    python -m fastscape.kernels.compile_check [--json]

Triton's own compiler compiles every kernel, in each dtype and with its options, ahead of time for each target. The
machine code is then read: registers, spills, shared memory, and the number of bits that each access to global memory
moves. Bytes and flops are for one launch on 3 vectors of 2^24 entries, in filters of 4096, and 16 points. This shows
what the compiler did, and nothing about how fast it runs. It uses all processors for some hundred compilations.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._triton import available, interpreting

if TYPE_CHECKING:
    from ._launch import Cost, Variant

__all__ = ["TARGETS", "Compiled", "ahead_of_time", "compile_variant"]

TARGETS: dict[str, tuple[str, Any, int]] = {
    "cuda 80": ("cuda", 80, 32),
    "cuda 90": ("cuda", 90, 32),
    "cuda 100": ("cuda", 100, 32),
    "hip gfx942": ("hip", "gfx942", 64),
}
"""Backend, architecture and threads in a warp, by name."""

SHARED = {"cuda 80": 163 << 10, "cuda 90": 227 << 10, "cuda 100": 227 << 10, "hip gfx942": 64 << 10}
"""Bytes of shared memory that one program may use, by target."""

_MATRIX = r"\b(?:HMMA|HGMMA|UTC[A-Z]*MMA|DMMA|v_s?mfmac?)(?:\b|_)"
_OPTIONS = "num_warps", "num_stages"


class Compiled(NamedTuple):
    """The compiler's results for one variant on one target.

    Widths map bits to numbers of instructions; `matrix` is the number of instructions of the matrix unit.
    """

    variant: str
    target: str
    registers: int
    spills: int
    shared: int
    loads: dict[int, int]
    stores: dict[int, int]
    matrix: int
    cost: Cost


def ahead_of_time(variant: Variant, target: tuple[str, Any, int]) -> Any:
    """Compiles one variant for one target, which need not be present.

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
    options = {name: getattr(variant.launch, name) for name in _OPTIONS if hasattr(variant.launch, name)}
    return triton_compile(source, target=GPUTarget(*target), options=options)


def compile_variant(variant: Variant, name: str, target: tuple[str, Any, int]) -> Compiled:
    """Compiles one variant for one target and reads its machine code.

    Args:
        variant: The kernel and its specialisation.
        name: The target's name.
        target: Backend, architecture and threads in a warp.

    Returns:
        The compiler's results.
    """
    code = ahead_of_time(variant, target)
    read = _read_cuda if target[0] == "cuda" else _read_hip
    registers, spills, loads, stores, matrix = read(code.asm)
    return Compiled(variant.name, name, registers, spills, code.metadata.shared, loads, stores, matrix, variant.cost)


def _compile_job(name: str, number: int) -> Compiled:
    """One compilation for a worker process, which cannot be sent a kernel."""
    from ._variants import variants

    target = TARGETS[name]
    return compile_variant(next(islice(variants(target[2], SHARED[name]), number, None)), name, target)


Read = tuple[int, int, dict[int, int], dict[int, int], int]
"""Registers, spills, widths of loads and of stores, and instructions of the matrix unit."""


def _read_cuda(asm: Any) -> Read:
    """Reads the machine code with the cuobjdump in Triton; accesses are accesses to global memory."""
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
    loads, stores = (_widths(rf"\b{name}\.E(\S*)", text, _sass_bits) for name in ("LDG", "STG"))
    return registers, spills, loads, stores, len(re.findall(_MATRIX, text))


def _sass_bits(suffix: str) -> int:
    """Bits of an access with this suffix: .128, .64, .U16 or .U8, and 32 without a suffix."""
    found = re.search(r"\.[US]?(128|64|16|8)\b", suffix)
    return int(found[1]) if found else 32


def _read_hip(asm: Any) -> Read:
    """The same from the assembler text."""
    text = asm["amdgcn"]
    registers = int(re.search(r"\.vgpr_count:\s+(\d+)", text)[1])  # type: ignore[index]
    spills = sum(int(count) for count in re.findall(r"_spill_count:\s+(\d+)", text))
    bits = {"dwordx4": 128, "dwordx3": 96, "dwordx2": 64, "dword": 32}
    loads = _widths(r"\b(?:global|buffer)_load_(\w+)", text, lambda width: bits.get(width, 16))
    stores = _widths(r"\b(?:global|buffer)_store_(\w+)", text, lambda width: bits.get(width, 16))
    return registers, spills, loads, stores, len(re.findall(_MATRIX, text))


def _widths(pattern: str, text: str, bits: Callable[[str], int]) -> dict[int, int]:
    counted = collections.Counter(bits(suffix) for suffix in re.findall(pattern, text))
    return dict(sorted(counted.items(), reverse=True))


def main() -> None:
    """Compiles everything and prints one row per variant and target."""
    parser = argparse.ArgumentParser(prog="python -m fastscape.kernels.compile_check", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    arguments = parser.parse_args()
    if not available() or interpreting():
        sys.exit("compile_check needs Triton's compiler; install triton, and leave TRITON_INTERPRET unset")
    from ._variants import variants  # with the kernels, which need Triton

    jobs = [(name, n) for name, target in TARGETS.items() for n, _ in enumerate(variants(target[2], SHARED[name]))]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(_compile_job, *zip(*jobs, strict=True)))
    if arguments.json:
        print(json.dumps([row._asdict() | {"cost": row.cost._asdict()} for row in rows]))
        return
    head = (
        "variant",
        "target",
        "registers",
        "spills",
        "shared",
        "loads",
        "stores",
        "matrix",
        "MB read",
        "MB written",
        "Mflop",
    )
    table = [head] + [
        (
            row.variant, row.target, str(row.registers), str(row.spills), str(row.shared), _shown(row.loads),
            _shown(row.stores), str(row.matrix), *(f"{number / 1e6:.0f}" for number in row.cost),
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
