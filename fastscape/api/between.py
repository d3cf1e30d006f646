"""What is computed of several models: the barriers between them, and what leads around these: order and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import nn

from fastscape.model import Data
from fastscape.paths import Curve
from fastscape.reports import Alignment, Barrier, Barriers
from fastscape.results import documented
from fastscape.runs import (
    AlignOptions,
    BarrierOptions,
    ConnectOptions,
    ModelGiven,
    alignment_of,
    barrier_of,
    barriers_of,
    curve_between,
)
from fastscape.weights import Other

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["align", "barrier", "barriers", "connect"]


@documented(BarrierOptions)
def barrier(a: nn.Module, b: ModelGiven, data: Data, **given: Unpack[BarrierOptions]) -> Barrier:
    """The barrier between two models: how far a measure rises between them, on the straight line.

    With m(t) the loss or a metric at the weights `(1 - t) a + t b`, its excess is
    `m(t) - ((1 - t) m(0) + t m(1))`. The barrier is the largest excess; the most negative one is beside it, because
    of an accuracy that is the bad one. It is a `line` to another model, so that whatever holds of its values holds
    here. The standard errors are those of the differences, sample by sample: three points are evaluated again.

    Args:
        a: The first model, at t = 0.
        b: The other one, at t = 1: a module of the same architecture, its state dict, or the path of a file with one.
        data: As for `surface`.
        **given: As `fastscape.runs.BarrierOptions` says.

    Returns:
        The barriers by measure, with the line, `save`, `load`, `plot`, and `beside` for several lines.

    Raises:
        TypeError: As for `line`, and when a model is none.
        ValueError: As for `line`, when the models are not of one architecture, or a file cannot be read.

    Warns:
        UserWarning: As for `line`; when a measure is not finite somewhere on it; and when there is batch
            normalisation, and `batchnorm` was not written.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
        >>> x, y = torch.randn(50, 3), torch.randn(50, 1)
        >>> found = fastscape.barrier(a, b, (x, y), loss=torch.nn.functional.mse_loss)
        >>> step = (a(x) - b(x)).square().mean().item()  # of a squared error the excess is -t (1 - t) times this
        >>> found.value, abs(found["loss"].lowest.value + step / 4) < 1e-5
        (0.0, True)

    Source: Entezari et al. 2022, arXiv 2110.06296, definition 2; Frankle et al. 2020, arXiv 1912.05671, take the mean
    of the ends in the place of the line between them.
    """
    return Barrier.of(barrier_of(a, b, data, given))


@documented(BarrierOptions)
def barriers(
    models: Mapping[str, ModelGiven] | Sequence[ModelGiven], data: Data, **given: Unpack[BarrierOptions]
) -> Barriers:
    """The barriers between all pairs of models, as symmetric matrices.

    The data are read once, and are held in memory for all pairs.

    Args:
        models: At least two of one architecture, by name or in a list: modules, of which there must be one, state
            dicts, or paths of files with these.
        data: As for `surface`.
        **given: As `fastscape.runs.BarrierOptions` says; a store is a folder with one for each pair.

    Returns:
        The barriers, with `matrix`, `standard_errors` and `own` by measure, `between` for a pair with its line,
        `save`, `load`, and `plot`.

    Raises:
        TypeError: As for `barrier`, and when no model is a module.
        ValueError: As for `barrier`, when there are fewer than two models, or an iterator is to be read in parts.

    Warns:
        UserWarning: As for `barrier`, and when the samples were others from pair to pair.

    Example:
        >>> import torch, fastscape
        >>> models = {name: torch.nn.Linear(4, 3) for name in ("first", "second", "third")}
        >>> data = torch.randn(50, 4), torch.randint(3, (50,))
        >>> found = fastscape.barriers(models, data, metrics={"accuracy": fastscape.accuracy})
        >>> found.measures, found.matrix("accuracy").shape
        (('loss', 'accuracy'), (3, 3))

    Source: Ainsworth et al. 2023, arXiv 2209.04836, for what permutations of the units do to them.
    """
    return Barriers.of(barriers_of(models, data, given))


@documented(ConnectOptions)
def connect(a: nn.Module, b: Other, data: Data, **given: Unpack[ConnectOptions]) -> Curve:
    """A curve of low loss through weight space from one model to another, trained on the data.

    With `theta(t) = sum_k C_k(t) c_k`, where c_0 = a and c_n = b stay and the bends between them move, the mean loss
    on the curve is made small: `min over bends of E_t [loss(model(theta(t)))]`, t drawn anew from 0 to 1 in every step
    and the loss being that of one batch. The gradient by bend k is `C_k(t)` times the gradient at theta(t). On a
    `curve="band"` every bend rolls down the part of its own gradient that is orthogonal to the chain.

    A step is the loss of a private copy with those weights on that batch, from a fresh state. Both models, global
    random number generators and all else are bit for bit as before.

    Args:
        a: The first model, at t = 0. It is not changed.
        b: The last one, at t = 1: a module of the same architecture, or its state dict. It is not changed.
        data: As for `surface`, read once, augmentation too; of several data sets the first one is trained on.
        **given: As `fastscape.runs.ConnectOptions` says.

    Returns:
        The curve: weights and models at any t, length, plane, `save`. `line(a, data, along=curve)` gives its losses.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice, the models are of two architectures, differ where nothing
            moves, or are equal; when the loss has no gradient, or is not finite in a step; when a store is of
            another training, or damaged.
        OSError: When a store cannot be written to.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.randn(60, 4), torch.randint(3, (60,))
        >>> curve = fastscape.connect(a, b, data, curve="polygon", bends=2, steps=20, progress=False)
        >>> len(curve.losses), bool(curve.length >= curve.distance)
        (20, True)

    Source: Garipov et al. 2018, arXiv 1802.10026; of the band Draxler et al. 2018, arXiv 1803.00885.
    """
    return curve_between(a, b, data, given)


@documented(AlignOptions)
def align(model: nn.Module, data: Data, **given: Unpack[AlignOptions]) -> Alignment:
    """Permutes hidden units, channels and attention heads of a model so that it lies nearest to another one.

    With a permutation P of the units of a layer, `W2 f(W1 x + b1) = (W2 P^T) f(P W1 x + P b1)`. Of all such orders of
    `model`, `align` looks for the one in which `||b - a||` is smallest, or the activations of units correlate most.
    Which axes of which tensors belong together is learned from one evaluation, operation by operation. One that is not
    known keeps its operands in their places: that costs freedom, never correctness, and `not_understood` names it.

    Every alignment is proved: the model is evaluated before and after in double precision, and all that it returns
    must agree to 1e-9 of its scale, or to what two evaluations alike differ by.

    Args:
        model: The model whose units are permuted. It is not changed.
        data: As for `surface`; what is proved, is proved on the first samples. Targets are not read.
        **given: As `fastscape.runs.AlignOptions` says.

    Returns:
        The alignment: `model`, a copy that is permuted, `permutations`, distances before and after, the `error` that
        was measured, `not_understood`; with `save`, `load` and `applied`.

    Raises:
        TypeError: When an argument is of another kind, or `to` is missing.
        ValueError: When an argument has no such choice, the models are of different architectures, nothing can be
            permuted, or the outputs do not stay as they are.

    Example:
        >>> import torch, fastscape
        >>> a = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> order = torch.randperm(8)
        >>> weights = {"0.weight": a[0].weight[order], "0.bias": a[0].bias[order], "2.weight": a[2].weight[:, order]}
        >>> b = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> _ = b.load_state_dict({**weights, "2.bias": a[2].bias})
        >>> found = fastscape.align(b, (torch.randn(50, 4), torch.randint(3, (50,))), to=a)
        >>> found.distance_before > 0.1, found.distance_after, found.error < 1e-9
        (True, 0.0, True)

    Source: Ainsworth et al. 2023, Git Re-Basin, arXiv 2209.04836; Entezari et al. 2022, arXiv 2110.06296; for
    activations Li et al. 2015, arXiv 1511.07543.
    """
    return Alignment.of(*alignment_of(model, data, given))
