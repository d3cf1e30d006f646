"""The parts of a model that run one after another: its blocks, and the modules before, between and after them.

Nothing is assumed of the order in which a forward pass calls them, how often, or whether it does.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

__all__ = ["Unit", "units_of"]

CHAINS = nn.ModuleList, nn.Sequential
UNCALLED = nn.ModuleList, nn.ModuleDict  # these have no forward pass of their own


class Unit(NamedTuple):
    """A part of a model that is handled as a whole.

    Args:
        path: Its name in the model.
        module: The part.
    """

    path: str
    module: nn.Module


def units_of(model: nn.Module) -> list[Unit]:
    """The parts of a model, such that only one part at a time needs its weights in memory.

    A chain is a `ModuleList` or `Sequential` of at least two modules with tensors. Its modules are parts: the blocks
    of a transformer, or of a stage of a residual network. A module that contains a chain, or holds more than half of
    the weights, is taken apart. All other modules are parts as large as possible: an embedding, a last norm.

    Args:
        model: The model.

    Returns:
        The parts, in the order in which the model registers them. Every module with parameters or buffers is in at
        most one part. Tensors of modules that were taken apart are in none.

    Example:
        >>> import torch
        >>> from fastscape.model import units_of
        >>> blocks = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(3)])
        >>> model = torch.nn.Sequential(torch.nn.Embedding(5, 8), blocks, torch.nn.Linear(8, 5))
        >>> [unit.path for unit in units_of(model)]
        ['0', '1.0', '1.1', '1.2', '2']
    """
    met: set[int] = set()
    half = _size(model) / 2

    def found(path: str, module: nn.Module, *, link: bool) -> list[Unit]:
        if id(module) in met:
            return []
        met.add(id(module))
        children = _holding(module)
        apart = not path or isinstance(module, UNCALLED) or _size(module) > half
        if not children or not (apart or (not link and any(map(_is_chain, module.modules())))):
            met.update(map(id, module.modules()))
            return [Unit(path, module)] if _size(module) else []
        inside = isinstance(module, CHAINS)
        return [
            unit
            for name, child in children.items()
            for unit in found(f"{path}.{name}" if path else name, child, link=inside)
        ]

    return found("", model, link=False)


def _holding(module: nn.Module) -> dict[str, nn.Module]:
    """The children that hold tensors."""
    return {name: child for name, child in module.named_children() if _size(child)}


def _is_chain(module: nn.Module) -> bool:
    return isinstance(module, CHAINS) and len(_holding(module)) > 1


def _size(module: nn.Module) -> int:
    """The number of entries that it holds."""
    return sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
