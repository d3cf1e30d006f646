"""What functions are called in a report, so that they can be found again."""

from __future__ import annotations

from typing import Any

__all__ = ["name_of", "public_name"]


def name_of(function: Any) -> str:
    """What a function is called, with the module of torch or fastscape that it comes from.

    Args:
        function: A function, or an object that is called.

    Returns:
        Its full name, by which it can be found again; for functions of the user's only what it is called.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    module = getattr(function, "__module__", None) or ""
    return public_name(f"{module}.{name}") if module.split(".")[0] in ("torch", "fastscape") else name


def public_name(name: str) -> str:
    """The name of a function of fastscape without the module that it lies in, which may differ between versions.

    Args:
        name: What `name_of` returned, here or in an earlier version.

    Returns:
        The name, for example "fastscape.accuracy"; those of other functions as they are.
    """
    parts = name.split(".")
    if parts[0] != "fastscape" or not all(map(str.isidentifier, parts)):  # it says with which options it was made
        return name
    return f"fastscape.{parts[-1]}"
