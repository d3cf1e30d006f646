"""The options of a run: device and plan, store, reading of data, and processes."""

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
    """The device."""

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
    """The options that depend on the machine."""

    progress: Annotated[
        bool | Literal["live"] | Callable[[Any], Any],
        Option(
            True,
            "Whether to show a progress bar when standard error is a terminal. In `surface` with a tolerance also "
            '"live", which shows the surface after every round, in a notebook as a contour map, in a terminal as a '
            "map of coloured letters; or a function that gets a landscape after every round. With several processes, "
            "the first process shows it. Default True.",
            GROUP,
        ),
    ]


class KeptOptions(TypedDict, total=False):
    """Where the copy of a lent model's weights is kept."""

    keep: Annotated[
        Keep,
        Option(
            "device",
            "Where to keep the copy from which a lent model is put back: "
            + among(KEEPS)
            + ". On a disk it is a memory-mapped safetensors file in the folder for temporary files, or in the folder "
            "given as a `pathlib.Path`. The file is deleted when the run or the process ends. The file from which you "
            'loaded your model is never touched. Default "device": on the device of the model.',
            GROUP,
            beside="lend",
        ),
    ]


class EvaluationOptions(KeptOptions, total=False):
    """How points are evaluated and stored, for any directions."""

    plan: Annotated[
        Plan | Literal["auto"],
        Option(
            "auto",
            "How the points are evaluated, a `fastscape.Plan`; for a command the file that `Plan.save` wrote. Default "
            '"auto": fastscape searches for the fastest plan on the first grid points, whose values are used; the '
            "report has the plan and the measured times.",
            GROUP,
            Path,
        ),
    ]
    lend: Annotated[
        bool,
        Option(
            False,
            "Whether to evaluate points in your own model instead of a copy: weights are written into it and put back "
            "bit for bit, also after an exception or Ctrl-C. For models that cannot be copied, or whose copy cannot "
            "be used: TorchScript, DataParallel, weights behind weak references or registries, and weights that torch "
            "shards over processes (FSDP2, tensor parallel). Points are evaluated one by one; nothing else may use "
            "the model meanwhile. With `low_memory` memory holds no other weights: the weights of each point are "
            "computed in your model, tensor by tensor. Default False.",
            GROUP,
        ),
    ]
    store: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            "A folder to which finished points are written in blocks during the run. zarr and xarray read it. After "
            "any interruption the same call resumes; a different model, data, settings or values at two points are "
            "refused, a different device is not. With a store, Ctrl-C and SIGTERM finish the block first. Needs zarr: "
            "`pip install 'torch-fastscape[store]'`. Default: none.",
            GROUP,
            Path,
            sentences=3,
        ),
    ]
    stream_samples: Annotated[
        int | None,
        Option(
            None,
            "Number of samples per part of the data. Data of any size are read once, part by part; each part is "
            "evaluated at every point before the next part is read, and at most three parts are in memory. A store is "
            'written to after each part. In the report "centre" and "reach" belong to the first part, which also sets '
            'the range of an "auto" axis. Default: all samples.',
            GROUP,
            formerly="stream",
        ),
    ]
    distributed: Annotated[
        bool,
        Option(
            True,
            "Whether the processes that torchrun started, or the processes of an initialised process group, share the "
            "grid: all of them must make the call, and all get the landscape. Processes that hold parts of one model "
            "evaluate the same points together, and need the same data. Write False if one process calls alone. "
            "Default True.",
            GROUP,
        ),
    ]
    timeout: Annotated[
        float,
        Option(
            300.0,
            "Seconds after which fastscape gives up on a process that shares the grid, if it has not reached the call "
            "or shows no sign of life. A process at work shows signs of life, however long a block takes. After a "
            "minute, or half the time, a warning names the process. With a store, finished points are kept, and the "
            "same call resumes. Default 300.",
            GROUP,
            float,
        ),
    ]


class RunOptions(MachineOptions, EvaluationOptions, total=False):
    """The options of a run."""

    low_memory: Annotated[
        bool,
        Option(
            False,
            "Recompute random directions wherever they are read instead of storing them. Only the model's weights and "
            "one chunk of grid points stay in memory. The values agree to rounding. The cost is small on a GPU; on a "
            "CPU a pass over a direction takes about 2 ns per weight with a C compiler, and 20 ns without. With "
            "`lend` not even a chunk is in memory. Default False.",
            GROUP,
            bool,
            beside="lend",
            recorded="low_memory",
        ),
    ]
