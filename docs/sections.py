"""What the site is to know of docstrings and signatures, beyond what griffe reads.

Google's style has a section "Example:", and griffe reads its plural alone. And functions that take the options of a
TypedDict, by `fastscape.results.documented`, get them when they are imported, while griffe reads files.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import griffe

_MODULES = re.compile(r"\b(?:typing|collections\.abc|pathlib|os|(?:fastscape|torch)(?:\.\w+)*)\.(?=[A-Z])")


class Sections(griffe.Extension):
    """Completes functions that are documented when they are imported, and renames the sections of every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with every module, class, function and attribute, before its docstring is parsed."""
        if obj.docstring is None:
            return
        if isinstance(obj, griffe.Function) and any("documented(" in str(one.value) for one in obj.decorators):
            _complete(obj, obj.docstring)
        text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
        if isinstance(obj, griffe.Class) and "NamedTuple" in map(str, obj.bases):  # it has no __init__ to be seen
            text = re.sub(r"^Args:$", "Attributes:", text, flags=re.MULTILINE)
        obj.docstring.value = text


def _complete(function: griffe.Function, docstring: griffe.Docstring) -> None:
    """Gives a function the signature and the docstring that it has once it is imported."""
    imported = griffe.dynamic_import(function.path)
    docstring.value = inspect.getdoc(imported) or ""
    written = {one.name: one for one in function.parameters}
    parameters = []
    for taken in inspect.signature(imported).parameters.values():
        known = written.get(taken.name)
        annotation = _annotation(taken.annotation, function) if known is None else known.annotation
        default = None if taken.default is taken.empty else _default(taken.default)
        kind = griffe.ParameterKind(taken.kind.description)
        parameters.append(griffe.Parameter(taken.name, annotation=annotation, kind=kind, default=default))
    function.parameters = griffe.Parameters(*parameters)


def _annotation(type_: Any, function: griffe.Function) -> Any:
    """The type of an option as griffe has it."""
    text = type_ if isinstance(type_, str) else inspect.formatannotation(type_)
    return griffe.get_annotation(ast.parse(_MODULES.sub("", text), mode="eval").body, parent=function)


def _default(value: Any) -> str:
    """A default as one would write it."""
    return f"{value.__module__}.{value.__name__}" if inspect.isfunction(value) else repr(value)
