"""The names of functions in a report, by which they can be found again."""

from __future__ import annotations

from typing import Any

__all__ = ["name_of", "public_name"]


def name_of(function: Any) -> str:
    """The name of a function, with its module if it is from torch or fastscape.

    Args:
        function: A function, or a callable object.

    Returns:
        Its full name, by which it can be found again; for functions of the user's only the bare name.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    module = getattr(function, "__module__", None) or ""
    return public_name(f"{module}.{name}") if module.split(".")[0] in ("torch", "fastscape") else name


def public_name(name: str) -> str:
    """The name of a fastscape function without its module, which may differ between versions.

    Args:
        name: The result of `name_of`, here or in an earlier version.

    Returns:
        The name, for example "fastscape.accuracy"; names of other functions are unchanged.
    """
    parts = name.split(".")
    # A name that is no dotted path includes the options of the function.
    if parts[0] != "fastscape" or not all(map(str.isidentifier, parts)):
        return name
    return f"fastscape.{parts[-1]}"
