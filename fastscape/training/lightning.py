"""A callback of Lightning that records a training."""

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
    """Records a training of Lightning: its first state, every so many steps of the optimizers, and its last state.

    Beside the weights it records "epoch", how many epochs are done, with their fraction; and "loss", the mean over the
    batches of the step of what `training_step` returned: the loss in front of the step, of the first process.

    Args:
        folder: Where the records go, as for `fastscape.Recorder`.
        **options: `every`, `dtype`, `distance`, `most` and `background` of `fastscape.Recorder`.

    Raises:
        ValueError: When an option is not one that `fastscape.Recorder` takes.

    Example:
        `Trainer(callbacks=[fastscape.training.lightning.RecorderCallback("run", every=10)])`
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Unpack[RecorderOptions]) -> None:
        super().__init__()
        Recorder(folder, **options)  # which refuses options at once, and touches nothing yet
        self._folder, self._options = folder, options
        self._recorder: Recorder | None = None
        self._losses: list[Tensor] = []  # of the batches since the last step
        self._step = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Records the first state."""
        self._close()
        self._losses, self._step = [], trainer.global_step
        self._recorder = Recorder(self._folder, **self._options)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed  # of an epoch that is taken up, or ended
        self._recorder.keep(pl_module, self._step, epoch=trainer.current_epoch + _epochs(trainer, done) % 1)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Records the state after a step of the optimizers."""
        if (loss := _loss(outputs)) is not None:
            # With automatic optimization the loss of a batch comes as its share of the accumulated gradient.
            share = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            self._losses.append(loss * share)
        if self._recorder is None or trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        measures: dict[str, Any] = {"epoch": trainer.current_epoch + _epochs(trainer, batch_idx + 1)}
        if self._losses:
            measures["loss"] = torch.stack(self._losses).mean()
            self._losses = []
        # Others change the weights when a training ends, such as averages of them: its last state is this one.
        write = self._recorder.keep if _is_last(trainer) else self._recorder.record
        write(pl_module, self._step, **measures)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Records the last state, where it is not there yet."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Records the last state, where it is not there yet and the model is still in it."""
        self._close()

    def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()


def _epochs(trainer: Any, batches: int) -> float:
    """Which part of an epoch batches are; 0 where nobody knows how many batches it has."""
    known = trainer.num_training_batches
    return batches / known if known and math.isfinite(known) else 0.0


def _loss(outputs: Any) -> Tensor | None:
    """The loss of a batch, if it returned one."""
    loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
    return loss.detach() if isinstance(loss, Tensor) and loss.numel() == 1 else None


def _is_last(trainer: Any) -> bool:
    """Whether a step is known to be the last one."""
    if trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step:
        return True
    return bool(trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs)
