"""Curvature matrices written out in float64, by another way than the library's: oracles of the tests."""

import torch
from torch.autograd.functional import hessian
from torch.func import functional_call, jacrev


def mean_loss(model, batches, loss, names=None):
    """The sample-weighted mean loss as a function of a flat vector of some parameters, and their values."""
    chosen = {n: p.detach().double() for n, p in model.named_parameters() if names is None or n in names}
    model = model.double()

    def value(flat):
        parts = flat.split([p.numel() for p in chosen.values()])
        tensors = {n: part.view(p.shape) for (n, p), part in zip(chosen.items(), parts, strict=True)}
        total = sum(loss(functional_call(model, tensors, (x.double(),)), y) * len(x) for x, y in batches)
        return total / sum(len(x) for x, _ in batches)

    return value, torch.cat([p.flatten() for p in chosen.values()])


def dense_hessian(model, batches, loss, names=None):
    value, flat = mean_loss(model, batches, loss, names)
    found = hessian(value, flat)
    return (found + found.T) / 2


def dense_ggn(model, x, y, loss):
    """`mean J^T H_l J`, sample by sample."""
    model = model.double()
    parameters = {n: p.detach() for n, p in model.named_parameters()}
    total = 0
    for one, target in zip(x.double(), y, strict=True):
        jacobians = jacrev(lambda tensors, one=one: functional_call(model, tensors, (one[None],))[0])(parameters)
        outputs = functional_call(model, parameters, (one[None],))[0]
        jacobian = torch.cat([j.flatten(len(outputs.shape)) for j in jacobians.values()], dim=1)
        middle = hessian(lambda out, target=target: loss(out[None], target[None]), outputs)
        total = total + jacobian.T @ middle @ jacobian
    return total / len(x)


def dense_empirical_fisher(model, x, y, loss):
    """`mean g g^T`, sample by sample."""
    model = model.double()
    total = 0
    for one, target in zip(x.double(), y, strict=True):
        value = loss(model(one[None]), target[None])
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])
        total = total + torch.outer(gradient, gradient)
    return total / len(x)
