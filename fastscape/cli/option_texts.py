"""The help texts of options that commands take from the library: panel, one or two lines, choices.

These lines fit a terminal of 80 columns; the documentation in Python is complete (`help(fastscape.surface)`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from fastscape.results import options_of
from fastscape.weights import LINES, NORMS, PRECISIONS, SURFACES, Distribution, NamedPerturb

__all__ = [
    "ACCURACY",
    "DIRECTIONS",
    "GRID",
    "INPUT",
    "MEASURES",
    "OUTPUT",
    "PANELS",
    "PICTURE",
    "RUNNING",
    "TRAINING",
    "WALK",
    "Shown",
    "shown",
]

INPUT, MEASURES, GRID, DIRECTIONS = "Input", "Measures", "Grid", "Directions"
TRAINING, PICTURE, WALK = "Training", "Picture", "Walk"
ACCURACY, RUNNING, OUTPUT = "Accuracy", "Running", "Output"
PANELS = INPUT, MEASURES, GRID, DIRECTIONS, TRAINING, PICTURE, WALK, ACCURACY, RUNNING, OUTPUT
"""The panels of a help text, in their order."""


@dataclass(frozen=True)
class Shown:
    """The help of an option.

    A default that is a number or a name is added from the option itself.

    Args:
        panel: The panel.
        text: The help text.
        choices: The allowed values. Default: any value of the type.
    """

    panel: str
    text: str
    choices: tuple[str, ...] = ()


def _of(panel: str, texts: Mapping[str, str | tuple[str, Iterable[str]]]) -> dict[str, Shown]:
    pairs = {name: (text, ()) if isinstance(text, str) else text for name, text in texts.items()}
    return {name: Shown(panel, text, tuple(choices)) for name, (text, choices) in pairs.items()}


_PERTURB = get_args(NamedPerturb)
_PARAMETERS = tuple(name for name in _PERTURB if name != "states")
_FLOATS = "float32", "float64"

_SHARPNESS = (
    "worst_case", "adaptive_worst_case", "m_sharpness", "random_directions", "pac_bayes_sigma",
    "pac_bayes_sigma_relative", "critical_sharpness", "largest_eigenvalue", "trace",
)  # fmt: skip

_SHARED = {
    **_of(
        INPUT,
        {
            "to": "Model at coordinate 1: a checkpoint, or a state dict for a model of your own.",
        },
    ),
    **_of(
        MEASURES,
        {
            "curvature": ("Derivatives along the axes, or Hessian eigenvalues.", ("plane", "ratio")),
        },
    ),
    **_of(
        GRID,
        {
            "x": "First axis. Default: -1 1 51.",
            "y": "Second axis. Default: -1 1 51.",
            "points": "Points on the line, both ends included.",
        },
    ),
    **_of(
        DIRECTIONS,
        {
            "scheme": ("How coordinates combine the directions. Default: plane.", SURFACES),
            "normalize": ("Norm of the directions. Default: filter.", NORMS),
            "perturb": ("Tensors that move. Default: weights.", _PERTURB),
            "distribution": ("Distribution of random directions.", get_args(Distribution)),
            "seed": "Seed of the random directions.",
            "repeats": "Number of draws of the directions.",
        },
    ),
    **_of(
        ACCURACY,
        {
            "precision": ("Number format. Default: the model's.", PRECISIONS),
            "target_standard_error": "Read samples until the standard error is this fraction of the range. Default: "
            "read all.",
            "tolerance": "Evaluate some points and predict the rest within this fraction of the range.",
            "tolerance_scale": ("Scale of the tolerance.", ("log10", "linear")),
            "topology": "With --tolerance, refine until every basin deeper than this fraction of the range is "
            "certain.",
            "draw_samples": "With --tolerance, samples at most points; 0 for all. Default: chosen automatically.",
        },
    ),
    **_of(
        RUNNING,
        {
            "device": "Device, for example cuda. Default: the model's.",
            "plan": "Plan from Plan.save. Default: the fastest found.",
            "low_memory": "Recompute random directions instead of storing them.",
            "store": "Folder that keeps finished points; the same command resumes. Needs zarr.",
            "timeout": "Seconds to wait for a silent process.",
            "microbatch": "Samples per pass. Default: chosen by fixed rules.",
        },
    ),
}

_SHARP = _of(
    MEASURES,
    {
        "measures": ("Measure to compute; repeatable. Default: all.", _SHARPNESS),
        "rho": "Radius of worst_case and m_sharpness, in units of weights.",
        "adaptive_rho": "Radius of adaptive_worst_case, relative to the weights.",
        "m": "Samples per group of m_sharpness.",
        "radii": "Distance along random directions; repeatable. Default: 0.1 and 0.3.",
        "increase": "Rise of the mean loss that defines pac_bayes_sigma.",
    },
)
_AT_POINT = {
    "perturb": Shown(MEASURES, "Parameters that the loss is differentiated by. Default: all.", _PARAMETERS),
    "precision": Shown(ACCURACY, "Number format. Default: the model's.", _FLOATS),
    "seed": Shown(ACCURACY, "Seed of start vectors and probes."),
    "tolerance": Shown(ACCURACY, "Largest residual of an eigenvector, relative to the largest eigenvalue."),
}

_OWN: dict[str, dict[str, Shown]] = {
    "LineOptions": {
        "scheme": Shown(DIRECTIONS, "How the coordinate scales the direction. Default: line.", tuple(LINES)),
        "normalize": Shown(DIRECTIONS, "Norm of the direction. Default: none.", NORMS),
        "perturb": Shown(DIRECTIONS, "Tensors that move. Default: weights; states with --to.", _PERTURB),
    },
    "VolumeOptions": {
        "scheme": Shown(DIRECTIONS, "How coordinates combine the directions. Default: plane.", tuple(SURFACES)),
    },
    "TrajectoryOptions": {
        "x": Shown(GRID, "First axis. Default: along the paths, with a margin."),
        "y": Shown(GRID, "Second axis. Default: along the paths, with a margin."),
        "normalize": Shown(DIRECTIONS, "Norm of the directions. Default: none.", NORMS),
        "perturb": Shown(DIRECTIONS, "Tensors that move. Default: all.", _PERTURB),
        "tolerance": Shown(
            ACCURACY, "Evaluate some points and predict the rest within this fraction of the range. Default: 0.01."
        ),
    },
    "BarrierOptions": {
        "perturb": Shown(GRID, "Tensors that move; the models must agree in the rest. Default: states.", _PERTURB),
        "store": Shown(RUNNING, "Folder that keeps finished points; the same command resumes. Needs zarr."),
    },
    "AlignOptions": {
        "to": Shown(INPUT, "Reference model: a checkpoint, or a state dict for a model of your own. Required."),
        "method": Shown(ACCURACY, "What is matched.", ("weights", "activations")),
        "restarts": Shown(ACCURACY, "Starts of the search."),
        "seed": Shown(ACCURACY, "Seed of the random starts."),
    },
    "ConnectOptions": {
        "curve": Shown(TRAINING, "Shape of the curve.", ("bezier", "polygon", "band")),
        "bends": Shown(TRAINING, "Trained points between the ends. Default: 1; 7 for a band."),
        "perturb": Shown(TRAINING, "Tensors that move. Default: all.", _PERTURB),
        "epochs": Shown(TRAINING, "Passes over the data. Default: 20."),
        "steps": Shown(TRAINING, "Optimizer steps, instead of --epochs."),
        "batch_size": Shown(TRAINING, "Samples per step. Default: 64."),
        "lr": Shown(TRAINING, "Learning rate of SGD."),
        "train_mode": Shown(TRAINING, "Train in evaluation mode: stored batch-norm statistics, no dropout."),
        "spring": Shown(TRAINING, "Stiffness of a band's springs."),
        "seed": Shown(TRAINING, "Seed of the training."),
        "store": Shown(RUNNING, "Folder that keeps the training; the same command resumes."),
    },
    "BasinOptions": {
        "measure": Shown(MEASURES, "Score that must hold: loss, or the name of a metric."),
        "drop": Shown(MEASURES, "Share of the score at the model that may be lost."),
        "level": Shown(MEASURES, "Score itself that must not be passed, instead of --drop."),
        "worse": Shown(
            MEASURES, "Which scores are worse. Default: higher for a loss, else lower.", ("higher", "lower")
        ),
        "directions": Shown(DIRECTIONS, "Number of random directions."),
        "limit": Shown(DIRECTIONS, "Largest radius to search, in units of the directions."),
        "steps": Shown(ACCURACY, "Steps of the scan from the model to the limit."),
        "tolerance": Shown(ACCURACY, "Width of the interval of a radius, as a fraction of it."),
        "confidence": Shown(ACCURACY, "Confidence of intervals over directions."),
    },
    "SpectrumOptions": {
        **_AT_POINT,
        "matrix": Shown(
            MEASURES, "Curvature matrix. Default: hessian.", ("hessian", "ggn", "fisher", "empirical-fisher")
        ),
        "k": Shown(MEASURES, "Eigenvalues at each end."),
        "layers": Shown(MEASURES, "Also compute trace and largest eigenvalue per tensor."),
        "probes": Shown(ACCURACY, "Random vectors for the density."),
        "steps": Shown(ACCURACY, "Lanczos steps per probe."),
        "trace_probes": Shown(ACCURACY, "Random vectors for trace and Frobenius norm."),
    },
    "SharpnessOptions": {
        **_AT_POINT,
        **_SHARP,
        "steps": Shown(ACCURACY, "Gradients per ascent of the worst cases."),
        "restarts": Shown(ACCURACY, "Starts of an ascent."),
        "directions": Shown(ACCURACY, "Random directions of random_directions and the noise."),
        "probes": Shown(ACCURACY, "Random vectors for the trace."),
    },
    "TopologyOptions": {
        "measure": Shown(MEASURES, "Measure: loss or the name of a metric."),
        "log": Shown(MEASURES, "Scale of heights. Default: log10 for a loss that is nowhere negative."),
        "threshold": Shown(ACCURACY, "Least depth of a basin, as a fraction of the range."),
        "confidence": Shown(ACCURACY, "Confidence of the error band."),
        "error": Shown(ACCURACY, "Half-width of the error band. Default: what the landscape says."),
    },
}  # fmt: skip


def shown(kind: Any, name: str) -> Shown | None:
    """The help of an option.

    Args:
        kind: The TypedDict that defines the option.
        name: The name of the option.

    Returns:
        The help, with the default. None for an option without a text here; its documentation is shown instead.
    """
    found = _OWN.get(kind.__name__, {}).get(name) or _SHARED.get(name)
    if found is None or "Default:" in found.text:
        return found
    default = options_of(kind)[name][1].default
    if isinstance(default, bool | None) or not isinstance(default, int | float | str):
        return found
    written = default if isinstance(default, str) else f"{default:g}".replace("e-0", "e-")
    return replace(found, text=f"{found.text} Default: {written}.")
