"""Tables: text for a terminal, and HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["WIDTH", "as_html", "columns"]

WIDTH = 100
"""Columns of a terminal that a table has at most."""


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns below each other; numbers, in all but the first one, from the left too.

    Args:
        rows: Cells of each row, the head first.

    Returns:
        The lines, a rule behind the head.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [made[0], "-" * min(max(map(len, made)), WIDTH), *made[1:]]


def as_html(title: str, head: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> str:
    """A table for a notebook.

    Args:
        title: Above it; none where it is empty.
        head: The names of the columns.
        rows: Cells of each row, and what is shown when it is pointed at.

    Returns:
        HTML, in which every text is escaped.
    """
    heads = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr title='{escape(said, quote=True)}'>"
        + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row, said in rows
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
