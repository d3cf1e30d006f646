"""The picture of the barriers between all pairs of models, by matplotlib: a matrix with numbers in its cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import BarriersValues, WhichExcess, is_loss
from fastscape.views.barrier_table import line_said
from fastscape.views.figure_parts import note
from fastscape.views.texts import LABEL, cleaned, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["barriers"]

_CELL, _AROUND = 0.85, 2.4  # inches of a cell, and of the margins around the matrix
_MOST = 24  # with more models, cells have no numbers
_NAME = 18  # letters of the name of a model
_WHICH = {
    "highest": "largest excess",
    "lowest": "most negative excess",
    "farthest": "largest or most negative excess",
}


def barriers(
    found: BarriersValues,
    *,
    measure: str = "loss",
    which: WhichExcess | None = None,
    cmap: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the barriers between all pairs of models as a matrix, with standard errors in its cells.

    White means no barrier, red a value above the chord between the ends, blue a value below it. If both signs occur,
    the colours reach equally far on both sides. The grey diagonal has the measure of each model itself.

    Args:
        found: The barriers.
        measure: The name of a measure. Default "loss".
        which: As for `BarriersValues.matrix`.
        cmap: Name of a matplotlib colour map. Default: red and blue as above.
        ax: Where to draw. Default: a new figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When there is no such measure or choice.

    Example:
        >>> import torch, fastscape
        >>> models = {name: torch.nn.Linear(4, 3) for name in ("first", "second", "third")}
        >>> data = torch.randn(50, 4), torch.randint(3, (50,))
        >>> fastscape.barriers(models, data).plot().get_title()
        'loss: largest excess on the line between two models'
    """
    values, errors, own = found.matrix(measure, which), found.standard_errors(measure, which), found.own(measure)
    count = len(found.names)
    named = which or ("highest" if is_loss(measure) else "farthest")
    alone = ax is None
    if ax is None:
        import matplotlib.pyplot as plt

        side = _AROUND + _CELL * max(min(count, _MOST), 3)
        ax = plt.figure(figsize=(side + 1.0, side), layout="constrained").add_subplot()
    finite = values[np.isfinite(values)]
    low, high, colours = _colours(float(finite.min()), float(finite.max()), cmap)
    image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high)
    ax.set_facecolor("0.85")  # seen in cells that are not finite
    if count <= _MOST:
        _numbers(ax, image, values, errors, own)
    names = [literal(cleaned(name, _NAME)) for name in found.names]
    ax.xaxis.tick_top()  # at the bottom, the note would overlap long names
    slanted: dict[str, Any] = {"rotation": 35, "ha": "left", "rotation_mode": "anchor"}
    ax.set_xticks(range(count), names, **(slanted if max(map(len, names)) > 6 else {}))
    ax.set_yticks(range(count), names)
    ax.tick_params(length=0)
    ax.set_title(f"{literal(cleaned(measure, LABEL))}: {_WHICH[named]} on the line between two models", fontsize=10)
    ax.figure.colorbar(image, ax=ax, shrink=0.8)
    note(_below(found, values), ax, own=alone)
    return ax


def _colours(low: float, high: float, cmap: str | None) -> tuple[float, float, str]:
    """The ends of the colour scale, and the colour map; 0 is white."""
    if low < 0 < high:
        farthest = max(-low, high)
        return -farthest, farthest, cmap or "RdBu_r"
    if low < 0:
        return low, 0.0, cmap or "Blues_r"
    return 0.0, high or 1.0, cmap or "Reds"


def _numbers(ax: Any, image: Any, values: np.ndarray, errors: np.ndarray, own: np.ndarray) -> None:
    """Writes values and their standard errors into the cells, in a colour that contrasts with the cell."""
    count = len(values)
    size = max(min(10.0, 66.0 / count), 4.0) if count > 6 else 10.0
    for i in range(count):
        for j in range(count):
            if i == j:
                ax.text(j, i, f"{own[i]:.3g}", ha="center", va="center", fontsize=size, color="0.55", style="italic")
                continue
            error = errors[i, j]
            text = f"{values[i, j]:.3g}"
            text += f"\n±{error:.1g}" if error and math.isfinite(error) else ""
            dark = math.isfinite(values[i, j]) and _luminance(image.cmap(image.norm(values[i, j]))) < 0.45
            ax.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")


def _luminance(colour: tuple[float, float, float, float]) -> float:
    red, green, blue, _ = colour
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _below(found: BarriersValues, values: np.ndarray) -> list[str]:
    first, *_ = found.pairs.values()
    said = f"Each pair: {line_said(first)}. Grey: each model itself. ± is the standard error over the samples."
    odd = int((~np.isfinite(values)).sum()) // 2
    return [said, *([f"{odd} of {len(found.pairs)} pairs have no finite value."] if odd else [])]
