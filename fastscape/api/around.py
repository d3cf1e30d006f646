"""The public calls for one model: landscapes around it, and curvature and sharpness at its weights."""

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

    With theta the model's weights and d1, d2 two Gaussian random directions whose filters are scaled to the norms of
    the model's filters, `loss[i, j] = mean over the samples of loss(model(theta + x[i] d1 + y[j] d2))`. Options
    choose other directions, norms and schemes.

    By default the model is in evaluation mode: batch normalisation uses its running statistics, and dropout is off.
    The model is never written to; its parameters, buffers, flags and hooks, and every global random number generator,
    are bit for bit as before, also after an exception or Ctrl-C. The data are read once. Hooks run at every grid
    point. Calls from several threads take turns, each for a whole run, and a loss may itself call fastscape. Other
    threads should not draw from the global generators during a run.

    Args:
        model: Any trained module.
        data: `(inputs, targets)` tensors, a Dataset, a DataLoader, or an iterable of batches. A batch is `(inputs,
            targets)`; inputs in a tuple or list are the model's arguments, and inputs in a dictionary its arguments
            by name. A batch of inputs alone is its own target, as for an autoencoder. Batches of any other structure
            need an `objective`. Several data sets come as a dictionary of any of these by name, or as
            `fastscape.DataSets`: the first gives `loss`, a further set for example `loss of test`.
        **given: The options of `fastscape.runs.SurfaceOptions`.

    Returns:
        The landscape: `x` [H], `y` [W], `loss` [H, W] and each metric [H, W], float64, and the report; if the losses
        of single samples are known, also the standard error of their mean [H, W].

    Raises:
        TypeError: When an argument has the wrong type, there is no such option, or a measure returns an unsupported
            type.
        ValueError: When an argument has an unknown value, there are no parameters or samples, lengths do not match,
            an axis is not finite or does not increase, arguments exclude each other, or a measure returns a wrong
            shape; when an axis is "auto" and a loss is below 0 by more than `0.001 mean(1)`, or not finite at the
            centre; when a store belongs to a different run or a different problem, is damaged, or is in use.
        OSError: When a store cannot be written to; its earlier contents are safe.
        ImportError: When `store` is given and zarr is not installed.
        RuntimeError: When another process that shares the grid has failed.
        TimeoutError: When another process that shares the grid does not reach the call, or shows no sign of life, for
            `timeout` seconds.

    Warns:
        UserWarning: When the values depend on how the samples are batched (class weights or ignored targets in a
            scalar loss, batch statistics, random outputs); two evaluations of one point differ; the loss at the
            centre is not finite, or differs from the loss of the model called directly; the loss is the same at every
            point; an axis is "auto" and the loss has risen nowhere or everywhere between 2^-6 and 2^6; an option or a
            direction has no effect; weights are packed and cannot move; another model is not at the coordinates of
            its mark; the call waits longer than a minute for the run of another thread; or another process does not
            reach the call, or shows no sign of life, for a minute. The report keeps the warnings that concern the
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

    With theta the weights and d a Gaussian random direction, n(d) having the norm of theta in every tensor, `loss[i]
    = mean over the samples of loss(model((1 - x[i]) theta + x[i] n(d)))`; towards another model (`to`) it is
    `loss(model(theta + x[i] (theta_to - theta)))`, so the models are at 0 and 1.

    Args:
        model: Any trained module.
        data: As for `surface`.
        **given: The options of `fastscape.runs.LineOptions`.

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
    """Eigenvectors of the Hessian of the loss, the directions of largest curvature, to use as `directions=`.

    With L(w) the mean loss over all samples, `H = d2L/dw2` at the model, and `H v = lambda v`. Along an eigenvector
    the loss is `L + lambda a^2 / 2` plus terms of higher order (and of first order if the model is not at a minimum),
    where a is the coordinate, in units of weights: the vectors have length 1. They are not normalised by filters,
    because filter-normalised vectors are no eigenvectors.

    The Lanczos method of ARPACK finds them from products `H u`, each of which takes about four times as long as one
    evaluation of all samples; a matrix of at most 150 rows is computed in full. Products are evaluated like the loss:
    in the model's dtype and batches, with its state, weighted by samples.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: The options of `fastscape.runs.HessianOptions`.

    Returns:
        A source of directions for `surface` and `line`, with `eigenvalues` [k], `residuals` [k] and `tensors(k)`.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, the loss has no such matrix or cannot be differentiated
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
    """The spectrum of the Hessian of the loss: extreme eigenvalues, density, trace and Frobenius norm.

    With `H = d2L/dw2` of the mean loss L over all samples at the model, it has the largest and the smallest
    eigenvalues with their residuals (Lanczos method); the density of all eigenvalues by stochastic Lanczos
    quadrature, `p(t) = 1/n sum_i N(t; lambda_i, width^2)`, with its standard error over random probes; `tr H` and
    `||H||_F` by Hutch++ with standard errors; and on request the trace and the largest eigenvalue of the block of
    each tensor. A matrix of at most 150 rows is computed in full, and every result is exact.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: The options of `fastscape.runs.SpectrumOptions`.

    Returns:
        The spectrum: plain values, with `save`, `load` and `plot`.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, the loss has no such matrix or cannot be differentiated
            twice, or the matrix is not finite.
        RuntimeError: When the residuals do not become as small as `tolerance`.
        ImportError: When a density is to be computed and curvlinops is not installed.

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
    """The sharpness of the loss around a model, by nine measures, each with its error, its cost and its dependences.

    With w the weights, L the mean loss over all samples, g its gradient and H its Hessian:

    - worst_case: `max over ||e|| <= rho of L(w + e) - L(w)`, a lower bound from several ascents (SAM)
    - adaptive_worst_case: the same over `||e / |w| || <= adaptive_rho` (ASAM)
    - m_sharpness: the worst case of each group of m samples, averaged over the groups
    - random_directions: `mean over d of L(w + r d) - L(w)`, d filter-normalised, for each radius r
    - pac_bayes_sigma: the sigma at which `mean over eps of L(w + sigma eps) - L(w)` is `increase`, and
      pac_bayes_sigma_relative with `sigma |w| eps`; a larger sigma means a flatter minimum
    - critical_sharpness: `2 / eta`, eta the smallest learning rate at which a step along -g raises the loss
    - largest_eigenvalue and trace of H

    The model is evaluated as for a landscape: in its own dtype and batches, with its own state, weighted by samples.
    All random directions of a radius are evaluated together.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: The options of `fastscape.runs.SharpnessOptions`.

    Returns:
        The measures by name, as a mapping that prints as a table; with `save`, `load`, `plot`, and `beside` to
        compare models.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, or the loss cannot be differentiated.
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
    1912.02178; Kalra et al. 2026, arXiv 2601.16979. Each measure names its own in `source`.
    """
    return Sharpness.of(sharpness_of(model, data, given))
