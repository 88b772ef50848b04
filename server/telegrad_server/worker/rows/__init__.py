"""Handlers of the rows that are not plain ops. Importing the package registers them all."""

from . import autograd, data, device, generators, optim

__all__ = ["autograd", "data", "device", "generators", "optim"]
