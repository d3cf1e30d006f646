"""The options of `align`."""

from pathlib import Path
from typing import Annotated, Literal

from fastscape.model import Custom
from fastscape.results import Option
from fastscape.runs.options.running import DeviceOptions
from fastscape.weights import Other

__all__ = ["AlignOptions"]

GROUP = "How it is aligned"


class AlignOptions(DeviceOptions, total=False):
    """Of `align`."""

    to: Annotated[
        "Other | None",
        Option(
            None,
            "The model to come near to: a module of the same architecture, also wrapped (`DataParallel`, "
            "`AveragedModel`, `torch.compile`), or its state dict. It must be given. Default: none.",
            GROUP,
            Path,
        ),
    ]
    method: Annotated[
        Literal["weights", "activations"],
        Option(
            "weights",
            'By what units are matched: "weights", so that the distance of the parameters is smallest, or '
            '"activations", so that what units answer to the samples correlates most. Default "weights".',
            GROUP,
            str,
        ),
    ]
    restarts: Annotated[
        int,
        Option(
            3,
            "Starts of the search: the model as it is, and random orders of its units; at least 1. Default 3.",
            GROUP,
            int,
        ),
    ]
    samples: Annotated[
        int,
        Option(
            512,
            "On how many samples it is proved that the model computes the same, from the first, in whole batches; and "
            "activations are compared. Default 512.",
            GROUP,
        ),
    ]
    seed: Annotated[
        int, Option(0, "Seed of the random orders, and of the order of the search. Default 0.", GROUP, int)
    ]
    objective: Annotated[
        "Custom | None",
        Option(
            None,
            "For batches that are no `(inputs, targets)`: `f(call, batch)` as for `surface`. What it returns must "
            "stay as it is, and so must what the model itself returns in it. Default: none.",
            GROUP,
        ),
    ]
    progress: Annotated[
        bool, Option(True, "Whether to count starts when standard error is a terminal. Default True.", GROUP)
    ]
