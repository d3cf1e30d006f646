"""One table of cases: models, data and grids. A new case is one line."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import case_models as m
import complex_models
import numpy as np
import odd_models
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape import reference
from fastscape.weights import direction_random, layout_of
from fastscape.zoo import models

# Square and not, even and odd counts, an axis that starts at 0, explicit coordinates.
GRIDS: dict[str, tuple[Any, Any]] = {
    "3 x 3": ((-1.0, 1.0, 3), (-1.0, 1.0, 3)),
    "2 x 5 from 0": ((0.0, 0.5, 2), (-0.5, 1.0, 5)),
    "explicit 4 x 1": ([-0.7, -0.1, 0.0, 0.9], (0.25, 0.25, 1)),
}


class Case(NamedTuple):
    """A model in the state of a trained one, its data, and its loss."""

    model: nn.Module
    inputs: Any
    targets: Any
    loss: Callable[[Any, Any], Tensor]
    microbatch: int  # divides no case's number of samples, so the last batch is uneven
    objective: Callable[[Any, Any], Any] | None = None  # in the place of the loss; the inputs are its batch
    perturb: Any = "weights"
    data: Any = None  # what `surface` gets, where it is not (inputs, targets)

    @property
    def given(self) -> Any:
        """The data for `surface`."""
        if self.data is not None:
            return self.data
        if self.objective is None:
            return self.inputs, self.targets
        return [self.inputs] if isinstance(self.inputs, m.Graph) else self.inputs

    @property
    def options(self) -> dict[str, Any]:
        """What else `surface` gets."""
        own = self.objective is None or self.data is not None
        measured = {"loss": self.loss} if own else {"objective": self.objective}
        return {**measured, "perturb": self.perturb}


def classifier(name: str, samples: int, microbatch: int, *, image_size: int = 28, channels: int = 1) -> Case:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(samples, channels, image_size, image_size, generator=generator)
    targets = torch.randint(10, (samples,), generator=generator)
    model = models.build(name, in_channels=channels, image_size=image_size, seed=0)
    return Case(lived_in(model, inputs), inputs, targets, F.cross_entropy, microbatch)


def lived_in(model: nn.Module, inputs: Tensor) -> nn.Module:
    """The model with the running statistics and the biases of one that has been trained."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        model.train()
        for _ in range(3):
            model(inputs)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


ZOO: dict[str, Callable[[], Case]] = {
    "mlp": lambda: classifier("mlp", 13, 5),
    "mnist-cnn": lambda: classifier("mnist-cnn", 13, 5),
    "vgg13": lambda: classifier("vgg13", 5, 3, image_size=16),
    "resnet8": lambda: classifier("resnet8", 13, 5),
    "resnet14-noshort": lambda: classifier("resnet14-noshort", 7, 5, channels=3, image_size=32),
}


