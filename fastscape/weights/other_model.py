"""Another model with the names of this model: a module, a wrapper around a module, or a state dict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import TypeAlias

import torch
from torch import Tensor, nn

from fastscape.results import warn
from fastscape.weights.sharded import class_name

__all__ = [
    "Other",
    "bare_names",
    "check_present",
    "every_tensor",
    "listed",
    "model_given",
    "named_as",
    "staying",
    "warn_of_other_code",
]

Other: TypeAlias = "nn.Module | Mapping[str, Tensor]"

_COUNTERS = "num_batches_tracked", "n_averaged"
"""Counters of torch's batch norm and averaged models. No loss depends on them; they differ with the training."""


def every_tensor(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers, a tied tensor under each of its names; none is copied."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return {**parameters, **dict(model.named_buffers(remove_duplicate=False))}


def check_present(tensors: Mapping[str, Tensor], whose: str) -> None:
    """Refuses tensors without values.

    Args:
        tensors: The tensors by name.
        whose: Their owner, as the error names it.

    Raises:
        ValueError: When a tensor is on the device "meta".
    """
    absent = [name for name, tensor in tensors.items() if isinstance(tensor, Tensor) and tensor.is_meta]
    if absent:
        raise ValueError(
            f"{whose} has no values of {listed(absent)}, on the device 'meta'; load the weights into memory first: "
            "without device_map and offloading, or with load_state_dict(..., assign=True)"
        )


def listed(names: Iterable[str], most: int = 4) -> str:
    """The first of several names, as they appear in a sentence.

    Args:
        names: The names.
        most: How many names are listed. Default 4.

    Returns:
        For example "0.weight, 0.bias, ...".
    """
    names = list(names)
    said = [name if len(name) <= 60 else f"{name[:57]}..." for name in names[:most]]
    return ", ".join([*said, "..."] if len(names) > most else said)


def named_as(names: Collection[str], other: Other) -> Mapping[str, Tensor]:
    """The tensors of another model, by the names in this model.

    `DataParallel`, `AveragedModel` and similar wrappers put "module." before every name, and `torch.compile` puts
    "_orig_mod." before the names of the compiled modules. Names that differ only in these prefixes count as the same.

    Args:
        names: The names of this model.
        other: The other model.

    Returns:
        The tensors; a tensor without a name in this model keeps its own name.
    """
    found = every_tensor(other) if isinstance(other, nn.Module) else other
    if set(names) <= found.keys():
        return found
    here, there = bare_names(names), bare_names(found)
    known = {bare: name for name, bare in here.items()}
    return {known.get(there[name], there[name]): tensor for name, tensor in found.items()}


def bare_names(names: Collection[str]) -> dict[str, str]:
    """Names without the prefixes of wrappers: "module.", if all names have it, and "_orig_mod.".

    Args:
        names: Names of the tensors of one model.

    Returns:
        The bare name of each tensor.
    """
    bare = {name: name.replace("_orig_mod.", "") for name in names}
    # A name without a dot belongs to the wrapper itself.
    while inner := [name for name in bare.values() if "." in name]:
        if not all(name.startswith("module.") for name in inner):
            break
        bare = {name: short.removeprefix("module.") for name, short in bare.items()}
    return bare


def model_given(model: nn.Module, other: object) -> Other:
    """Another model, as given for `to=`.

    Args:
        model: This model.
        other: A module, or a state dict: the tensors of a module by name.

    Returns:
        The module; or all tensors of a state dict by the names in this model. Buffers that no state dict holds are
        taken from this model.

    Raises:
        TypeError: When it is neither.
        ValueError: When a state dict lacks a tensor, or has a tensor that this model lacks.
    """
    if isinstance(other, nn.Module):
        return other
    if not isinstance(other, Mapping):
        raise TypeError(
            f"to must be a torch.nn.Module of the same architecture, its state dict, or the path of a file with one, "
            f"got {type(other).__name__}; a direction is given as directions=[...]"
        )
    inside = [key for key, value in other.items() if isinstance(value, Mapping | nn.Module)]
    if inside:
        raise TypeError(
            f"to must be a state dict, tensors by name, got a dict that holds {listed(map(repr, other), 6)}: write "
            f"to=checkpoint[{inside[0]!r:.40}]"
        )
    here, needed = every_tensor(model), _in_state_dicts(model)
    found = named_as(list(here), {str(name): tensor for name, tensor in other.items()})
    for name, tensor in found.items():
        if name in here and not isinstance(tensor, Tensor):
            raise TypeError(f"{name} of the state dict must be a torch.Tensor, got {type(tensor).__name__}")
    missing = [name for name in needed if name not in found and not name.endswith(_COUNTERS)]
    more = [name for name, tensor in found.items() if name not in here and _is_weight(tensor)]
    for odd, fault in ((missing, "has no"), (more, "also has")):
        if odd:
            raise ValueError(
                f"the state dict must come from a model of the same architecture, with {listed(needed)}, but it "
                f"{fault} {listed(odd)}"
            )
    return {name: found.get(name, tensor) for name, tensor in here.items()}


def warn_of_other_code(model: nn.Module, other: object) -> None:
    """Warns if another model's modules have different classes: its weights are evaluated by the code of this model.

    The computations of two classes cannot be compared. But modules with the same name and classes of different names
    do differ: a ReLU and a Tanh, for example. The outermost modules may differ, for example a class around a model.

    Args:
        model: This model, whose code is run.
        other: The other model; nothing is known of a state dict.
    """
    if not isinstance(other, nn.Module):
        return
    here, there = _classes(model), _classes(other)
    both = [name for name in here if name in there and here[name] != there[name]]
    odd = [f"{name[:-1]} is {there[name]} and not {here[name]}" for name in both]
    if odd:
        warn(
            f"the other model has other code: {listed(odd)}; its weights are evaluated by the code of the first one. "
            "Give two models of the same classes, or the state dict of the other, other.state_dict(), if that is meant"
        )


def _classes(model: nn.Module) -> dict[str, str]:
    """The classes of the modules inside a model by their names, without the classes of wrappers."""
    found = {f"{name}.": module for name, module in model.named_modules() if name}
    while found and all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): module for name, module in found.items()}
    inner = {name.replace("_orig_mod.", ""): module for name, module in found.items()}  # inner modules come last
    return {name: getattr(module, "original_name", class_name(module)) for name, module in inner.items() if name}


