"""The rooms and arrows of the design: who imports whom, which names are public, how long things are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINK = ROOT / "fastscape" / "kernels"
FILES = [p for folder in ("fastscape", "kernels") for p in sorted((ROOT / folder).rglob("*.py"))]
SOURCES = [path for path in FILES if LINK not in path.parents]


def name_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] == "kernels":
        parts.insert(0, "fastscape")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`, which only a type checker executes."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from walk(child)


def imports_of(name: str) -> set[str]:
    """The modules that a module imports, anywhere in its file."""
    path, found = MODULES[name], set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names}
    return found


OWN = {name: {other for other in imports_of(name) if other.startswith("fastscape")} for name in MODULES}


def test_every_module_is_looked_at():
    assert {"fastscape.api", "fastscape.zoo.models", "fastscape.kernels.gram", "fastscape.kernels"} <= set(MODULES)
    # `from fastscape.kernels import interpolate` names both a function and a module
    assert OWN["fastscape.engine"] >= {"fastscape.kernels.interpolate", "fastscape.plan"}


def test_the_kernels_import_torch_and_triton_only():
    for name in MODULES:
        if name.startswith("fastscape.kernels"):
            assert all(other.startswith("fastscape.kernels") for other in OWN[name]), name
            outside = {other.split(".")[0] for other in imports_of(name) if not other.startswith("fastscape")}
            assert outside - sys.stdlib_module_names <= {"torch", "triton"}, name


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("fastscape.reference", set()),  # it judges the others, so it shares nothing with them
        ("fastscape.heights", set()),  # they take any object with the arrays of a landscape
        ("fastscape.smooth", set()),
        ("fastscape.descent", {"fastscape.heights", "fastscape.smooth"}),
        ("fastscape.wording", set()),
        ("fastscape.figures", {"fastscape.heights", "fastscape.smooth", "fastscape.wording"}),
        ("fastscape.explorer", {"fastscape.files", "fastscape.heights", "fastscape.smooth", "fastscape.wording"}),
        ("fastscape.schemes", set()),
        ("fastscape.norms", set()),
        ("fastscape.objective", set()),
        ("fastscape.grid", set()),
    ],
)
def test_rooms_that_may_import_little(name, allowed):
    assert OWN[name] <= allowed


def test_only_the_outermost_rooms_import_the_api():
    importers = {name for name in MODULES if "fastscape.api" in OWN[name]}
    assert importers == {"fastscape", "fastscape.commands", "fastscape.demo"}


def test_no_cycles():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name in done:
            return
        for other in OWN[name]:
            visit(other, (*path, name))
        done.add(name)

    for name in MODULES:
        visit(name, ())


def test_public_names():
    import fastscape
    from fastscape import kernels

    assert fastscape.__all__ == ["Landscape", "Plan", "accuracy", "common_directions", "line", "surface"]
    assert set(kernels.__all__) == {
        "Backend", "Cost", "Distribution", "Run", "Seeded", "Segments", "choose", "draw", "gram", "gram_cost",
        "interpolate", "interpolate_cost",
    }  # fmt: skip
    for package in (fastscape, kernels):
        assert all(hasattr(package, name) for name in package.__all__)


def test_the_installed_version_is_the_packages():
    import fastscape

    assert metadata.version("fastscape") == fastscape.__version__


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    text = MODULES[name].read_text()
    assert text.count("\n") <= 320
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.body[0].lineno + 1 - docstring.count("\n")
            assert lines <= 60, node.name


def test_the_import_is_lean():
    heavy = ["matplotlib", "sklearn", "torchvision", "typer", "safetensors", "plotly", "zarr", "h5py", "xarray"]
    heavy += ["scipy.interpolate", "scipy.ndimage", "scipy.spatial"]
    code = f"import sys, fastscape; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert result.stdout.strip() == "[]"


def test_the_kernels_folder_is_in_the_package():
    assert (ROOT / "fastscape" / "kernels").resolve() == ROOT / "kernels"
