"""What of a model, of the global state and of the process must be bit for bit as before."""

import os
import random
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn


def snapshot(model: nn.Module) -> dict[str, object]:
    return {
        **{f"parameter {name}": (p.data_ptr(), p.detach().clone()) for name, p in model.named_parameters()},
        **{f"buffer {name}": (b.data_ptr(), b.clone()) for name, b in model.named_buffers()},
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "versions": [t._version for t in (*model.parameters(), *model.buffers())],
        "flags": [module.training for module in model.modules()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "hooks": [list(module._forward_hooks) for module in model.modules()],
        **global_state(),
    }


def global_state() -> dict[str, object]:
    """Of the process, and of the thread that asks."""
    backends = torch.backends
    operations = [backends.cuda.matmul]
    operations += [getattr(backend, name) for backend in (backends.cudnn, backends.mkldnn) for name in ("conv", "rnn")]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "matmul": torch.get_float32_matmul_precision(),
        "cudnn": [backends.cudnn.allow_tf32, backends.cudnn.benchmark, backends.cudnn.deterministic],
        "precisions": [operation.fp32_precision for operation in (*operations, backends.mkldnn.matmul, backends)],
        "autocast": [(torch.is_autocast_enabled(k), str(torch.get_autocast_dtype(k))) for k in ("cpu", "cuda")],
        "autocast's memory": torch.is_autocast_cache_enabled(),
        "modes of dispatch": torch.utils._python_dispatch._get_current_dispatch_mode_stack(),
        "transforms": len(torch._C._functorch.get_interpreter_stack() or []),
        "dtype": str(torch.get_default_dtype()),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": (id(warnings.filters), list(map(str, warnings.filters)), str(warnings.showwarning)),
        "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
    }


def resources() -> dict[str, object]:
    """What a process has of the system, where it says so: open files, shared memory, children and threads."""
    own = Path("/proc/self")
    if not own.exists():
        return {"threads": threading.active_count()}
    files = sorted(str(name.readlink()) for name in own.joinpath("fd").iterdir() if name.exists())
    children = [path.read_text() for path in own.joinpath("task").glob("*/children")]
    return {
        "files": [name for name in files if not name.startswith("/proc/")],
        "children": sorted(" ".join(children).split()),
        # Other processes have theirs beside it: torch writes the number of the process into the names.
        "shared memory": sorted(path.name for path in Path("/dev/shm").glob(f"*_{os.getpid()}_*")),
        # Those in which zarr reads and writes are begun when they are needed.
        "threads": sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")),
    }


def assert_same(before: object, after: object) -> None:
    if isinstance(before, torch.Tensor):
        assert torch.equal(before, after)
    elif isinstance(before, dict):
        assert before.keys() == after.keys()
        for key in before:
            assert_same(before[key], after[key])
    elif isinstance(before, tuple | list):
        assert len(before) == len(after)
        for a, b in zip(before, after, strict=True):
            assert_same(a, b)
    else:
        assert np.array_equal(before, after)
