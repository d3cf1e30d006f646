"""The tensors of a model that a landscape moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["NamedPerturb", "Perturb", "own_buffers", "owners", "select", "tensors_of"]

NamedPerturb: TypeAlias = Literal["weights", "weights+bias", "all", "states"]
Perturb: TypeAlias = "NamedPerturb | Callable[[str, nn.Parameter], bool]"


def select(model: nn.Module, perturb: Perturb = "weights") -> dict[str, Tensor]:
    """The tensors of a model that a landscape moves.

    Tied parameters appear once, under their first name, and move together. Frozen parameters move like all others;
    exclude them with `perturb=lambda name, p: p.requires_grad`.

    Args:
        model: The model.
        perturb: "weights", parameters of two or more dimensions (the paper's "ignore bias and batch norm");
            "weights+bias", also the biases of layers that have such a weight: convolutions, linear, recurrent and
            attention layers; "all", every floating-point or complex parameter; "states", also every floating-point or
            complex buffer (the statistics of batch normalisation; random directions do not move the variances); or a
            function of name and parameter that returns whether the parameter moves. A complex tensor counts by its own
            dimensions. Default "weights".

    Returns:
        The selected tensors by name, in the order of the model; none is copied.

    Raises:
        ValueError: When the model has no parameters, a parameter is uninitialised, the selection is unknown, or it
            selects nothing or a sparse tensor.

    Example:
        >>> import torch
        >>> from fastscape.weights import select
        >>> list(select(torch.nn.Linear(3, 2), "weights+bias"))
        ['weight', 'bias']
    """
    parameters = dict(model.named_parameters())
    _check_parameters(model, parameters)
    chosen = dict(filter(lambda item: _continuous(item[1]), parameters.items()))
    if callable(perturb):
        chosen = {name: p for name, p in chosen.items() if perturb(name, p)}
    elif perturb in ("weights", "weights+bias"):
        biases = _biases(model) if perturb == "weights+bias" else set()
        chosen = {name: p for name, p in chosen.items() if p.dim() >= 2 or name in biases}
    elif perturb not in ("all", "states"):
        raise ValueError(
            "perturb must be 'weights', 'weights+bias', 'all', 'states', or a function of name and parameter that "
            f"returns True for what moves, got {perturb!r}"
        )
    selected: dict[str, Tensor] = dict(chosen)
    if perturb == "states":
        selected |= {name: buffer for name, buffer in own_buffers(model).items() if _continuous(buffer)}
    if not sum(tensor.numel() for tensor in selected.values()):
        raise ValueError(
            f"perturb={perturb!r} selects nothing of {type(model).__name__}, whose parameters are "
            f"{', '.join(list(parameters)[:8])}; write perturb='all', or a function that selects some of them"
        )
    for name, tensor in selected.items():
        if tensor.layout is not torch.strided:
            raise ValueError(
                f"{name} is sparse ({str(tensor.layout)[6:]}), and only dense tensors move; make it dense, "
                "torch.nn.Parameter(tensor.to_dense()), or let it stay still: "
                "perturb=lambda name, parameter: parameter.layout == torch.strided"
            )
    return selected


def own_buffers(model: nn.Module) -> dict[str, Tensor]:
    """The buffers by name, except those that are a parameter under a second name, which move with it."""
    parameters = {id(parameter) for parameter in model.parameters()}
    return {name: buffer for name, buffer in model.named_buffers() if id(buffer) not in parameters}


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name, each once; none is copied."""
    return {**dict(model.named_parameters()), **own_buffers(model)}


def owners(model: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """The layer that each parameter and buffer belongs to, and what it is there.

    A parametrised weight (weight or spectral normalisation, pruning) is stored elsewhere or under another name, but it
    is still the layer's weight.

    Args:
        model: The model.

    Returns:
        By the tensor's name, the layer and the name that the tensor has, or had, in it.
    """
    found = {}
    for path, module in model.named_modules():
        own = module.named_parameters(recurse=False, remove_duplicate=False)
        buffers = module.named_buffers(recurse=False, remove_duplicate=False)
        for leaf, _ in (*own, *buffers):
            name = f"{path}.{leaf}" if path else leaf
            above, parametrised, role = path.rpartition("parametrizations.")
            if parametrised:
                found[name] = (model.get_submodule(above.rstrip(".")), role.partition(".")[0])
            else:
                found[name] = (module, re.sub(r"^weight_(orig|v)$", "weight", leaf))
    return found


def _continuous(tensor: Tensor) -> bool:
    """Whether a tensor holds numbers that can move a little."""
    return tensor.is_floating_point() or tensor.is_complex()


def _biases(model: nn.Module) -> set[str]:
    """Names of the one-dimensional biases whose layer also owns a weight of two or more dimensions."""
    owner_of = owners(model)
    weighted = {owner for name, p in model.named_parameters() if p.dim() >= 2 for owner, _ in [owner_of[name]]}
    return {
        name
        for name, p in model.named_parameters()
        if p.dim() == 1 and re.match(r"bias$|bias_|\w+_bias$", owner_of[name][1]) and owner_of[name][0] in weighted
    }


def _check_parameters(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
    if not parameters:
        raise ValueError(
            f"{type(model).__name__} has no parameters, so it has no loss landscape; give a trained model"
        )
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.UninitializedParameter):
            raise ValueError(f"{name} is not initialised yet; run the model once on a batch before this call")
