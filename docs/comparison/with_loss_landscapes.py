"""What loss-landscapes does with a small network: python docs/comparison/with_loss_landscapes.py."""

import math

import common
import loss_landscapes
import torch
from common import LOSS, Loader, counted, left, raised, version
from loss_landscapes.metrics import Loss
from loss_landscapes.model_interface.model_parameters import rand_u_like
from loss_landscapes.model_interface.model_wrapper import wrap_model

version("loss-landscapes")
data = Loader()
metric = Loss(LOSS, data.inputs, data.targets)


def network():
    """A network whose biases are not 0."""
    model = common.network()
    torch.nn.init.constant_(model.layers[1].bias, 0.1)
    return model


def plane(model, metric=metric, *, copied=False):
    """A plane of 5 x 5 points."""
    return loss_landscapes.random_plane(model, metric, 1, 5, normalization="filter", deepcopy_model=copied)


raised("a plane of a network with biases of 0", lambda: plane(common.network(), copied=True))
counted("a plane of 5 x 5 points", lambda: plane(network(), copied=True))
left("a plane", model := network(), lambda: plane(model))
left("a plane with deepcopy_model=True", model, lambda: plane(model, copied=True))

model = network().eval()
first, again = (plane(model, copied=True) for _ in range(2))
print(f"two calls in a row give the same values: {(first == again).all()}")

wrapped = wrap_model(network())
direction = torch.cat([tensor.flatten() for tensor in rand_u_like(wrapped.get_module_parameters())])
print(f"entries of a random direction: between 0 and 1: {bool(((direction >= 0) & (direction <= 1)).all())}")


class Broken(Loss):
    """NaN at the first point."""

    calls = 0

    def __call__(self, model_wrapper):
        """The loss, or NaN."""
        self.calls += 1
        return math.nan if self.calls == 1 else super().__call__(model_wrapper)


values = plane(network(), Broken(LOSS, data.inputs, data.targets), copied=True)
print(f"NaN at one point of 25: {int((values != values).sum())} in the result")
