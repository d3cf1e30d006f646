"""The numbers of `philox` by `philox.c`, which the machine's C compiler, if there is one, builds once.

`philox.c` does the operations of `philox_numpy` in the same order. Before it is used, some thousand numbers of each
kind are compared with numpy's. So a user without a compiler gets the same numbers bit for bit, only later.

A process calls the compiler after drawing with numpy for about as long as compiling takes, a third of a second. The
library is built for this exact processor and kept in ~/.cache/fastscape/compiled. Several machines may share a home,
so its name follows from source, flags and processor, and from its content. A process that finds it there uses it from
the first number on. With `FASTSCAPE_COMPILE=0` in the environment nothing is compiled, kept or used.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from .philox_numpy import draw_numpy

__all__ = ["Compiled", "compiled"]

_SOURCE = Path(__file__).with_name("philox.c")
# No flag lets values change: products and sums stay separate, and errno and floating-point traps are not used.
_FLAGS = [
    "-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread",
]  # fmt: skip
_SECONDS = 60
"""Seconds that a compiler may take."""

_ENOUGH = 1 << 24
"""Numbers that a process draws by numpy before it calls the compiler."""

_EACH = 1 << 16
"""Numbers from which a further thread is worth starting: 0.1 ms."""

_PIECE = 1 << 26
"""Numbers per call, after which Ctrl-C is handled: 0.1 s."""

_DISTRIBUTIONS = {"normal": 0, "uniform": 1, "rademacher": 2}

_drawn = 0


class Compiled:
    """`draw` of a library built from `philox.c`.

    Args:
        library: The file.

    Raises:
        OSError: When it cannot be loaded.
        AttributeError: When it is a different library.
    """

    def __init__(self, library: Path) -> None:
        self._draw = ctypes.CDLL(str(library)).draw
        u64 = ctypes.c_uint64
        self._draw.argtypes = ctypes.c_void_p, ctypes.c_int, u64, ctypes.c_uint32, u64, u64, ctypes.c_int, ctypes.c_int
        self._draw.restype = None

    def __call__(self, out: Tensor, seed: int, stream: int, start: int, distribution: str) -> Tensor:
        """Numbers written to `out` [N], contiguous, on the CPU; half precisions are rounded from float32.

        Threads share nothing, so each gets its own numbers, and Python's lock is released meanwhile. Large draws use
        as many threads as torch does.

        Args:
            out: The tensor to write to.
            seed: From 0 to 2^64 - 1.
            stream: From 0 to 2^32 - 1.
            start: The first entry, counted in the stream.
            distribution: "normal", "uniform" or "rademacher".

        Returns:
            `out`.
        """
        wide = out.dtype == torch.float64
        direct = wide or out.dtype == torch.float32
        piece = _PIECE if direct else 4 * _EACH
        for begin in range(0, out.numel(), piece):
            part = out[begin : begin + piece]
            target = part if direct else torch.empty_like(part, dtype=torch.float32)
            count, kind = part.numel(), _DISTRIBUTIONS[distribution]
            threads = max(1, min(torch.get_num_threads(), count // _EACH))
            self._draw(target.data_ptr(), wide, seed, stream, start + begin, count, kind, threads)
            if not direct:
                part.copy_(target)
        torch.autograd.graph.increment_version(out)
        return out

    def agrees(self) -> bool:
        """Whether some thousand numbers of each kind equal numpy's, bit for bit."""
        for distribution in _DISTRIBUTIONS:
            for dtype, bits in ((torch.float64, torch.int64), (torch.float32, torch.int32)):
                arguments = 2**63 + 5, 2**32 - 1, 2**34 - 4099, distribution  # the counter's second word changes
                mine, other = (torch.empty(8197, dtype=dtype, device="cpu") for _ in range(2))
                draw_numpy(other, *arguments)
                if not torch.equal(self(mine, *arguments).view(bits), other.view(bits)):
                    return False
        return True


def compiled(out: Tensor) -> Compiled | None:
    """The library that can fill `out`, if there is one or it is time to build it.

    Args:
        out: The tensor to write to.

    Returns:
        The library, or None if numpy must draw them.
    """
    global _drawn
    plain = type(out) is Tensor and out.device.type == "cpu" and out.is_contiguous() and not out.requires_grad
    if not plain or os.environ.get("FASTSCAPE_COMPILE") == "0":
        return None
    found = _kept()
    if found is None:
        _drawn += out.numel()  # of threads that do this at once one may go uncounted
        found = _built() if _drawn >= _ENOUGH else None
    return found


@functools.cache
def _kept() -> Compiled | None:
    """The library that an earlier process has built."""
    place = _place()
    if place is None:
        return None
    try:
        for library in sorted(place.parent.glob(f"{place.name}-*.so")):
            found = _loaded(library) if _whole(library) else None
            if found is not None:
                return found
    except OSError:  # it may not be readable
        pass
    return None


@functools.cache
def _built() -> Compiled | None:
    """The library, built now and kept for later processes if possible."""
    place = _place()
    for folder in (None,) if place is None else (place.parent, None):
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as made:
                for number, command in enumerate(_commands()):
                    library = Path(made) / f"{number}.so"  # a name that was loaded once is not read again
                    found = _loaded(library) if _compiles([*command, "-o", str(library)]) else None
                    if found is not None and folder is not None and place is not None:
                        library.chmod(0o700)
                        library.replace(place.with_name(f"{place.name}-{_digest(library.read_bytes())}.so"))
                    if found is not None:
                        return found
        except OSError:  # the folder cannot be written to, or is full
            continue
    return None


def _commands() -> list[list[str]]:
    """Calls of the available compilers, the fastest result first."""
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    compilers = dict.fromkeys(tuple(name.split()) for name in names if name and shutil.which(name.split()[0]))
    tuned: list[list[str]] = [["-march=native"], []] if _processor() else [[]]
    return [[*compiler, *_FLAGS, *more, str(_SOURCE), "-lm"] for compiler in compilers for more in tuned]


def _compiles(command: list[str]) -> bool:
    try:
        return not subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def _loaded(library: Path) -> Compiled | None:
    try:
        found = Compiled(library)
    except (OSError, AttributeError):  # from another machine, incomplete, or in a folder that may not hold programs
        return None
    return found if found.agrees() else None


def _whole(library: Path) -> bool:
    """Whether only programs of this user can have written the library, and whether it is complete."""
    states = [path.stat() for path in (library.parent, library)]
    if any(state.st_uid != os.getuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for state in states):
        return False
    # An incomplete library, for example after a full disk, would crash the process that loads it.
    return library.stem.endswith(f"-{_digest(library.read_bytes())}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


@functools.cache
def _place() -> Path | None:
    """The start of the file names for this source, flags and processor; None without a home, and on Windows."""
    try:
        home = Path("~/.cache/fastscape/compiled").expanduser()
        source = _SOURCE.read_bytes()
    except (OSError, RuntimeError):
        return None
    if os.name != "posix":
        return None
    made_for = "\n".join([*_FLAGS, platform.system(), platform.machine(), _processor()])
    return home / f"philox-{_digest(source + made_for.encode())}"


@functools.cache
def _processor() -> str:
    """The name and features of the processor on Linux; empty elsewhere, where nothing is built for it alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return ""
    wanted = "vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU implementer", "CPU part"
    return "\n".join(line for line in lines if line.split(":")[0].strip() in wanted)
