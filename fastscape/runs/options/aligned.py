"""The options of `align`."""

from pathlib import Path
from typing import Annotated, Literal

from fastscape.model import Custom
from fastscape.results import Option
from fastscape.runs.options.running import DeviceOptions
from fastscape.weights import OtherGiven

__all__ = ["AlignOptions"]

GROUP = "How it is aligned"


class AlignOptions(DeviceOptions, total=False):
    """The options of `align`."""

    to: Annotated[
        "OtherGiven | None",
        Option(
            None,
            "The reference model: a module of the same architecture, also wrapped (`DataParallel`, `AveragedModel`, "
            "`torch.compile`), its state dict, or the path of a file with one. Required. Default: none.",
            GROUP,
            Path,
        ),
    ]
    method: Annotated[
        Literal["weights", "activations"],
        Option(
            "weights",
            'How units are matched: "weights" minimises the distance between the parameters, "activations" maximises '
            'the correlation between the activations of the units on the samples. Default "weights".',
            GROUP,
            str,
        ),
    ]
    restarts: Annotated[
        int,
        Option(
            3,
            "Number of starts of the search, at least 1: the model itself, and random orders of its units. Default 3.",
            GROUP,
            int,
        ),
    ]
    samples: Annotated[
        int,
        Option(
            512,
            "Number of samples on which activations are compared, and on which the permuted model is proved to "
            "compute the same. They are the first samples, in whole batches. Default 512.",
            GROUP,
        ),
    ]
    seed: Annotated[int, Option(0, "Seed of the random orders and of the order of the search. Default 0.", GROUP, int)]
    objective: Annotated[
        "Custom | None",
        Option(
            None,
            "For batches that are not `(inputs, targets)`: `f(call, batch)` as for `surface`. The permutation must "
            "leave its values unchanged, and also the outputs of the model that it calls. Default: none.",
            GROUP,
        ),
    ]
    progress: Annotated[
        bool,
        Option(True, "Whether to show a count of the starts when standard error is a terminal. Default True.", GROUP),
    ]
