"""What multiplies the curvature matrix of the sum over one microbatch, kept from product to product where it is small.

A product is a derivative of a gradient, by reverse mode alone, which more operations of torch have than forward mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor

from fastscape.curvature.outputs import losses_of, outputs_of
from fastscape.model import Batch, Problem, ends_in_error, loss_sum, twice_differentiable
from fastscape.weights import Layout

__all__ = ["BatchProducts", "Product"]

KEPT_BYTES = 1 << 30
"""Graphs of gradients are kept if the graphs of all batches take at most this many bytes."""

Product: TypeAlias = Callable[[Tensor], Tensor]
_Made: TypeAlias = tuple[list[Tensor], Product]  # what was derived once, and what multiplies by deriving it again


@dataclass(eq=False)
class BatchProducts:
    """The products with the matrices of all microbatches at one point.

    Args:
        problem: What is evaluated; not lent.
        layout: What moves.
        theta: The point [P], a buffer of the layout.
        microbatch: Samples in one pass, where batches may be cut.
        kind: Which matrix.
        keeps: Whether graphs are kept; None where that is still to be seen.
    """

    problem: Problem
    layout: Layout
    theta: Tensor
    microbatch: int
    kind: str
    keeps: bool | None = None
    _kept: dict[int, Product] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._batches = self.problem.batches(self.microbatch)
        self._fixed = self.problem.fixed()

    def __len__(self) -> int:
        return len(self._batches)

    def of(self, index: int) -> Product:
        """What multiplies the matrix of the sum over one microbatch with a vector [P].

        Args:
            index: The number of the microbatch.

        Returns:
            A function of the vector.

        Raises:
            ValueError: When the loss cannot be differentiated twice.
        """
        if self._kept is None:
            self._kept = {}
        if self.keeps is None:
            self.keeps = self._are_small()
        if not self.keeps:
            return self._graph(index)
        if index not in self._kept:
            self._kept[index] = self._graph(index)
        return self._kept[index]

    def _are_small(self) -> bool:
        """Whether the graphs of all batches take little memory, as that of the largest one tells."""
        footprint = self.problem.footprint
        if footprint is None or not footprint.nothing:  # what is put back would be changed below a graph
            return False
        largest = max(range(len(self._batches)), key=lambda index: self._batches[index].samples)
        seen: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self._graph(largest)
        share = self.problem.size / self._batches[largest].samples
        # Each graph also has a copy of the weights, and gradients of their size that are derived again.
        own = 3 * self.theta.untyped_storage().nbytes() * len(self._batches)
        return sum(seen.values()) * share + own <= KEPT_BYTES

    def _graph(self, index: int) -> Product:
        batch, leaf = self._batches[index], self.theta.detach().clone().requires_grad_()
        weights = {**self._fixed, **self.layout.unflatten(leaf)}
        make = _of_hessian if self.kind == "hessian" else _of_losses if self.kind == "empirical-fisher" else _of_ggn
        try:
            with twice_differentiable(self.problem):
                slopes, product = make(self.problem, weights, leaf, batch, index)
        except (RuntimeError, NotImplementedError) as error:
            _say(error)
        if ends_in_error(slopes):
            raise _cannot("a function of its own is marked with once_differentiable")
        return product


def _gradient(of: Any, by: Any, along: Any = None, *, keep: bool = True) -> list[Tensor]:
    """Derivatives with graphs of their own where they are wanted; 0 of what depends on nothing."""
    pairs = [(t, a) for t, a in zip(of, along or [None] * len(of), strict=True) if t.requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in by]
    tensors, vectors = zip(*pairs, strict=True)
    return list(
        torch.autograd.grad(
            tensors, by, vectors, retain_graph=True, create_graph=keep, allow_unused=True, materialize_grads=True
        )
    )


def _of_hessian(problem: Problem, weights: Mapping[str, Tensor], leaf: Tensor, batch: Batch, index: int) -> _Made:
    """Derivatives of the gradient of the loss."""
    gradient = _gradient([loss_sum(problem, weights, batch, index)], [leaf])
    return gradient, lambda vector: _multiplied(lambda: _gradient(gradient, [leaf], [vector], keep=False)[0])


def _of_ggn(problem: Problem, weights: Mapping[str, Tensor], leaf: Tensor, batch: Batch, index: int) -> _Made:
    """J^T H_l J, where J takes a vector as the derivative of J^T u by u."""
    outputs, loss = outputs_of(problem, weights, batch, index)
    ends = [output.detach().requires_grad_() for output in outputs]
    slopes = _gradient([loss(ends)], ends)
    return _through(outputs, leaf, lambda moved: _gradient(slopes, ends, moved, keep=False))


def _of_losses(problem: Problem, weights: Mapping[str, Tensor], leaf: Tensor, batch: Batch, index: int) -> _Made:
    """J^T J, with J the gradients of the losses of the samples."""
    return _through([losses_of(problem, weights, batch, index)], leaf, lambda moved: moved)


def _through(outputs: list[Tensor], leaf: Tensor, middle: Callable[[list[Tensor]], list[Tensor]]) -> _Made:
    """J^T M J, with J the Jacobian of the outputs."""
    dummies = [torch.zeros_like(output, requires_grad=True) for output in outputs]
    back = _gradient(outputs, [leaf], dummies)

    def product(vector: Tensor) -> Tensor:
        moved = _gradient(back, dummies, [vector], keep=False)
        return _gradient(outputs, [leaf], middle(moved), keep=False)[0]

    return back, lambda vector: _multiplied(lambda: product(vector))


def _multiplied(run: Callable[[], Tensor]) -> Tensor:
    try:
        return run()
    except (RuntimeError, NotImplementedError) as error:
        _say(error)


def _say(error: Exception) -> NoReturn:
    """Says what is wrong where torch has no second derivative of an operation; else the error speaks for itself."""
    text = str(error)
    if not any(part in text for part in ("is not implemented", "once_differentiable", "does not require grad")):
        raise error
    raise _cannot(text.split("\n")[0][:160]) from error


def _cannot(said: str) -> ValueError:
    """The error that a loss has no second derivative, and what says so."""
    return ValueError(
        f"the loss cannot be differentiated twice ({said}); curvature needs operations of which torch knows second "
        "derivatives: for attention, for example, attn_implementation='eager'"
    )
