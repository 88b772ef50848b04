"""The declarations, a module per family. Importing this package completes the op table."""

from telegrad_protocol.spec import number_ops

from . import (
    activation,
    arithmetic,
    attention,
    convolution,
    counting,
    creation,
    embedding,
    gather,
    joining,
    layout,
    linalg,
    loss,
    matmul,
    normalization,
    optim,
    padding,
    pooling,
    random,
    reduction,
    scan,
    session,
    slicing,
    sorting,
)

__all__ = [
    "activation",
    "arithmetic",
    "attention",
    "convolution",
    "counting",
    "creation",
    "embedding",
    "gather",
    "joining",
    "layout",
    "linalg",
    "loss",
    "matmul",
    "normalization",
    "optim",
    "padding",
    "pooling",
    "random",
    "reduction",
    "scan",
    "session",
    "slicing",
    "sorting",
]

number_ops()
