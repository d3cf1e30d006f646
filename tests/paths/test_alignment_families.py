"""What is found to be permutable in every family of networks, and that it is."""

import copy

import numpy as np
import pytest
import torch
from paths.alignment_models import FAMILIES, built
from torch import nn

import fastscape


def redrawn(model, seed=1):
    """A network of the same architecture with other weights and statistics."""
    generator = torch.Generator().manual_seed(seed)
    made = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn if tensor.dim() > 1 else drawn.abs() + 0.1)
    return made


def outputs(model, x):
    """By plain code."""
    model = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        return model(x.double() if x.is_floating_point() else x)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name):
    family = FAMILIES[name]
    model, x = built(family.build, family.inputs)
    b, a = redrawn(model), redrawn(model, 2)
    kept = copy.deepcopy(b.state_dict())
    found = fastscape.align(b, (x, x), to=a, restarts=2, progress=False)
    assert set(found.not_understood) == set(family.odd)
    assert len(found.permutations) == family.free, found.permutations.keys()
    assert found.distance_after < found.distance_before
    assert found.error <= 1e-9
    before, after = outputs(b, x), outputs(found.model, x)
    assert torch.allclose(before, after, rtol=0, atol=1e-9 * before.abs().max())
    for tensor, moved in zip(b.state_dict().values(), found.model.state_dict().values(), strict=True):
        assert torch.equal(tensor.flatten().sort()[0], moved.flatten().sort()[0])
    assert all(torch.equal(kept[n], tensor) for n, tensor in b.state_dict().items())
    if family.exact:
        back = fastscape.align(found.model, (x, x), to=b, progress=False)
        assert back.distance_after == 0
        assert all(torch.equal(kept[n], tensor) for n, tensor in back.state_dict.items())


def test_every_order_of_every_cell_computes_the_same():
    """With random permutations, and none that would be good for anything."""
    from fastscape.model import Objective, ReadingAsked, problem_of, reading_of
    from fastscape.paths import difference, outputs_of, permuted, traced
    from fastscape.weights import PRECISIONS, Place

    place = Place(torch.device("cpu"), PRECISIONS["float64"], "auto")
    for name, family in FAMILIES.items():
        model, x = built(family.build, family.inputs)
        samples = next(reading_of((x, x), ReadingAsked(True, False), place).parts)
        problem = problem_of(redrawn(model), set(), Objective(nn.functional.mse_loss), samples, place)
        weights = dict(problem.still)
        names = [n for n, tensor in weights.items() if tensor.is_floating_point()]
        batch = problem.batches(64)[0]
        found = traced(problem, weights, problem.batches(2)[0], names)
        before = outputs_of(problem, weights, [batch])
        count = 0
        for seed in range(3):
            images = found.symmetry.random(np.random.default_rng(seed))
            moved = {n: permuted(weights[n], index) for n, index in found.symmetry.indices(images).items()}
            count += any(not torch.equal(moved[n], weights[n]) for n in moved)
            assert difference(before, outputs_of(problem, {**weights, **moved}, [batch])) <= 1e-9, name
        assert count, name
