"""The public calls for several models: barriers between them, curves and permutations that avoid barriers."""

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
from fastscape.weights import OtherGiven

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["align", "barrier", "barriers", "connect"]


@documented(BarrierOptions)
def barrier(a: nn.Module, b: ModelGiven, data: Data, **given: Unpack[BarrierOptions]) -> Barrier:
    """The barrier between two models: how far a measure rises on the straight line between them.

    With m(t) the loss or a metric at the weights `(1 - t) a + t b`, its excess is `m(t) - ((1 - t) m(0) + t m(1))`.
    The barrier is the largest excess; the most negative excess is given too, because for an accuracy it is the
    barrier. The values are the values of a `line` to another model. The standard errors are computed from the
    differences of single samples, for which three points are evaluated again.

    Args:
        a: The first model, at t = 0.
        b: The second model, at t = 1: a module of the same architecture, its state dict, or the path of a file with a
            state dict.
        data: As for `surface`.
        **given: The options of `fastscape.runs.BarrierOptions`.

    Returns:
        The barriers by measure, with the line, `save`, `load`, `plot`, and `beside` to compare lines.

    Raises:
        TypeError: As for `line`, and when an argument is not a model.
        ValueError: As for `line`, when the models are not of one architecture, or a file cannot be read.

    Warns:
        UserWarning: As for `line`; when a measure is not finite somewhere on the line; and when the model has batch
            normalisation and `batchnorm` was not given.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
        >>> x, y = torch.randn(50, 3), torch.randn(50, 1)
        >>> found = fastscape.barrier(a, b, (x, y), loss=torch.nn.functional.mse_loss)
        >>> step = (a(x) - b(x)).square().mean().item()  # of a squared error the excess is -t (1 - t) times this
        >>> found.value, abs(found["loss"].lowest.value + step / 4) < 1e-5
        (0.0, True)

    Source: Entezari et al. 2022, arXiv 2110.06296, definition 2; Frankle et al. 2020, arXiv 1912.05671, use the mean
    of the ends instead of the line between them.
    """
    return Barrier.of(barrier_of(a, b, data, given))


@documented(BarrierOptions)
def barriers(
    models: Mapping[str, ModelGiven] | Sequence[ModelGiven], data: Data, **given: Unpack[BarrierOptions]
) -> Barriers:
    """The barriers between all pairs of models, as symmetric matrices.

    The data are read once and stay in memory for all pairs.

    Args:
        models: At least two models of one architecture, by name or in a list: modules, state dicts, or paths of files
            with state dicts. At least one must be a module.
        data: As for `surface`.
        **given: The options of `fastscape.runs.BarrierOptions`; a store is a folder with one store per pair.

    Returns:
        The barriers, with `matrix`, `standard_errors` and `own` by measure, `between` for a pair with its line,
        `save`, `load`, and `plot`.

    Raises:
        TypeError: As for `barrier`, and when no model is a module.
        ValueError: As for `barrier`, when there are fewer than two models, or when an iterator would be read in
            parts.

    Warns:
        UserWarning: As for `barrier`, and when the samples differ from pair to pair.

    Example:
        >>> import torch, fastscape
        >>> models = {name: torch.nn.Linear(4, 3) for name in ("first", "second", "third")}
        >>> data = torch.randn(50, 4), torch.randint(3, (50,))
        >>> found = fastscape.barriers(models, data, metrics={"accuracy": fastscape.accuracy})
        >>> found.measures, found.matrix("accuracy").shape
        (('loss', 'accuracy'), (3, 3))

    Source: Ainsworth et al. 2023, arXiv 2209.04836, for the effect of permutations of the units on barriers.
    """
    return Barriers.of(barriers_of(models, data, given))


@documented(ConnectOptions)
def connect(a: nn.Module, b: OtherGiven, data: Data, **given: Unpack[ConnectOptions]) -> Curve:
    """A curve of low loss through weight space from one model to another, trained on the data.

    The curve is `theta(t) = sum_k C_k(t) c_k`, where c_0 = a and c_n = b are fixed and the bends between them move.
    Training minimises the mean loss on the curve: `min over bends of E_t [loss(model(theta(t)))]`. Every step draws t
    uniformly from 0 to 1 and uses one batch. The gradient with respect to bend k is `C_k(t)` times the gradient at
    theta(t). With `curve="band"` every bend follows the part of its own gradient that is orthogonal to the chain.

    Each step evaluates a private copy of the model at theta(t), from a fresh state. Both models, the global random
    number generators and all other global state are bit for bit as before.

    Args:
        a: The first model, at t = 0. It is not changed.
        b: The last model, at t = 1: a module of the same architecture, its state dict, or the path of a file with a
            state dict. It is not changed.
        data: As for `surface`, read once, with one draw of any augmentation; of several data sets, the first is used.
        **given: The options of `fastscape.runs.ConnectOptions`.

    Returns:
        The curve: weights and models at any t, length, plane, `save`. `line(a, data, along=curve)` gives its losses.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, the models have different architectures, differ where
            nothing moves, or are equal; when the loss has no gradient, or is not finite in a step; when a store
            belongs to a different training, or is damaged.
        OSError: When a store cannot be written to.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.randn(60, 4), torch.randint(3, (60,))
        >>> curve = fastscape.connect(a, b, data, curve="polygon", bends=2, steps=20, progress=False)
        >>> len(curve.losses), bool(curve.length >= curve.distance)
        (20, True)

    Source: Garipov et al. 2018, arXiv 1802.10026; for the band Draxler et al. 2018, arXiv 1803.00885.
    """
    return curve_between(a, b, data, given)


@documented(AlignOptions)
def align(model: nn.Module, data: Data, **given: Unpack[AlignOptions]) -> Alignment:
    """Permutes hidden units, channels and attention heads of a model to bring it closest to a reference model.

    With a permutation P of the units of a layer, `W2 f(W1 x + b1) = (W2 P^T) f(P W1 x + P b1)`. Among all such
    permutations of `model` (b), `align` searches for the permutation with the smallest distance `||b - a||` to the
    reference a, or with the largest correlation of activations. One evaluation shows, operation by operation, which
    axes of which tensors must be permuted together. The operands of an unknown operation are not permuted: this costs
    freedom, never correctness, and `not_understood` names the operation.

    Every alignment is verified: the model is evaluated before and after in double precision, and its outputs must
    agree. The tolerance is 1e-9 of their scale, or the difference between two evaluations of the same model.

    Args:
        model: The model whose units are permuted. It is not changed.
        data: As for `surface`; the alignment is verified on the first samples. Targets are not read.
        **given: The options of `fastscape.runs.AlignOptions`.

    Returns:
        The alignment: `model`, a permuted copy, `permutations`, distances before and after, the measured `error`,
        `not_understood`; with `save`, `load` and `applied`.

    Raises:
        TypeError: When an argument has the wrong type, or `to` is missing.
        ValueError: When an argument has an unknown value, the models have different architectures, nothing can be
            permuted, or the outputs change.

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
