"""What PyLandscape does with a small network: python docs/comparison/with_pylandscape.py."""

import numpy as np
import torch
from common import LOSS, Loader, left, network, raised, version
from pylandscape import Surface

version("pylandscape")
data, device = Loader(), torch.device("cpu")


def surface(model):
    """The model with the first batch of the data."""
    return Surface(model, LOSS, data, device=device)


torch.manual_seed(0)
raised("random_line", lambda: surface(network().eval()).random_line((-1, 1), 5))
raised("hessian_line", lambda: surface(network().eval()).hessian_line((-1, 1), 5))
model = network().eval()
raised("random_surface", lambda: surface(model).random_surface((-1, 1), 5))
raised("hessian_surface", lambda: surface(network().eval()).hessian_surface((-1, 1), 5))

linear = torch.nn.Linear(6, 3)
for call in ("random_surface", "hessian_surface"):
    found = Surface(linear, LOSS, data, device=device)
    try:
        values = getattr(found, call)((-1, 1), 5)[-1]
    except Exception as error:
        print(f"{call} of a linear model: {type(error).__name__}")
    else:
        print(f"{call} of a linear model: {len(np.unique(values))} different values at 25 points")
left("a surface", linear, lambda: Surface(linear, LOSS, data, device=device).hessian_surface((-1, 1), 5))
