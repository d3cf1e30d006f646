"""Alignments as tables: text of at most 100 columns for a terminal, and HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import fill

from fastscape.results import AlignmentValues, Permutation
from fastscape.views.texts import cleaned

__all__ = ["alignment_html", "alignment_text"]

WIDTH = 100
NAME = 44  # letters of the name of a tensor
ROWS = 60  # rows of a text table; further rows are only counted

_HEAD = "permutation", "units", "moved", "tensors"


def alignment_text(found: AlignmentValues) -> str:
    """The permutations as a text table, one per row, with the checked difference and operations not understood.

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
    """The permutations as an HTML table for a notebook.

    Args:
        found: The alignment.

    Returns:
        HTML, in which each row shows all its tensors under the pointer.
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
        f"their scale on {found.samples:,} samples (repeated evaluation: {found.noise:.1e})"
    )


def _notes(found: AlignmentValues) -> list[str]:
    if not found.not_understood:
        return []
    said = ", ".join(f"{cleaned(name, NAME)} ({count})" for name, count in found.not_understood.items())
    return ["", fill(f"Operations not understood, whose operands keep their order: {said}.", WIDTH)]


def _row(name: str, one: Permutation) -> tuple[str, ...]:
    return cleaned(name, NAME), str(len(one.index)), str(one.moved), str(len({tensor for tensor, _ in one.axes}))


def _row_text(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