class Odd(nn.Module):
    """What a network may hold besides linear layers: tied, frozen, 0-dim and empty parameters, transposed layers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.tied = nn.Linear(6, 6)
        self.tied.weight = self.inner.weight
        self.frozen = nn.Linear(6, 5, bias=False).requires_grad_(False)
        self.transposed = nn.ConvTranspose1d(5, 3, 2)
        self.grouped = nn.ConvTranspose1d(4, 6, 3, groups=2)
        self.norm = nn.LayerNorm(6)
        self.temperature = nn.Parameter(torch.tensor(1.5))
        self.nothing = nn.Parameter(torch.zeros(0, 4))
        self.register_buffer("offset", torch.tensor([0.1, -0.2, 0.3]))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.frozen(self.norm(self.tied(torch.relu(self.inner(x)))))
        channels = self.transposed(hidden[:, :, None]) + self.offset[:, None]
        grouped = self.grouped(torch.cat([channels, channels[:, :1]], dim=1))
        return grouped.mean(-1) * self.temperature + self.nothing.sum()


def odd() -> Case:
    generator = torch.Generator().manual_seed(2)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = Odd()
    inputs = torch.randn(11, 6, generator=generator)
    return Case(model, inputs, torch.randn(11, 6, generator=generator), F.mse_loss, 4)


CASES: dict[str, Callable[[], Case]] = {**ZOO, "odd parameters": odd}


def family(
    build: Callable[[], nn.Module],
    inputs: Callable[[torch.Generator], Any],
    targets: Callable[[torch.Generator], Any] | None = None,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    **options: Any,
) -> Callable[[], Case]:
    """A case from functions that build its model and its data."""

    def case() -> Case:
        generator = torch.Generator().manual_seed(5)
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls lazy modules experimental
            torch.default_generator.manual_seed(6)
            model = build()
            given = inputs(generator)
            if any(isinstance(p, nn.UninitializedParameter) for p in model.parameters()):
                model(given)
        return Case(model, given, targets(generator) if targets else None, loss, 4, **options)

    return case


def numbers(*shape: int) -> Callable[[torch.Generator], Tensor]:
    return lambda generator: torch.randn(shape, generator=generator)


def classes(count: int, *shape: int) -> Callable[[torch.Generator], Tensor]:
    return lambda generator: torch.randint(count, shape, generator=generator)


def by_name(**parts: Callable[[torch.Generator], Tensor]) -> Callable[[torch.Generator], dict[str, Tensor]]:
    return lambda generator: {name: part(generator) for name, part in parts.items()}


def tokens_apart(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape).mean(1)


def graphs(generator: torch.Generator) -> m.Graph:
    edges = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 5], [1, 2, 0, 4, 3, 6, 5, 4]])
    owner = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    return m.Graph(torch.randn(7, 3, generator=generator), edges, owner, torch.tensor([0, 1, 1]))


def autoencoder() -> Case:
    case = family(m.Autoencoder, numbers(7, 1, 8, 8), loss=F.mse_loss)()
    return case._replace(targets=case.inputs, data=case.inputs)


def lengths() -> Case:
    """Sequences of three lengths, in batches of one length each; the reference takes the samples one by one."""
    case = family(
        lambda: m.Recurrent(nn.GRU), lambda g: [torch.randn(n, k, 3, generator=g) for n, k in ((3, 2), (4, 5), (1, 3))]
    )()
    targets = [torch.arange(len(part)) % 4 for part in case.inputs]

    def each(call: Any, batches: Any) -> Tensor:
        return torch.cat([F.cross_entropy(call(x), t, reduction="none") for x, t in zip(*batches, strict=True)])

    pairs = list(zip(case.inputs, targets, strict=True))
    return case._replace(inputs=(case.inputs, targets), data=pairs, objective=each)


_HUGGING = by_name(
    input_ids=classes(9, 7, 4),
    attention_mask=lambda g: (torch.arange(4) < torch.randint(1, 5, (7, 1), generator=g)).long(),
    labels=classes(3, 7),
)

FAMILIES: dict[str, Callable[[], Case]] = {
    "LSTM": family(lambda: m.Recurrent(nn.LSTM), numbers(7, 5, 3), classes(4, 7)),
    "GRU": family(lambda: m.Recurrent(nn.GRU, num_layers=2, dropout=0.3), numbers(7, 5, 3), classes(4, 7)),
    "RNN both ways": family(lambda: m.Recurrent(nn.RNN, bidirectional=True), numbers(7, 5, 3), classes(4, 7)),
    "sequences of different lengths": lengths,
    "transformer encoder": family(m.Encoder, classes(11, 7, 5), classes(4, 7)),
    "language model, tied": family(m.Decoder, classes(11, 7, 5), classes(11, 7, 5), tokens_apart),
    "transformer of two inputs": family(
        m.Translator, lambda g: (torch.randn(7, 4, 8, generator=g), torch.randn(7, 3, 8, generator=g)), classes(3, 7)
    ),
    "graphs": family(m.GraphNetwork, graphs, objective=lambda call, graph: F.cross_entropy(call(graph), graph.target)),
    "PINN": family(m.Physics, numbers(9, 1), objective=m.residual),
    "autoencoder": autoencoder,
    "regression": family(
        lambda: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), numbers(7, 4), numbers(7), F.mse_loss
    ),
    "robust regression": family(lambda: nn.Linear(4, 2), numbers(7, 4), numbers(7, 2), nn.HuberLoss()),
    "two inputs by name": family(
        m.TwoInputs, by_name(numbers=numbers(7, 3), category=classes(7, 7, 2)), classes(5, 7)
    ),
    "two outputs": family(m.TwoOutputs, numbers(7, 4), by_name(label=classes(3, 7), value=numbers(7)), m.both),
    "its own loss": family(m.WithLabels, _HUGGING, objective=lambda call, batch: call(**batch).loss),
    "frozen parameters": family(
        lambda: nn.Sequential(nn.Linear(4, 5).requires_grad_(False), nn.ReLU(), nn.Linear(5, 3)), numbers(7, 4),
        classes(3, 7), perturb=lambda name, p: p.requires_grad,
    ),
    "LoRA": family(m.LowRank, numbers(7, 6), classes(3, 7), perturb=lambda name, p: "lora" in name),
    "weight norm": family(lambda: m.normalised("weight_norm"), numbers(7, 5), classes(3, 7)),
    "spectral norm": family(lambda: m.normalised("spectral_norm"), numbers(7, 5), classes(3, 7)),
    "orthogonal": family(lambda: m.normalised("orthogonal"), numbers(7, 5), classes(3, 7)),
    "writes to its buffers": family(m.Remembering, numbers(7, 4), classes(4, 7)),
    "mixed dtypes": family(m.Mixed, numbers(7, 4), classes(3, 7)),
    "decides by its weights": family(m.Deciding, numbers(7, 4), classes(3, 7)),
    "depthwise": family(m.Separable, numbers(7, 3, 6, 6), classes(4, 7)),
    "volumes": family(m.volume, numbers(5, 1, 4, 4, 4), classes(3, 5)),
    "sound": family(m.sound, numbers(7, 2, 16), classes(3, 7)),
    "U-Net": family(
        m.Skip, numbers(5, 1, 4, 4), classes(2, 5, 4, 4),
        lambda o, t: F.cross_entropy(o, t, reduction="none").mean((1, 2)),
    ),
    "experts": family(m.Mixture, numbers(7, 4), classes(5, 7)),
    "Fourier neural operator": family(complex_models.Spectral, numbers(7, 8, 1), classes(2, 7)),
    "state space": family(complex_models.StateSpace, numbers(7, 6, 3), classes(2, 7)),
}  # fmt: skip
"""What people train, one small model each."""

EVERY = {**CASES, **FAMILIES}


def reference_surface(case: Case, x: np.ndarray, y: np.ndarray, *, dtype: torch.dtype, seed: int = 0) -> np.ndarray:
    """The slow truth of `surface(case...)`: the same random numbers, everything else by the reference."""
    layout = layout_of(case.model, case.perturb)
    d1, d2 = (
        reference.filter_normalised(layout.unflatten(direction_random(layout, seed, axis)), case.model)
        for axis in (0, 1)
    )
    batch = (case.inputs, case.targets) if case.objective is None else case.inputs
    options = {"loss": case.loss, "objective": case.objective, "dtype": dtype}
    return reference.surface(case.model, batch, (d1, d2), x, y, **options)


ODD: dict[str, type[nn.Module]] = {kind.__name__: kind for kind in odd_models.KINDS}
"""Families whose forward pass does more than compute; what is right for them is in `tests/law.py`."""
