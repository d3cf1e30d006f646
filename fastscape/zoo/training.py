"""Training and accuracy of a classifier: Adam on cross-entropy, reproducible from one seed."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, NoReturn

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from tqdm import tqdm


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set.

    Attributes:
        epoch: 1 for the first pass.
        loss: Cross-entropy per sample in nats, averaged while the weights were changing.
        accuracy: Share of the samples classified correctly in [0, 1], averaged likewise.
        test_accuracy: Accuracy on the test set after the pass in eval mode; None without a test set.
        seconds: Wall time of the pass, including the evaluation on the test set.
    """

    epoch: int
    loss: float
    accuracy: float
    test_accuracy: float | None
    seconds: float


class Step(NamedTuple):
    """One step of the optimizer.

    Args:
        step: 1 after the first step.
        epoch: Passes over the training set, including the fraction of the present pass.
        loss: Cross-entropy of the batch in nats, before the step.
    """

    step: int
    epoch: float
    loss: float


def train(
    model: nn.Module,
    dataset: TensorDataset,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    test: TensorDataset | None = None,
    seed: int = 0,
    progress: bool | Callable[[Step], Any] = True,
) -> list[Epoch]:
    """Train a classifier in place with Adam (Kingma & Ba 2015, arXiv 1412.6980; betas 0.9 and 0.999).

    A last batch of a single sample joins the batch before it: batch normalisation cannot normalise one value. The
    order of the samples (different in each epoch) and dropout depend only on `seed`. The global random state and all
    train/eval flags are restored, also after an exception; the gradients are cleared.

    Args:
        model: A network that maps images [N, ...] to logits [N, classes].
        dataset: Images [N, ...] and labels [N], int64.
        epochs: Passes over the data set, at least 1.
        batch_size: Samples per step, at least 1. Default 64.
        lr: Learning rate of Adam, positive. Default 0.001.
        test: Images and labels on which the accuracy is measured after each epoch. Default: none.
        seed: Seed of shuffling and dropout. Default 0.
        progress: Whether to show a bar on stderr; no bar is shown when stderr is not a terminal. Or a function that is
            called with every step, in addition to the bar. Default True.

    Returns:
        One `Epoch` per pass.

    Raises:
        ValueError: If a number is out of its range or a data set is empty.

    Example:
        >>> from fastscape.zoo import datasets, models
        >>> history = train(models.build("mlp"), datasets.load("digits"), epochs=2)
        >>> history[1].loss < history[0].loss
        True
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(
            f"epochs and batch_size must be at least 1, got {epochs} and {batch_size}; for example 10 and 64"
        )
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr must be above 0, got {lr}; for example lr=1e-3")
    if len(dataset) == 0 or (test is not None and len(test) == 0):
        raise ValueError(
            "the data sets for training and for testing must have at least one sample, got an empty data set"
        )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.999))
    shuffler = torch.Generator().manual_seed(seed)
    history = []
    with _keeping_flags(model), _own_randomness(_device(model), seed):
        model.train()
        for epoch in range(1, epochs + 1):
            batches = _batches(len(dataset), batch_size, shuffler)
            tell = partial(_tell, progress, epoch, len(batches)) if callable(progress) else None
            with _bar(len(batches), f"epoch {epoch}/{epochs}", progress is not False) as bar:
                history.append(_one_pass(epoch, model, dataset, batches, test, optimizer, bar, tell))
    optimizer.zero_grad(set_to_none=True)
    return history


def accuracy(model: nn.Module, dataset: TensorDataset, *, batch_size: int = 256) -> float:
    """Measure how often the largest logit is the label's, in eval mode and without gradients.

    Args:
        model: A network that maps images [N, ...] to logits [N, classes]; its train/eval flags are kept.
        dataset: Images [N, ...] and labels [N], int64.
        batch_size: Samples per forward pass, at least 1; the result does not depend on it. Default 256.

    Returns:
        Share of the samples classified correctly, in [0, 1].

    Raises:
        ValueError: If the batch size is less than 1 or the data set is empty.

    Example:
        >>> from fastscape.zoo import datasets, models
        >>> 0 <= accuracy(models.build("mlp"), datasets.load("digits", "test")) <= 1
        True
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}; for example batch_size=256")
    if len(dataset) == 0:
        raise ValueError("an accuracy needs at least one sample, got an empty data set")
    images, labels = dataset.tensors
    device = _device(model)
    right = 0
    with _keeping_flags(model), torch.no_grad():
        model.eval()
        for images_N, labels_N in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            right += int((model(images_N.to(device)).argmax(1) == labels_N.to(device)).sum())
    return right / len(dataset)


