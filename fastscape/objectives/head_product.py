"""The product of hidden states and a head, made only for the tokens that are read.

A language model ends in `logits = head(hidden)`, V numbers per token, and may scale or cap them afterwards. While its
head is deferred it returns a `Product`, which keeps the hidden states and notes the operations on single logits. A
model that needs more than this, for example because it reshapes its logits, gets the whole tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

__all__ = ["Product", "head_of", "inside_a_transform"]

# Operations on every logit by itself, under the names of torch's methods and functions; none writes to the logits.
_OPERATORS = frozenset(
    ("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__neg__")
)
_FUNCTIONS = frozenset(
    ("add", "sub", "mul", "multiply", "div", "divide", "true_divide", "neg", "tanh", "clamp", "clip")
)
# Operations that write to the logits, or are more than a step: they need whole logits.
_WRITING = "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"
_ASKING = (
    "eq", "ne", "lt", "le", "gt", "ge", "pow", "rpow", "abs", "mod", "rmod", "floordiv", "rfloordiv",
    "matmul", "rmatmul",
)  # fmt: skip
_KINDS = frozenset(("float", "double", "half", "bfloat16", "to", "type", "contiguous", "clone"))
_STEPS = _OPERATORS | _FUNCTIONS | _KINDS
_COMPARED = 4  # tokens on which a head is compared with itself, token by token
_ROUNDINGS = 256  # roundings of the largest logit, by which the results may differ


class Product:
    """The product of a head and hidden states, not computed yet.

    Args:
        hidden: Hidden states [..., H].
        product: Computes the logits [..., V] of some hidden states.
        steps: The operations on the logits afterwards, in order; each acts on every logit by itself.
    """

    def __init__(
        self,
        hidden: Tensor,
        product: Callable[[Tensor], Tensor],
        steps: tuple[Callable[[Tensor], Tensor], ...] = (),
    ) -> None:
        self.hidden, self.product, self.steps = hidden, product, steps
        self._whole: Tensor | None = None
        self._first: Tensor | None = None

    def rows(self, numbers: Tensor | slice) -> Tensor:
        """The logits of some tokens.

        Args:
            numbers: Indices [c], counted over all tokens in order.

        Returns:
            Logits [c, V].
        """
        if self._whole is not None:
            return self._whole.flatten(0, -2)[numbers]
        return self._finished(self.product(self.hidden.flatten(0, -2)[numbers]))

    def whole(self) -> Tensor:
        """All logits [..., V], as the model would have them. They are kept, because the caller may write to them."""
        if self._whole is None:
            self._whole = self._finished(self.product(self.hidden))
        return self._whole

    @property
    def is_whole(self) -> bool:
        """Whether all logits have been asked for."""
        return self._whole is not None

    def _finished(self, logits: Tensor) -> Tensor:
        for step in self.steps:
            logits = step(logits)
        return logits

    @property
    def _one(self) -> Tensor:
        """The logits of the first token [1, V], which show the width and dtype of all logits."""
        if self._first is None:
            self._first = self.rows(slice(0, 1))
        return self._first

    @property
    def shape(self) -> torch.Size:
        """The shape [..., V] of the logits."""
        return torch.Size((*self.hidden.shape[:-1], self._one.shape[-1]))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the logits."""
        return self._one.dtype

    @property
    def device(self) -> torch.device:
        """The device of the hidden states."""
        return self.hidden.device

    @property
    def ndim(self) -> int:
        """The number of dimensions of the logits."""
        return self.hidden.dim()

    def dim(self) -> int:
        """The number of dimensions of the logits."""
        return self.hidden.dim()

    def size(self, dim: int | None = None) -> Any:
        """The shape of the logits, or one dimension's length."""
        return self.shape if dim is None else self.shape[dim]

    def by_token(self) -> bool:
        """Whether the head treats every token by itself: a few tokens are compared, together and one at a time."""
        few = self.hidden[(0,) * (self.hidden.dim() - 2)][:_COMPARED].detach()
        together = self._finished(self.product(few[None]))[0]
        alone = torch.cat([self._finished(self.product(token)) for token in few.split(1)])
        finite = together.isfinite() & alone.isfinite()
        if together.shape != alone.shape or not torch.equal(together.isfinite(), alone.isfinite()):
            return False
        apart, size = (together - alone)[finite].abs(), together[finite].abs()
        eps = max(torch.finfo(dtype).eps for dtype in (together.dtype, few.dtype))
        return not len(apart) or bool(apart.max() <= _ROUNDINGS * eps * size.max())

    def _step(self, func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The product with one more step, if the step's operands are the same for every token."""
        if self._whole is None and all(map(_for_every_token, (*args, *kwargs.values()))):
            return Product(self.hidden, self.product, (*self.steps, lambda logits: func(logits, *args, **kwargs)))
        return func(self.whole(), *args, **kwargs)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Functions of torch: a step is noted, all other functions get the whole tensor."""
        kwargs = dict(kwargs or {})
        own = bool(args) and isinstance(args[0], cls)
        if own and getattr(func, "__name__", "") in _STEPS and "out" not in kwargs:
            return args[0]._step(func, args[1:], kwargs)
        args, kwargs = tree_map(lambda arg: arg.whole() if isinstance(arg, cls) else arg, (args, kwargs))
        return func(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if name in _STEPS:
            return lambda *args, **kwargs: self._step(getattr(torch.Tensor, name), args, kwargs)
        return getattr(self.whole(), name)

    def __getitem__(self, key: Any) -> Tensor:
        return self.whole()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.whole()[key] = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The type that a model sees if it asks for the type of its logits."""
        return torch.Tensor

    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.hidden)


