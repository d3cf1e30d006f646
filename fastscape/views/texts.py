"""Cleans texts of unknown origin, such as names of marks in a file, for pictures and sentences."""

from __future__ import annotations

from typing import Any

__all__ = ["HOVER", "LABEL", "TITLE", "cleaned", "literal"]

LABEL = 40  # letters of a name within a picture or a sentence
TITLE = 100  # letters of a name that stands alone
HOVER = 300  # letters of a name that is shown under the pointer


def cleaned(text: Any, most: int) -> str:
    """A text in one line, without characters that do not print, and of limited length.

    Args:
        text: The text, or any other value.
        most: The largest number of letters, at least 2.

    Returns:
        The text. Characters that do not print, such as line breaks and marks that change the direction of writing, are
        replaced by spaces. A text that is too long ends in "…". The result is "(unnamed)" if there are no letters, or
        the value is not a text.

    Example:
        >>> cleaned("a very" + chr(10) + "long name", 10)
        'a very lo…'
    """
    text = text if isinstance(text, str) else ""
    # Cut early, because a text may have a hundred thousand letters; some more than wanted, because spaces are removed.
    begun = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * most])
    line = " ".join(begun.split())
    if len(line) > most or len(text) > 2 * most:
        line = line[: most - 1] + "…"
    return line or "(unnamed)"


def literal(text: str) -> str:
    """A text for matplotlib: formulas between dollars are kept if they are valid; otherwise dollars are plain letters.

    Args:
        text: The text.

    Returns:
        The text, in which dollars are escaped if matplotlib would raise an error.
    """
    from matplotlib.mathtext import MathTextParser

    if "$" not in text:
        return text
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return text.replace(r"\$", "$").replace("$", r"\$")
    return text
