"""How it runs: where and by which plan, what is kept, how data are read, and who takes part."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import torch

from fastscape.engine import Plan
from fastscape.results import Option, among
from fastscape.weights import KEEPS, Keep

__all__ = ["DeviceOptions", "EvaluationOptions", "KeptOptions", "MachineOptions", "RunOptions"]

GROUP = "How it runs"


class DeviceOptions(TypedDict, total=False):
    """Where it computes."""

    device: Annotated[
        torch.device | str | None,
        Option(
            None,
            'Where to compute, for example "cpu" or "cuda". Default: where the model\'s parameters are.',
            GROUP,
            command=str,
        ),
    ]


class MachineOptions(DeviceOptions, total=False):
    """What is a matter of the machine at hand."""

    progress: Annotated[
        bool | Literal["live"] | Callable[[Any], Any],
        Option(
            True,
            "Whether to show a progress bar when standard error is a terminal. In `surface` with a tolerance also "
            '"live", which shows the surface after every round, in a notebook as a contour map, in a terminal as a '
            "map of coloured letters; or a function that gets a landscape after every round, in the first process of "
            "several. Default True.",
            GROUP,
        ),
    ]


class KeptOptions(TypedDict, total=False):
    """Where what a lent model is put back from is meanwhile."""

    keep: Annotated[
        Keep,
        Option(
            "device",
            "Where the copy is that a lent model is put back from: "
            + among(KEEPS)
            + ". On a disk it is a memory-mapped safetensors file in the folder for temporary files, or in the folder "
            "whose `pathlib.Path` this is, which goes with the run, and with the process. The file that you loaded "
            'your model from is never touched. Default "device": beside the model.',
            GROUP,
            beside="lend",
        ),
    ]


class EvaluationOptions(KeptOptions, total=False):
    """How points are evaluated and kept, whatever directions they lie along."""

    plan: Annotated[
        Plan | Literal["auto"],
        Option(
            "auto",
            "How the points are evaluated, a `fastscape.Plan`; for a command the file that `Plan.save` wrote. Default "
            '"auto": the fastest is looked for on the first grid points, which count; the report has it, and what was '
            "measured.",
            GROUP,
            Path,
        ),
    ]
    lend: Annotated[
        bool,
        Option(
            False,
            "Whether points are evaluated in your own model in the place of a copy: weights are written into it "
            "and put back bit for bit, also after an exception or Ctrl-C. For models of which no copy can be made or "
            "used: TorchScript, DataParallel, weights behind weak references or registries, and weights that torch "
            "shares out among processes (FSDP2, tensor parallel). Points are evaluated one by one; nothing else may "
            "use the model meanwhile. With `low_memory` no other weights are in memory: those of a point are made in "
            "your model, tensor by tensor. Default False.",
            GROUP,
        ),
    ]
    store: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            "A folder that finished points are written to as they come, in blocks. zarr and xarray read it. The "
            "same call goes on where a run was ended by whatever means; another model, other data, settings or "
            "values of two points are refused, but not another device. Ctrl-C and SIGTERM then finish the block "
            "first. Needs zarr: `pip install 'torch-fastscape[store]'`. Default: none.",
            GROUP,
            Path,
            sentences=3,
        ),
    ]
    stream_samples: Annotated[
        int | None,
        Option(
            None,
            "How many samples are in memory at once. The data, of any size, are then read once in such parts, each "
            "of which is evaluated at every point before the next one is read; three of them are in memory at most. A "
            'store is written to after each part. In the report "centre" and "reach" are of the first part, by which '
            'the range of an "auto" axis is chosen. Default: all samples.',
            GROUP,
            formerly="stream",
        ),
    ]
    distributed: Annotated[
        bool,
        Option(
            True,
            "Whether the processes that torchrun has started, or those of an initialised process group, share the "
            "grid: all of them must make the call then, and all get the landscape. Those that hold parts of one model "
            "evaluate the same points together, and need the same data. Write False where one of them calls alone. "
            "Default True.",
            GROUP,
        ),
    ]
    timeout: Annotated[
        float,
        Option(
            300.0,
            "Seconds after which a process that shares the grid is given up, if it has not come to the call or shows "
            "no sign of life. One at work does, however long a block takes. After a minute, or half the time, a "
            "warning names it. With a store what was computed stays, and the same call goes on. Default 300.",
            GROUP,
            float,
        ),
    ]


class RunOptions(MachineOptions, EvaluationOptions, total=False):
    """How it runs."""

    low_memory: Annotated[
        bool,
        Option(
            False,
            "Recompute random directions wherever they are read instead of storing them. Only the model's weights and "
            "one chunk of grid points stay in memory then. The values agree to rounding. Cheap on a GPU; on a CPU a "
            "pass over a direction costs some 2 ns a weight with a C compiler, and 20 without. With `lend` not even a "
            "chunk is in memory. Default False.",
            GROUP,
            bool,
            beside="lend",
            recorded="low_memory",
        ),
    ]
