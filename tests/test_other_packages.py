"""The comparison with other packages: every cell has its reference, and what scripts print is what the page shows."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "comparison.md").read_text()
SCRIPTS = sorted((ROOT / "docs" / "comparison").glob("with_*.py"))


def sections() -> dict[str, str]:
    """The references of each package."""
    parts = re.split(r"^### (.+)\n", PAGE.partition("\n## References\n")[2], flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def cells() -> list[tuple[str, str, str]]:
    """Package, number of the row, and what stands there."""
    found, packages = [], []
    for line in PAGE.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| | |"):
            packages = row[2:]
        elif re.match(r"\| \d+ \|", line):
            found += [(package, row[0], cell) for package, cell in zip(packages, row[2:], strict=True)]
    return found


def test_every_cell_has_a_reference():
    referred = {name: set(re.findall(r"\*\*(\d+)\*\*", text)) for name, text in sections().items()}
    assert len(cells()) > 150
    for package, number, cell in cells():
        assert (number in referred[package]) or cell == "not tried", (package, number)
    for package, numbers in referred.items():
        assert numbers <= {number for name, number, _ in cells() if name == package}, package


def test_every_script_has_its_section():
    named = re.findall(r"Run by `docs/comparison/(with_\w+\.py)`", PAGE)
    assert sorted(named) == [script.name for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_page_shows_what_a_script_prints(script):
    (section,) = (text for text in sections().values() if script.name in text)
    distribution = re.search(r'^version\("([\w-]+)"\)', script.read_text(), flags=re.MULTILINE)[1]
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed")
    if distribution != "torch-fastscape" and version not in PAGE:
        pytest.skip(f"the page is about another version than {distribution} {version}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = re.search(r"```text\n(.*?)```", section, flags=re.DOTALL)[1]
    assert done.stdout.splitlines()[1:] == shown.splitlines()
