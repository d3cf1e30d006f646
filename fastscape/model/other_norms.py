"""Normalisation by classes other than torch's, on which `batchnorm=` does not act: what it changes in training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.batch_norm import BatchNorm, layers
from fastscape.model.copies import twin
from fastscape.model.problem import Problem

__all__ = ["norms_not_acted_on"]


def norms_not_acted_on(
    user: nn.Module, policy: BatchNorm, problem: Problem, theta: Mapping[str, Tensor], microbatch: int
) -> str | None:
    """The message for layers that do not follow what `batchnorm=` asks for.

    Args:
        user: The user's model.
        policy: The policy for batch normalisation.
        problem: The problem.
        theta: The model's own tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        A sentence; None if the policy acts on all normalisation that was found.
    """
    if policy == "running":
        return None
    found = changing_in_training(problem, theta, microbatch)
    shown = ", ".join(f"{path or 'the model'} ({type_}: {', '.join(names)})"[:80] for path, type_, names in found[:3])
    shown += f" and {len(found) - 3} more" if len(found) > 3 else ""
    others = f"; in training mode buffers of {shown} change, and here they stay: derive such layers from torch's"
    if any(layer.running_mean is not None for _, layer in layers(user)):
        return f"batchnorm={policy!r} acts on torch's batch normalisation alone{others}" if found else None
    return (
        f"batchnorm={policy!r} acts on no layer: {type(user).__name__} has no batch normalisation of torch with "
        f"running statistics{f'{others}, or' if found else ';'} leave batchnorm= out"
    )


@torch.no_grad()
def changing_in_training(
    problem: Problem, theta: Mapping[str, Tensor], microbatch: int
) -> list[tuple[str, str, list[str]]]:
    """Modules whose forward pass changes buffers in training mode, as running statistics do.

    One batch is evaluated with only these modules in training mode. Of torch's own classes only instance normalisation
    is checked: the other classes that write to buffers do not normalise activations.

    Args:
        problem: The problem.
        theta: The model's own tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        Path, class and names of the buffers of each.
    """
    copied = twin(problem.model)
    watched = {path: module for path, module in copied.named_modules() if _may_normalise(module)}
    if not watched:
        return []
    weights: dict[str, Tensor] = {**problem.fixed(), **theta}
    for path, module in watched.items():
        for leaf, buffer in _floating(module).items():
            name = f"{path}.{leaf}" if path else leaf
            weights[name] = weights.get(name, buffer).to(problem.device, problem.dtype, copy=True)
    before: dict[str, dict[str, Tensor]] = {}
    changed: dict[str, tuple[str, str, list[str]]] = {}

    with ExitStack() as hooks:
        for path, module in watched.items():

            def note(module: nn.Module, _: Any, path: str = path) -> None:
                before[path] = {name: buffer.clone() for name, buffer in _floating(module).items()}

            def compare(module: nn.Module, _: Any, __: Any, path: str = path) -> None:
                after, known = _floating(module), before.get(path, {})
                names = [n for n, t in known.items() if not torch.equal(t.nan_to_num(), after.get(n, t).nan_to_num())]
                if names:
                    changed[path] = (path, type(module).__name__, names)

            module.training = True
            hooks.enter_context(module.register_forward_pre_hook(note))
            hooks.enter_context(module.register_forward_hook(compare))
        try:
            problem.step(weights, problem.batches(microbatch)[0], 0, model=copied)
        except Exception:  # in training mode a module may need arguments that evaluation does not give
            return list(changed.values())
    return list(changed.values())


def _may_normalise(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return not isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    return not type(module).__module__.startswith("torch.") and bool(_floating(module))


def _floating(module: nn.Module) -> dict[str, Tensor]:
    own = module.named_buffers(recurse=False)
    return {name: buffer for name, buffer in own if buffer.is_floating_point()}
