"""The site builds without a warning: every link and anchor resolves, and every public name is in the reference."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastscape

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_in_the_navigation(site):
    pages = {page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")} - {Path("index.md")}
    pages = {page for page in pages if page.parts[0] != "changes"}  # they wait for a release
    home = (site / "index.html").read_text()
    for page in pages:
        folder = page.parent if page.name == "README.md" else page.with_suffix("")
        assert f'href="{folder.as_posix()}/"' in home, page


def test_every_public_name_is_in_the_reference(site):
    reference = (site / "reference" / "index.html").read_text()
    assert all(f'id="fastscape.{name}"' in reference for name in fastscape.__all__)
    # What the reference names shows what a docstring says: arguments, errors, an example.
    shown = re.search(r'<h3 id="fastscape\.line".*?<h3', reference, flags=re.DOTALL)[0]
    for title in ("Parameters:", "Returns:", "Raises:", "Examples:"):
        assert title in shown
    # Options are written once, apart from the docstrings; the page has them all the same.
    for name in inspect.signature(fastscape.line).parameters:
        assert f"<code>{name}</code>" in shown, name


def test_no_page_asks_another_server(site):
    for page in site.rglob("*.html"):
        for tag in re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^>]*>', page.read_text()):
            assert 'rel="canonical"' in tag, (page, tag)
