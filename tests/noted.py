"""The notes below pictures."""

import re
from itertools import accumulate
from typing import Any


def notes(ax: Any) -> list[Any]:
    """The texts below a picture: the notes of the axes and the note of the figure."""
    of_figure = ax.figure._supxlabel
    return [text for text in [*ax.texts, *([of_figure] if of_figure else [])] if text.get_label()]


def noted(ax: Any) -> str:
    """All sentences of the notes, also those for which the line has no room. The drawn sentences must be whole."""
    for text in notes(ax):
        shown, sentences = text.get_text(), re.split(r"\n|\.\s+(?=[A-Z±])", _label(text))
        wholes = [_letters(beginning) for beginning in accumulate(sentences)]
        drawn = _letters(shown.removesuffix(" …"))
        assert drawn in wholes
        assert shown.endswith(" …") == (drawn != wholes[-1])
        assert "\n" not in shown or drawn == wholes[0]  # one line, unless the first sentence is longer
    return "\n".join(map(_label, notes(ax)))


def _label(text: Any) -> str:
    return text.get_label().removeprefix("_")


def _letters(text: str) -> str:
    return re.sub(r"[\s.;]+", "", text)
