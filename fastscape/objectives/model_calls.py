"""Calls a language model for its logits, and defers its head if possible."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastscape.objectives.deferred_head import deferred
from fastscape.objectives.head_product import Product, head_of, inside_a_transform
from fastscape.objectives.token_losses import warn_of_whole
from fastscape.results import warn

__all__ = ["Logits", "check_head", "logits_of", "logits_of_tokens"]

_found_by_token: dict[int, tuple[weakref.ref[nn.Module], bool]] = {}


class Logits(NamedTuple):
    """The scores that a model gives the next tokens.

    Args:
        values: Logits [n, L, V], or a product that becomes logits.
        head: The head whose product they are; None if the logits are whole.
    """

    values: Product | Tensor
    head: nn.Module | None


def logits_of(call: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str | None) -> Logits:
    """The logits of a batch.

    Args:
        call: Runs the model.
        args: The positional arguments.
        kwargs: The keyword arguments. No cache is requested, unless it is given here.
        name: Name of the head in the model. Default: the result of its `get_output_embeddings()`.

    Returns:
        The logits.

    Raises:
        TypeError: When the model does not accept the batch, or returns nothing that can be logits.
        ValueError: When the model has no such head.
    """
    head = head_of(call, name)
    _check_taken(call, kwargs)
    if "use_cache" not in kwargs and _takes(call, "use_cache"):
        kwargs = {**kwargs, "use_cache": False}
    with deferred(head):
        found = _logits_in(call(*args, **kwargs))
    if not isinstance(found, Product):
        if head is None:
            warn_of_whole(found, call)
        return Logits(found, None)
    if found.is_whole or head is None or not _by_token(found, head):
        return Logits(found.whole(), None)
    return Logits(found, head)


def logits_of_tokens(
    call: Any, tokens: Tensor, mask: Tensor | None, others: Mapping[str, Any], name: str | None
) -> Logits:
    """The logits of texts whose padding, if any, follows their ends.

    Args:
        call: Runs the model. It gets `input_ids` and `attention_mask` by name if it accepts them, else the tokens
            alone.
        tokens: Tokens of the texts [n, L], int64.
        mask: 1 at tokens, else 0 [n, L]; None if there is no padding.
        others: Further arguments by name.
        name: As for `logits_of`.

    Returns:
        The logits.
    """
    if not _takes(call, "input_ids"):
        return logits_of(call, (tokens,), others, name)
    masked = {"attention_mask": mask} if mask is not None and _takes(call, "attention_mask") else {}
    return logits_of(call, (), {"input_ids": tokens, **masked, **others}, name)


def check_head(head: object) -> None:
    """Refuses a value that is no name of a head.

    Args:
        head: The option.

    Raises:
        TypeError: When it is not a string.
    """
    if head is not None and not isinstance(head, str):
        raise TypeError(
            f"head must be the name of the layer in the model, got {type(head).__name__} {head!r:.80}; for example "
            "head='lm_head', as model.named_modules() gives it"
        )


def _check_taken(call: Any, kwargs: Mapping[str, Any]) -> None:
    """Refuses parts of a batch that the model does not accept."""
    if getattr(call, "_forward_pre_hooks_with_kwargs", None):  # a hook may remove what the model does not accept
        return
    try:
        forward = call.forward if isinstance(call, nn.Module) else call
        taken = inspect.signature(forward, follow_wrapped=False).parameters
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    if others := [name for name in kwargs if name not in taken]:
        raise TypeError(
            f"a batch holds {', '.join(others):.200}, and the model takes {', '.join(taken):.200}; leave out of the "
            f"batch what the model does not take: batch.pop({others[0]!r:.80})"
        )


def _takes(call: Any, name: str) -> bool:
    """Whether a model names an argument in its signature."""
    try:
        return name in inspect.signature(call.forward if isinstance(call, nn.Module) else call).parameters
    except (TypeError, ValueError):
        return False


def _logits_in(outputs: Any) -> Product | Tensor:
    """The logits in the result of a model."""
    found = outputs
    if isinstance(outputs, Mapping):
        found = outputs.get("logits")
    elif isinstance(outputs, tuple | list):
        found = next((part for part in outputs if isinstance(part, Tensor | Product)), None)
    elif not isinstance(outputs, Tensor | Product):
        found = getattr(outputs, "logits", None)
    if isinstance(found, Product) or (isinstance(found, Tensor) and found.dim() == 3):
        return found
    came = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(outputs).__name__} without any"
    raise TypeError(f"the model must return logits [n, L, V], alone, in a tuple, or as .logits, got {came}")


def _by_token(found: Product, head: nn.Module) -> bool:
    """Whether the head treats every token by itself, checked at the first batch."""
    known = _found_by_token.get(id(head))
    if known is not None and known[0]() is head:
        return known[1]
    drops = any(isinstance(part, nn.modules.dropout._DropoutNd) and part.training for part in head.modules())
    if drops or inside_a_transform(found.hidden):  # nothing can be compared
        return True
    with torch.no_grad():
        right = found.by_token()
    key = id(head)
    _found_by_token[key] = weakref.ref(head, lambda _: _found_by_token.pop(key, None)), right
    if not right:
        warn(
            f"the logits that {type(head).__name__} gives for a token depend on the others with it, so that they are "
            "made as a whole; write head='...', the name of a layer that treats every token alone"
        )
    return right
