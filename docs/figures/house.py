"""Draws docs/images/house.png: the wings of the package on their floors, and whom each of them knows.

The arrows are the imports that `tests/test_architecture.py` finds, which also says which of them may be there.

python docs/figures/house.py
"""

from __future__ import annotations

import importlib.util
from itertools import groupby
from pathlib import Path
from types import ModuleType

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "docs" / "images" / "house.png"

# From the roof to the cellar: floor, wing, what lives there.
FLOORS = [
    ("8", "__main__", "python -m fastscape"),
    ("8", "cli", "the commands"),
    ("7", "fastscape", "the names that a user sees"),
    ("7", "api", "the public calls"),
    ("7", "landscape", "the values with their methods"),
    ("7", "reports", "what is known besides"),
    ("6", "runs", "one run, from request to values"),
    ("5", "sampling", "which points, how far, how many samples"),
    ("5", "views", "pictures, walks, the page"),
    ("5", "persistence", "basins, merge trees, holes"),
    ("5", "objectives", "scores of language models"),
    ("5", "training", "the recorder, callbacks"),
    ("5", "paths", "curves, alignment"),
    ("5", "curvature", "Hessians, sharpness"),
    ("4", "engine", "many evaluations, fast"),
    ("3", "model", "one evaluation, right"),
    ("2", "weights", "directions, norms, schemes, basis"),
    ("apart", "zoo", "networks and data for examples"),
    ("1", "results", "plain values and their files"),
    ("apart", "kernels", "arithmetic on weights"),
    ("apart", "reference", "the slow truth"),
]
FILES = {name: f"{name}.py" for name in ("__main__", "landscape", "reference")} | {"fastscape": "__init__.py"}
WIDTH, HEIGHT, STEP = 2.1, 0.66, 0.86  # of a box; from one column to the next
LEFT = -7.0  # where the floors begin
BAND, BOX, APART, LINE = "#f1f4f8", "#cfe3f7", "#e9e4da", "#5b6b7d"


def main() -> None:
    """A staircase: a wing knows those in whose column its line has a dot."""
    house = _architecture()
    names = [name for _, name, _ in FLOORS]
    lines, known = counted(house), imports(house)
    assert set(names) == set(known), "a wing is missing in the list above"
    right = len(names) * STEP + 0.3
    figure, axes = plt.subplots(figsize=(11, 9), layout="constrained")
    _bands(axes, right)
    for row, name in enumerate(names):
        targets = [names.index(other) for other in known[name]]
        if targets:
            assert min(targets) > row, f"an arrow of {name} points up"
            axes.plot([column(row), column(max(targets))], [-row, -row], color=LINE, linewidth=1, zorder=2)
            axes.plot(list(map(column, targets)), [-row] * len(targets), "o", color=LINE, markersize=4.5, zorder=3)
        sources = [k for k, other in enumerate(names) if name in known[other]]
        if sources:
            end, start = (column(row), HEIGHT / 2 - row), (column(row), -min(sources))
            axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0})
        _box(axes, row, lines[name])
    legend = "A dot: the wing at the left end of the line\nimports from the wing that the arrow leads to."
    axes.text(LEFT + 0.25, 1.1 - len(names), legend, va="center", fontsize=10.5, color=LINE)
    axes.set(xlim=(LEFT, right), ylim=(-len(names) + 0.4, 0.6))
    axes.axis("off")
    figure.savefig(OUT, dpi=120)


def column(row: int) -> float:
    """Where the lines to the wing of a row come down."""
    return row * STEP


def counted(house: ModuleType) -> dict[str, int]:
    """Lines of Python code of each wing."""
    found: dict[str, int] = {}
    for name, path in house.MODULES.items():
        wing = house.wing_of(name)
        found[wing] = found.get(wing, 0) + path.read_text().count("\n")
    return found


def imports(house: ModuleType) -> dict[str, set[str]]:
    """The wings that each wing imports from."""
    found: dict[str, set[str]] = {}
    for name, taken in house.OWN.items():
        wing = house.wing_of(name)
        found.setdefault(wing, set()).update(house.wing_of(other) for other, _ in taken)
    return {wing: others - {wing} for wing, others in found.items()}


def _architecture() -> ModuleType:
    """The test of the architecture, which reads the imports of all files."""
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "tests" / "test_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bands(axes: Axes, right: float) -> None:
    """A stripe for each floor, with its number."""
    for floor, rows in groupby(range(len(FLOORS)), key=lambda row: FLOORS[row][0]):
        first, *rest = rows
        last = rest[-1] if rest else first
        if floor != "apart":
            size = (right - LEFT, last - first + 0.94)
            axes.add_patch(plt.Rectangle((LEFT, -last - 0.47), *size, facecolor=BAND, zorder=0))
        middle = -first if floor == "apart" else -(first + last) / 2
        axes.text(LEFT + 0.25, middle, floor, ha="left", va="center", fontsize=12, color=LINE)


def _box(axes: Axes, row: int, lines: int) -> None:
    """The box of a wing, and left of it what lives there."""
    floor, name, text = FLOORS[row]
    at = column(row) + 0.28 - WIDTH, -row - HEIGHT / 2
    colour = APART if floor == "apart" else BOX
    axes.add_patch(plt.Rectangle(at, WIDTH, HEIGHT, facecolor=colour, edgecolor="grey", linewidth=0.8, zorder=4))
    label = FILES.get(name, f"{name}/")
    axes.text(at[0] + WIDTH / 2, 0.12 - row, label, ha="center", va="center", fontsize=11, zorder=5)
    axes.text(at[0] + WIDTH / 2, -row - 0.17, f"{lines} lines", ha="center", va="center", fontsize=8.5, zorder=5)
    axes.text(at[0] - 0.2, -row, text, ha="right", va="center", fontsize=10.5, color="#303030", zorder=5)


if __name__ == "__main__":
    main()
