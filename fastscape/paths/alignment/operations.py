"""One operation of a traced network, in the form that its rule gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastscape.paths.alignment.ground import Ground
from fastscape.paths.alignment.labels import Label

__all__ = ["NotKnownError", "Operation", "Rule", "Rules", "adding_to"]


class NotKnownError(Exception):
    """Raised if a rule does not know a form of its operation."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Args:
        name: Its name, without the mark of an in-place operation.
        args: Its positional arguments, scalars and tensors.
        kwargs: Its keyword arguments.
        made: The tensors that it returned.
        ground: The atoms.
        label_of: The label of a tensor.
        lost: Called if the operation was not fully understood.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    made: Sequence[Tensor]
    ground: Ground
    label_of: Callable[[Tensor], Label]
    lost: Callable[[], None]

    @property
    def shape(self) -> tuple[int, ...]:
        """The first tensor that it returned."""
        return tuple(self.made[0].shape)

    def label(self, at: int) -> Label:
        """The label of an argument, which is a tensor."""
        return self.label_of(self.args[at])

    def given(self, at: int) -> bool:
        """Whether an argument exists and is a tensor."""
        return len(self.args) > at and isinstance(self.args[at], Tensor)

    def get(self, at: int, name: str, default: Any) -> Any:
        """An argument by its position or its name."""
        return self.args[at] if len(self.args) > at else self.kwargs.get(name, default)

    def dim(self, at: int, default: int) -> int:
        """An argument that is a dimension of the first tensor, counted from the front."""
        first = self.args[0][0] if isinstance(self.args[0], list | tuple) else self.args[0]
        count = first.dim() + (self.name == "stack")
        found = int(self.get(at, "dim", default)) % count
        return found


Rule = Callable[[Operation], "Label | list[Label]"]
Rules = dict[str, Rule]


def adding_to(table: Rules) -> Callable[..., Callable[[Rule], Rule]]:
    """A decorator that makes a function the rule of operations, which it gets by name.

    Args:
        table: The rules by the names of the operations.

    Returns:
        The decorator.
    """

    def rule(*names: str) -> Callable[[Rule], Rule]:
        def change(function: Rule) -> Rule:
            table.update(dict.fromkeys(names, function))
            return function

        return change

    return rule
