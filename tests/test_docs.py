"""What the documentation shows is run: examples in docstrings, code in README, its commands, its links."""

import ast
import doctest
import importlib.util
import re
import subprocess
import sys
import warnings
from importlib import metadata
from pathlib import Path

import pytest
import torch
from matplotlib.animation import FuncAnimation
from test_architecture import MODULES
from torch.utils.data import TensorDataset

import fastscape
from commands import run
from fastscape.training.optional import ROOMS
from fastscape.zoo import datasets
from idx import write_idx

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

ARTICLES = "efficient-loss-landscapes", "navigating-loss-space"

_spec = importlib.util.spec_from_file_location("page", ROOT / "docs" / "page.py")
PAGE = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(PAGE)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_docstring_examples(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are imported here first
        if name.startswith("fastscape.training.") and name.rpartition(".")[2] in ROOMS:
            pytest.importorskip(name.rpartition(".")[2])
            importlib.import_module(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.fixture
def _little_to_do(monkeypatch):
    """Data sets are one whole batch of a training and a rest, and animations of three frames."""
    load = datasets.load
    monkeypatch.setattr(datasets, "load", lambda *arguments: TensorDataset(*load(*arguments)[:66]))

    class Short(FuncAnimation):
        def __init__(self, *arguments, frames, **options):
            super().__init__(*arguments, frames=min(frames, 3), **options)

    monkeypatch.setattr("matplotlib.animation.FuncAnimation", Short)


@pytest.mark.usefixtures("_little_to_do")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.stem in ARTICLES:
        PAGE.run(page, side=3)
    for block in PAGE.blocks(page) if page.stem not in (*ARTICLES, "tutorial") else ():  # each stands for itself
        exec(compile(block, str(page), "exec"), {})


def _words(text: str) -> list[str]:
    """Text without its numbers and markers: these differ between processors and versions."""
    return re.sub(r"[\d.e+-]+", "0", text.replace("\n> ", "\n")).split()


def test_the_tutorial_prints_what_it_shows_and_ends_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "mine", None)
    del sys.modules["mine"]  # it is undone in the end
    page = ROOT / "docs" / "tutorial.md"
    parts = re.findall(r"```python\n(.*?)```\n+(?:```text\n(.*?)```\n+)?(?:> (.*?)\n\n)?", page.read_text(), re.DOTALL)
    assert sum(bool(shown) for _, shown, _ in parts) == 5
    for block, shown, quoted in parts:
        PAGE.write_named(block, tmp_path)
        exec(compile(block, str(page), "exec"), {})
        assert _words(capsys.readouterr().out) == _words(f"{shown}\n> {quoted}")
    (command,) = re.findall(r"^fastscape (surface mine:.*)$", page.read_text(), re.MULTILINE)
    run(*command.replace("--points 41", "--points 3 --metric fastscape:accuracy --out command.npz").split())
    computed, loaded = (fastscape.Landscape.load(f"{name}.npz") for name in ("command", "landscape"))
    assert computed.loss == pytest.approx(loaded.loss[::20, ::20])
    assert computed.metrics["accuracy"] == pytest.approx(loaded.metrics["accuracy"][::20, ::20])


def test_only_a_block_that_names_a_file_is_written(tmp_path):
    assert PAGE.write_named("# mine.py\nside = 3\n", tmp_path).read_text() == "# mine.py\nside = 3\n"
    assert PAGE.write_named("import torch\n", tmp_path) is None
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize("name", ["README.md", "docs/index.md", "docs/topology.md"])
def test_a_page_shows_what_its_first_block_prints(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / name
    block, shown = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", page.read_text(), re.DOTALL).groups()
    exec(compile(block, str(page), "exec"), {})
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("name", "dataset", "folder", "pictures"),
    [
        ("navigating-loss-space", "mnist", "MNIST", 4),
        ("efficient-loss-landscapes", "fashion-mnist", "FashionMNIST", 5),
    ],
)
def test_an_article_runs_with_the_data_set_of_its_source(name, dataset, folder, pictures, tmp_path, monkeypatch):
    """Files of a few images stand for those that are downloaded."""
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 20), ("t10k", 10)):
        images, labels = torch.randint(256, (count, 28, 28)).byte(), torch.arange(count) % 10
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images.numpy())
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels.byte().numpy())
    monkeypatch.setenv("FASTSCAPE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names = PAGE.run(ROOT / "docs" / f"{name}.md", dataset=dataset, side=3, epochs=1)
    assert names["train_set"].tensors[0].shape == (20, 1, 28, 28)
    assert len(list(tmp_path.glob("*.png"))) == pictures


@pytest.mark.parametrize("name", ARTICLES)
def test_what_an_article_tells_to_write_is_there(name):
    page = ROOT / "docs" / f"{name}.md"
    text = page.read_text().replace("\\\n", "")
    first, told = PAGE.blocks(page)[0], re.search(rf"^python docs/page.py docs/{name}.md (.+)$", text, re.MULTILINE)[1]
    names: dict = {}
    exec(first, names)
    told = dict(part.split("=") for part in told.split())
    assert told.keys() <= names.keys()
    assert told["dataset"] in datasets.DATASETS
    assert f'or "{told["dataset"]}"' in first
    assert told["dataset"] != names["dataset"] == "digits"


def test_a_page_refuses_a_name_that_its_first_block_has_not(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nside = 3\n```\n\n```python\ntwice = 2 * side\n```\n")
    assert PAGE.run(page)["twice"] == 6
    assert PAGE.run(page, side=4)["twice"] == 8
    with pytest.raises(ValueError, match=r"the first block of .*page\.md has no sides"):
        PAGE.run(page, sides=4)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_commands_of_the_readme_are_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for command in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE):
        assert command in targets


def test_the_readme_can_be_read_in_a_minute_or_two():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 700
    assert "docs/reading.md" in "".join(text.splitlines(keepends=True)[:10])


def lower_bounds(*extras: str) -> dict[str, str]:
    """The lower bounds of what is installed, with these extras or, by default, without any."""
    wanted = {f'extra == "{extra}"' for extra in extras}
    found = {}
    for requirement in metadata.requires("torch-fastscape"):
        name, bound = re.match(r"([\w-]+)(?:\[\w+\])?(?:<[\d.]+,)?>=([\d.]+)", requirement).groups()
        if wanted & set(re.findall(r'extra == "\w+"', requirement)) or not (wanted or "extra ==" in requirement):
            found[name] = bound
    return found


def test_every_dependency_has_a_lower_bound():
    assert len(lower_bounds()) == 12
    assert all(">=" in requirement for requirement in metadata.requires("torch-fastscape"))


def test_the_table_of_dependencies_is_that_of_the_package():
    text = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| ([^|]+) \| [^|]+ \|(?: (yes|no) \|)?$", text, flags=re.MULTILINE)
    assert {name: bound for name, bound, _, _ in rows} == lower_bounds() | lower_bounds(
        "store", "xarray", "hdf5", "paraview", "training", "curvature", "topology"
    )
    modules = {name: {"scikit-learn": "sklearn"}.get(name, name) for name, _, _, loaded in rows if loaded}
    code = f"import sys, fastscape; print([name for name, module in {modules}.items() if module in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(ast.literal_eval(result.stdout)) == {name for name, _, _, loaded in rows if loaded == "yes"}


def test_the_lowest_versions_are_the_lower_bounds():
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    bounds = lower_bounds() | lower_bounds("store", "xarray", "hdf5", "topology", "curvature")
    assert lowest.keys() == bounds.keys()
    # scipy 1.11.0 was withdrawn
    assert all(f"{lowest[name]}.".startswith(f"{bound}.") for name, bound in bounds.items())
