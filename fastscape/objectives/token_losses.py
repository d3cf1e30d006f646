"""Head and cross-entropy in one step, chunk by chunk: the logits of a whole batch are never in memory at once.

    loss_t = log sum_v exp(z_tv) - z_t,label(t),    z_t = head(h_t)

With T tokens and V logits each, whole logits and their log-softmax take 2 T V numbers, a chunk of c tokens takes 2 c
V. Only tokens with a label are multiplied. On a GPU the kernels of liger-kernel or cut-cross-entropy do the same
without the chunk's logits.

Source: Hsu et al. 2024, arXiv 2410.10989 (chunks of tokens); Wijmans et al. 2024, arXiv 2411.09009 (no logits).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape.objectives.head_product import Product, inside_a_transform
from fastscape.results import warn

__all__ = ["IGNORED", "Kernel", "Read", "Reader", "warn_of_whole"]

IGNORED = -100
"""The label of a token that does not count, here as in torch."""

Kernel = Literal["auto", "torch", "liger", "cce"]

_LOGITS = {"cpu": 1 << 23}  # logits of a chunk: 32 MiB in float32
_LOGITS_ELSEWHERE = 1 << 26  # with few rows per product, a GPU waits for the weights
_WARNED_FROM = 1 << 26  # logits that are in memory at once
_PACKAGES = {"liger": "liger_kernel", "cce": "cut_cross_entropy"}
_INSTALLED = {"liger": "liger-kernel", "cce": "cut-cross-entropy"}


class Read(NamedTuple):
    """The results of reading the logits.

    Args:
        losses: Loss of each token [n, L], 0 if it has no label.
        right: Whether the largest logit is the label's [n, L], False if there is no label; None if this was not
            requested.
    """

    losses: Tensor
    right: Tensor | None


@dataclass(frozen=True)
class Reader:
    """Reads logits.

    Args:
        chunk: Number of tokens whose logits are in memory at once. Default: 32 MiB of logits in float32, on a GPU 256
            MiB.
        kernel: The library that computes the losses. Default "auto": on a GPU liger-kernel or cut-cross-entropy, if
            one of them is installed and can compute them, else torch.

    Raises:
        ValueError: When there is no such kernel, or a chunk has no tokens.
        ImportError: When a kernel is asked for and its package is not installed.
    """

    chunk: int | None = None
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise ValueError(f"kernel must be one of {', '.join(get_args(Kernel))}, got {self.kernel!r:.80}")
        whole = isinstance(self.chunk, int) and not isinstance(self.chunk, bool)
        if self.chunk is not None and not (whole and self.chunk > 0):
            raise ValueError(f"chunk must be a number of tokens, got {self.chunk!r:.80}; for example 64")
        if self.kernel in _PACKAGES and not _there(self.kernel):
            name = _INSTALLED[self.kernel]
            raise ImportError(f"kernel={self.kernel!r} needs {name}; write pip install {name}, or kernel='auto'")

    def read(self, logits: Product | Tensor, labels: Tensor, head: nn.Module | None, *, right: bool = False) -> Read:
        """The losses of tokens.

        Args:
            logits: Logits [n, L, V], or a product that becomes logits.
            labels: For each token the right next token [n, L], int64; `IGNORED` if it does not count.
            head: The head whose product the logits are; None if the logits are whole.
            right: Whether to return also if the largest logit is the label's. Default False.

        Returns:
            The losses, in the dtype of the logits, float32 at least.

        Raises:
            ValueError: When the requested kernel cannot compute them.
        """
        flat = labels.flatten()
        kernel = self._kernel(logits, head, right=right)
        numbers = _counted(flat)
        if not len(numbers):
            none = torch.zeros(labels.shape, device=labels.device)
            return Read(none, none.bool() if right else None)
        if kernel is not None and isinstance(logits, Product):
            losses, hits = kernel(logits.hidden.flatten(0, -2)[numbers], head, flat[numbers]), None
        else:
            losses, hits = self._in_chunks(logits, flat, numbers, right=right)
        back = _back(flat, numbers)

        def placed(values: Tensor) -> Tensor:
            return torch.cat([values, values.new_zeros(1)])[back].view(labels.shape)

        return Read(placed(losses), None if hits is None else placed(hits))

    def chunks(self, logits: Product | Tensor, numbers: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The logits of some tokens, chunk by chunk.

        Args:
            logits: As for `read`.
            numbers: Indices of tokens [c], counted over all tokens in order.

        Yields:
            Indices [chunk] and logits [chunk, V].
        """
        size = self.chunk or max(_LOGITS.get(logits.device.type, _LOGITS_ELSEWHERE) // logits.shape[-1], 1)
        for some in numbers.split(size):
            yield some, logits.rows(some) if isinstance(logits, Product) else logits.flatten(0, -2)[some]

    def _in_chunks(
        self, logits: Product | Tensor, labels: Tensor, numbers: Tensor, *, right: bool
    ) -> tuple[Tensor, Tensor | None]:
        losses, hits = _Joined(len(numbers)), _Joined(len(numbers))
        for some, part in self.chunks(logits, numbers):
            part = part.float() if part.dtype.itemsize < 4 else part
            losses.add(F.cross_entropy(part, labels[some], ignore_index=IGNORED, reduction="none"))
            if right:
                hits.add(part.argmax(dim=-1) == labels[some])
            del part
        return losses.whole(), hits.whole() if right else None

    def _kernel(
        self, logits: Product | Tensor, head: nn.Module | None, *, right: bool
    ) -> Callable[[Tensor, Any, Tensor], Tensor] | None:
        """The function that computes the losses instead of torch, if there is one."""
        if self.kernel == "torch":
            return None
        why = _why_not(logits, head, right=right)
        if self.kernel in _PACKAGES:
            if why is not None:
                raise ValueError(f"kernel={self.kernel!r} cannot be used: {why}; write kernel='auto'")
            return _FUSED[self.kernel]
        if why is not None or not isinstance(logits, Product):
            return None
        # Float32 products here have full precision; cut-cross-entropy's are for half precision.
        able = ["liger", *(["cce"] if logits.hidden.dtype.itemsize < 4 else [])]
        return next((_FUSED[name] for name in able if _there(name)), None)


class _Joined:
    """Values that are collected part by part.

    They are written into one tensor if possible. Small tensors that stay between large tensors that are freed would
    keep the C library from using the memory of one chunk for the next.

    Args:
        length: Total number of values.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._parts: list[Tensor] = []
        self._room: Tensor | None = None
        self._filled = 0

    def add(self, values: Tensor) -> None:
        """Adds the next values [c]."""
        if values.requires_grad or inside_a_transform(values):
            self._parts.append(values)
            return
        if self._room is None:
            self._room = values.new_empty(self._length)
        self._room[self._filled : self._filled + len(values)] = values
        self._filled += len(values)

    def whole(self) -> Tensor:
        """All values."""
        return torch.cat(self._parts) if self._room is None else self._room


def _counted(flat: Tensor) -> Tensor:
    """The indices of the tokens with a label; of all tokens if this cannot be checked, with losses of 0."""
    if inside_a_transform(flat):
        return torch.arange(len(flat), device=flat.device)
    return (flat != IGNORED).nonzero()[:, 0]


def _back(flat: Tensor, numbers: Tensor) -> Tensor:
    """The position of each token among the tokens that were read [N]; the end if it was not read."""
    back = torch.full_like(flat, len(numbers))
    back[numbers] = torch.arange(len(numbers), device=flat.device)
    return back


def _why_not(logits: Product | Tensor, head: nn.Module | None, *, right: bool) -> str | None:
    """Why no kernel can compute the losses; None if one can."""
    if not isinstance(logits, Product):
        return "the head of the model was not found, or its logits are used by the model"
    if right:
        return "it does not say which logit is the largest"
    if logits.steps or not isinstance(head, nn.Linear) or type(head).forward is not nn.Linear.forward:
        return "the logits are more than the product of a linear layer"
    if not _on_gpu(logits.hidden):
        return "the model is on no GPU"
    if inside_a_transform(logits.hidden):
        return "several points are evaluated as one, or recorded"
    if logits.hidden.dtype.itemsize > 4:
        return f"its losses are float32, and the hidden states {logits.hidden.dtype}"
    return None


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.is_cuda


def _there(kernel: str) -> bool:
    """Whether the package of a kernel is installed."""
    return importlib.util.find_spec(_PACKAGES[kernel]) is not None


def _liger(hidden: Tensor, head: Any, labels: Tensor) -> Tensor:
    """The losses by liger-kernel."""
    functions = importlib.import_module("liger_kernel.transformers.functional")
    found: Tensor = functions.liger_fused_linear_cross_entropy(
        hidden, head.weight, labels, bias=head.bias, ignore_index=IGNORED, reduction="none"
    )
    return found


def _cce(hidden: Tensor, head: Any, labels: Tensor) -> Tensor:
    """The losses by cut-cross-entropy, whose first versions do not support a bias."""
    package = importlib.import_module("cut_cross_entropy")
    bias = {} if head.bias is None else {"bias": head.bias}
    found: Tensor = package.linear_cross_entropy(
        hidden, head.weight, labels, ignore_index=IGNORED, reduction="none", **bias
    )
    return found


_FUSED: dict[str, Callable[[Tensor, Any, Tensor], Tensor]] = {"liger": _liger, "cce": _cce}


def warn_of_whole(logits: Tensor, model: Any) -> None:
    """Warns if the logits are large and in memory at once.

    Args:
        logits: Logits [n, L, V].
        model: The model.
    """
    if logits.numel() > _WARNED_FROM:
        size = logits.numel() * logits.element_size() >> 20
        warn(
            f"the logits {list(logits.shape)} of {type(model).__name__} take {size} MiB as a whole, as nobody says "
            "which layer makes them; write head='...', the name of the last layer in the model"
        )
