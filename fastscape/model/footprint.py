"""What evaluations of a problem were seen to change, so that each evaluation restores exactly this."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fastscape.model.batch_structure import tensors
from fastscape.model.contents import same_values
from fastscape.model.data import Batch
from fastscape.model.global_state import generators_of
from fastscape.model.state import Alias, Part, Snapshot, Way, parts_at
from fastscape.weights import Deferred, listed

__all__ = ["Footprint", "Reads", "watched"]


@dataclass(frozen=True)
class Footprint:
    """What an evaluation changes in addition to its result.

    Args:
        tensors: Names of the parameters and buffers that it writes to. Default: none.
        samples: Whether it writes to the samples. Default False.
        parts: Ways to other parts of the model that it changes. Default: none.
        draws: Whether it draws random numbers, from a global generator or from the model's own. Default False.
        aliases: Where the model holds a parameter or buffer outside its own place; see `state.aliases_of`. Default:
            nowhere.
        outside: Names of tensors of the user's own model that the loss or objective reads. Default: none.
        rebinds: Whether it replaces parameters or buffers with other tensors. They are swapped at every evaluation
            anyway. Default False.
        state: What the parts of the model held while they were watched. Default: not known.
    """

    tensors: frozenset[str] = frozenset()
    samples: bool = False
    parts: tuple[Way, ...] = ()
    draws: bool = False
    aliases: tuple[Alias, ...] = ()
    outside: frozenset[str] = frozenset()
    rebinds: bool = False
    state: Snapshot | None = None
    _found: weakref.WeakKeyDictionary[nn.Module, list[Part]] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False, compare=False
    )

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing."""
        return not (self.tensors or self.samples or self.parts or self.rebinds)

    def with_(self, other: Footprint) -> Footprint:
        """What either of two evaluations changes."""
        return Footprint(
            self.tensors | other.tensors,
            self.samples or other.samples,
            tuple(dict.fromkeys((*self.parts, *other.parts))),
            self.draws or other.draws,
            tuple(dict.fromkeys((*self.aliases, *other.aliases))),
            self.outside | other.outside,
            self.rebinds or other.rebinds,
            self.state or other.state,
        )

    def parts_in(self, model: nn.Module) -> list[Part]:
        """The parts that are changed, in the model itself or in a copy of it."""
        if not self.parts:
            return []
        if model not in self._found:  # they are restored, and so stay the same
            self._found[model] = parts_at(model, self.parts)
        return self._found[model]


class Watched(NamedTuple):
    """What an evaluation returned, and what it changed."""

    made: Any
    changed: Footprint


def watched(
    evaluate: Callable[[Mapping[str, Tensor], Batch], Any],
    held: Mapping[str, Tensor],
    batch: Batch,
    device: torch.device,
    state: Snapshot,
) -> Watched:
    """Evaluates once. The evaluation gets its own memory, and the model afterwards holds the same as before.

    Args:
        evaluate: Evaluates with all tensors by name, and a batch.
        held: Parameters and buffers by name.
        batch: The samples.
        device: The device of the evaluation.
        state: What the parts of the model hold.

    Returns:
        The result, and what was changed.
    """
    # A tensor that is made when it is read needs no separate memory.
    own = {n: tensor if isinstance(tensor, Deferred) else tensor.detach().clone() for n, tensor in held.items()}
    content = replace(batch, content=batch.copied())
    given = tensors(content.content)
    seeds = generators_of(device)
    try:
        made = evaluate(dict(own), content)
    finally:
        parts = tuple(state.put_back())
    changed = Footprint(
        frozenset(
            n for n, tensor in own.items() if tensor is not held[n] and not same_values(tensor, held[n].detach())
        ),
        not all(map(same_values, given, tensors(batch.content))),
        parts,
        generators_of(device) != seeds or not state.generators.isdisjoint(parts),
        state=state,
    )
    return Watched(made, changed)


class Reads(TorchDispatchMode):
    """Watches which of some tensors are read while any module of a model runs.

    Args:
        originals: The tensors by name.
    """

    supports_higher_order_operators = True

    def __init__(self, originals: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._where: dict[int, list[tuple[int, int, str]]] = {}
        for name, tensor in originals.items():
            if (place := _place(tensor)) is not None:
                self._where.setdefault(place[0], []).append((*place[1:], name))
        self.depth = 0
        self.inside: set[str] = set()
        self.outside: set[str] = set()
        self.rebinds = False

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Watches everything that runs inside."""
        modules = list(model.modules())
        registered = [tensors for module in modules for tensors in (module._parameters, module._buffers) if tensors]
        before: list[list[Any]] = []

        def enter(*_: Any) -> None:
            if self.depth == 0:
                before[:] = [list(tensors.values()) for tensors in registered]
            self.depth += 1

        def leave(*_: Any) -> None:
            self.depth -= 1
            if self.depth == 0:
                now = (list(tensors.values()) for tensors in registered)
                self.rebinds |= not all(
                    len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(before, now, strict=True)
                )

        hooks = []
        for module in modules:
            hooks.append(module.register_forward_pre_hook(enter, prepend=True))
            hooks.append(module.register_forward_hook(leave, always_call=True))
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def footprint(self) -> Footprint:
        """The footprint that these reads show."""
        return Footprint(outside=frozenset(self.outside), rebinds=self.rebinds)

    def judge(self, kind: str) -> None:
        """Refuses a model of which some weights cannot be moved.

        Args:
            kind: The class of the model.

        Raises:
            ValueError: When the model has read some of the tensors.
        """
        if self.inside:
            raise ValueError(
                f"{listed(sorted(self.inside))} of {kind} are read by another way than from the copy that landscapes "
                "are evaluated on (a weak reference, a registry, a global name), where no other weights can be put; "
                "write lend=True: then weights are written into your own model, and put back"
            )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for argument in (*args, *(kwargs or {}).values()):
            if isinstance(argument, Tensor):
                self._note(argument)
            elif isinstance(argument, list | tuple):  # a list of tensors; operations take no deeper nesting
                for part in argument:
                    if isinstance(part, Tensor):
                        self._note(part)
        return func(*args, **(kwargs or {}))

    def _note(self, tensor: Tensor) -> None:
        if _storage(tensor) not in self._where or (place := _place(tensor)) is None:
            return
        storage, start, stop = place
        for begin, end, name in self._where[storage]:
            if start < end and begin < stop:
                (self.inside if self.depth else self.outside).add(name)


def _storage(tensor: Tensor) -> int:
    """The address of a tensor's memory; 0 without memory."""
    try:
        return tensor.untyped_storage().data_ptr()
    except RuntimeError:  # a wrapper, or a sparse tensor
        return 0


def _place(tensor: Tensor) -> tuple[int, int, int] | None:
    """The storage of a tensor, the first byte and the end of the bytes it may read; None without memory."""
    if not (storage := _storage(tensor)) or not tensor.numel():
        return None
    start = tensor.data_ptr()
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return storage, start, start + (reach + 1) * tensor.element_size()
