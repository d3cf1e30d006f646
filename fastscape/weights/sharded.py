"""Models whose tensors torch shares out among processes: the part of a tensor that is here, and a model at rest.

A parameter under `fully_shard` (FSDP2) or tensor parallelism is a DTensor: it has the shape of the whole tensor, and
each process holds a part of it. This module never imports torch.distributed: unless someone has imported it, there is
no such tensor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastscape.weights.selection import tensors_of

__all__ = [
    "Cut",
    "class_name",
    "cut_of",
    "forward_abandoned",
    "indices_here",
    "is_sharded",
    "local",
    "never_gathered",
    "prepared_to_run",
    "resharded",
    "sharing_groups",
    "tensors_here",
    "ungathered",
    "whole",
]


_FSDP = "torch.distributed.fsdp"


class Cut(NamedTuple):
    """How a tensor is cut along one dimension.

    Args:
        group: The process group of torch with the parts, in their order.
        dim: The dimension.
        parts: Number of processes.
    """

    group: Any
    dim: int
    parts: int

    def part(self, shape: torch.Size, number: int) -> list[int]:
        """The shape of a part of a tensor: every part is as long as the first, until the tensor ends."""
        length = -(-shape[self.dim] // self.parts)
        left = max(shape[self.dim] - number * length, 0)
        return [*shape[: self.dim], min(length, left), *shape[self.dim + 1 :]]


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds.

    Args:
        tensor: Any tensor.

    Returns:
        The part that is here, in the same memory; the tensor itself if it is not shared out.
    """
    if not _shared_out(tensor):
        return tensor
    with torch.no_grad():
        here: Any = tensor
        part: Tensor = here.to_local()
        return part.detach()


def whole(tensor: Tensor) -> Tensor:
    """A tensor with the parts of all processes. All of them must call this together.

    Args:
        tensor: Any tensor.

    Returns:
        The whole tensor; the tensor itself if it is not shared out.
    """
    if not _shared_out(tensor):
        return tensor
    with torch.no_grad():
        here: Any = tensor
        full: Tensor = here.full_tensor()
        return full


def cut_of(tensor: Tensor) -> Cut | None:
    """How a tensor is cut among processes along one dimension; for other cuts see `never_gathered`.

    Args:
        tensor: Any tensor.

    Returns:
        The cut; None if each process has the whole tensor.
    """
    if not _shared_out(tensor):
        return None
    mesh, placements = _placed(tensor)
    for axis, placement in enumerate(placements):
        if not placement.is_replicate():
            return Cut(mesh.get_group(axis), placement.dim, mesh.size(axis))
    return None


def is_sharded(model: nn.Module) -> bool:
    """Whether parameters or buffers of a model are shared out among processes.

    Args:
        model: The model. It is not changed.

    Returns:
        Whether some are shared out, or were until the model's last forward pass.
    """
    return bool(_fsdp_modules(model)) or any(map(_shared_out, tensors_of(model).values()))


def tensors_here(model: nn.Module) -> dict[str, Tensor]:
    """This process's parts of all parameters and buffers, by name, each once; none is copied."""
    return {name: local(tensor) for name, tensor in tensors_of(model).items()}


def class_name(model: nn.Module) -> str:
    """The original class name of a model, which `fully_shard` changes."""
    kind = _fsdp_module()
    if kind is not None and isinstance(model, kind):
        own = (base for base in type(model).__mro__[1:] if base is not kind)
        return next(own).__name__
    return type(model).__name__


def prepared_to_run(model: nn.Module) -> None:
    """Has FSDP2 do now what it would do at its first forward pass, so that a run does not undo it.

    Args:
        model: The model; modules under `fully_shard` register their hooks.
    """
    for module in _fsdp_modules(model):  # the outer modules first
        lazily = getattr(module._get_fsdp_state(), "_lazy_init", None)
        if lazily is not None:
            lazily()
    resharded(model)


def resharded(model: nn.Module) -> None:
    """Has every process hold only its own part, because FSDP2 keeps some parameters whole after a forward pass.

    The next forward pass sees what is written to the parts.

    Args:
        model: The model.
    """
    for module in _fsdp_modules(model):
        module.reshard()


def forward_abandoned(model: nn.Module) -> None:
    """Has FSDP2 forget a forward pass that an exception has stopped.

    Args:
        model: The model.
    """
    for module in _fsdp_modules(model):
        forget = getattr(module, "reset_iter_state", None)
        if forget is not None:
            with suppress(RuntimeError):  # it is not the outermost module
                forget()
        else:
            _reset(module._get_fsdp_state())


