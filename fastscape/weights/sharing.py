"""What weight space needs from the processes that hold one model together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor, nn

__all__ = ["Sharing"]


class Sharing(Protocol):
    """The processes that hold one model together, and evaluate each point together."""

    def counts(self, name: str) -> bool:
        """Whether this process's part of a tensor counts in sums over the processes; of equal parts only one does.

        Args:
            name: The name of the tensor.
        """

    def added(self, sums: Tensor) -> Tensor:
        """The sums over the processes, the same on each process, in place of this process's sums.

        Args:
            sums: This process's sums, of the same shape on all processes.
        """

    def evaluating(self, model: nn.Module, what: str) -> AbstractContextManager[None]:
        """Surrounds a forward pass, which all processes begin together.

        Args:
            model: The user's model, whose parameters are parts inside and outside.
            what: A description that is the same on all processes; if it differs, they do not belong together.
        """
