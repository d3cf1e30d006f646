"""The options of what is computed at one point of weight space: `hessian` and `spectrum`."""

from typing import Annotated, TypedDict

from fastscape.curvature import MatrixName, Which
from fastscape.results import Option
from fastscape.runs.options.exactly import PrecisionName
from fastscape.runs.options.measured import LossFunctions, ModeOptions
from fastscape.runs.options.running import DeviceOptions
from fastscape.weights import Perturb

__all__ = ["HessianOptions", "PointOptions", "SpectrumOptions"]

GROUP = "How it is computed"


class PointOptions(LossFunctions, ModeOptions, DeviceOptions, total=False):
    """The options of everything that is computed at one point."""

    perturb: Annotated[
        "Perturb",
        Option(
            "all",
            'Parameters with respect to which the loss is differentiated: "all" (every parameter), "weights" '
            '(parameters of two or more dimensions) or "weights+bias"; or `f(name, parameter) -> bool`, for example '
            '`lambda name, p: p.requires_grad`, which omits frozen parameters. Default "all".',
            "What moves",
            str,
        ),
    ]
    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'Precision of weights and activations: "float32" or "float64", which has smaller residuals. Default: the '
            "precision of the model, tensor by tensor.",
            GROUP,
            str,
        ),
    ]
    microbatch: Annotated[
        int | None,
        Option(
            None,
            "Number of samples per pass, if batches can be cut and joined without changing the values. Memory grows "
            "with it: a second derivative keeps every activation. Default: chosen by fixed rules.",
            GROUP,
            int,
        ),
    ]
    seed: Annotated[
        int,
        Option(0, "Seed of the start vectors of the iterations and of the random probes. Default 0.", GROUP, int),
    ]
    tolerance: Annotated[
        float,
        Option(
            1e-5,
            "Largest residual `||H v - lambda v||` of an eigenvector, as a fraction of the largest absolute "
            "eigenvalue. Default 1e-5.",
            GROUP,
            float,
        ),
    ]
    progress: Annotated[
        bool,
        Option(
            True,
            "Whether to show a count of the products with the matrix when standard error is a terminal. Default True.",
        ),
    ]


class MatrixOptions(TypedDict, total=False):
    """The options of everything that is computed from one curvature matrix."""

    matrix: Annotated[
        MatrixName,
        Option(
            "hessian",
            'Which matrix: "hessian", second derivatives of the mean loss; "ggn", the generalised Gauss-Newton matrix '
            '`J^T H_l J`, which is never negative for convex losses; "fisher", the Fisher information of '
            'cross_entropy, binary_cross_entropy_with_logits or mse_loss, which equals the "ggn" for these losses; or '
            '"empirical-fisher", the mean of `g g^T` over samples. Default "hessian".',
            "Which matrix",
            str,
        ),
    ]


class HessianOptions(MatrixOptions, PointOptions, total=False):
    """The options of `hessian`."""

    k: Annotated[int, Option(2, "Number of eigenvectors, at each end. Default 2.", "Which matrix", int)]
    which: Annotated[
        Which,
        Option(
            "largest",
            'Which eigenvectors: of the "largest" eigenvalues, of the "smallest" (the most negative), or of "both", '
            'the largest and the smallest in turn, so that a plane has one of each. Default "largest".',
            "Which matrix",
            str,
        ),
    ]


class SpectrumOptions(MatrixOptions, PointOptions, total=False):
    """The options of `spectrum`."""

    k: Annotated[int, Option(5, "Number of eigenvalues at each end. Default 5.", "Which matrix", int)]
    probes: Annotated[
        int,
        Option(
            10,
            "Number of random vectors for the density, at least 2. The standard error of the density follows from "
            "their spread. Default 10.",
            GROUP,
            int,
        ),
    ]
    steps: Annotated[
        int,
        Option(
            80,
            "Number of Lanczos steps per probe, at least 10. The density is smoothed over about 1 / `steps` of the "
            "range of eigenvalues. Each step is one product with the matrix. Default 80.",
            GROUP,
            int,
        ),
    ]
    trace_probes: Annotated[
        int,
        Option(
            32, "Number of random vectors for the trace and the Frobenius norm, at least 4. Default 32.", GROUP, int
        ),
    ]
    layers: Annotated[
        bool,
        Option(
            False,
            "If True, also compute the trace and the largest eigenvalue of each tensor's own block. Default False.",
            "Which matrix",
            bool,
        ),
    ]
