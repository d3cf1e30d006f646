"""Errors of the first evaluation, with what was called, what came, and what to write instead."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape.model.function_names import name_of
from fastscape.model.objective import Objective
from fastscape.model.problem import Problem

__all__ = ["telling_of_the_first_batch"]

KINDS = (  # that torch and functions of users raise; subclasses, such as those of memory, mean something else
    RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError, AssertionError, NotImplementedError,
    ZeroDivisionError,
)  # fmt: skip
SAMPLES = 64  # at most, of the batch on which an error is looked for again
LONG = 300  # letters
_CLASSES = nn.CrossEntropyLoss, nn.NLLLoss
_CHANNELS = nn.modules.conv._ConvNd
_UNKNOWN = "Give inputs that the model takes, or call it in your own way with objective=lambda call, batch: ..."


@contextmanager
def telling_of_the_first_batch(problem: Problem, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Says of an error that a user's model, loss, metric or objective raises on the first batch where it comes from.

    The first batch is evaluated again, step by step. An error that then comes from one of the steps is raised with the
    step, what came into it, and what to write; every other error stays as it is.

    Args:
        problem: What is evaluated inside.
        tensors: The tensors that move, by name, at the model.

    Yields:
        Nothing.
    """
    try:
        yield
    except KINDS as error:
        told = _told(problem, tensors, error)
        if told is None:
            raise
        raise told from error


def _told(problem: Problem, tensors: Mapping[str, Tensor], error: Exception) -> Exception | None:
    """The error with its place; None where it does not come again, or must not be looked for again."""
    # A lent model is the user's own, and of a shared one every process must call each layer.
    if type(error) not in KINDS or problem.place.lent is not None or problem.place.sharing is not None:
        return None
    steps = _Steps(problem)

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        problem.at(model, weights, steps.run, content, samples)
        return torch.zeros(())

    try:
        with torch.no_grad(), steps.watched():
            problem.evaluated({**problem.still, **tensors}, problem.batches(SAMPLES)[0], 0, measure=measure)
    except _Again as again:
        return type(error)(again.said) if _same(again.error, error) else None
    except Exception:  # nothing is known then, and the error says what it says
        return None
    return None


def _same(again: Exception, error: Exception) -> bool:
    """Whether an error came again; its numbers may differ, because it came of fewer samples."""
    said, before = (re.sub(r"0x[0-9a-f]+|\d+", "#", str(one)) for one in (again, error))
    return type(again) is type(error) and said == before


class _Again(Exception):
    """What is said of an error of a step.

    Args:
        error: The error.
        said: What is said of it.
    """

    def __init__(self, error: Exception, said: str) -> None:
        super().__init__(said)
        self.error, self.said = error, said


class _Steps:
    """What one evaluation of a batch does, step by step.

    The hooks make this a part of the model, so it is as it was before once the evaluation has ended.

    Args:
        problem: What is evaluated.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.objective = problem, problem.objective
        self.doing = ""  # what is called now
        self._failed: list[tuple[BaseException, tuple[str, nn.Module, Any]]] = []  # errors, and where they came from
        self._layer: tuple[str, nn.Module, Any] | None = None
        self._content: Any = None
        self._outputs: Any = None

    def run(self, call: Any, content: Any, samples: int) -> Tensor:
        """Evaluates a batch as `Objective.values` does."""
        try:
            self._run(call, content)
        except KINDS as error:
            said = f"while calling {self.doing} on the first batch: {self.said(error)}"
            raise _Again(error, said) from error
        return torch.zeros(())

    def _run(self, call: Any, content: Any) -> None:
        objective, self._content = self.objective, content
        if objective.custom is not None:
            self.doing = f"your objective {name_of(objective.custom):.80}"
            # With gradients, as every evaluation of an objective.
            with torch.set_grad_enabled(getattr(objective.custom, "differentiates_inputs", True)):
                objective.custom(call, content)
        else:
            self.doing = "your model"
            self._outputs = objective.outputs(call, content)
            self.doing = f"the loss {_short(objective.loss)}"
            objective.loss(self._outputs, content[1])
            for name, metric in objective.metrics.items():
                self.doing = f"the metric {name!r:.80}"
                metric(self._outputs, content[1])

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Keeps in mind which layers raised an error, the innermost one first."""
        handled = sys.exc_info()[1]  # is no error of this evaluation

        def left(name: str, module: nn.Module, args: Any) -> None:
            error = sys.exc_info()[1]
            if error is not None and error is not handled and all(error is not known for known, _ in self._failed):
                self._failed.append((error, (name, module, args)))

        with ExitStack() as hooks:
            for name, module in self.problem.model.named_modules():
                if name and not isinstance(module, torch.jit.ScriptModule):
                    handle = module.register_forward_hook(
                        lambda m, args, _, name=name: left(name, m, args), always_call=True
                    )
                    hooks.callback(handle.remove)
            yield

    def _layer_of(self, error: BaseException | None) -> tuple[str, nn.Module, Any] | None:
        """The layer that raised an error, or the error from which a model made it."""
        while error is not None:
            for known, layer in self._failed:
                if known is error:
                    return layer
            error = error.__context__
        return None

    def said(self, error: Exception) -> str:
        """The error, what came, and what to write."""
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error).strip()[:LONG].rstrip(".")
        self._layer = self._layer_of(error)
        said = [text, self._place()]
        if self.objective.custom is not None:
            said.append(f"The batch is {_described(self._content)}")
        elif self.doing == "your model":
            said += [f"The inputs are {_described(self._content[0])}", _for_gradients(text, self._for_the_model())]
        else:
            outputs, targets = _described(self._outputs), _described(self._content[1])
            said = [
                text,
                f"The model returned {outputs}, and the targets are {targets}",
                _for_gradients(text, self._for_a_measure()),
            ]
        return ". ".join(filter(None, said))

    def _place(self) -> str:
        """The layer in which it happened."""
        if self._layer is None:
            return ""
        name, module, args = self._layer
        plain = f"({module.extra_repr()})" if not list(module.children()) else ""
        said = f"It happened in {name}, {_an(type(module).__name__)}{plain:.150}"
        return f"{said}, which got {_described(args[0])}" if args else said

    def _for_the_model(self) -> str:
        """What to write where the model does not take its inputs."""
        module, args = self._layer[1:] if self._layer else (None, ())
        x = args[0] if args and isinstance(args[0], Tensor) else None
        if x is None:
            return _UNKNOWN
        if isinstance(module, nn.Embedding) and x.is_floating_point():
            return "This layer takes indices: write inputs.long()"
        if not isinstance(module, nn.Linear | _CHANNELS):
            return _UNKNOWN
        if not x.is_floating_point() and not x.is_complex():
            return "This layer takes floating-point numbers: write inputs.float()"
        wide = isinstance(module, nn.Linear)
        wanted, at, what = (module.in_features, -1, "features") if wide else (module.in_channels, 1, "channels")
        if x.dim() > at and x.shape[at] != wanted:
            return f"This layer takes {wanted} {what}: give inputs with {wanted}, or build the model for {x.shape[at]}"
        return _UNKNOWN

    def _for_a_measure(self) -> str:
        """What to write where a loss or a metric does not take outputs or targets."""
        outputs, targets = self._outputs, self._content[1]
        loss = self.doing.startswith("the loss")
        if not isinstance(outputs, Tensor):
            part = _part_of(outputs)
            if not part:
                return "Let the model return a tensor"
            called = f"{_short(self.objective.loss)}" if loss and _of_torch(self.objective) else "f"
            return f"Write {'loss=' if loss else ''}lambda outputs, targets: {called}({part}, targets)"
        if loss and _of_classes(self.objective) and isinstance(targets, Tensor):
            return _for_classes(outputs, targets, self._content[0])
        if loss and isinstance(targets, Tensor) and targets.shape != outputs.shape:
            return f"Give targets of shape {list(outputs.shape)}, or write a loss f(outputs, targets) that takes these"
        return "Write a function f(outputs, targets) that takes both"


