"""Texts that others wrote, such as the names of marks in a file, made fit for a picture and a sentence."""

from __future__ import annotations

from typing import Any

__all__ = ["HOVER", "LABEL", "TITLE", "cleaned", "literal"]

LABEL = 40  # letters of a name within a picture or a sentence
TITLE = 100  # of a name that stands alone
HOVER = 300  # of a name that is asked for, by pointing at it


def cleaned(text: Any, most: int) -> str:
    """A text in one line, without what cannot be printed, and not longer than a reader wants it.

    Args:
        text: The text, or whatever came in its place.
        most: The largest number of letters, at least 2.

    Returns:
        The text: letters that do not print, such as line breaks and marks that turn the direction of writing, are
        spaces; one that is too long ends in "…". It is "(unnamed)" where there are no letters, or something else came.

    Example:
        >>> cleaned("a very" + chr(10) + "long name", 10)
        'a very lo…'
    """
    text = text if isinstance(text, str) else ""
    # A few letters more than wanted, because spaces may go; nobody reads a hundred thousand of them.
    begun = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * most])
    line = " ".join(begun.split())
    if len(line) > most or len(text) > 2 * most:
        line = line[: most - 1] + "…"
    return line or "(unnamed)"


def literal(text: str) -> str:
    """A text for matplotlib: with its formulas between dollars, or where they are none, as it is written.

    Args:
        text: The text.

    Returns:
        The text, in which dollars are escaped where matplotlib would end in an error.
    """
    from matplotlib.mathtext import MathTextParser

    if "$" not in text:
        return text
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return text.replace(r"\$", "$").replace("$", r"\$")
    return text
