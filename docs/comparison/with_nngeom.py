"""What nngeom does with a small network: python docs/comparison/with_nngeom.py."""

import math

import numpy as np
import torch
from common import LOSS, Loader, counted, judged, left, network, version
from nngeom.curvature import hutchinson_trace, power_iteration
from nngeom.lossland import find_low_loss_path, linear_interpolation, loss_barrier_matrix, plane_slice_2d, sharpness
from nngeom.models import Model
from nngeom.probes import filter_normalize, random_direction

version("nngeom")
data = Loader()
batch = data.inputs, data.targets


def wrapped(network, loss=LOSS):
    """The model as nngeom takes it, with a loss of the module and a batch."""
    return Model(network, loss_fn=lambda module, batch: loss(module(batch[0]), batch[1]))


counted("a plane of 5 x 5 points", lambda: plane_slice_2d(wrapped(network()), batch, steps=5))
left("a plane", model := network(), lambda: plane_slice_2d(wrapped(model), batch, steps=5))

model = network().eval()
left("a plane of a model in evaluation mode", model, lambda: plane_slice_2d(wrapped(model), batch, steps=5))
first, again = (plane_slice_2d(wrapped(model), batch, steps=5, seed=1).losses for _ in range(2))
print(f"two calls with the same seed give the same values: {(first == again).all()}")

direction = filter_normalize(random_direction(wrapped(model), seed=0), wrapped(model))
weight = model.layers[0].weight.detach()
drawn = torch.from_numpy(direction[: weight.numel()]).view_as(weight)
whole = math.isclose(drawn.norm(), weight.norm(), rel_tol=1e-5)
rows = bool(torch.isclose(drawn.norm(dim=1).float(), weight.norm(dim=1), rtol=1e-3).all())
print(f"'filter' norm: every tensor has the norm of the model's: {whole}; every filter has: {rows}")

calls = iter(range(1000))


def broken(outputs, targets):
    """The loss, and NaN at the first point."""
    return LOSS(outputs, targets) * (math.nan if next(calls) == 0 else 1.0)


values = plane_slice_2d(wrapped(model, broken), batch, steps=5).losses
print(f"NaN at one point of 25: {int(np.isnan(values).sum())} in the result")

ends = [wrapped(network(seed).eval()) for seed in (0, 1)]
print(f"a line between two models has a barrier: {linear_interpolation(*ends, batch).barrier_height() >= 0}")
print(f"the matrix of barriers has the shape {loss_barrier_matrix(ends, batch)['matrix'].shape}")
print(f"a curve between them: {sorted(find_low_loss_path(*ends, batch, iters=2, seed=0))}")
print(f"sharpness: {sorted(sharpness(ends[0], batch, seed=0))}")

largest = power_iteration(wrapped(model), batch, k=1, iters=500, seed=0).eigenvalues[0]
judged(largest, model, data)
print(f"a trace is one number, without an error: {isinstance(hutchinson_trace(wrapped(model), batch, seed=0), float)}")
