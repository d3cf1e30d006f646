"""What fastscape does with the same network: python docs/comparison/with_fastscape.py."""

import math

import numpy as np
import torch
from common import LOSS, Loader, counted, judged, left, network, version

import fastscape

version("torch-fastscape")
data = Loader()
axes = {"x": (-1, 1, 5), "y": (-1, 1, 5), "progress": False}


def plane(model, loss=LOSS, **options):
    """A plane of 5 x 5 points."""
    return fastscape.surface(model, data, loss=loss, **axes, **options)


together = fastscape.Plan(batching="vmap", chunk=25)
counted("a plane of 5 x 5 points, evaluated together", lambda: plane(network(), plan=together))
left("a plane", model := network(), lambda: plane(model))
first, again, other = (plane(model, seed=seed).loss for seed in (1, 1, 2))
print(f"two calls with the same seed give the same values: {(first == again).all()}")
print(f"two calls with different seeds do: {(first == other).all()}")


def broken(outputs, targets):
    """The loss, and NaN where an output is large."""
    return torch.where(outputs.amax(1) > 1.3, math.nan, LOSS(outputs, targets, reduction="none"))


landscape = plane(model, broken)
missing, reported = int(np.isnan(landscape.loss).sum()), landscape.report["not_finite"]["loss"]["nan"]
print(f"NaN at some points of 25: {0 < missing < 25} in the result, and counted in the report: {missing == reported}")
landscape = fastscape.volume(model, data, axes=[(-1, 1, 3)] * 3, progress=False)
print(f"a grid along three directions has the shape {landscape.loss.shape}")
directions = fastscape.random_directions(model, seed=0)
shape = model.layers[0].weight.shape
norms = [direction["layers.0.weight"].view(shape).norm(dim=1) for direction in directions]
same = torch.allclose(norms[0], norms[1])
print(f"filter norm: filters of two directions have the same norms: {same}")

source = fastscape.hessian(model, data, k=1, progress=False)
judged(source.eigenvalues[0], model, data)
print(f"with a residual: {len(source.residuals) == 1}")
barrier = fastscape.barrier(network(0).eval(), network(1).eval(), data, progress=False)
print(f"a barrier comes with its error: {'±' in str(barrier)}")
