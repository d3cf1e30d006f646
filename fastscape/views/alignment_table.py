"""An alignment as a table: text of at most 100 columns for a terminal, and HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import fill

from fastscape.results import AlignmentValues, Permutation
from fastscape.views.texts import cleaned

__all__ = ["alignment_html", "alignment_text"]

WIDTH = 100
NAME = 44  # letters of the name of a tensor
ROWS = 60  # of a text; more are counted

_HEAD = "permutation", "units", "moved", "tensors"


def alignment_text(found: AlignmentValues) -> str:
    """The permutations, one in a row, with what was proved and what was not understood.

    Args:
        found: The alignment.

    Returns:
        Lines of at most 100 columns.
    """
    rows = [_HEAD, *(_row(name, one) for name, one in list(found.permutations.items())[:ROWS])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_row_text(row, widths) for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    if (more := len(found.permutations) - ROWS) > 0:
        lines.append(f"... and {more} more")
    return "\n".join([fill(_title(found), WIDTH), "", *lines, *_notes(found)])


def alignment_html(found: AlignmentValues) -> str:
    """The same as a table for a notebook.

    Args:
        found: The alignment.

    Returns:
        HTML, in which a row shows all its tensors when it is pointed at.
    """
    heads = "".join(f"<th style='text-align:left'>{head}</th>" for head in _HEAD)
    body = ""
    for name, one in found.permutations.items():
        said = escape(", ".join(f"{tensor}[{axis}]" for tensor, axis in one.axes), quote=True)
        cells = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in _row(name, one))
        body += f"<tr title='{said}'>{cells}</tr>"
    notes = "".join(f"<p>{escape(note)}</p>" for note in _notes(found) if note)
    caption = f"<caption>{escape(_title(found))}</caption>"
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{notes}"


def _title(found: AlignmentValues) -> str:
    return (
        f"distance {found.distance_before:.4g} -> {found.distance_after:.4g}; outputs agree to {found.error:.1e} of "
        f"their scale on {found.samples:,} samples (two evaluations alike: {found.noise:.1e})"
    )


def _notes(found: AlignmentValues) -> list[str]:
    if not found.not_understood:
        return []
    said = ", ".join(f"{cleaned(name, NAME)} ({count})" for name, count in found.not_understood.items())
    return ["", fill(f"Not understood, so that what they read stays as it is: {said}.", WIDTH)]


def _row(name: str, one: Permutation) -> tuple[str, ...]:
    return cleaned(name, NAME), str(len(one.index)), str(one.moved), str(len({tensor for tensor, _ in one.axes}))


def _row_text(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
