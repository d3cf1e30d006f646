"""What loss-landscape-3d does with a small network: python docs/comparison/with_loss_landscape_3d.py."""

import math

import numpy as np
import torch
from common import LOSS, Loader, counted, left, network, version
from loss_landscape_3d import directions
from loss_landscape_3d.calculator import LossLandscapeCalculator

version("loss-landscape-3d")
data, axis = Loader(), np.linspace(-1, 1, 5)


def plane(model, loss=LOSS):
    """A plane of 5 x 5 points."""
    pair = directions.generate_random_directions(model)
    centre = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return LossLandscapeCalculator(model, data, loss).calculate(axis, axis, *pair, centre)


counted("a plane of 5 x 5 points", lambda: plane(network()))
left("a plane", model := network(), lambda: plane(model))

model = network().eval()
first, again = (plane(model) for _ in range(2))
print(f"two calls in a row give the same values: {np.array_equal(first, again, equal_nan=True)}")

model = network().eval()
drawn, _ = directions.generate_random_directions(model)
print(f"a random direction moves running variances: {drawn['layers.1.running_var'].abs().sum() > 0}")
calls = iter(range(1000))


def broken(outputs, targets):
    """The loss, and NaN at the first point."""
    return LOSS(outputs, targets) * (math.nan if next(calls) == 0 else 1.0)


model = torch.nn.Linear(6, 3)  # without batch normalisation, whose variances become negative
print(f"NaN at one point of 25: {int(np.isnan(plane(model, broken)).sum())} in the result")

model = network().eval()
calculator = LossLandscapeCalculator(model, data, LOSS)
centre = {name: tensor.clone() for name, tensor in model.state_dict().items()}
pair = [
    {name: t for name, t in d.items() if "running" not in name} for d in directions.generate_random_directions(model)
]
counted("suggest_coordinate_bounds", lambda: calculator.suggest_coordinate_bounds(*pair, centre))
