"""Checks the state that passes which run side by side share: the model around its weights, and the process.

A pass may change shared state and put it back before it ends. Evaluations one after the other never see the change,
but other passes see it if the pass waits between two blocks. So passes may not change shared state.
"""

from __future__ import annotations

import torch
from torch import nn

from fastscape.engine.lock_step import Entangled
from fastscape.model import GlobalState, Snapshot, generators_of, named, settings_of
from fastscape.weights import listed

__all__ = ["SharedState"]


class SharedState:
    """The state that passes share, as it was when this object was made.

    Args:
        model: The model; at every comparison, the same objects must stand in the place of its weights.
        device: Where the model computes.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._device = device
        self._state = Snapshot(model)
        self._settings, self._generators = settings_of(device), generators_of(device)
        self._process = GlobalState(device)

    def check(self) -> None:
        """Refuses passes if a pass that waits has changed the shared state.

        Raises:
            Entangled: When a pass has.
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
        """Restores the state, as passes that were ended early could not restore it themselves."""
        self._state.put_back()
        self._process.put_back()