def _in_state_dicts(model: nn.Module) -> list[str]:
    """The names in a state dict of the model, before any of its hooks has run."""
    return [
        f"{path}.{leaf}" if path else leaf
        for path, module in model.named_modules(remove_duplicate=False)
        for leaf, tensor in (*module._parameters.items(), *module._buffers.items())
        if tensor is not None and leaf not in module._non_persistent_buffers_set
    ]


def _is_weight(value: object) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def staying(model: nn.Module, moving: Set[str], other: Other, *, unused: Set[str] = frozenset()) -> list[str]:
    """The tensors that do not move and in which another model differs from this model, so that it is not reached.

    Args:
        model: This model.
        moving: Names of the tensors that move.
        other: The other model.
        unused: Names of tensors on which no value depends. Default: none.

    Returns:
        Names of tensors.

    Raises:
        ValueError: When one model has a parameter that the other model lacks.
    """
    here = every_tensor(model)
    there = _with_tied(here, named_as(list(here), other))
    lacks = [n for n, tensor in here.items() if isinstance(tensor, nn.Parameter) and n not in there]
    more = [n for n, tensor in there.items() if isinstance(tensor, nn.Parameter) and n not in here]
    for odd, fault in ((lacks, "has no"), (more, "also has")):
        if odd:
            raise ValueError(
                f"the other model must have the same architecture, but the {type(other).__name__} {fault} "
                f"{listed(odd)}"
            )
    check_present(there, "the other model")
    # The others are buffers.
    beside = [name for name, tensor in there.items() if name not in here and _is_weight(tensor)]
    first: dict[int, str] = {}
    differ = []
    for name, tensor in here.items():
        known = first.setdefault(id(tensor), name)  # a tied tensor moves by its first name
        if name in moving or name in unused or name.endswith(_COUNTERS):
            continue
        start = there.get(known) if known in moving else tensor
        if start is None or name not in there or not _same(start, there[name]):
            differ.append(f"{name} (tied to {known})" if known in moving else name)
    return differ + beside


def _with_tied(here: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of another model, also under further names of tied tensors, which files leave out."""
    first: dict[int, str] = {}
    names = {name: first.setdefault(id(tensor), name) for name, tensor in here.items()}
    return {**{name: there[known] for name, known in names.items() if known in there}, **there}


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same values; NaN equals NaN."""
    if a.shape != b.shape:
        return False
    wide = torch.promote_types(a.dtype, b.dtype)
    if a.layout != torch.strided or b.layout != torch.strided:
        a, b = (tensor.detach().to_sparse_coo().coalesce() for tensor in (a, b))
        return _same(a.indices(), b.indices()) and _same(a.values(), b.values())
    a, b = (tensor.detach().to("cpu", wide) for tensor in (a, b))
    return bool(((a == b) | ((a != a) & (b != b))).all())
