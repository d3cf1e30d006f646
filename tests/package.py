"""Runs what README.md and docs show, from an installed wheel: `ENVIRONMENT/bin/python tests/package.py`.

Every Python block and every command `fastscape ...` runs as printed, in a new process and in an empty folder for each
page. Files that a block reads and no block before it has written are made first. What cannot run here is listed with
the reason.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONTINUED = "efficient-loss-landscapes.md", "navigating-loss-space.md"
"""Articles, in which a block uses the names of the blocks before it."""
SHOWN = re.compile(r"^```(\w+)\n(.*?)^```|`(fastscape\s[a-z]+\s[^`]+)`", flags=re.MULTILINE | re.DOTALL)
"""A block of code with its language, or a command within the text."""
BIN = Path(sysconfig.get_path("scripts"))
LIMIT = 3600  # seconds for a step
WRITES = "--out", "--store", "--record"
"""The options whose files a command makes itself."""

COMMANDS_ELSEWHERE = {
    "make": "needs a checkout",
    "pip": "installs packages",
    "python3": "makes an environment",
    "lowest/bin/pip": "needs a checkout",
    "lowest/bin/pytest": "needs a checkout",
    "#": "is a comment",
    "torchrun": "needs several GPUs",
    "#!/bin/bash": "needs a cluster",
    "#SBATCH": "needs a cluster",
    "srun": "needs a cluster",
    "python": "needs a checkout, or the code of other authors",
    "fastscape bench": "needs a checkout",
}
"""Why a command is not run, by its first words."""

LONG = "fastscape demo --exact", "fastscape demo --compare-skip", "fastscape surface model.safetensors --x -1 1 201"
"""Commands of more than some minutes, which run with --long."""

FRAGMENTS = {
    "from transformers import": "downloads a model of transformers",
    "import transformers": "needs transformers, and a model, arguments and data of yours",
    "import lightning": "needs Lightning, and a module and a loader of yours",
    "# fastscape/": "is a file of a checkout",
    "def objective(call, batch)": "needs a model and batches of yours",
    "loss_landscapes.": "needs a different package",
    'store="run.zarr"': "needs a model and data of yours",
    "landscape.export(": "needs a landscape of yours",
}
"""Why a block marked `py` is not run, by what it contains. A block marked `python` always runs."""

TRAIN = "fastscape train mnist-cnn digits --epochs 1 --out"
STATE = 'python -c "import torch, mine; torch.save(mine.make_model().state_dict(),'
SMALL = "fastscape surface model.safetensors --points 11"
MINE = """import torch


def make_model():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def make_data():
    torch.manual_seed(0)
    return torch.randn(60, 4), {targets}
"""
SOURCES = {
    "mine.py": MINE.format(targets="torch.randint(3, (60,))"),
    "nets/cnn.py": MINE.format(targets="torch.randn(60, 3)"),
}
"""The modules with a model and data of one's own that the commands name."""

FILES = {
    "model.safetensors": f"{TRAIN} model.safetensors",
    "checkpoint.safetensors": f"{TRAIN} checkpoint.safetensors",
    "a.safetensors": f"{TRAIN} a.safetensors",
    "b.safetensors": f"{TRAIN} b.safetensors --seed 1",
    "epoch*.safetensors": f"{TRAIN} epoch1.safetensors && {TRAIN} epoch2.safetensors --seed 1",
    "run/epoch*.safetensors": f"{TRAIN} run/epoch1.safetensors && {TRAIN} run/epoch2.safetensors --seed 1",
    "run": f"{TRAIN} recorded.safetensors --record run",
    "last.pt": f"{STATE} 'last.pt')\"",
    "a.pt": f"{STATE} 'a.pt')\"",
    "b.pt": f"{STATE} 'b.pt')\"",
    "landscape.npz": f"{SMALL} --out landscape.npz",
    "surface.npz": f"{SMALL} --out surface.npz",
    "demo/model.safetensors": f"{TRAIN} demo/model.safetensors",
    "demo/landscape.npz": f"{SMALL} --out demo/landscape.npz",
    "demo/resnet56.npz": f"{SMALL} --out demo/resnet56.npz",
    "demo/resnet56-noshort.npz": f"{SMALL} --seed 1 --out demo/resnet56-noshort.npz",
    "run.zarr": f"{SMALL} --store run.zarr",
}
"""The commands that make what the commands of the pages read."""


@dataclass(frozen=True)
class Step:
    """A block or a command of a page.

    Args:
        page: The file.
        line: Where it starts.
        kind: "python" or "command".
        text: What runs.
        skipped: Why it does not run, or None.
    """

    page: Path
    line: int
    kind: str
    text: str
    skipped: str | None = None

    @property
    def name(self) -> str:
        """The place, and the command or the number of lines."""
        shown = self.text if self.kind == "command" else f"python, {len(self.text.splitlines())} lines"
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{self.line} {shown}"


