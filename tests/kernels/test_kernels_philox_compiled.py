"""philox.c: the bits of numpy from whatever compiler there is, or else nothing of it is used."""

import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastscape.kernels import draw, philox_compiled
from fastscape.kernels.philox_numpy import draw_numpy

DISTRIBUTIONS = ["normal", "uniform", "rademacher"]
BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.bfloat16: torch.int16,
    torch.float16: torch.int16,
}


def forget() -> None:
    """What a fresh process knows."""
    for function in (philox_compiled._kept, philox_compiled._built, philox_compiled._place):
        function.cache_clear()
    philox_compiled._drawn = 0


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of one's own, in which nothing was built."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FASTSCAPE_COMPILE", raising=False)
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        forget()
        found = philox_compiled._built()
    forget()
    if found is None and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler")
    assert found is not None
    return found


def kept(home: Path) -> list[Path]:
    return sorted((home / ".cache/fastscape/compiled").glob("*"))


def same(library, n: int, dtype: torch.dtype, *arguments) -> bool:
    mine, other = torch.full((n,), -7.0, dtype=dtype), torch.full((n,), -7.0, dtype=dtype)
    assert library(mine, *arguments) is mine
    draw_numpy(other, *arguments)
    return torch.equal(mine.view(BITS[dtype]), other.view(BITS[dtype]))