def _one_pass(
    epoch: int,
    model: nn.Module,
    dataset: TensorDataset,
    batches: Sequence[torch.Tensor],
    test: TensorDataset | None,
    optimizer: torch.optim.Optimizer,
    bar: tqdm[NoReturn],
    tell: Callable[[int, float], Any] | None,
) -> Epoch:
    """Take one step for each batch of indices [N], then evaluate on the test set."""
    start = time.perf_counter()
    images, labels = dataset.tensors
    device = _device(model)
    loss_sum, right, seen = 0.0, 0, 0
    for number, index_N in enumerate(batches, start=1):
        batch_N = index_N.to(images.device)
        images_N, labels_N = images[batch_N].to(device), labels[batch_N].to(device)
        optimizer.zero_grad(set_to_none=True)
        logits_NC = model(images_N)
        loss = F.cross_entropy(logits_NC, labels_N)
        loss.backward()
        optimizer.step()
        # Weighted by samples, because the last batch may be smaller or larger than the other batches.
        loss_sum += loss.item() * len(batch_N)
        right += int((logits_NC.argmax(1) == labels_N).sum())
        seen += len(batch_N)
        bar.set_postfix(_shown(loss_sum / seen, right / seen), refresh=False)
        bar.update()
        if tell is not None:
            tell(number, loss.item())
    test_accuracy = None if test is None else accuracy(model, test)
    bar.set_postfix(_shown(loss_sum / seen, right / seen, test_accuracy))
    return Epoch(epoch, loss_sum / seen, right / seen, test_accuracy, time.perf_counter() - start)


def _tell(tell: Callable[[Step], Any], epoch: int, batches: int, number: int, loss: float) -> None:
    """Report a step; at most the last batch of an epoch has a different size, so batches count alike."""
    tell(Step((epoch - 1) * batches + number, epoch - 1 + number / batches, loss))


def _bar(batches: int, title: str, progress: bool) -> tqdm[NoReturn]:
    """Make a bar on stderr; `disable=None` hides it when stderr is not a terminal."""
    return tqdm(total=batches, desc=title, unit="batch", disable=None if progress else True)


def _shown(loss: float, right: float, test_accuracy: float | None = None) -> dict[str, str]:
    """Format the numbers behind the progress bar."""
    shown = {"loss": f"{loss:.4f}", "accuracy": f"{right:.4f}"}
    return shown if test_accuracy is None else shown | {"test": f"{test_accuracy:.4f}"}


def _batches(count: int, batch_size: int, shuffler: torch.Generator) -> Sequence[torch.Tensor]:
    """Cut a new order of the samples into batches; a last batch of one sample joins the batch before it."""
    # The generator is the CPU's, whatever torch's default device is.
    batches = list(torch.randperm(count, generator=shuffler, device="cpu").split(batch_size))
    if batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        leftover = batches.pop()
        batches[-1] = torch.cat([batches[-1], leftover])
    return batches


def _device(model: nn.Module) -> torch.device:
    """Return the device of a model."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


@contextlib.contextmanager
def _keeping_flags(model: nn.Module) -> Iterator[None]:
    """Restore the train/eval flag of every submodule on exit."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextlib.contextmanager
def _own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the generators from which dropout draws, and restore their states on exit."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)  # without the devices that are not used here
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