def steps(page: Path, *, long: bool = False) -> list[Step]:
    """The blocks and commands of a page, in order.

    Args:
        page: The file.
        long: Whether the commands that take many minutes run.

    Returns:
        A step for each block of Python, for each command of a block of shell, and for each command in the text.
    """
    text, found, before = page.read_text(), [], ""
    for match in SHOWN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        language, block, command = match.groups()
        if language == "python":
            found.append(Step(page, line, "python", before + block))
            if page.name in CONTINUED:
                before += block
        elif language == "py":
            found.append(Step(page, line, "python", block, why_fragment(block, page, line)))
        elif language in ("sh", "console", "bash"):
            lines = re.sub(r"\\\n *", "", block).splitlines()
            found += [_command(page, line + at, words, long) for at, words in enumerate(lines, 1) if words.strip()]
        elif command and not command.split()[2].startswith("--"):  # that is a part of a command
            found.append(_command(page, line, " ".join(command.split()), long))
    return found


def why_fragment(block: str, page: Path, line: int) -> str:
    """Why a block marked `py` is not run.

    Args:
        block: The code.
        page: The file that shows it.
        line: Where it starts.

    Returns:
        The reason.

    Raises:
        ValueError: When no reason is known.
    """
    for part, reason in FRAGMENTS.items():
        if part in block:
            return reason
    raise ValueError(f"{page}:{line} is marked py, so nothing runs it; mark it python, or add the reason to FRAGMENTS")


def _command(page: Path, line: int, words: str, long: bool) -> Step:
    text = words.strip().removeprefix("$ ").partition("  #")[0].rstrip()
    plain = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", text)
    reason = next((why for first, why in COMMANDS_ELSEWHERE.items() if f"{plain} ".startswith(f"{first} ")), None)
    if not long and plain.startswith(LONG):
        reason = "takes many minutes; --long runs it"
    return Step(page, line, "command", text, reason)


def run(page: Path, *, long: bool, lines: list[str]) -> list[str]:
    """Runs a page in a new folder.

    Args:
        page: The file.
        long: Whether the commands that take many minutes run.
        lines: What happened, a line for each step; grows.

    Returns:
        What failed, with what it printed.
    """
    failed = []
    with tempfile.TemporaryDirectory(prefix="fastscape-") as folder:
        for step in steps(page, long=long):
            if step.skipped:
                lines.append(f"skipped: {step.skipped}: {step.name}")
                continue
            start = time.monotonic()
            problem = _run(step, Path(folder))
            said = f"{'failed' if problem else 'ran'} {time.monotonic() - start:7.1f} s  {step.name}"
            print(said, flush=True)
            lines.append(said)
            if problem:
                failed.append(f"{step.name}\n{problem}")
    return failed


def _run(step: Step, folder: Path) -> str | None:
    if step.kind == "python":
        if name := re.match(r"# (\w+\.py)\n", step.text):  # a file of the reader's own, which later steps import
            (folder / name[1]).write_text(step.text)
        (folder / "block.py").write_text(step.text)
        return _called([sys.executable, "block.py"], folder)
    return _made(step.text, folder) or _called(step.text, folder)


def _made(command: str, folder: Path) -> str | None:
    """Makes what a command reads and the folder does not have, and what that takes in turn."""
    for name, source in SOURCES.items():
        named = name in command or re.search(rf"\b{Path(name).stem}[:.]", command)
        if named and not (folder / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(source)
    words = shlex.split(command)
    for before, word in itertools.pairwise(words):
        if word in FILES and before not in WRITES and not any(folder.glob(word)):
            (folder / word).parent.mkdir(exist_ok=True)
            if problem := _made(FILES[word], folder) or _called(FILES[word], folder):
                return problem
    return None


def _called(command: str | list[str], folder: Path) -> str | None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "BROWSER": "true"}
    try:
        done = subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=folder,
            env=environment,
            timeout=LIMIT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command}: not done after {LIMIT} s"
    return f"{command}\n{done.stdout[-4000:]}" if done.returncode else None


def check_installed() -> None:
    """Refuses a package that is not the one of this environment.

    Raises:
        SystemExit: When the import leads to the checkout or to nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        code = "import fastscape; print(fastscape.__file__)"
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, check=False
        )
    place = done.stdout.strip()
    if not place.startswith(sysconfig.get_path("purelib")):
        raise SystemExit(f"fastscape must be installed in {sys.prefix}, got {place or done.stderr}")
    print(f"{place}, Python {sys.version.split()[0]}", flush=True)


def main() -> None:
    """Runs the pages, two at a time, and lists what was skipped and what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, help="default: README.md and docs/*.md")
    parser.add_argument("--long", action="store_true", help="also the commands that take many minutes")
    parser.add_argument("--jobs", type=int, default=2, help="how many pages run at the same time")
    arguments = parser.parse_args()
    check_installed()
    lines: list[str] = []
    pages = [page.resolve() for page in arguments.pages] or PAGES
    with ThreadPoolExecutor(arguments.jobs) as pool:
        failures = pool.map(lambda page: run(page, long=arguments.long, lines=lines), pages)
        failed = list(itertools.chain.from_iterable(failures))
    skipped = sorted(line for line in lines if line.startswith("skipped"))
    print(*skipped, *(f"\nFAILED {problem}" for problem in failed), sep="\n")
    print(f"{len(lines) - len(skipped) - len(failed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
