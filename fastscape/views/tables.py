"""Tables: text for a terminal, and HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["WIDTH", "as_html", "columns"]

WIDTH = 100
"""The largest width of a text table, in columns of a terminal."""


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Formats rows as aligned columns; all cells are aligned left, numbers too.

    Args:
        rows: Cells of each row, the head first.

    Returns:
        The lines, with a rule after the head.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [made[0], "-" * min(max(map(len, made)), WIDTH), *made[1:]]


def as_html(title: str, head: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> str:
    """A table for a notebook.

    Args:
        title: The caption above the table; none if it is empty.
        head: The names of the columns.
        rows: Cells of each row, and the text shown under the pointer.

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
