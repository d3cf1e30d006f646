"""The recorder of a training, which saves its weights at several steps to a folder."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from fastscape.results import clipped, warn
from fastscape.training.arguments import DTYPES, Measures, count_given, numbers_of
from fastscape.training.contents import check_same, tensors_in
from fastscape.training.copying import check_writable, copied, distance_between, kept_in
from fastscape.training.last_state import LastState
from fastscape.training.processes import help_the_first, is_first, tell, together
from fastscape.training.thinning import Thinning
from fastscape.training.writing import Writer
from fastscape.weights import Other

__all__ = ["Recorder"]


class Recorder:
    """Records the weights of a training at several steps, with numbers such as the loss.

    The folder has one safetensors file per record and an index; it can be read at any time, also during the training.
    A killed process loses at most the record being written. A new recorder of the same folder continues the
    recording. If it starts at an earlier step than the last record, because the training returned to a checkpoint,
    its records replace the records from that step on.

    A record holds the parameters that require a gradient when the first record is made, and all floating-point and
    complex buffers; of a state dict, all floating-point and complex tensors. The cost is one copy of these tensors on
    the CPU, and the time to write them. The model, its gradients and the random number generators are unchanged.

    With several processes, of torch.distributed or of torchrun, all make the same calls and the first process
    records. Sharded weights (DTensor, as from `fully_shard`) are gathered for it.

    Args:
        folder: The folder of the records: a new folder, or a folder with earlier records of the same model.
        every: Number of training steps from one record to the next. Default 1.
        dtype: The dtype in which tensors are written, "float32" or "bfloat16". Default: the dtype of each tensor.
        distance: Least distance from the last record at which a new record is made, in the Euclidean norm over all
            parameters. It takes one more copy of the parameters. Default: records are made at any distance.
        most: Largest number of records, at least 2. When there would be more, every second record is dropped, and
            `every` doubles. The first and the last record stay. Default: no limit.
        background: Whether a thread writes while the training continues. It holds one copy, and the next record waits
            until this copy is written. The next record, or `close`, raises the error of a failed write. Default
            False.

    Raises:
        ValueError: When an option has an invalid value.

    Example:
        >>> import tempfile, torch
        >>> from fastscape import Recorder
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> folder = tempfile.mkdtemp()
        >>> with Recorder(folder, every=10) as recorder:
        ...     for step in range(101):
        ...         loss = model(torch.ones(8, 3)).square().mean()
        ...         made = recorder.record(model, step, loss=loss)
        ...         optimizer.zero_grad()
        ...         loss.backward()
        ...         _ = optimizer.step()
        >>> made
        True
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: int = 1,
        *,
        dtype: str | None = None,
        distance: float | None = None,
        most: int | None = None,
        background: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be 'float32', 'bfloat16', or None, got {clipped(repr(dtype))}")
        if distance is not None and not (math.isfinite(distance) and distance > 0):
            raise ValueError(f"distance must be a number above 0, or None, got {clipped(repr(distance))}")
        every, most = count_given("every", every, 1), None if most is None else count_given("most", most, 2)
        self._writer = Writer(Path(folder), background)
        self._dtype, self._distance = DTYPES[dtype], distance
        self._thinning = Thinning(every, most)
        self._known: dict[str, tuple[int, ...]] = {}  # shapes of the recorded tensors
        self._near: Mapping[str, Tensor] | None = None  # the last record, if `distance` is given
        self._step: int | None = None  # step of the last call
        self._recorded: int | None = None  # step of the last record
        self._skipped: LastState | None = None
        self._handles: list[RemovableHandle] = []
        # Releases the folder if the recorder is never closed, and warns of what a thread could not write.
        weakref.finalize(self, self._writer.close)

    def record(self, model: Other, step: int | None = None, **measures: Any) -> bool:
        """Records the weights, if a record is due.

        Args:
            model: The model, also in a wrapper (`DataParallel`, `DistributedDataParallel`, `AveragedModel`,
                `torch.compile`), or its state dict.
            step: Number of steps that the training has done, more than in the last call. Default: one more than in
                the last call. For the first call it is 0, and the folder must have no record yet.
            **measures: Numbers that are recorded beside the weights, for example `loss=loss`. Tensors of one entry
                are read only when a record is made.

        Returns:
            Whether a record was made: not if fewer than `every` steps have passed, the weights have moved less than
            `distance`, or a different process records.

        Raises:
            OSError: When the record cannot be written. All earlier records are safe.
            TypeError: When the model is neither a module nor a state dict, or a measure is not a number.
            ValueError: When the step is not larger than the last step, the recorder is closed, the folder is not a
                recording, or belongs to a different model or a different recorder, or the model has tensors that
                cannot be copied.
        """
        return self._record(model, step, measures)

    def keep(self, model: Other, step: int | None = None, **measures: Any) -> bool:
        """Records the weights even if no record is due, for example the last state.

        Args:
            model: As for `record`.
            step: Number of steps that the training has done, at least as many as in the last call. Default: as many.
            **measures: As for `record`.

        Returns:
            Whether a record was made: not if the state is recorded already, or a different process records.

        Raises:
            OSError: As for `record`.
            TypeError: As for `record`.
            ValueError: As for `record`.
        """
        return self._record(model, step, measures, forced=True)

    def attach(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        measures: Callable[[], Mapping[str, Any]] | None = None,
        *,
        step: int | None = None,
    ) -> RemovableHandle:
        """Records the weights now, and from now on whenever the optimizer has made a step and a record is due.

        Args:
            model: The model that the optimizer trains.
            optimizer: Any optimizer of torch.
            measures: A function that returns numbers by name, called when a record is made after a step. Default:
                none.
            step: Number of steps that the training has done. Default: as many as in the last call of `record`, or 0
                before any call, for which the folder must have no record yet.

        Returns:
            A handle; its `remove()` stops the recording after steps, as `close` does.

        Raises:
            OSError: As for `record`.
            ValueError: As for `record`.
        """
        self._record(model, step, {}, forced=True)
        handle = optimizer.register_step_post_hook(lambda *_: self._after_step(model, measures))
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        """Ends the recording. A second call does nothing.

        If the last call made no record and the model is unchanged since, its state is recorded now. This is not done
        for sharded weights.

        Raises:
            OSError: When a record could not be written.
        """
        for handle in self._handles:
            handle.remove()
        last, self._skipped = self._skipped, None
        try:
            if last is not None and not self._writer.closed and (model := last.model_unchanged()) is not None:
                self._write(tensors_in(model, self._known), last.step, last.measures, forced=True)
        finally:
            self._writer.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _after_step(self, model: nn.Module, measures: Callable[[], Mapping[str, Any]] | None) -> None:
        self._record(model, None, measures or {})

    def _record(self, model: Other, step: int | None, measures: Measures, *, forced: bool = False) -> bool:
        if self._writer.closed:
            raise ValueError(f"this Recorder of {self._writer.path} is closed; make a new one, which goes on")
        in_pieces = together(model)
        if not is_first():
            if in_pieces:
                help_the_first(model)
            return False
        tensors, before = None, self._skipped
        try:
            now = self._checked_step(step, forced)
            self._step, self._skipped = now, None
            tensors = self._due(model, now, forced)
        finally:
            if in_pieces:  # the other processes wait for it, also after an error
                tell(tensors)
        made = tensors is not None and self._write(tensors, now, measures, forced)
        if not made and now != self._recorded and not in_pieces:
            self._skipped = LastState.of(model, now, {} if callable(measures) else measures, before)
        return made

    def _checked_step(self, step: int | None, forced: bool) -> int:
        """The step of a call. The first call reads the existing records."""
        if not self._writer.is_open:
            self._take_up()
        last, rows = self._step, self._writer.folder.rows
        if step is None:
            if last is None and rows:
                raise ValueError(
                    f"{self._writer.path} has records up to step {rows[-1].step}; write step=..., how many steps the "
                    "training has done, or give another folder"
                )
            return 0 if last is None else last if forced else last + 1
        step = count_given("step", step, 0)
        if last is not None and (step < last or (step == last and not forced)):
            raise ValueError(
                f"step must be larger than the last step, {last}, got {step}. If the training has returned to an "
                f"earlier step, close() this Recorder and make a new one of {self._writer.path}"
            )
        if last is None and rows and step <= rows[-1].step:
            self._go_back(step)
        return step

    def _take_up(self) -> None:
        folder = self._writer.folder
        self._thinning.take_up(folder.every, [row.step for row in folder.rows])
        if folder.rows:
            kept = kept_in(folder.path / folder.rows[-1].file)
            self._known = kept.shapes
            self._near = kept.tensors if self._distance is not None else None

    def _go_back(self, step: int) -> None:
        folder = self._writer.folder
        left = folder.before(step)
        if not left:
            warn(
                f"the training begins anew at step {step}: what is recorded takes the place of all records in "
                f"{folder.path}, up to step {folder.rows[-1].step}. Give another folder to keep them"
            )
        self._thinning.go_back(len(left))
        self._near = None

    def _due(self, model: Other, step: int, forced: bool) -> dict[str, Tensor] | None:
        """The tensors to copy; None if no record is due."""
        self._settle(waits=False)
        if step == self._recorded or not (forced or self._thinning.due(step)):
            return None
        tensors = tensors_in(model, self._known)
        check_writable(tensors, self._dtype)
        if self._known:
            check_same(tensors, self._known, self._writer.path)
        return tensors

    def _write(self, tensors: Mapping[str, Tensor], step: int, measures: Measures, forced: bool) -> bool:
        copy = copied(tensors, self._dtype)
        if self._near is not None and self._distance is not None and not forced:
            names = [name for name, tensor in tensors.items() if isinstance(tensor, nn.Parameter)] or list(tensors)
            if distance_between({name: copy.tensors[name] for name in names}, self._near) < self._distance:
                self._thinning.passed(step)
                return False
        numbers = numbers_of(measures)
        self._settle()
        every = self._thinning.every if self._thinning.taken(step) else None
        try:
            self._writer.write(step, copy, numbers, every)
        except BaseException:
            self._lost()
            raise
        self._known, self._recorded = copy.shapes, step
        self._near = copy.tensors if self._distance is not None else None
        return True

    def _settle(self, *, waits: bool = True) -> None:
        try:
            self._writer.settle(waits=waits)
        except BaseException:
            self._lost()
            raise

    def _lost(self) -> None:
        """A record could not be written."""
        rows = self._writer.folder.rows
        self._recorded = rows[-1].step if rows else None
        self._thinning.take_up(self._thinning.every, [row.step for row in rows])
