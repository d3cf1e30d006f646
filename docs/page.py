"""Runs the code of a page in the folder where it is called, with other values for the names in the page's first block.

python docs/page.py docs/navigating-loss-space.md dataset=mnist side=51 epochs=10 shortcuts=resnet56
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


def write_named(block: str, folder: Path) -> Path | None:
    """Writes a block whose first line names a file, such as `# mine.py`, to that file.

    Args:
        block: The code.
        folder: Where the file belongs.

    Returns:
        The file; None for other blocks.
    """
    name = re.match(r"# (\w+\.py)\n", block)
    if name is None:
        return None
    (folder / name[1]).write_text(block)
    return folder / name[1]


def run(page: Path, **values: Any) -> dict[str, Any]:
    """Runs all blocks of a page, one after the other.

    Args:
        page: The file.
        **values: What takes the place of the values in its first block.

    Returns:
        The names that are there at the end.

    Raises:
        ValueError: When the first block has no such name.
    """
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(page)):
        exec(compile(block, str(page), "exec"), names)
        if number == 0:
            if unknown := values.keys() - names.keys():
                raise ValueError(f"the first block of {page} has no {', '.join(sorted(unknown))}")
            names |= values
    return names


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


if __name__ == "__main__":
    run(Path(sys.argv[1]), **{name: _value(text) for name, text in (part.split("=", 1) for part in sys.argv[2:])})
