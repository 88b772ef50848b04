"""The layers, a module per family."""

from . import activation, container, conv, dropout, linear, loss, module, normalization, pooling, shape, sparse

__all__ = [
    "activation",
    "container",
    "conv",
    "dropout",
    "linear",
    "loss",
    "module",
    "normalization",
    "pooling",
    "shape",
    "sparse",
]
