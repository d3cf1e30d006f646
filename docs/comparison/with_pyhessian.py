"""What PyHessian does with a small network: python docs/comparison/with_pyhessian.py."""

import pyhessian
import torch
from common import Loader, judged, left, network, quietly, raised, version

version("pyhessian")
data, loss = Loader(), torch.nn.CrossEntropyLoss()


def found(model):
    """The Hessian of a model."""
    return pyhessian.hessian(model, loss, dataloader=data, cuda=False)


torch.manual_seed(0)
largest = quietly(lambda: found(network()).eigenvalues(maxIter=500, tol=1e-6)[0][0])
judged(largest, network(), data)
left("an eigenvalue", model := network(), lambda: found(model).eigenvalues())
print(f"the trace is a list of samples, from which an error can be had: {isinstance(found(network()).trace(), list)}")
raised("density", lambda: found(network()).density(iter=10))
