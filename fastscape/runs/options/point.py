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
    """Of everything that is computed at one point."""

    perturb: Annotated[
        "Perturb",
        Option(
            "all",
            'By what the loss is differentiated: "all" (every parameter), "weights" (parameters of two or more '
            'dimensions) or "weights+bias"; or `f(name, parameter) -> bool`, for example `lambda name, p: '
            'p.requires_grad`, which leaves frozen ones out. Default "all".',
            "What moves",
            str,
        ),
    ]
    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'Precision of weights and activations: "float32" or "float64", which has smaller residuals. Default: that '
            "of the model, each tensor in its own.",
            GROUP,
            str,
        ),
    ]
    microbatch: Annotated[
        int | None,
        Option(
            None,
            "Samples in one pass, where batches can be cut and joined without a change of the values. Memory grows "
            "with it: a second derivative keeps every activation. Default: what suits by fixed rules.",
            GROUP,
            int,
        ),
    ]
    seed: Annotated[
        int,
        Option(0, "Seed of the vectors that start the iterations, and of random probes. Default 0.", GROUP, int),
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
        Option(True, "Whether to count products with the matrix when standard error is a terminal. Default True."),
    ]


class MatrixOptions(TypedDict, total=False):
    """Of everything that is known of one curvature matrix."""

    matrix: Annotated[
        MatrixName,
        Option(
            "hessian",
            'Which matrix: "hessian", second derivatives of the mean loss; "ggn", the generalised Gauss-Newton matrix '
            '`J^T H_l J`, which is never negative for convex losses; "fisher", the Fisher information of '
            "cross_entropy, binary_cross_entropy_with_logits or mse_loss, which equals it there; or "
            '"empirical-fisher", the mean of `g g^T` over samples. Default "hessian".',
            "Which matrix",
            str,
        ),
    ]


class HessianOptions(MatrixOptions, PointOptions, total=False):
    """Of `hessian`."""

    k: Annotated[int, Option(2, "How many eigenvectors, at each end. Default 2.", "Which matrix", int)]
    which: Annotated[
        Which,
        Option(
            "largest",
            'Which eigenvectors: those of the "largest" eigenvalues, of the "smallest" (the most negative), or '
            '"both", the largest and the smallest in turn, so that a plane has one of each. Default "largest".',
            "Which matrix",
            str,
        ),
    ]


class SpectrumOptions(MatrixOptions, PointOptions, total=False):
    """Of `spectrum`."""

    k: Annotated[int, Option(5, "How many eigenvalues at each end. Default 5.", "Which matrix", int)]
    probes: Annotated[
        int,
        Option(
            10,
            "Random vectors of the density, from whose spread its standard error follows; at least 2. Default 10.",
            GROUP,
            int,
        ),
    ]
    steps: Annotated[
        int,
        Option(
            80,
            "Steps of the Lanczos method for each probe, at least 10: the density is spread by about a `steps`-th of "
            "the range of eigenvalues. Each is a product. Default 80.",
            GROUP,
            int,
        ),
    ]
    trace_probes: Annotated[
        int,
        Option(32, "Random vectors of the trace and the Frobenius norm; at least 4. Default 32.", GROUP, int),
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
