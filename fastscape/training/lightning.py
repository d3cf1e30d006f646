"""A Lightning callback that records a training."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastscape.training.options import RecorderOptions
from fastscape.training.recorder import Recorder

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError:
        raise ImportError(
            "this callback needs Lightning, which is not installed; write pip install 'torch-fastscape[training]'"
        ) from None

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RecorderCallback"]


class RecorderCallback(Callback):
    """Records a Lightning training: its first state, every `every`-th step of the optimizers, and its last state.

    Beside the weights it records "epoch", the number of finished epochs with their fraction; and "loss", the mean of
    the losses that `training_step` returned over the batches of the step. This is the loss before the step, on the
    first process.

    Args:
        folder: The folder of the records, as for `fastscape.Recorder`.
        **options: `every`, `dtype`, `distance`, `most` and `background` of `fastscape.Recorder`.

    Raises:
        ValueError: When `fastscape.Recorder` has no such option.

    Example:
        `Trainer(callbacks=[fastscape.training.lightning.RecorderCallback("run", every=10)])`
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Unpack[RecorderOptions]) -> None:
        super().__init__()
        Recorder(folder, **options)  # checks the options at once, and touches no file yet
        self._folder, self._options = folder, options
        self._recorder: Recorder | None = None
        self._losses: list[Tensor] = []  # losses of the batches since the last step
        self._step = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Records the first state."""
        self._close()
        self._losses, self._step = [], trainer.global_step
        self._recorder = Recorder(self._folder, **self._options)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed  # training may resume within an epoch
        self._recorder.keep(pl_module, self._step, epoch=trainer.current_epoch + _epochs(trainer, done) % 1)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Records the state after a step of the optimizers."""
        if (loss := _loss(outputs)) is not None:
            # With automatic optimization Lightning divides the loss of a batch by the number of accumulated batches.
            share = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            self._losses.append(loss * share)
        if self._recorder is None or trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        measures: dict[str, Any] = {"epoch": trainer.current_epoch + _epochs(trainer, batch_idx + 1)}
        if self._losses:
            measures["loss"] = torch.stack(self._losses).mean()
            self._losses = []
        # Other callbacks change the weights when a training ends, such as weight averaging: the last state is
        # recorded before.
        write = self._recorder.keep if _is_last(trainer) else self._recorder.record
        write(pl_module, self._step, **measures)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Records the last state, if it is not recorded yet."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Records the last state, if it is not recorded yet and the model is still in it."""
        self._close()

    def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()


def _epochs(trainer: Any, batches: int) -> float:
    """The fraction of an epoch that batches are; 0 if the number of batches is unknown."""
    known = trainer.num_training_batches
    return batches / known if known and math.isfinite(known) else 0.0


def _loss(outputs: Any) -> Tensor | None:
    """The loss of a batch, if it returned one."""
    loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
    return loss.detach() if isinstance(loss, Tensor) and loss.numel() == 1 else None


def _is_last(trainer: Any) -> bool:
    """Whether a step is known to be the last step."""
    if trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step:
        return True
    return bool(trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs)
