"""Fitted networks as PyTorch modules."""

import torch
from torch import nn

from skl2net.activations import ACTIVATIONS, OUTPUTS


class Exp(nn.Module):
    """The exponential function."""

    def forward(self, z):
        return torch.exp(z)


def _module(function):
    """The module that computes a function of units; PyTorch has none for the exponential."""
    if function.name == "exp":
        return Exp()
    kind = getattr(nn, function.torch)
    return kind(dim=1) if function.name == "softmax" else kind()


def to_torch(net):
    """A fitted network as ``torch.nn.Sequential``, see `skl2net.L2NetClassifier.to_torch`."""
    modules = []
    for coef, intercept in zip(net.coefs_, net.intercepts_, strict=True):
        linear = nn.Linear(*coef.shape)
        linear.weight = nn.Parameter(torch.from_numpy(coef.T.copy()))
        linear.bias = nn.Parameter(torch.from_numpy(intercept.copy()))
        modules += [linear, _module(ACTIVATIONS[net._activation])]
    modules[-1] = _module(OUTPUTS[net.out_activation_])
    return nn.Sequential(*modules)
