"""What is checked at the model itself, and by what a landscape's model and data are known again."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.data import Samples
from fastscape.problem import Problem
from fastscape.structure import tensors
from fastscape.trust import depends_on_batches

__all__ = ["DataHash", "at_the_model", "hash_of_weights", "plainly"]


def at_the_model(
    problem: Problem, theta: Mapping[str, Tensor], microbatch: int, *, plain: Problem | None
) -> tuple[dict[str, Any], list[str]]:
    """The loss at the model, its agreement with the model called as its user calls it, and whether it repeats.

    Args:
        problem: What is evaluated.
        theta: The model's own tensors that move, by name, in the precision of the run.
        microbatch: Samples in a microbatch.
        plain: The problem of the model as it is, see `plainly`; None where that is not to be compared.

    Returns:
        For the report "centre" with the loss, that of the plain model and the difference as a fraction of it, and
        "deterministic"; and the warnings that were given.
    """
    loss = float(problem.total(theta, microbatch)[0]) / problem.size
    (batch, *_) = problem.batches(microbatch)
    weights = {**problem.parameters, **theta}
    with torch.no_grad():
        first, again = (problem.step(weights, batch, 0) for _ in range(2))
    repeats = torch.equal(first.nan_to_num(), again.nan_to_num())
    messages = []
    if not repeats:
        messages.append(
            "two evaluations of the same point differ: usual causes are sums in another order on a GPU (index_add, "
            "scatter; torch.use_deterministic_algorithms(True) avoids them), cuDNN's choice of convolutions "
            "(torch.backends.cudnn.benchmark = False), and random numbers from a generator of the model's own"
        )
    centre: dict[str, Any] = {"loss": loss, "plain": None, "difference": None}
    if plain is not None:
        called = float(plain.total({}, microbatch)[0]) / plain.size
        difference = abs(loss - called) / max(abs(called), 1e-3)
        centre |= {"plain": called, "difference": difference}
        if repeats and depends_on_batches(difference, problem.dtype):
            messages.append(
                f"the loss at the model is {loss:.6g}, but the model itself, called on the same samples, gives "
                f"{called:.6g}: does it use tensors that are no parameters or buffers of its modules, or a precision "
                f"wider than {problem.dtype}?"
            )
    for message in messages:
        warnings.warn(message, stacklevel=4)
    return {"centre": centre, "deterministic": repeats}, messages


def plainly(problem: Problem, dtype: torch.dtype) -> Problem:
    """The problem of the model as it is: its own parameters and buffers, none of them swapped.

    Args:
        problem: What is evaluated.
        dtype: Of parameters, buffers and inputs.

    Returns:
        The problem, with a copy of the model.
    """
    model = copy.deepcopy(problem.model).to(device=problem.device, dtype=dtype)
    buffers = dict(model.named_buffers())
    return replace(problem, model=model, parameters={}, buffers=buffers, dtype=dtype)


def hash_of_weights(model: nn.Module) -> str:
    """What tells one set of parameters and buffers from another.

    Args:
        model: The model.

    Returns:
        SHA-256 of names, dtypes, shapes and bytes, hexadecimal.
    """
    return _hash((*model.named_parameters(), *model.named_buffers()))


class DataHash:
    """What tells one sequence of samples from another, in whatever batches and parts it came.

    The k-th tensors of all batches are read as one: their dtype, the shape of a sample, and all bytes. Of batches
    that cannot be cut into samples the whole shape counts.
    """

    def __init__(self) -> None:
        self._digests: dict[int, Any] = {}
        self._kinds: dict[int, str] = {}

    def update(self, samples: Samples) -> None:
        """Goes on with further samples.

        Args:
            samples: The samples.
        """
        for batch in samples:
            for k, tensor in enumerate(tensors(batch.content)):
                kind = f"{tensor.dtype} {tuple(tensor.shape[1:] if batch.divisible else tensor.shape)};"
                digest = self._digests.setdefault(k, hashlib.sha256())
                if self._kinds.get(k) != kind or not batch.divisible:
                    digest.update(kind.encode())
                self._kinds[k] = kind
                digest.update(_bytes(tensor))

    def hexdigest(self) -> str:
        """SHA-256 of all samples so far, hexadecimal."""
        return hashlib.sha256(b"".join(self._digests[k].digest() for k in sorted(self._digests))).hexdigest()


def _hash(named: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    return whole.view(torch.uint8).numpy().data if whole.numel() else b""
