"""The head of a language model, which temporarily returns products that are computed when they are read.

Several passes of one model may run at the same time, each in its own thread. Each pass decides for itself whether it
defers the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model import standing_in
from fastscape.objectives.head_product import Product

__all__ = ["deferred"]


@contextmanager
def deferred(head: nn.Module | None) -> Iterator[None]:
    """Has a head return products that are computed when they are read.

    It does so only in this context: a pass in another thread gets the head's usual result, unless it asks too.

    Args:
        head: The head; None changes nothing.

    Yields:
        Nothing.
    """
    # Tensors that are gathered only for the call (`fully_shard`) are gone when the logits are read.
    if head is None or torch.compiler.is_compiling() or hasattr(head, "reshard"):
        yield
        return
    with _changing:
        here = _deferred.get(id(head)) or _Deferred(head)
        _deferred[id(head)] = here
        here.passes += 1
    asked = _asked.set((*_asked.get(), here))
    try:
        yield
    finally:
        _asked.reset(asked)
        with _changing:
            here.passes -= 1
            if not here.passes:
                here.put_back()
                del _deferred[id(head)]


class _Deferred:
    """A head that some passes defer.

    Args:
        head: The head.
    """

    def __init__(self, head: nn.Module) -> None:
        self.passes = 0
        self._head, self._before, plain = head, vars(head).get("forward"), head.forward

        @wraps(plain)
        def forward(*args: Any, **kwargs: Any) -> Any:
            return _product(head, plain, *args, **kwargs) if self in _asked.get() else plain(*args, **kwargs)

        own: Any = vars(head)
        own["forward"] = standing_in(forward, head)

    def put_back(self) -> None:
        """Restores the head's own forward pass."""
        own: Any = vars(self._head)
        if self._before is None:
            del own["forward"]
        else:
            own["forward"] = self._before


_changing = Lock()  # guards the following, and heads
_deferred: dict[int, _Deferred] = {}  # by the identity of the head
_asked: ContextVar[tuple[_Deferred, ...]] = ContextVar("heads that this pass defers", default=())


def _product(head: nn.Module, plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The head's temporary result; if it is not called with hidden states, its usual result."""
    cut = any(hasattr(parameter, "placements") for parameter in head.parameters())  # among processes
    if len(args) == 1 and not kwargs and isinstance(args[0], Tensor) and args[0].dim() > 1 and not cut:
        return Product(args[0], plain)
    return plain(*args, **kwargs)