def _for_gradients(text: str, otherwise: str) -> str:
    """What to write where outputs are differentiated without gradients."""
    if "does not require grad" not in text:
        return otherwise
    return "Models and losses are called without gradients: to differentiate, write objective=lambda call, batch: ..."


def _for_classes(outputs: Tensor, targets: Tensor, inputs: Any) -> str:
    """What to write where class numbers are wanted."""
    if isinstance(inputs, Tensor) and targets.shape == inputs.shape and torch.equal(targets, inputs):
        return "The targets are the inputs, as they are for data without targets: give (inputs, targets)"
    if targets.dim() == 2 and targets.shape[1] == 1 and outputs.dim() == 2:
        return "Class numbers have shape [n]: write targets.squeeze(1)"
    if targets.dtype != torch.int64 and targets.dim() < outputs.dim():
        numbers = "This loss takes class numbers: write targets.long()"
        return (
            numbers
            if not targets.is_floating_point()
            else f"{numbers}, or for regression loss=torch.nn.functional.mse_loss"
        )
    if not targets.is_floating_point() and outputs.dim() > 1 and targets.numel():
        classes, low, high = outputs.shape[1], int(targets.min()), int(targets.max())
        if low < 0 or high >= classes:
            return (
                f"The targets run from {low} to {high}, and the model knows classes 0 to {classes - 1}: give other "
                "targets, or a model with more outputs"
            )
    return "Give outputs [n, classes] and targets [n]"


def _of_torch(objective: Objective) -> bool:
    return getattr(objective.loss, "__module__", None) == F.__name__


def _of_classes(objective: Objective) -> bool:
    return objective.loss in (F.cross_entropy, F.nll_loss) or isinstance(objective.loss, _CLASSES)


def _short(function: Any) -> str:
    """What a function is called, in a sentence."""
    return "F." + name_of(function).rpartition(".")[2] if getattr(function, "__module__", "") == F.__name__ else (
        f"{name_of(function):.80}"
    )  # fmt: skip


def _part_of(outputs: Any) -> str:
    """How the scores of a model are taken from what it returns; nothing where it returns no tensor."""
    if isinstance(outputs, Mapping):
        names = [name for name, value in outputs.items() if isinstance(value, Tensor)]
        name = "logits" if "logits" in names else next(iter(names), None)
        return "" if name is None else f"outputs[{name!r:.80}]"
    if isinstance(outputs, tuple | list):
        place = next((k for k, value in enumerate(outputs) if isinstance(value, Tensor)), None)
        return "" if place is None else f"outputs[{place}]"
    return "outputs.logits" if isinstance(getattr(outputs, "logits", None), Tensor) else ""


def _described(value: Any) -> str:
    """A value in a sentence: kind and shape of a tensor, or what a structure holds."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, Mapping):
        parts = [f"{name!s:.40}: {_described(part):.80}" for name, part in list(value.items())[:4]]
        return f"{_an(type(value).__name__)} of {', '.join(parts)}" if parts else f"an empty {type(value).__name__}"
    if type(value) in (tuple, list):
        return f"a {type(value).__name__} of {', '.join(f'{_described(part):.80}' for part in value[:4])}"
    return "None" if value is None else _an(type(value).__name__)


def _an(word: str) -> str:
    letters = word[:2].isupper()  # as LSTM, which is spoken letter by letter
    return f"{'an' if word[:1] in ('AEFHILMNORSX' if letters else 'AEIOUaeiou') else 'a'} {word:.80}"
