"""Losses that are negative log-likelihoods of the outputs: their Fisher information is the Gauss-Newton matrix.

The Fisher matrix is the mean over samples of E[g g^T], where g is the gradient of -log p(y | f) and y is drawn from
the model's own p. Where p is an exponential family with the outputs f as its natural parameters, E[g g^T] is
J^T H_l J, and H_l does not depend on y: softmax with cross-entropy, a sigmoid with binary cross-entropy, and a normal
distribution of fixed variance with the squared error.

Source: Martens 2020, "New insights and perspectives on the natural gradient method", section 9.2.
"""

from __future__ import annotations

import functools
from typing import Any

import torch.nn.functional as F
from torch import nn

__all__ = ["is_likelihood"]

_FUNCTIONS = (F.cross_entropy, F.binary_cross_entropy_with_logits, F.mse_loss)
_WEIGHTS = "weight", "pos_weight"
_MODULES = (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.MSELoss)


def is_likelihood(loss: Any) -> bool:
    """Whether a loss is one of those of torch that are such likelihoods.

    Args:
        loss: The loss.

    Returns:
        Whether it is, without weights of classes, with which `H_l` depends on y. Of a function of the user's nobody
        knows.
    """
    inner, given = (loss.func, loss.keywords) if isinstance(loss, functools.partial) else (loss, {})
    if any(given.get(name) is not None or getattr(inner, name, None) is not None for name in _WEIGHTS):
        return False
    return type(inner) in _MODULES or any(inner is function for function in _FUNCTIONS)
