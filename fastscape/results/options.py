"""Defines each option once: a TypedDict has the name, type, default and documentation of each option.

    class Shared(TypedDict, total=False):
        seed: Annotated[int, Option(0, "Seed of the random directions, from 0.")]

    @documented(Shared)
    def surface(model, **given: Unpack[Shared]):
        '''...

Args:
            model: ...
            **given: <replaced by the options>
        '''
        options = with_defaults(Shared, given, "surface")

Type checkers and editors read the TypedDict; `help` shows the signature and the docstring with every option.
"""

from __future__ import annotations

import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ForwardRef, TypeVar, cast, get_args, get_origin

__all__ = ["Option", "among", "chosen", "documented", "options_of", "with_defaults"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

WIDTH = 119  # letters of a line of documentation


@dataclass(frozen=True)
class Option:
    """The properties of an option besides its name and type.

    Args:
        default: The value of the option if none is given.
        text: The meaning of the option, in sentences; the last sentence says the default.
        group: The heading of the option in the help of a command. Default: no heading.
        command: The type of the option on the command line. Default: the command line does not offer it.
        beside: An option of the same group, behind which this option is listed. Default: the order of the definition.
        formerly: A former name of the option, which an error explains.
        recorded: The name in a report, if the option determines the values and is kept unchanged. Default: the option
            is kept in a different form, or not at all.
        again: The default, in words, if a landscape is computed again from its report. Default: the same.
        sentences: How many first sentences the help of a command shows, besides the default. Default 1.
    """

    default: Any
    text: str
    group: str | None = None
    command: Any = None
    beside: str | None = None
    formerly: str | None = None
    recorded: str | None = None
    again: str | None = None
    sentences: int = 1

    @property
    def brief(self) -> str:
        """The first sentences, and the default unless the option is a switch that is off by default."""
        said = [sentence for sentence in self._meaning.split(". ")[: self.sentences] if sentence]
        said += [] if self.default is False else [self.text[len(self._meaning) :].strip()]
        return ". ".join(sentence.rstrip(".") for sentence in said if sentence) + "."

    @property
    def computed_again(self) -> Option:
        """The option for a call that computes a landscape again from its report."""
        return (
            self if self.again is None else replace(self, default=None, text=f"{self._meaning} Default: {self.again}.")
        )

    @property
    def _meaning(self) -> str:
        """The sentences before the sentence that says the default."""
        return self.text[: self.text.rfind("Default")].rstrip() if "Default" in self.text else self.text


def among(names: Iterable[str]) -> str:
    """Names as a text lists them, in quotes.

    Args:
        names: The names.

    Returns:
        For example '"a", "b" or "c"'.
    """
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} or {last}" if others else last


def chosen(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    """The value that an argument names.

    Args:
        name: The name of the argument.
        value: The value of the argument.
        choices: All choices by name.

    Returns:
        The choice of that name.

    Raises:
        ValueError: When there is no choice of that name.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return choices[value]


def options_of(kind: Any) -> dict[str, tuple[Any, Option]]:
    """The options of a TypedDict, in the order in which they are listed.

    Args:
        kind: A TypedDict whose annotations are `Annotated[type, Option(...)]`.

    Returns:
        Type and option by name.
    """
    found = {}
    for name, annotation in kind.__annotations__.items():
        assert get_origin(annotation) is Annotated, f"{name} has no Option"
        type_, option = get_args(annotation)
        found[name] = (type_.__forward_arg__ if isinstance(type_, ForwardRef) else type_, option)
    names = [name for name, (_, option) in found.items() if option.beside is None]
    for name, (_, option) in found.items():
        if option.beside is not None:
            names.insert(names.index(option.beside) + 1, name)
    return {name: found[name] for name in names}


def with_defaults(
    kind: type[T],
    given: Any,
    call: str,
    *,
    formerly: Mapping[str, str] = MappingProxyType({}),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> T:
    """The given options, with defaults for all other options.

    Args:
        kind: The TypedDict.
        given: Options by name.
        call: The name of the called function, for the error.
        formerly: Present names of other arguments of the call by their former names. Default: no name has changed.
        elsewhere: What to write instead of options that only other calls have, by their names. Default: no such name.

    Returns:
        All options by name.

    Raises:
        TypeError: When a given name is no option.
    """
    known = options_of(kind)
    for name in given:
        if name not in known:
            said = {old: f"write {now}=" for old, now in formerly.items()} | dict(elsewhere)
            raise TypeError(f"{call} has no option {name!r}; {said.get(name) or _instead(name, known)}")
    return cast(T, {**{name: option.default for name, (_, option) in known.items()}, **given})


def _instead(name: str, known: Mapping[str, tuple[Any, Option]]) -> str:
    renamed = [now for now, (_, option) in known.items() if option.formerly == name]
    near = renamed or difflib.get_close_matches(name, known, n=1)
    return f"write {near[0]}=" if near else f"give one of {', '.join(known)}"


def documented(kind: Any, *, again: bool = False) -> Callable[[F], F]:
    """Gives a function that takes `**options` their names, types, defaults and documentation.

    Args:
        kind: The TypedDict of the options.
        again: Whether the function computes a landscape again from its report. Default False.

    Returns:
        A decorator, which changes only signature and docstring.
    """
    options = options_of(kind)
    if again:
        options = {name: (type_, option.computed_again) for name, (type_, option) in options.items()}

    def change(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=type_)
            for name, (type_, option) in options.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *taken])  # type: ignore[attr-defined]
        (given,) = (p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD)
        function.__doc__ = "\n".join(_lines(function.__doc__ or "", f"**{given}:", options))
        return function

    return change


def _lines(docstring: str, given: str, options: Mapping[str, tuple[Any, Option]]) -> Iterator[str]:
    """The lines of a docstring, with the options instead of the text about `**given`."""
    indent = None
    for line in docstring.split("\n"):
        depth = len(line) - len(line.lstrip())
        if line.lstrip().startswith(given):
            indent = depth
            for name, (_, option) in options.items():
                text = f"{name}: {' '.join(option.text.split())}"
                yield from textwrap.wrap(
                    text,
                    WIDTH,
                    initial_indent=" " * depth,
                    subsequent_indent=" " * (depth + 4),
                    break_on_hyphens=False,
                    break_long_words=False,
                )
            continue
        if indent is not None and line.strip() and depth > indent:
            continue
        indent = None
        yield line
