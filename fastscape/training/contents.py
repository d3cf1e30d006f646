"""Selects the tensors of a model that a record holds, and their names."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from fastscape.weights import Other, bare_names, check_present, listed, tensors_of

__all__ = ["check_same", "is_sharded", "tensors_in", "whole"]


def tensors_in(model: Other, known: Collection[str] = ()) -> dict[str, Tensor]:
    """The tensors of a model that move in a training; no tensor is copied.

    Args:
        model: A module, or a state dict, of which all floating-point and complex tensors are taken.
        known: Names of tensors that are taken even if they are frozen. Default: none.

    Returns:
        The tensors by name, without the prefixes of wrappers; tied tensors once.

    Raises:
        TypeError: When the model is neither a module nor tensors by name.
        ValueError: When nothing moves, or a tensor has no values to copy.
    """
    if isinstance(model, nn.Module):
        _check_module(model)
        found, frozen = tensors_of(model), _is_frozen
    elif isinstance(model, Mapping):
        found, frozen = _unshared(model), _never
    else:
        raise TypeError(
            f"model must be a torch.nn.Module, or its state dict (tensors by name), got {type(model).__name__}"
        )
    names = bare_names([name for name, tensor in found.items() if _continuous(tensor)])
    if len(set(names.values())) < len(names):
        raise ValueError(f"several tensors have one name without 'module.' and '_orig_mod.': {listed(names)}")
    chosen = {bare: found[name] for name, bare in names.items() if not frozen(found[name]) or bare in known}
    if not chosen:
        raise ValueError(
            f"nothing of {type(model).__name__} moves: no parameter requires a gradient, and there is no buffer; "
            "write record(model.state_dict()) to record all of it"
        )
    _check_values(chosen)
    return chosen


def is_sharded(model: Other) -> bool:
    """Whether a model has tensors sharded over several processes (DTensor)."""
    kind = _dtensor()
    if kind is None:
        return False
    tensors = tensors_of(model) if isinstance(model, nn.Module) else model
    return isinstance(tensors, Mapping) and any(isinstance(tensor, kind) for tensor in tensors.values())


def whole(tensor: Tensor) -> Tensor:
    """A tensor without its graph; for a sharded tensor all processes call together, and each gets all of it."""
    kind = _dtensor()
    tensor = tensor.detach()
    return tensor.full_tensor() if kind is not None and isinstance(tensor, kind) else tensor


def check_same(tensors: Mapping[str, Tensor], known: Mapping[str, tuple[int, ...]], where: object) -> None:
    """Refuses tensors that do not match the existing records.

    Args:
        tensors: The tensors by name.
        known: The shapes of the recorded tensors.
        where: The folder, for the error.

    Raises:
        ValueError: When names or shapes differ.
    """
    more, lacks = tensors.keys() - known.keys(), known.keys() - tensors.keys()
    if more and not lacks:
        raise ValueError(
            f"{listed(sorted(more))} move now, and the earlier records in {where} do not hold them; give another "
            "folder, and record(model.state_dict()) if layers are frozen for some of the time"
        )
    odd = sorted(lacks) or [name for name, tensor in tensors.items() if tuple(tensor.shape) != known[name]]
    if lacks:
        raise ValueError(
            f"{where} holds records of another model, with {listed(odd)}; this one has "
            f"{listed(sorted(more) or tensors)}. Give another folder"
        )
    if odd:
        raise ValueError(
            f"{where} holds records of another model: {listed([odd[0]])} has shape {known[odd[0]]} there, and "
            f"{tuple(tensors[odd[0]].shape)} in this one. Give another folder"
        )


def _dtensor() -> Any:
    """The class, if it was imported: else there is no such tensor."""
    return getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)


def _continuous(tensor: object) -> bool:
    return isinstance(tensor, Tensor) and (tensor.is_floating_point() or tensor.is_complex())


def _is_wrapper(tensor: object) -> bool:
    """Whether a tensor wraps other tensors instead of numbers."""
    return is_traceable_wrapper_subclass(tensor)


def _is_frozen(tensor: Tensor, /) -> bool:
    return isinstance(tensor, nn.Parameter) and not tensor.requires_grad


def _never(_: Tensor, /) -> bool:
    return False


def _unshared(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """A state dict without the second names of tied tensors, which are different objects with the same memory."""
    inside = [key for key, value in state.items() if isinstance(value, Mapping | nn.Module)]
    if inside and not any(isinstance(value, Tensor) for value in state.values()):
        raise TypeError(
            f"model must be a state dict, tensors by name, got a dict that holds {listed(map(repr, inside))}: write "
            f"record(checkpoint[{inside[0]!r:.40}])"
        )
    first: dict[Any, str] = {}
    found = {}
    for name, tensor in state.items():
        if _continuous(tensor):
            plain = tensor.layout == torch.strided and tensor.numel() and not _is_wrapper(tensor)
            place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.device) if plain else id(tensor)
            if first.setdefault(place, name) == name:
                found[str(name)] = tensor
    return found


def _check_module(model: nn.Module) -> None:
    for module in model.modules():
        # Compared by name, because importing the class may take longer than a short training.
        if any(kind.__name__ == "FullyShardedDataParallel" for kind in type(module).__mro__):
            raise ValueError(
                "model is wrapped in FullyShardedDataParallel, whose weights lie flattened in pieces; write "
                "record(state_dict), with the state dict that FSDP.state_dict_type(model, "
                "StateDictType.FULL_STATE_DICT) gives, or wrap the model by fully_shard"
            )


def _check_values(tensors: Mapping[str, Tensor]) -> None:
    check_present(tensors, "the model")
    for name, tensor in tensors.items():
        kind = _dtensor()
        if nn.parameter.is_lazy(tensor):
            raise ValueError(f"{name} is not initialised yet; run the model once on a batch before this call")
        if getattr(tensor, "ds_numel", tensor.numel()) != tensor.numel():
            raise ValueError(
                f"{name} lies in pieces on several processes (DeepSpeed's ZeRO-3); record inside "
                "deepspeed.zero.GatheredParameters(model.parameters())"
            )
        in_pieces = kind is not None and isinstance(tensor, kind)
        if tensor.layout != torch.strided or (not in_pieces and _is_wrapper(tensor)):
            raise ValueError(
                f"{name} is a {type(tensor).__name__} of layout {tensor.layout}, which safetensors cannot hold; "
                "write record(state), with a state dict of dense tensors"
            )
