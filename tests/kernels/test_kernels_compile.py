"""What Triton's compiler makes of the kernels, ahead of time, for GPUs that are not here."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from fastscape.kernels import Segments, compile_check, gram, interpolate, perturbed_linear
from fastscape.kernels.philox import FLOPS

pytest.importorskip("triton", reason="Triton is not built for this platform")

# The interpreter of the other tests replaces the compiler, so the compiler runs in a process of its own.
# It writes what the check writes and then the code of some kernels before it is one for a GPU; its workers are copies.
PROGRAM = """
import json, multiprocessing
from fastscape.kernels import compile_check
from fastscape.kernels._variants import variants

copied = multiprocessing.get_context("fork")
multiprocessing.get_context = lambda method: copied
compile_check.main()
target = compile_check.TARGETS["cuda 90"]
half = [variant for variant in variants(32, 227 << 10) if " fp16" in variant.name]
print(json.dumps([compile_check.ahead_of_time(variant, target).asm["ttir"] for variant in half]))
fused = [v for v in variants(32, 227 << 10) if v.name.startswith("linear bf16") and "of" not in v.name]
print(json.dumps([compile_check.ahead_of_time(variant, target).asm["ptx"] for variant in fused]))
"""
COMPILER = {**os.environ, "TRITON_INTERPRET": "0"}
TARGETS = ["cuda 80", "cuda 90", "cuda 100", "hip gfx942"]


@pytest.fixture(scope="module")
def compiled() -> list[str]:
    command = [sys.executable, "-c", PROGRAM, "--json"]
    result = subprocess.run(command, capture_output=True, text=True, env=COMPILER)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def rows(compiled) -> list[dict]:
    return json.loads(compiled[0])


def test_every_variant_is_compiled_for_every_target(rows):
    dtypes = ["fp32", "bf16", "fp16", "fp64"]
    wanted = {f"{kernel} {d}" for d in dtypes for kernel in ("gram", "gram seeded", "draw")}
    wanted |= {f"interpolate {d} {kind}" for d in dtypes for kind in ("uniform", "per filter")}
    wanted |= {f"interpolate seeded {d} per filter" for d in dtypes}
    wanted |= {"gram fp32 stride 1"}
    options = ["line", "weighted", "uniform numbers", "rademacher"]
    wanted |= {"interpolate seeded fp32 uniform", *(f"interpolate seeded fp32 per filter, {o}" for o in options)}
    wanted |= {f"linear combined {d}" for d in dtypes[:2]}
    wanted |= {f"linear fp32, {rows} rows" for rows in (1, 32, 2048)}
    wanted |= {f"linear bf16, {rows} rows" for rows in (1, 32, 64, 128, 2048)}
    wanted |= {f"linear bf16, 128 rows, {option}" for option in ("shared coefficients", "seeded", "odd inputs")}
    wanted |= {"linear bf16 of fp32, 64 rows", "linear tf32, 128 rows"}
    assert {(row["variant"], row["target"]) for row in rows} == {(v, t) for v in wanted for t in TARGETS}


def test_nothing_spills(rows):
    assert [row for row in rows if row["spills"]] == []
    assert all(0 < row["registers"] < 256 for row in rows)


def test_interpolate_moves_128_bits_in_every_access_to_the_basis_and_the_points(rows):
    for row in rows:
        if row["variant"].startswith("interpolate"):
            assert set(row["stores"]) == {"128"}, row
            # The vectors, or theta; narrower loads are coefficients and the table of segments.
            vectors = 1 if "seeded" in row["variant"] else 3
            narrow = row["loads"]["128"] == vectors
            # Three float64 coefficients lie side by side, and AMD's compiler joins them.
            assert narrow or (row["loads"]["128"] > vectors and "fp64" in row["variant"]), row


def test_fused_products_use_the_matrix_unit(rows):
    """In half precision and in TF32; float32 is multiplied as such but by AMD, whose matrix unit does that, too."""
    for row in rows:
        if row["variant"].startswith("linear") and "combined" not in row["variant"]:
            exact = row["variant"].startswith("linear fp32")
            assert exact or row["matrix"] > 0, row


def test_hopper_takes_the_formed_weights_from_registers(compiled):
    """`wgmma` whose first factor is a list of registers, and not an address in shared memory."""
    for code in json.loads(compiled[2]):
        products = re.findall(r"wgmma\.mma_async\S+\s+\{[^}]*\},\s*(\S)", code)
        assert products
        assert set(products) == {"{"}


def test_drawing_stores_128_bits(rows):
    for row in rows:
        if row["variant"].startswith("draw"):
            assert set(row["stores"]) == {"128"}, row


def test_a_launch_is_counted_as_the_formula_says(rows):
    for row in rows:
        kernel, *rest, kind = row["variant"].split()
        if kernel == "interpolate" and kind == "uniform":
            size = {"fp32": 4, "bf16": 2, "fp16": 2, "fp64": 8}[rest[-1]]
            seeded = rest[0] == "seeded"
            assert row["cost"]["bytes_written"] == 16 * size * 2**24
            assert row["cost"]["bytes_read"] == pytest.approx((1 if seeded else 3) * size * 2**24, rel=1e-5)
            assert row["cost"]["flops"] == 2 * 3 * 16 * 2**24 + (2 * FLOPS["normal"] * 2**24 if seeded else 0)


def test_the_interpreter_is_refused(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(sys, "argv", ["compile_check"])
    with pytest.raises(SystemExit, match="leave TRITON_INTERPRET unset"):
        compile_check.main()


def test_offsets_into_basis_and_points_are_64_bit_in_the_generated_code(compiled):
    code = "".join(json.loads(compiled[1]))
    # Only the basis and the points are f16. The last step of an address adds a tensor of offsets to it.
    types = re.findall(r"tt\.addptr .* : (?:tensor<[\dx]+)?!tt\.ptr<f16>>?, (\S+)", code)
    assert len(types) >= 6
    vectors = [kind for kind in types if kind.startswith("tensor")]
    assert vectors
    assert all("i64" in kind for kind in types), types


@pytest.mark.parametrize("backend", ["torch", "triton"])
def test_rows_beyond_2_31_elements(backend, tmp_path):
    """A sparse file stands for the memory: two rows that are 2^31 elements apart, of which only the ends exist."""
    if torch.cuda.is_available():
        pytest.skip("the kernels run on the GPU here, which cannot read a file")
    stride, size = 2**31 + 16, 40
    memory = np.memmap(tmp_path / "sparse", dtype=np.float16, mode="w+", shape=(2 * stride,))
    memory[:size], memory[stride : stride + size] = 1.0, np.arange(size)
    basis = torch.from_numpy(memory).as_strided((2, size), (stride, 1))
    at = torch.tensor([[[1.0, 0.5]], [[0.0, 2.0]]])
    x = torch.ones(2, 1, 8, dtype=torch.float16)
    made = perturbed_linear(x, basis.unflatten(1, (5, 8)), at, method="fused", backend=backend)
    sums = torch.arange(40.0).view(5, 8).sum(1)
    assert torch.equal(made[:, 0].float(), torch.stack([8 + 0.5 * sums, 2 * sums]))
    segments = Segments(torch.tensor([0, 7, size]))
    assert gram(basis, segments, backend=backend)[0].tolist() == [[7.0, 21.0], [21.0, 91.0]]
    coefficients = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 3.0]]])
    out = torch.from_numpy(np.memmap(tmp_path / "out", dtype=np.float16, mode="w+", shape=(2 * stride,)))
    out = out.as_strided((2, size), (stride, 1))
    interpolate(basis, coefficients, segments, out=out, backend=backend)
    assert out[0].tolist() == [1.0] * size
    assert out[1].tolist() == [2.0 * p if p < 7 else 3.0 * p for p in range(size)]
