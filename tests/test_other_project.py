"""On the package index `fastscape` is another project, whose files may lie over ours."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastscape
from fastscape.results import mixed_in

THEIRS = "__all__ = ('processes', 'models')\n"


@pytest.fixture
def mixed(tmp_path):
    """Our package in a folder where the files of the other project lie too."""
    ours = Path(fastscape.__file__).parent
    folder = tmp_path / "fastscape"
    shutil.copytree(ours, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "processes").mkdir()
    (folder / "processes" / "erosion.py").write_text("")
    return folder


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder.parent, capture_output=True, text=True, check=False)


def test_the_import_says_so(mixed):
    done = python(mixed, "-c", "import fastscape; print(len(fastscape.__all__))")
    assert int(done.stdout) > 0  # it works all the same
    assert f"UserWarning: {mixed} also holds the files of another project named fastscape" in done.stderr
    assert "write pip uninstall fastscape torch-fastscape" in done.stderr
    assert "<string>:1" in done.stderr  # the user's line


def test_where_their_face_lies_over_ours_the_command_says_so(mixed):
    (mixed / "__init__.py").write_text(THEIRS)
    done = python(mixed, "-m", "fastscape.cli", "info")
    assert done.returncode == 2
    assert "also holds the files of another project named fastscape" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_they_took_our_face_along_the_command_says_so(mixed):
    shutil.rmtree(mixed / "processes")
    (mixed / "__init__.py").unlink()
    done = python(mixed, "-m", "fastscape.cli", "--version")
    assert done.returncode == 2
    assert done.stderr.startswith(f"fastscape: {mixed} has no __init__.py, as after pip uninstall of another project")
    assert "write pip install --force-reinstall --no-deps torch-fastscape" in done.stderr


def test_alone_nothing_is_said():
    assert mixed_in(Path(fastscape.__file__).parent) is None