def _operator(name: str) -> Callable[..., Any]:
    def applied(self: Product, *others: Any) -> Any:
        return self._step(getattr(torch.Tensor, name), others, {})

    applied.__name__ = name
    return applied


def _asking(name: str) -> Callable[..., Any]:
    def applied(self: Product, *others: Any) -> Any:
        return getattr(self.whole(), name)(*others)

    applied.__name__ = name
    return applied


def _writing(name: str) -> Callable[[Product, Any], Product]:
    def applied(self: Product, other: Any) -> Product:
        getattr(self.whole(), name)(other)  # it is kept, so that other holders of these logits see it too
        return self

    applied.__name__ = name
    return applied


for _name in _OPERATORS:
    setattr(Product, _name, _operator(_name))
for _name in _ASKING:
    setattr(Product, f"__{_name}__", _asking(f"__{_name}__"))
for _name in _WRITING:
    setattr(Product, f"__{_name}__", _writing(f"__{_name}__"))


def _for_every_token(operand: Any) -> bool:
    """Whether an operand of a step is the same for every token: a number, or a vector over the logits [V]."""
    return not isinstance(operand, Product) and not (isinstance(operand, Tensor) and operand.dim() > 1)


def head_of(call: Any, name: str | None) -> nn.Module | None:
    """The head of a language model.

    Args:
        call: The model.
        name: Name of the head in the model. Default: the result of its `get_output_embeddings()`.

    Returns:
        The head; None if neither names it, or `call` is no module.

    Raises:
        ValueError: When the model has no such part.
    """
    if not isinstance(call, nn.Module):
        return None
    if name is not None:
        parts = dict(call.named_modules())
        if name in parts:
            return parts[name]
        linear = [path for path, part in parts.items() if isinstance(part, nn.Linear)][-3:]
        raise ValueError(
            f"head={name!r:.80} is no part of {type(call).__name__}; its last linear layers are "
            f"{', '.join(linear)[:200] or 'none'}"
        )
    say = getattr(call, "get_output_embeddings", None)
    found = say() if callable(say) else None
    return found if isinstance(found, nn.Module) else None


def inside_a_transform(tensor: Tensor) -> bool:
    """Whether the entries of a tensor cannot be examined: they belong to several points, or are being recorded."""
    if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return True
    return tensor.is_cuda and torch.cuda.is_current_stream_capturing()
