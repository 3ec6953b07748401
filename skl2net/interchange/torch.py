"""Fitted networks as PyTorch modules."""

from functools import partial

import torch
from torch import nn


class Exp(nn.Module):
    """The exponential function."""

    def forward(self, z):
        return torch.exp(z)


_FUNCTIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "softmax": partial(nn.Softmax, dim=1),
    "exp": Exp,
}


def to_torch(net):
    """A fitted network as ``torch.nn.Sequential``, see `skl2net.L2NetClassifier.to_torch`."""
    modules = []
    for coef, intercept in zip(net.coefs_, net.intercepts_, strict=True):
        linear = nn.Linear(*coef.shape)
        linear.weight = nn.Parameter(torch.from_numpy(coef.T.copy()))
        linear.bias = nn.Parameter(torch.from_numpy(intercept.copy()))
        modules += [linear, _FUNCTIONS[net._activation]()]
    modules[-1] = _FUNCTIONS[net.out_activation_]()
    return nn.Sequential(*modules)
