"""Compares fastscape with the law, in each state that a user may give a model in, and says what came of it."""

from __future__ import annotations

import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import fastscape
from benchmarks.zoo import law
from benchmarks.zoo.network import Network, seeded

TOLERANCE = 1e-8  # of the range
ROUNDINGS = 16  # of float32, as fractions of the loss, are allowed where plain code computes in it
WORDS = 110  # characters of a message
CASES = {
    "eval, fresh": (False, False),
    "eval, called": (False, True),
    "train, fresh": (True, False),
    "train, called": (True, True),
}
"""In which state a model is given: whether in training mode, and whether its user has called it before."""


class NoReferenceError(Exception):
    """The plain code itself fails, or gives nothing to compare with."""


@dataclass(frozen=True)
class Verdict:
    """What came of one case.

    Args:
        word: "right"; "warned" when wrong, and the report has a warning that concerns the values; "WRONG" when wrong
            without one; "refused" when the library refuses the model in its own words, "crashed" when anything else
            is raised.
        said: The warnings or the error; also the warnings of right values.
        error: The largest error, as a fraction of the range; None where there are no values.
        seconds: Processor seconds of the surface.
    """

    word: str
    said: str = ""
    error: float | None = None
    seconds: float | None = None


class Made(NamedTuple):
    """A landscape or an error, the warnings, and processor seconds."""

    found: Any
    said: str
    seconds: float


def compared(network: Network) -> dict[str, Any]:
    """Everything about one network, as plain values.

    Args:
        network: The network.

    Returns:
        Its name, verdicts by case, and what the first surface cost in units of as many plain forward passes.

    Raises:
        NoReferenceError: When there is nothing to compare with.
    """
    started = time.process_time()
    truths: list[tuple[bool, dict[str, Tensor], np.ndarray]] = []  # what the law says of one state need not be redone
    verdicts: dict[str, Verdict] = {}
    cost = narrow = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the networks' own packages
        for case, (train, called) in CASES.items():
            model = given(network, train=train, called=called)
            state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            pair = law.directions(network.built())
            truth = _truth(network, truths, state, pair, train)
            narrow = law.narrow(network, state) if narrow is None else narrow
            verdicts[case] = _verdict(_surface(network, model, pair, train), truth, narrow)
            if cost is None and verdicts[case].seconds is not None:
                cost = verdicts[case].seconds / law.seconds_of_passes(network, state)
    return {
        "name": network.name,
        "kind": network.kind,
        "task": network.task,
        "parameters": sum(p.numel() for p in model.parameters()),
        "float32": narrow,
        "cost": cost,
        "cases": {case: asdict(verdict) for case, verdict in verdicts.items()},
        "seconds": time.process_time() - started,
    }


def given(network: Network, *, train: bool, called: bool) -> nn.Module:
    """The model as its user gives it: after a call it has gradients, and whatever the call has left on it."""
    model = network.built().train(train)
    if called:
        seeded(3)
        try:
            _differentiate(network.loss(model, network.other_batch()))
        except Exception:  # some models ask for training mode then
            _called(network, model)
    return model


def _differentiate(loss: Tensor) -> None:
    if loss.requires_grad:
        loss.backward()


def _called(network: Network, model: nn.Module) -> None:
    try:
        with torch.no_grad():
            network.loss(model, network.other_batch())
    except Exception as error:
        raise NoReferenceError(f"a plain call fails: {_first(error)}") from error


def _truth(
    network: Network,
    known: list[tuple[bool, dict[str, Tensor], np.ndarray]],
    state: dict[str, Tensor],
    pair: list[dict[str, Tensor]],
    train: bool,
) -> np.ndarray:
    """What the law says, computed once for each mode and state dict."""
    for mode, before, values in known:
        if mode == train and all(np.array_equal(before[name].numpy(), t.numpy()) for name, t in state.items()):
            return values
    try:
        values = law.expected(network, state, pair, train=train)
    except Exception as error:
        raise NoReferenceError(f"plain code fails: {_first(error)}") from error
    if not np.isfinite(values).all():
        raise NoReferenceError("the loss is not finite, or another one each time")
    if np.ptp(values) <= 1e-6 * np.abs(values).max():
        raise NoReferenceError("the loss is the same everywhere")
    known.append((train, state, values))
    return values


def _surface(network: Network, model: nn.Module, pair: list[dict[str, Tensor]], train: bool) -> Made:
    """What fastscape gives, and what it says meanwhile."""
    options: dict[str, Any] = {"objective": network.objective} if network.objective else {}
    options |= {"directions": pair, "perturb": "all", "x": law.X, "y": law.Y, "precision": "float64"}
    data = network.batches()
    found: Any
    started = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = fastscape.surface(model, data, train_mode=train, progress=False, **options)
        except Exception as error:
            found = error
    seconds = time.process_time() - started
    # The library's own warnings point at the line that called it, which is in this file.
    said = dict.fromkeys(str(w.message)[:WORDS] for w in caught if w.filename == __file__)
    return Made(found, "; ".join(said), seconds)


def _verdict(made: Made, truth: np.ndarray, narrow: bool) -> Verdict:
    if isinstance(made.found, Exception):
        return Verdict("refused" if _by_fastscape(made.found) else "crashed", _first(made.found))
    error = float(np.abs(made.found.loss - truth).max() / np.ptp(truth))
    rounding = float(ROUNDINGS * np.finfo(np.float32).eps * np.abs(truth).max() / np.ptp(truth))
    allowed = max(TOLERANCE, rounding) if narrow else TOLERANCE
    # Other warnings are no reason to doubt a value.
    doubted = bool(made.found.report["warnings"])
    word = "right" if error <= allowed else "warned" if doubted else "WRONG"
    return Verdict(word, made.said, error, made.seconds)


def _by_fastscape(error: Exception) -> bool:
    """Whether the library itself has raised it, and no code that it called."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return frames[-1][0].f_globals.get("__name__", "").partition(".")[0] == "fastscape"


def _first(error: Exception) -> str:
    """The first words of an error."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:WORDS]
