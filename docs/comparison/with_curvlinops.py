"""What curvlinops does with a small network: python docs/comparison/with_curvlinops.py."""

import curvlinops
import torch
from common import Loader, judged, left, network, version
from scipy.sparse.linalg import eigsh

version("curvlinops-for-pytorch")
data, model = Loader(), network().eval()
batches, loss = list(data), torch.nn.CrossEntropyLoss()
parameters = list(model.parameters())
linear = [*model.layers[0].parameters(), *model.layers[3].parameters()]  # the layers that KFAC knows


def operator(kind=curvlinops.HessianLinearOperator, chosen=parameters):
    """The Hessian, or another matrix, of all parameters or of some."""
    return kind(model, loss, chosen, batches)


found = eigsh(operator().to_scipy(), k=1, which="LM", return_eigenvectors=False)[0]
judged(found, model, data)
left("a product with the Hessian", model, lambda: operator() @ torch.ones(sum(p.numel() for p in parameters)))

torch.manual_seed(0)
for name in ("hutchinson_trace", "hutchpp_trace", "xtrace"):
    trace = getattr(curvlinops, name)(operator(), 90)
    print(f"{name}: one number, without an error: {trace.numel() == 1}")
density = curvlinops.lanczos_approximate_spectrum(operator(), 20, num_points=64)
print(f"a density of eigenvalues: {[len(part) for part in density]} numbers")
for kind in ("GGNLinearOperator", "EFLinearOperator", "FisherMCLinearOperator", "KFACLinearOperator"):
    product = operator(getattr(curvlinops, kind), linear) @ torch.ones(sum(p.numel() for p in linear))
    print(f"{kind}: a product is finite: {bool(product.isfinite().all())}")
ggn = operator(curvlinops.GGNLinearOperator, linear)
inverse = curvlinops.CGInverseLinearOperator(ggn, max_iter=5, max_tridiag_iter=5)
product = inverse @ torch.ones(sum(p.numel() for p in linear))
print(f"CGInverseLinearOperator: a product is finite: {bool(product.isfinite().all())}")
