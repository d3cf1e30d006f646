"""Sections of docstrings that the site is to know: "Example:" is Google's style, and griffe reads its plural alone."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Sections(griffe.Extension):
    """Renames the sections of every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with every module, class, function and attribute."""
        if obj.docstring is not None:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            if isinstance(obj, griffe.Class) and "NamedTuple" in map(str, obj.bases):  # it has no __init__ to be seen
                text = re.sub(r"^Args:$", "Attributes:", text, flags=re.MULTILINE)
            obj.docstring.value = text