def never_gathered(model: nn.Module) -> str | None:
    """Why a forward pass of a model differs if whole tensors replace all parts.

    Args:
        model: The model.

    Returns:
        The reason; None if FSDP2 gathers all tensors, each before a module is called, and does nothing else.
    """
    states = [module._get_fsdp_state() for module in _fsdp_modules(model)]
    inside = {id(tensor) for module in _fsdp_modules(model) for tensor in module.parameters()}
    for name, tensor in tensors_of(model).items():
        if not _shared_out(tensor):
            continue
        cut = [placement for placement in _placed(tensor)[1] if not placement.is_replicate()]
        if id(tensor) not in inside or len(cut) > 1:
            return f"{name} is cut by tensor parallelism, which never gathers it"
    policies = [getattr(state, "_mp_policy", None) for state in states]
    dtypes = [getattr(policy, name, None) for policy in policies for name in ("param_dtype", "output_dtype")]
    return "fully_shard computes in another precision" if any(dtypes) else None


@contextmanager
def ungathered(model: nn.Module) -> Iterator[None]:
    """While this is active, FSDP2 gathers nothing when a module is called, because whole tensors are there already.

    Args:
        model: The model.

    Yields:
        Nothing.
    """
    before = []
    for module in model.modules():
        hooks: Any
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            own = [key for key, hook in hooks.items() if str(getattr(hook, "__module__", "")).startswith(_FSDP)]
            if own:
                before.append((hooks, dict(hooks)))
            for key in own:
                del hooks[key]
    try:
        yield
    finally:
        for hooks, every in before:
            hooks.clear()
            hooks.update(every)


def indices_here(name: str, tensor: Tensor) -> list[Tensor]:
    """The entries of a tensor that are here.

    Args:
        name: The name of the tensor.
        tensor: Any tensor.

    Returns:
        For each dimension the indices [n], int64. An entry is here if all its indices are among them. The part that is
        here has them in this order.

    Raises:
        ValueError: When the processes hold sums instead of parts, or the part differs from the placements.
    """
    lists = [torch.arange(size, device="cpu") for size in tensor.shape]
    if not _shared_out(tensor):
        return lists
    mesh, placements = _placed(tensor)
    coordinates = mesh.get_coordinate()
    if coordinates is None:
        raise ValueError(f"{name} is shared out among other processes than this one; call on those alone")
    for axis, placement in enumerate(placements):
        if placement.is_replicate():
            continue
        if placement.is_partial():
            raise ValueError(
                f"{name} is {placement} on a mesh, so its values are sums over processes; redistribute it to "
                "Replicate() or Shard(0) before this call"
            )
        factor = int(getattr(placement, "split_factor", 1))
        index = lists[placement.dim]
        pieces = [_chunk(piece, mesh.size(axis), coordinates[axis]) for piece in index.chunk(factor)]
        lists[placement.dim] = torch.cat(pieces)
    came, wanted = tuple(local(tensor).shape), tuple(map(len, lists))
    if came != wanted and tensor.numel() and (0 not in came or 0 not in wanted):
        raise ValueError(f"{name} must hold {wanted} here by its placements {placements}, got {came}")
    return lists


def sharing_groups(tensor: Tensor) -> list[list[int]]:
    """The processes that hold other parts of a tensor than this process.

    Args:
        tensor: Any tensor.

    Returns:
        For each dimension of its mesh along which it is cut, the ranks of the processes, including this process.
    """
    if not _shared_out(tensor):
        return []
    distributed = sys.modules["torch.distributed"]
    mesh, placements = _placed(tensor)
    cut = [axis for axis, placement in enumerate(placements) if not placement.is_replicate()]
    return [sorted(distributed.get_process_group_ranks(mesh.get_group(axis))) for axis in cut]


def _placed(tensor: Any) -> tuple[Any, Any]:
    """The mesh of a DTensor, and its placements."""
    return tensor.device_mesh, tensor.placements


def _chunk(index: Tensor, chunks: int, number: int) -> Tensor:
    """One of several chunks of indices. The last chunk may be shorter or empty."""
    length = -(-len(index) // chunks)
    return index[number * length : (number + 1) * length]


def _shared_out(tensor: Tensor) -> bool:
    kind = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
    return kind is not None and isinstance(tensor, kind)


def _fsdp_module() -> type | None:
    found: type | None = getattr(sys.modules.get("torch.distributed.fsdp"), "FSDPModule", None)
    return found


def _fsdp_modules(model: nn.Module) -> list[Any]:
    """The modules under `fully_shard`, the outer modules first."""
    kind = _fsdp_module()
    return [] if kind is None else [module for module in model.modules() if isinstance(module, kind)]


def _reset(state: Any) -> None:
    """Does what `reset_iter_state` does, for versions of torch without it, after a forward pass without gradients."""
    idle = type(state._training_state).IDLE
    state._training_state = idle
    state._state_ctx.iter_forward_root = None
    group = state._fsdp_param_group
    if group is not None:
        group._all_gather_result, group._training_state = None, idle
        group._to_sharded()
