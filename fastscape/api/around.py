"""What is computed around one model: landscapes, and what is known at the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from fastscape.api.watching import watched
from fastscape.curvature import EigenvectorDirections
from fastscape.landscape import Landscape
from fastscape.model import Data
from fastscape.reports import Sharpness, Spectrum
from fastscape.results import documented
from fastscape.runs import (
    HessianOptions,
    LineOptions,
    SharpnessOptions,
    SpectrumOptions,
    SurfaceOptions,
    computed,
    eigenvectors_of,
    line_request,
    sharpness_of,
    spectrum_of,
    surface_request,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["hessian", "line", "sharpness", "spectrum", "surface"]


@documented(SurfaceOptions)
def surface(model: nn.Module, data: Data, **given: Unpack[SurfaceOptions]) -> Landscape:
    """The loss of a model on a plane through its weights.

    With theta the model's weights and d1, d2 two Gaussian random directions, each filter of which is scaled to the
    norm of the model's filter, `loss[i, j] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2))`. Other
    directions, norms and schemes are options.

    The model is evaluated as it would be in use: in evaluation mode, batch normalisation with its running
    statistics, dropout off, unless asked otherwise. It is never written to; its parameters, buffers, flags and hooks,
    and every global random number generator, are bit for bit as before, also after an exception or Ctrl-C. The data
    are read once. Hooks run at every grid point. Calls of several threads take turns, each for a whole run, and a loss
    may itself call fastscape; other threads should not draw from the global generators meanwhile.

    Args:
        model: Any trained module.
        data: `(inputs, targets)` tensors, a Dataset, a DataLoader, or an iterable of batches. A batch is
            `(inputs, targets)`; inputs that are a tuple or list are the model's arguments, and those that are a
            dictionary its arguments by name; a batch of inputs alone is its own target, as for an autoencoder. Batches
            of any other structure need an `objective`. Or several data sets, as a dictionary of any of these by name
            or as `fastscape.DataSets`: the first gives `loss`, another one for example `loss of test`.
        **given: As `fastscape.runs.SurfaceOptions` says.

    Returns:
        The landscape: `x` [H], `y` [W], `loss` [H, W] and each metric [H, W], float64, and the report; and where the
        losses of single samples are known the standard error of their mean [H, W].

    Raises:
        TypeError: When an argument is of another kind than above, there is no such option, or a measure returns
            something else.
        ValueError: When an argument has no such choice, there are no parameters or samples, lengths do not match,
            an axis is not finite or does not increase, arguments exclude each other, or a measure returns a wrong
            shape; when an axis is "auto",
            and a loss is below 0 by more than `0.001 mean(1)`, or not finite at the centre; when a store is of another
            run or another problem, damaged, or in use.
        OSError: When a store cannot be written to; what it holds is safe.
        ImportError: When a store is asked for and zarr is not installed.
        RuntimeError: When another process that shares the grid has failed.
        TimeoutError: When another process that shares the grid does not come, or shows no sign of life, for `timeout`
            seconds.

    Warns:
        UserWarning: When the values depend on how the samples are batched (class weights or ignored targets in a
            scalar loss, batch statistics, random outputs), when two evaluations of one point differ, when the loss at
            the centre is not that of the model called by itself or not finite, when the loss is the same at every
            point, when an axis is "auto" and the loss has risen nowhere or everywhere between 2^-6 and 2^6, when an
            option or a direction does not act, when weights are packed and cannot move, when another model lies
            elsewhere than its mark would, when the run of another thread is waited for longer than a minute, or when
            another process does not come, or shows no sign of life, for a minute. The report keeps what concerns the
            values.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> landscape = fastscape.surface(model, data, x=(-1, 1, 11), y=(-1, 1, 11))
        >>> landscape.loss.shape
        (11, 11)
        >>> wide = fastscape.surface(model, data, x=("auto", 11), y=(-1, 1, 5))
        >>> bool(wide.x[-1] == wide.report["reach"]["x"]["reach"] == -wide.x[0])
        True

    Source: Li et al. 2018, arXiv 1712.09913.
    """
    request = surface_request(model, data, given, watched(given))
    return Landscape.of(computed(request))


@documented(LineOptions)
def line(model: nn.Module, data: Data, **given: Unpack[LineOptions]) -> Landscape:
    """The loss of a model along a line through its weights.

    With theta the weights and d a Gaussian random direction, n(d) having the norm of theta in every tensor,
    `loss[i] = mean over the samples of loss(model((1 - x[i]) theta + x[i] n(d)))`; towards another model (`to`) it is
    `loss(model(theta + x[i] (theta_to - theta)))`, so that the models lie at 0 and 1.

    Args:
        model: Any trained module.
        data: As for `surface`.
        **given: As `fastscape.runs.LineOptions` says.

    Returns:
        The landscape: `x` [H], no `y`, `loss` [H] and each metric [H], float64, and the report.

    Raises:
        TypeError: As for `surface`, and when `to` is neither a module nor a state dict.
        ValueError: As for `surface`, and when both `to` and `directions` are given.
        OSError: As for `surface`.
        ImportError: As for `surface`.
        RuntimeError: As for `surface`.

    Example:
        >>> import torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> data = torch.rand(100, 4), torch.randint(3, (100,))
        >>> path = fastscape.line(a, data, to=b, x=(0, 1, 5))
        >>> bool(abs(path.loss[-1] - torch.nn.functional.cross_entropy(b(data[0]), data[1]).item()) < 1e-5)
        True

    Source: the notebook "Navigating Through Loss Space"; Goodfellow et al. 2015, arXiv 1412.6544.
    """
    request = line_request(model, data, given)
    return Landscape.of(computed(request))


@documented(HessianOptions)
def hessian(model: nn.Module, data: Data, **given: Unpack[HessianOptions]) -> EigenvectorDirections:
    """Eigenvectors of the Hessian of the loss, in whose directions it bends most: for `directions=`.

    With L(w) the mean loss over all samples, `H = d2L/dw2` at the model, and `H v = lambda v`. Along an eigenvector
    the loss is `L + lambda a^2 / 2` plus terms of higher order (and of first order where the model is at no minimum),
    a being the coordinate, in units of weights: the vectors have length 1. They are not normalised by filters, which
    would make them eigenvectors no longer.

    They are found by the Lanczos method of ARPACK from products `H u`, each of which takes about four times an
    evaluation of all samples; a matrix of at most 150 rows is written out. Products are those of the model as it is
    evaluated: in its own dtype and batches, with its own state, weighted by samples.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: As `fastscape.runs.HessianOptions` says.

    Returns:
        A source of directions, which `surface` and `line` take, with `eigenvalues` [k], `residuals` [k] and
        `tensors(k)`.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice, the loss has no such matrix or cannot be differentiated
            twice, or the matrix is not finite.
        RuntimeError: When the residuals do not become as small as `tolerance`.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(3, 1)
        >>> x = torch.randn(50, 3)
        >>> data = x, torch.randn(50, 1)
        >>> source = fastscape.hessian(model, data, loss=torch.nn.functional.mse_loss)
        >>> wide = torch.cat([x, torch.ones(50, 1)], dim=1)
        >>> exact = torch.linalg.eigvalsh(2 * wide.T @ wide / 50).flip(0)
        >>> bool(abs(source.eigenvalues[0] - exact[0]) < 1e-4)
        True
        >>> axes = {"x": (-1, 1, 5), "y": (-1, 1, 5)}
        >>> landscape = fastscape.surface(model, data, directions=source, loss=torch.nn.functional.mse_loss, **axes)

    Source: Yao et al. 2020, PyHessian, arXiv 1912.07145; Martens 2020, arXiv 1412.1193, for the other matrices.
    """
    return eigenvectors_of(model, data, given)


@documented(SpectrumOptions)
def spectrum(model: nn.Module, data: Data, **given: Unpack[SpectrumOptions]) -> Spectrum:
    """The spectrum of the Hessian of the loss: eigenvalues at both ends, density, trace and Frobenius norm.

    With `H = d2L/dw2` of the mean loss L over all samples at the model: the largest and the smallest eigenvalues with
    their residuals (Lanczos method); the density of all of them by stochastic Lanczos quadrature, `p(t) = 1/n sum_i
    N(t; lambda_i, width^2)`, with its standard error over random probes; `tr H` and `||H||_F` by Hutch++ with standard
    errors; and on request the trace and the largest eigenvalue of each tensor's own block. A matrix of at most 150
    rows is written out, and everything is exact.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: As `fastscape.runs.SpectrumOptions` says.

    Returns:
        The spectrum: plain values, with `save`, `load` and `plot`.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice, the loss has no such matrix or cannot be differentiated
            twice, or the matrix is not finite.
        RuntimeError: When the residuals do not become as small as `tolerance`.
        ImportError: When curvlinops is not installed, for a density.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(4, 3)
        >>> data = torch.randn(50, 4), torch.randint(3, (50,))
        >>> found = fastscape.spectrum(model, data)
        >>> found.size, found.trace.standard_error, bool(found.smallest > -1e-6 * found.largest)  # convex, and exact
        (15, 0.0, True)

    Source: Ghorbani et al. 2019, arXiv 1901.10159; Meyer et al. 2021, arXiv 2010.09649.
    """
    return Spectrum.of(spectrum_of(model, data, given))


@documented(SharpnessOptions)
def sharpness(model: nn.Module, data: Data, **given: Unpack[SharpnessOptions]) -> Sharpness:
    """How sharp the loss is around a model, by nine measures, each with its error, its cost and what it depends on.

    With w the weights, L the mean loss over all samples, g its gradient and H its Hessian:

    - worst_case: `max over ||e|| <= rho of L(w + e) - L(w)`, a lower bound from several ascents (SAM)
    - adaptive_worst_case: the same over `||e / |w| || <= adaptive_rho` (ASAM)
    - m_sharpness: the mean over groups of m samples of the worst case of each
    - random_directions: `mean over d of L(w + r d) - L(w)`, d filter-normalised, for each radius r
    - pac_bayes_sigma: the sigma at which `mean over eps of L(w + sigma eps) - L(w)` is `increase`, and
      pac_bayes_sigma_relative with `sigma |w| eps`; the larger, the flatter
    - critical_sharpness: `2 / eta`, eta the smallest learning rate at which a step along -g raises the loss
    - largest_eigenvalue and trace of H

    Every evaluation is that of the model as it is in use: in its own dtype and batches, with its own state, weighted
    by samples. All random directions of a radius are evaluated together.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: As `fastscape.runs.SharpnessOptions` says.

    Returns:
        The measures by name, as a mapping that prints as a table; with `save`, `load`, `plot`, and `beside` for
        several models.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice, or the loss cannot be differentiated.
        RuntimeError: When the largest eigenvalue is not found to `tolerance`.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(3, 1)
        >>> x = torch.randn(50, 3)
        >>> found = fastscape.sharpness(model, (x, torch.randn(50, 1)), loss=torch.nn.functional.mse_loss)
        >>> exact = 2 * (x.square().sum() / 50 + 1)
        >>> bool(abs(found["trace"].value / exact - 1) < 1e-4), found["trace"].standard_error
        (True, 0.0)
        >>> found["adaptive_worst_case"].invariant_to
        ('layer scaling', 'neuron scaling', 'neuron order')

    Source: Foret et al. 2021, arXiv 2010.01412; Kwon et al. 2021, arXiv 2102.11600; Jiang et al. 2020, arXiv
    1912.02178; Kalra et al. 2026, arXiv 2601.16979; of each measure in its `source`.
    """
    return Sharpness.of(sharpness_of(model, data, given))
