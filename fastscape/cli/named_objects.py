"""Objects that a command line names: `package.module:name`, or `path/to/file.py:name`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fastscape.results import clipped
from fastscape.weights import listed

__all__ = ["called", "is_name", "named"]

FORMS = "package.module:name or path/to/file.py:name"


def is_name(text: str) -> bool:
    r"""Whether a text has the form of a name: a module or file, a colon, and a Python name, which may have dots.

    Args:
        text: The text.

    Returns:
        Whether it has this form; nothing is imported.

    Example:
        >>> from fastscape.cli.named_objects import is_name
        >>> [is_name(text) for text in ("pkg.module:make", "cnn.py:make", "a.safetensors", r"C:\a.safetensors")]
        [True, True, False, False]
    """
    place, _, name = text.rpartition(":")
    return bool(place) and all(part.isidentifier() for part in name.split("."))


def named(text: str, what: str) -> Any:
    """Imports the module of a name, which runs its code, and returns the named object.

    From then on, the current folder is on the path, as for `python -m`; for a file also its folder, as for
    `python file.py`.

    Args:
        text: The name.
        what: The option that gave the name, for errors, for example "--data".

    Returns:
        The object.

    Raises:
        ValueError: When the text is not a name, there is no such module, file or object, or the import fails.
        ImportError: When the module imports a module that is not installed.
    """
    if not is_name(text):
        raise ValueError(f"{what} must be {FORMS}, got {clipped(text)}")
    place, _, name = text.rpartition(":")
    found: Any = _from_file(place, what) if place.endswith(".py") else _from_path(place, what)
    for part in name.split("."):
        if not hasattr(found, part):
            there = [other for other in dir(found) if not other.startswith("_")]
            near = difflib.get_close_matches(part, there, n=1) or there
            raise ValueError(
                f"{clipped(place)} has no {part:.80}, given as {what}; it has {listed(near) or 'no public names'}"
            )
        found = getattr(found, part)
    return found


def called(function: Callable[[], Any], text: str) -> Any:
    """Calls a function of the user.

    Args:
        function: The function.
        text: The name of the function, for errors.

    Returns:
        The value that the function returns.

    Raises:
        ValueError: When the function raises an error.
    """
    try:
        return function()
    except Exception as error:
        raise ValueError(
            f"{clipped(text)} must be a function that can be called without arguments; it ended in "
            f"{type(error).__name__}: {clipped(error)} (fastscape --debug ... shows where it ended)"
        ) from error


def _from_path(place: str, what: str) -> ModuleType:
    """A module of the current folder, or of the path."""
    here = Path.cwd().joinpath(*place.split(".")).with_suffix(".py")
    known = getattr(sys.modules.get(place), "__file__", None)
    if known is not None and here.is_file() and not here.samefile(known):
        raise ValueError(
            f"{what} names {clipped(place)}, but a module of that name is there from {clipped(known)}; write "
            f"{clipped(here)}:name"
        )
    _first_on_path(Path.cwd())
    try:
        return _imported(lambda: importlib.import_module(place), place)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if place != missing and not place.startswith(f"{missing}."):  # the module imports a module that is missing
            raise ImportError(f"{clipped(place)}, given as {what}, needs {missing}: install it") from error
        raise ValueError(
            f"{what} names {clipped(place)}, but there is no module {clipped(missing)} on the path or in "
            f"{clipped(Path.cwd())}; go to the folder that holds it, or write path/to/file.py:name"
        ) from None


def _from_file(place: str, what: str) -> ModuleType:
    """The module of a file, which is imported once."""
    file = Path(place).resolve()
    if not file.is_file():
        raise ValueError(f"{what} must be {FORMS}; there is no file {clipped(place)}")
    _first_on_path(file.parent)
    known = sys.modules.get(file.stem)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    name = file.stem if known is None else f"{file.stem} of {file.parent}"  # one of Python's own, for example
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # its name ends in .py
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # before it runs: its classes look there
    run = spec.loader.exec_module
    try:
        _imported(lambda: run(module), place)
    except (ModuleNotFoundError, ValueError) as error:
        del sys.modules[name]
        if isinstance(error, ValueError):
            raise
        raise ImportError(f"{clipped(place)}, given as {what}, needs {error.name}: install it") from error
    return module


def _imported(load: Callable[[], Any], place: str) -> Any:
    """Runs an import. Missing modules are left to the caller; a module that exits the program is an error."""
    try:
        return load()
    except ModuleNotFoundError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{clipped(place)} must be a module that can be imported; its import ended in "
            f"{type(error).__name__}: {clipped(error)}. Code that runs as a program belongs under if __name__ == "
            '"__main__"'
        ) from error


def _first_on_path(folder: Path) -> None:
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    sys.path.insert(0, str(folder))
