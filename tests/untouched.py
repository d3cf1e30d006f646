"""What of a model and of the global state must be bit for bit as before."""

import random

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
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "cudnn": torch.backends.cudnn.allow_tf32,
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
