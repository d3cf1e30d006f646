"""What Landscaper does with a small network: python docs/comparison/with_landscaper.py."""

import math

import numpy as np
import torch
from common import LOSS, Loader, counted, judged, left, network, quietly, version
from landscaper import LossLandscape
from landscaper.compute import compute_loss_landscape
from landscaper.hessian import PyHessian
from landscaper.utils import generate_random_orthogonal_directions

version("landscaper")
data = Loader()
calls = iter(range(1_000_000))


def loss(model, loader):
    """The mean loss over the batches."""
    return float(np.mean([LOSS(model(inputs), targets).item() for inputs, targets in loader]))


def grid(model, scalar=loss, dim=2):
    """A grid of 5 points an axis."""
    directions = generate_random_orthogonal_directions(model, dim)
    return quietly(
        lambda: compute_loss_landscape(model, data, directions, scalar, steps=5, distance=0.1, dim=dim, device="cpu")
    )


counted("a plane of 5 x 5 points", lambda: grid(network()))
left("a plane", model := network(), lambda: grid(model))
model = network().eval()
left("a plane of a model in evaluation mode", model, lambda: grid(model))
print(f"a grid along three directions has the shape {grid(model, dim=3)[0].shape}")

first, again = (grid(model)[0] for _ in range(2))
print(f"two calls in a row give the same values: {(first == again).all()}")

torch.manual_seed(0)
one, other = (torch.cat([tensor.flatten() for tensor in d]) for d in generate_random_orthogonal_directions(model, 2))
cosine = torch.nn.functional.cosine_similarity(one, other, dim=0).item()
print(f"the cosine of two 'orthogonal' directions is {cosine:.2f}")


def broken(model, loader):
    """The loss, and NaN at one point, inf at another."""
    return {3: math.nan, 4: math.inf}.get(next(calls), loss(model, loader))


values = grid(model, broken)[0]
print(f"NaN and inf at two points of 25: {int((~np.isfinite(values)).sum())} in the result")


def flat(model, loader):
    """The same everywhere."""
    return 1.0


print(f"the same loss at all points: {len(np.unique(grid(model, flat)[0]))} different values of 25 in the result")

found = PyHessian(network().eval(), torch.nn.CrossEntropyLoss(), data, "cpu")
largest = quietly(lambda: found.eigenvalues(maxIter=500, tol=1e-6)[0][0])
judged(largest, network(), data)

axis = np.linspace(-1, 1, 9)
wells = (axis[:, None] ** 2 - 0.5) ** 2 + axis**2 + 0.1 * axis[:, None]
persistence = quietly(lambda: LossLandscape(wells, [axis, axis]).get_persistence())
print(f"persistence of a landscape of two wells: {len(persistence) > 0}")
