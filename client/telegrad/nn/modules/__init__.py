"""The layers, a module per family."""

from . import (
    activation,
    container,
    convolution,
    dropout,
    embedding,
    layout,
    linear,
    loss,
    module,
    normalization,
    padding,
    pooling,
)

__all__ = [
    "activation",
    "container",
    "convolution",
    "dropout",
    "embedding",
    "layout",
    "linear",
    "loss",
    "module",
    "normalization",
    "padding",
    "pooling",
]