@given(
    seed=st.integers(0, 2**64 - 1),
    stream=st.integers(0, 2**32 - 1),
    start=st.integers(0, 5000) | st.integers(2**34 - 5000, 2**34 + 40) | st.integers(0, 2**63 - 6000),
    count=st.integers(0, 5000),
    distribution=st.sampled_from(DISTRIBUTIONS),
    dtype=st.sampled_from(list(BITS)),
    threads=st.integers(1, 70),
)
def test_the_bits_are_those_of_numpy(library, seed, stream, start, count, distribution, dtype, threads):
    """Wherever it starts and ends, and however many threads share it, more than it has work for among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(philox_compiled, "_EACH", 64)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        assert same(library, count, dtype, seed, stream, start, distribution)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_million_numbers_are_those_of_numpy(library, distribution):
    assert same(library, 1_000_003, torch.float64, 2**40 + 1, 1, 3, distribution)


def test_nothing_beside_the_numbers_is_written(library):
    memory = torch.full((5000,), -7.0)
    for start in (0, 1, 1023, 1024):
        library(memory[7:4003], 1, 0, start, "normal")
        assert (memory[:7] == -7).all()
        assert (memory[4003:] == -7).all()
        assert not (memory[7:4003] == -7).any()


def test_long_draws_are_made_in_pieces(library, monkeypatch):
    monkeypatch.setattr(philox_compiled, "_PIECE", 1000)
    monkeypatch.setattr(philox_compiled, "_EACH", 250)
    for dtype in BITS:
        assert same(library, 4567, dtype, 3, 0, 5, "normal")


def test_threads_draw_beside_each_other(library):
    whole = library(torch.empty(1 << 18), 9, 0, 0, "normal")
    starts, threads = [7919 * k for k in range(24)], torch.get_num_threads()
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda start: library(torch.empty(70001), 9, 0, start, "normal"), starts))
    assert all(torch.equal(part, whole[start : start + 70001]) for start, part in zip(starts, parts, strict=True))
    assert torch.get_num_threads() == threads


def test_autograd_hears_of_what_was_written(library):
    """Values that a backward pass needs may not be written over, as with any operation in place."""
    numbers = torch.ones(8, requires_grad=True).clone().detach()
    product = torch.ones(8, requires_grad=True) * numbers
    library(numbers, 0, 0, 0, "normal")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()
    with torch.inference_mode():
        assert same(library, 100, torch.float32, 0, 0, 0, "normal")


def test_the_compiler_is_called_when_it_is_worth_it_and_once(library, home, monkeypatch):
    monkeypatch.setattr(philox_compiled, "_ENOUGH", 1000)
    out = torch.empty(300)
    found = [philox_compiled.compiled(out) for _ in range(5)]
    assert [one is None for one in found] == [True, True, True, False, False]
    assert found[3] is found[4]
    (file,) = kept(home)
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    forget()
    monkeypatch.setattr(philox_compiled, "_built", lambda: pytest.fail("it was kept"))
    assert philox_compiled.compiled(torch.empty(1)) is not None


def test_draw_uses_it(library, monkeypatch):
    monkeypatch.setattr(philox_compiled, "_kept", lambda: library)
    calls = []
    monkeypatch.setattr(type(library), "__call__", lambda self, out, *arguments: calls.append(arguments) or out)
    out = torch.zeros(8)
    assert draw(out, 5, 6, start=7, distribution="uniform") is out
    assert calls == [(5, 6, 7, "uniform")]
    for other in (
        torch.zeros(8, requires_grad=True),
        torch.nn.Parameter(torch.zeros(8)),
        torch.zeros(8, device="meta"),
    ):
        assert philox_compiled.compiled(other) is None  # torch has rules for those
    assert philox_compiled.compiled(torch.zeros(16)[::2]) is None
    monkeypatch.setenv("FASTSCAPE_COMPILE", "0")
    assert philox_compiled.compiled(out) is None
    assert len(calls) == 1


def test_without_a_compiler_numpy_draws(home, monkeypatch):
    monkeypatch.setattr(philox_compiled, "_ENOUGH", 0)
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setenv("CC", str(home / "nothing"))
    whole = draw_numpy(torch.empty(100), 1, 0, 0, "normal")
    assert philox_compiled.compiled(whole) is None
    assert torch.equal(draw(torch.empty(100), 1), whole)
    assert not kept(home)


@pytest.mark.parametrize(
    "does", ["exit 1", "exit 0", "sleep 60", 'while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"'], ids=str
)
def test_a_compiler_that_fails_is_passed_over(home, monkeypatch, does):
    compiler = home / "compiler"
    compiler.write_text(f"#!/bin/sh\n{does}\n")
    compiler.chmod(0o700)
    monkeypatch.setattr(philox_compiled, "_SECONDS", 0.2)
    monkeypatch.setattr(philox_compiled.shutil, "which", lambda name: name if name == str(compiler) else None)
    monkeypatch.setenv("CC", str(compiler))
    assert philox_compiled._built() is None
    assert not kept(home)


def test_a_library_with_other_numbers_is_refused(library, home, monkeypatch):
    """A compiler that takes liberties with floating-point numbers, here by a constant that is off by one unit."""
    text = philox_compiled._SOURCE.read_text()
    other = home / "philox.c"
    other.write_text(text.replace("6.666666666666735130e-01", "6.666666666666736240e-01"))
    assert other.read_text() != text
    monkeypatch.setattr(philox_compiled, "_SOURCE", other)
    assert philox_compiled._built() is None
    assert not kept(home)
    other.write_text(text)
    philox_compiled._built.cache_clear()
    assert philox_compiled._built() is not None


@pytest.mark.parametrize("spoiled", ["cut", "of the group", "folder of all", "another library", "no library"])
def test_what_lies_in_the_cache_is_looked_at_before_it_is_used(library, home, spoiled):
    assert philox_compiled._built() is not None
    (file,) = kept(home)
    if spoiled == "of the group":
        file.chmod(0o770)
    elif spoiled == "folder of all":
        file.parent.chmod(0o777)
    else:  # a file of its own: what is loaded is the memory of this process, too
        whole = file.read_bytes()
        file.unlink()
        if spoiled == "another library":
            (home / "empty.c").write_text("int nothing;\n")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", str(home / "empty.so"), str(home / "empty.c")], check=True)
            whole = (home / "empty.so").read_bytes()
            file = file.with_name(f"{philox_compiled._place().name}-{philox_compiled._digest(whole)}.so")
        elif spoiled == "no library":
            whole = b"rubbish"
            file = file.with_name(f"{philox_compiled._place().name}-{philox_compiled._digest(whole)}.so")
        file.write_bytes(whole[:7000] if spoiled == "cut" else whole)
        file.chmod(0o700)
    forget()
    assert philox_compiled._kept() is None
    assert philox_compiled._built() is not None


def test_a_home_that_cannot_be_written_to_is_done_without(library, home):
    (home / ".cache").write_text("a file")
    assert philox_compiled._built() is not None
    assert philox_compiled._kept() is None


def test_the_name_follows_from_all_that_the_library_depends_on(home, monkeypatch):
    names = set()
    for name, value in (("_SECONDS", 1), ("_FLAGS", ["-O2"]), ("_processor", lambda: "another")):
        monkeypatch.setattr(philox_compiled, name, value)
        philox_compiled._place.cache_clear()
        names.add(philox_compiled._place())
    assert len(names) == 3


def test_a_process_that_finds_it_draws_the_same(library, home):
    assert philox_compiled._built() is not None
    code = (
        "import torch; from fastscape.kernels import draw, philox_compiled\n"
        "out = draw(torch.empty(1001, dtype=torch.float64), 3, start=2)\n"
        "print(philox_compiled._kept() is not None, *out.view(torch.int64).tolist())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    here = draw_numpy(torch.empty(1001, dtype=torch.float64), 3, 0, 2, "normal")
    assert said == ["True", *map(str, here.view(torch.int64).tolist())]


def test_a_default_device_is_no_matter():
    """What is compared before the library is used lies on the CPU, whatever the default device is."""
    program = "import torch\nfrom fastscape.kernels import draw\ntorch.set_default_device('meta')\n"
    program += "out = torch.empty(1 << 25, device='cpu')\nprint(draw(out, 1)[-1].item() != 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr
