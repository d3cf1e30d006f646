"""A callback for the Trainer of transformers that records a training."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastscape.training.options import RecorderOptions
from fastscape.training.recorder import Recorder

try:
    from transformers import TrainerCallback
except ImportError:
    raise ImportError(
        "this callback needs transformers, which is not installed; write pip install 'torch-fastscape[training]'"
    ) from None

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RecorderCallback"]


class RecorderCallback(TrainerCallback):
    """Records a training of transformers: its first state, every `every`-th step, and its last state.

    Beside the weights it records "epoch", the number of finished epochs with their fraction; and "loss", as the
    Trainer logs it: the mean over the steps since its last log, so the loss of every step with `logging_steps=1`.

    Args:
        folder: The folder of the records, as for `fastscape.Recorder`.
        **options: `every`, `dtype`, `distance`, `most` and `background` of `fastscape.Recorder`.

    Raises:
        ValueError: When `fastscape.Recorder` has no such option.

    Example:
        `Trainer(..., callbacks=[fastscape.training.transformers.RecorderCallback("run", every=10)])`
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Unpack[RecorderOptions]) -> None:
        Recorder(folder, **options)  # checks the options at once, and touches no file yet
        self._folder, self._options = folder, options
        self._recorder: Recorder | None = None
        self._waits = False  # whether to record a state as soon as its loss is logged

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records the first state."""
        self._close()
        self._waits = False
        self._recorder = Recorder(self._folder, **self._options)
        self._recorder.keep(kwargs["model"], state.global_step, epoch=state.epoch or 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records the state after a step, or waits for the next log if it will have the loss."""
        self._waits = True
        if not control.should_log:
            self._record(state, control, kwargs["model"], {})

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Records the state after a step, with its loss."""
        if logs and "loss" in logs:
            self._record(state, control, kwargs["model"], {"loss": logs["loss"]})

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records the state after the last step, if it was not logged."""
        self._record(state, control, kwargs["model"], {})

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records the state if the training stops now."""
        self._record(state, control, kwargs["model"], {})

    on_save = on_epoch_end = on_evaluate

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Records the last state, if it is not recorded yet and the model is still in it."""
        self._close()

    def _record(self, state: Any, control: Any, model: Any, measures: dict[str, Any]) -> None:
        if self._recorder is None:
            return
        measures = {"epoch": state.epoch, **measures}
        if control.should_training_stop:  # the Trainer may load the best state before it reports its end
            self._recorder.keep(model, state.global_step, **measures)
        elif self._waits:
            self._recorder.record(model, state.global_step, **measures)
        self._waits = False

    def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()
