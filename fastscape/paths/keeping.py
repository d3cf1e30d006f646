"""Saves the state of the training of a curve, so an interrupted training can resume."""

from __future__ import annotations

import io
import json
import math
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fastscape.paths.training import Moving
from fastscape.results import clipped, write_whole

__all__ = ["CURVE", "Keeping"]

CURVE = "curve.safetensors"
"""The file of the finished curve in the folder of a training."""

TRAINING = "training.pt"
FORMAT, VERSION = "fastscape-connect", 1

SHARE = 50.0
"""Writing takes at most one in this many seconds."""

SAME = 1e-4
"""Largest difference of the loss at the first model that counts as rounding of a different machine."""


@dataclass(eq=False)
class Keeping:
    """Keeps the state of a training in a folder.

    Args:
        folder: The folder. It is created if missing.
        asked: The models, data and settings of the training, as plain values by name.
        loss: The loss at the first model, by which a different loss or different code of the model is recognised.
        least: Least number of seconds between two writes. Default 1.
    """

    folder: Path
    asked: Mapping[str, Any]
    loss: float
    least: float = 1.0
    _next: float = field(default=0.0, init=False)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / TRAINING

    def taken_up(self, moving: Moving) -> int:
        """Resumes a training.

        Args:
            moving: The state of the training, which is restored.

        Returns:
            Number of finished steps; 0 if no training was started.

        Raises:
            ValueError: When the folder has a different training, or the file is damaged.
        """
        if not self.path.exists():
            return 0
        content = io.BytesIO(self.path.read_bytes())
        try:
            found = torch.load(content, map_location="cpu", weights_only=True)
            if found["format"] != FORMAT or found["version"] != VERSION:
                raise ValueError(f"it has the format {found['format']!r:.40}, version {found['version']!r:.20}")
            asked, loss = json.loads(found["asked"]), float(found["loss"])
            bends, losses, step = found["bends"], found["losses"].tolist(), int(found["step"])
            if bends.shape != moving.bends.shape and asked == self._plain:
                raise ValueError(f"its bends have the shape {tuple(bends.shape)}")
        except (RuntimeError, pickle.UnpicklingError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} cannot be read ({clipped(error).partition(chr(10))[0]}); give another store"
            ) from error
        self._check(asked, loss)
        with torch.no_grad():
            moving.bends.copy_(bends)
        moving.optimizer.load_state_dict(found["optimizer"])
        moving.scheduler.load_state_dict(found["scheduler"])
        moving.losses[:] = losses
        return step

    def keep(self, moving: Moving, step: int) -> None:
        """Writes the state of a training, whole or not at all.

        Args:
            moving: The state of the training.
            step: Number of finished steps.

        Raises:
            OSError: When it cannot be written.
            TypeError: When the optimizer or the scheduler has a state that cannot be read again.
        """
        begun = time.monotonic()
        content = io.BytesIO()
        state = {
            "format": FORMAT,
            "version": VERSION,
            "asked": json.dumps(self.asked),
            "loss": self.loss,
            "step": step,
            "bends": moving.bends.detach().cpu().clone(),
            "losses": torch.tensor(moving.losses, dtype=torch.float64, device="cpu"),
            "optimizer": moving.optimizer.state_dict(),
            "scheduler": moving.scheduler.state_dict(),
        }
        torch.save(state, content)
        if not self._next:
            self._check_readable(content)
        write_whole(self.path, content.getvalue())
        ended = time.monotonic()
        self._next = ended + max(self.least, SHARE * (ended - begun))

    def due(self) -> bool:
        """Whether enough time has passed to write the state again."""
        return time.monotonic() >= self._next

    @property
    def _plain(self) -> Any:
        """The models, data and settings in the form of a file."""
        return json.loads(json.dumps(self.asked))

    def _check(self, asked: Mapping[str, Any], loss: float) -> None:
        """Refuses to resume a different training."""
        wanted = self._plain
        for name in {**wanted, **asked}:
            if asked.get(name) != wanted.get(name):
                raise ValueError(
                    f"{self.folder} has a training with {name} = {asked.get(name)!r:.60}, and now it is "
                    f"{wanted.get(name)!r:.60}; give another store, or what it was begun with"
                )
        if not math.isclose(loss, self.loss, rel_tol=SAME, abs_tol=SAME):
            raise ValueError(
                f"{self.folder} has a training in which the loss of the first model was {loss:.6g}, and now it is "
                f"{self.loss:.6g}: the loss, the objective or the code of the model is another; give another store"
            )

    @staticmethod
    def _check_readable(content: io.BytesIO) -> None:
        """Refuses a state that could not be read again, at the start of the training and not when it resumes."""
        content.seek(0)
        try:
            torch.load(content, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise TypeError(
                "with a store the state of the optimizer and of its scheduler must be tensors and plain values "
                f"({clipped(error).partition(chr(10))[0]}); write others, or leave out store"
            ) from error
