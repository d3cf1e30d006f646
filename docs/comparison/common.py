"""A small network with its data, which count what is asked of them, for the scripts beside this file."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator
from importlib import metadata

import torch
from torch import Tensor, nn

LOSS = nn.functional.cross_entropy
CALLS = {"forward passes": 0, "readings of the data": 0}


class Network(nn.Module):
    """Two layers with a batch normalisation between them; counts its forward passes, those of its copies too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs."""
        CALLS["forward passes"] += 1
        return self.layers(inputs)


class Loader:
    """Two batches of 32 samples; counts how often it is read."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(64, 6, generator=generator)
        self.targets = self.inputs[:, :3].argmax(1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        CALLS["readings of the data"] += 1
        yield from zip(self.inputs.split(32), self.targets.split(32), strict=True)

    def __len__(self) -> int:
        return 2


def network(seed: int = 0) -> Network:
    """A network in training mode, as it is after a training."""
    torch.manual_seed(seed)
    return Network()


def version(distribution: str) -> None:
    """Prints the version of a package."""
    print(f"{distribution} {metadata.version(distribution)}, torch {torch.__version__.split('+')[0]}")


def counted(what: str, call: Callable[[], object]) -> None:
    """Prints how many forward passes and readings of the data a call takes."""
    CALLS.update(dict.fromkeys(CALLS, 0))
    quietly(call)
    print(f"{what}: " + ", ".join(f"{number} {name}" for name, number in CALLS.items()))


def left(what: str, model: nn.Module, call: Callable[[], object]) -> None:
    """Prints what a call leaves changed: of the model, and of torch's random numbers."""
    before, numbers = _state(model), torch.get_rng_state()
    quietly(call)
    changed = [name for name, value in _state(model).items() if value != before[name]]
    changed += ["torch's random numbers"] * (not torch.equal(numbers, torch.get_rng_state()))
    print(f"{what} changes: {', '.join(changed) or 'nothing'}")


def _state(model: nn.Module) -> dict[str, object]:
    return {
        "parameters": _digest(*model.parameters()),
        "buffers": _digest(*model.buffers()),
        "training mode": model.training,
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": _digest(*(p.grad for p in model.parameters() if p.grad is not None)),
    }


def _digest(*tensors: Tensor) -> str:
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def raised(what: str, call: Callable[[], object]) -> None:
    """Prints the error of a call, or that there is none."""
    try:
        quietly(call)
    except Exception as error:
        print(f"{what}: {type(error).__name__}: {str(error).splitlines()[0][:90]}")
    else:
        print(f"{what}: no error")


def quietly(call: Callable[[], object]) -> object:
    """The result of a call, without what it prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return call()


def hessian(model: nn.Module, loader: Loader) -> Tensor:
    """The Hessian of the mean loss in evaluation mode, entry by entry, in float64."""
    model.eval()
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]
    buffers = {name: buffer.double() for name, buffer in model.named_buffers()}

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([shape.numel() for shape in shapes])
        moved = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return LOSS(torch.func.functional_call(model, (moved, buffers), (loader.inputs.double(),)), loader.targets)

    return torch.func.hessian(loss)(nn.utils.parameters_to_vector(model.parameters()).detach().double())


def judged(largest: float, model: nn.Module, loader: Loader) -> None:
    """Prints whether the eigenvalue that is largest in absolute value was found."""
    true = torch.linalg.eigvalsh(hessian(model, loader)).abs().max().item()
    print(f"the largest eigenvalue is right to 1 %: {abs(largest - true) < 0.01 * true}")
