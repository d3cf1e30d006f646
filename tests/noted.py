"""What stands below a picture."""

from typing import Any


def notes(ax: Any) -> list[Any]:
    """The texts below a picture, each one line: those of the axes and that of the figure."""
    of_figure = ax.figure._supxlabel
    return [text for text in [*ax.texts, *([of_figure] if of_figure else [])] if text.get_label()]


def noted(ax: Any) -> str:
    """All that is said below a picture, also what has no room in the line."""
    assert not any("\n" in text.get_text() for text in notes(ax))
    return "\n".join(text.get_label() for text in notes(ax))
