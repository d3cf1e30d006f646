"""The house: which wings there are, who may know whom, which names are public, how long things are."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "fastscape"
LINK = HOUSE / "kernels"
FILES = [p for folder in ("fastscape", "kernels") for p in sorted((ROOT / folder).rglob("*.py"))]
SOURCES = [path for path in FILES if LINK not in path.parents]

# From the top floor down: a wing, or a file that stands for itself, and whom it may know.
WINGS = {
    "fastscape": "api landscape reports objectives engine model views training paths weights results",  # the face
    "cli": "api landscape reports runs training views persistence engine model weights results zoo fastscape",
    "api": "landscape reports runs views curvature paths persistence model weights results",
    "landscape": "reports runs views persistence model results",
    "reports": "views persistence results",
    "runs": "sampling paths curvature engine model weights results kernels",
    "sampling": "results",
    "views": "results",
    "persistence": "results",
    "training": "weights results",
    "objectives": "model results",
    "paths": "model weights results",
    "curvature": "model weights results",
    "engine": "model weights results kernels",
    "model": "weights",
    "weights": "kernels results",
    "zoo": "results",
    "results": "",
    "kernels": "",
    "reference": "",
}
FLOORS = list(WINGS)
PACKAGES = [name for name in FLOORS if (HOUSE / name).is_dir()]


def name_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] == "kernels":
        parts.insert(0, "fastscape")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


def imports_of(name: str) -> Iterator[tuple[str, str]]:
    """The modules that a module imports anywhere in its file, and the name that it takes from each.

    Imports inside functions and those for type checkers alone count like all others.
    """
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            for alias in node.names:
                inside = f"{base}.{alias.name}"  # a module, unless the package hands on something of its name
                yield (base, alias.name) if inside not in MODULES or alias.name in handed_on(base) else (inside, "")


@cache
def handed_on(name: str) -> list[str]:
    """The names that a package lists in its `__all__`."""
    found = [node.value for node in tree_of(name).body if isinstance(node, ast.Assign)] if name in MODULES else []
    return next((ast.literal_eval(value) for value in found if isinstance(value, ast.List)), [])


OWN = {
    name: {(other, taken) for other, taken in imports_of(name) if other.split(".")[0] == "fastscape"}
    for name in MODULES
}


def wing_of(name: str) -> str:
    """The wing of a module: the folder, or the file, right below the package."""
    return name.split(".")[1] if "." in name else "fastscape"


def test_a_newcomer_sees_the_wings_and_little_else():
    entries = {path.name for path in HOUSE.iterdir()} - {"__pycache__", "py.typed"}
    assert entries == {f"{name}.py" if name in {"landscape", "reference"} else name for name in FLOORS[1:]} | {
        "__init__.py"
    }
    # Six more than the house was begun with: training, curvature, paths, reports, objectives, persistence, which is
    # a wing of its own because it takes grids of any dimension and draws and samples none.
    assert len(entries) <= 20


@pytest.mark.parametrize("wing", WINGS)
def test_arrows_point_down_and_only_where_the_table_says(wing):
    allowed = {wing, *WINGS[wing].split()}
    found = {}
    for name in MODULES:
        if wing_of(name) == wing:
            for other, _ in OWN[name]:
                found.setdefault(wing_of(other), (name, other))
    odd = {to: arrow for to, arrow in found.items() if to not in allowed}
    assert not odd
    below = FLOORS[FLOORS.index(wing) :]
    assert wing == "cli" or allowed <= set(below), "an arrow of the table points up"
    # What the table allows and nobody uses would be an arrow that nobody looks at.
    assert set(WINGS[wing].split()) <= found.keys(), f"{wing} does not know {set(WINGS[wing].split()) - found.keys()}"


@pytest.mark.parametrize("name", MODULES)
def test_other_wings_are_entered_by_their_faces(name):
    """`zoo` has no face of its own: it is a shelf of examples."""
    for other, _ in OWN[name]:
        if wing_of(other) != wing_of(name) and wing_of(other) != "zoo":
            assert other.count(".") <= 1, f"{name} imports {other}; import from fastscape.{wing_of(other)}"


@pytest.mark.parametrize("wing", [name for name in PACKAGES if name != "zoo"])
def test_a_face_says_what_the_wing_is_for_and_hands_on_what_others_use(wing):
    face = f"fastscape.{wing}"
    tree = tree_of(face)
    assert ast.get_docstring(tree).count("\n") >= 0
    if wing == "kernels":  # its face is its interface: the checks of the three operations
        return
    assert all(isinstance(node, ast.Expr | ast.ImportFrom | ast.Assign) for node in tree.body)
    (names,) = (ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert names == sorted(names, key=lambda text: (not text.isupper(), not text[0].isupper(), text))
    others = [module for module in MODULES if wing_of(module) != wing]
    taken = {name for module in others for other, name in OWN[module] if other == face}
    read = texts() + "".join(MODULES[module].read_text() for module in MODULES if module != face)
    found = re.findall(rf"\b{wing}\.(\w+)|from {face} import ([\w, ]+|\([\w,\s]+\))", read)
    taken |= {word for pair in found for part in pair for word in re.findall(r"\w+", part)}
    assert set(names) <= taken, "nobody outside uses these names"


@cache
def texts() -> str:
    """What users read, and what tests use: names that stand there are public."""
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder, kind in (("docs", "*.md"), ("docs", "*.py"), ("tests", "*.py"), ("benchmarks", "*.py")):
        places += (ROOT / folder).rglob(kind)
    return "".join(place.read_text() for place in places)


def test_no_circles():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name in done:
            return
        for other, _ in OWN[name]:
            if other in MODULES and other != "fastscape":
                visit(other, (*path, name))
        done.add(name)

    for name in MODULES:
        if name != "fastscape":
            visit(name, ())


def test_the_kernels_import_torch_numpy_and_triton_only():
    for name in MODULES:
        if name.startswith("fastscape.kernels"):
            outside = {other.split(".")[0] for other, _ in imports_of(name)} - {"fastscape"}
            assert outside - sys.stdlib_module_names <= {"torch", "numpy", "triton"}, name


def test_public_names():
    import fastscape
    from fastscape import kernels

    assert fastscape.__all__ == [
        "Alignment", "Barrier", "Barriers", "BasinRadius", "Curve", "DataSets", "Landscape", "Plan", "Recorder",
        "Sharpness", "Spectrum", "Topology", "accuracy", "align", "animate", "barrier", "barriers", "basin_radius",
        "compare", "connect", "hessian", "line", "objectives", "pca", "projected", "random_directions", "sharpness",
        "spectrum", "start_to_end", "surface", "through", "to_html", "topology", "volume",
    ]  # fmt: skip
    assert dir(fastscape) == sorted([*fastscape.__all__, "__version__"])
    assert set(kernels.__all__) == {
        "Backend", "Cost", "Distribution", "Method", "Run", "Seeded", "Segments", "choose", "choose_method", "draw",
        "gram", "gram_cost", "interpolate", "interpolate_cost", "method_for", "perturbed_linear",
        "perturbed_linear_cost",
    }  # fmt: skip
    for package in (fastscape, kernels):
        assert all(hasattr(package, name) for name in package.__all__)


def test_the_installed_version_is_the_packages():
    import fastscape

    assert metadata.version("torch-fastscape") == fastscape.__version__


def functions(name: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree_of(name)) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    assert MODULES[name].read_text().count("\n") <= 320
    for node in functions(name):
        docstring = ast.get_docstring(node, clean=False) or ""
        lines = node.end_lineno - node.body[0].lineno + 1 - docstring.count("\n")
        assert lines <= 60, node.name


@pytest.mark.parametrize("name", MODULES)
def test_functions_take_few_parameters(name):
    """Kernels for a GPU take numbers and pointers, and no values that hold several; commands take their options."""
    for node in functions(name):
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        if "triton.jit" in decorators or "app.command" in decorators or "offering" in decorators:
            continue
        taken = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        variable = [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
        assert len(set(taken) - {"self", "cls"}) + len(variable) <= 8, node.name


def attributes(node: ast.ClassDef) -> set[str]:
    """The fields of a class, and what its methods bind to `self`."""
    fields = {
        ast.unparse(f.target) for f in node.body if isinstance(f, ast.AnnAssign) and "ClassVar" not in ast.unparse(f)
    }
    bound = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
    return fields | {n.attr for n in bound if ast.unparse(n.value) == "self"}


CLASSES = {
    node.name: attributes(node)
    for name in MODULES
    for node in ast.walk(tree_of(name))
    if isinstance(node, ast.ClassDef)
}


@pytest.mark.parametrize("name", MODULES)
def test_classes_have_few_attributes(name):
    """Besides those of the classes above them."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.ClassDef):
            above = set().union(*(CLASSES.get(ast.unparse(base), set()) for base in node.bases))
            assert len(attributes(node) - above) <= 10, node.name


def test_the_import_is_lean():
    heavy = ["matplotlib", "sklearn", "torchvision", "typer", "safetensors", "plotly", "zarr", "h5py", "xarray"]
    heavy += ["scipy", "triton", "filelock", "gudhi"]
    code = f"import sys, fastscape; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert result.stdout.strip() == "[]"


def test_the_kernels_folder_is_in_the_package():
    assert (ROOT / "fastscape" / "kernels").resolve() == ROOT / "kernels"
