"""What the documentation shows is run: examples in docstrings, code in README, its commands, its links."""

import doctest
import importlib
import re
from importlib import metadata
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot as plt
from test_architecture import MODULES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

TUTORIALS = "efficient-loss-landscapes", "navigating-loss-space"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "fastscape.cli"])
def test_docstring_examples(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        names = names if page.stem in TUTORIALS else {}  # elsewhere every block stands for itself
        exec(compile(block, str(page), "exec"), names)
    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_commands_of_the_readme_are_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for command in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE):
        assert command in targets


def test_every_dependency_has_a_lower_bound():
    requirements = metadata.requires("fastscape")
    assert len(requirements) > 9
    assert all(">=" in requirement for requirement in requirements)
