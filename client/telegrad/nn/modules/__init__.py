"""The layers: one module per family."""

from . import (
    activation,
    container,
    conv,
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
    sparse,
)

__all__ = [
    "activation",
    "container",
    "conv",
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
    "sparse",
]
