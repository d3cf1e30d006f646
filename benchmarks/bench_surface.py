"""A whole surface, and the naive loop that it replaces, on one problem in one run.

pytest benchmarks/bench_surface.py --benchmark-enable
"""

from __future__ import annotations

import pytest
import torch

import fastscape
from fastscape import reference
from fastscape.directions import direction_random
from fastscape.weights import layout_of
from fastscape.zoo import models

AXIS = (-1.0, 1.0, 5)
PROBLEMS = {"mlp": 64, "mnist-cnn": 1000, "resnet20": 128, "vgg13": 64}


def problem(name: str) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    samples = PROBLEMS[name]
    inputs = torch.rand(samples, 1, 28, 28, generator=generator)
    return models.build(name, seed=0).eval(), inputs, torch.randint(10, (samples,), generator=generator)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.benchmark(min_rounds=3, warmup=True, warmup_iterations=1)
def test_fastscape(benchmark, name):
    model, inputs, targets = problem(name)
    benchmark.group = f"{name}, {AXIS[2]} x {AXIS[2]} points, {len(inputs)} samples"
    landscape = benchmark(fastscape.surface, model, (inputs, targets), x=AXIS, y=AXIS, progress=False)
    assert landscape.shape == (AXIS[2], AXIS[2])


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.benchmark(min_rounds=3, warmup=True, warmup_iterations=1)
def test_naive_loop(benchmark, name):
    model, inputs, targets = problem(name)
    benchmark.group = f"{name}, {AXIS[2]} x {AXIS[2]} points, {len(inputs)} samples"
    layout = layout_of(model)

    def run():
        d1, d2 = (
            reference.filter_normalised(layout.unflatten(direction_random(layout, 0, k).float()), model)
            for k in (0, 1)
        )
        x = torch.linspace(*AXIS)
        return reference.surface_naive(model, inputs, targets, (d1, d2), x.tolist(), x.tolist())

    assert benchmark(run).shape == (AXIS[2], AXIS[2])
