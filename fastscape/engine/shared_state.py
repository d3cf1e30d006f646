"""What passes that run side by side have in common, and may not change: the model around its weights, and the process.

A pass that changes some of it and puts it back before it ends leaves nothing behind, and evaluations one after the
other never meet it. Where it waits between two blocks others do.
"""

from __future__ import annotations

import torch
from torch import nn

from fastscape.engine.lock_step import Entangled
from fastscape.model import GlobalState, Snapshot, generators_of, named, settings_of
from fastscape.weights import listed

__all__ = ["SharedState"]


class SharedState:
    """What passes have in common, as it was when this was made.

    Args:
        model: The model; what stands in the place of its weights must be the same whenever it is compared.
        device: Where it computes.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._device = device
        self._state = Snapshot(model)
        self._settings, self._generators = settings_of(device), generators_of(device)
        self._process = GlobalState(device)

    def check(self) -> None:
        """Refuses passes if one of them has changed something at its waiting place.

        Raises:
            Entangled: When it has.
        """
        now = settings_of(self._device)
        found = [name for name, before in self._settings.items() if now[name] != before]
        if generators_of(self._device) != self._generators:
            found.append("a random number generator")
        found += map(named, self._state.differences())
        if found:
            raise Entangled(
                f"a pass changes {listed(found)} while it runs, and others would see it between two blocks"
            )

    def put_back(self) -> None:
        """Everything becomes what it was, for passes that were ended where they would have put it back later."""
        self._state.put_back()
        self._process.put_back()
