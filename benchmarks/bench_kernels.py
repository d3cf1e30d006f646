"""Micro-benchmarks of the operations and of one engine step.

pytest benchmarks/bench_kernels.py --benchmark-enable
"""

from __future__ import annotations

import pytest
import torch

from benchmarks.problems import PROBLEMS
from fastscape.engine import Engine, plan_begun
from fastscape.kernels import Seeded, Segments, draw, gram, gram_cost, interpolate, interpolate_cost, philox_compiled
from fastscape.model import Objective, fixed_samples, observed, problem_of
from fastscape.weights import PRECISIONS, SURFACES, Place, Random, SpaceAsked, space_of

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ENTRIES = {"small": 1 << 16, "large": 1 << 23}
POINTS = 16


def bases(size: str) -> dict[str, torch.Tensor | Seeded]:
    stored = torch.randn(3, ENTRIES[size], device=DEVICE)
    return {"stored": stored, "seeded": Seeded(stored[0].clone(), 0, 2)}


def said(benchmark, cost) -> None:
    """Bytes and flops of a launch go into the results, so that GB/s can be read off."""
    benchmark.extra_info.update(cost._asdict())


@pytest.mark.parametrize("kind", ["stored", "seeded"])
@pytest.mark.parametrize("size", ENTRIES)
def test_gram(benchmark, size, kind):
    basis, segments = bases(size)[kind], Segments(torch.arange(0, ENTRIES[size] + 1, 512)).to(DEVICE)
    said(benchmark, gram_cost(basis, segments))
    assert benchmark(gram, basis, segments).shape == (segments.count, 3, 3)


@pytest.mark.parametrize("uniform", [True, False], ids=["uniform", "per filter"])
@pytest.mark.parametrize("kind", ["stored", "seeded"])
@pytest.mark.parametrize("size", ENTRIES)
def test_interpolate(benchmark, size, kind, uniform):
    basis, segments = bases(size)[kind], Segments(torch.arange(0, ENTRIES[size] + 1, 512)).to(DEVICE)
    coefficients = torch.randn(POINTS, 1 if uniform else segments.count, 3, device=DEVICE)
    out = torch.empty(POINTS, ENTRIES[size], device=DEVICE)
    said(benchmark, interpolate_cost(basis, coefficients, segments))
    assert benchmark(interpolate, basis, coefficients, segments, out=out) is out


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "by torch"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
@pytest.mark.parametrize("size", ENTRIES)
def test_draw(benchmark, monkeypatch, size, distribution, dtype, compiled):
    if DEVICE.type == "cuda" and not compiled:
        pytest.skip("a GPU draws by its kernel")
    monkeypatch.setenv("FASTSCAPE_COMPILE", str(int(compiled)))
    monkeypatch.setattr(philox_compiled, "_ENOUGH", 0)
    out = torch.empty(ENTRIES[size], dtype=dtype, device=DEVICE)
    assert benchmark(draw, out, 0, distribution=distribution) is out


@pytest.mark.parametrize("name", ["mlp", "cnn", "encoder"])
def test_engine_step(benchmark, name):
    """One chunk of points by the plan of fixed rules."""
    model, inputs, targets, loss = PROBLEMS[name](False)[1:]
    place = Place(torch.device(DEVICE), PRECISIONS["float32"])
    space = space_of(model, SpaceAsked(2, Random(0), SURFACES["plane"], "plane", "weights", "filter"), place)
    samples = fixed_samples((inputs, targets), device=place.device, dtype=torch.float32)
    problem = problem_of(model, space.moving, Objective(loss), samples, place)
    plan = plan_begun("auto", problem, space)
    problem = observed(problem, space.theta(problem.dtype), plan.microbatch).problem
    engine = Engine(problem, space.relaid(channels_last=plan.channels_last), plan)
    points = torch.rand(plan.chunk, 2, dtype=torch.float64)
    benchmark.extra_info["points"] = plan.chunk
    assert len(benchmark(engine.sums, points)) == plan.chunk
