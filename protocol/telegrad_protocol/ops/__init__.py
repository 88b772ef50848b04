"""The declarations, a module per family. Importing this package completes the op table."""

from telegrad_protocol.spec import number_ops

from . import (
    activation,
    arrange,
    attention,
    conv,
    counting,
    creation,
    embedding,
    indexing,
    linalg,
    linear,
    loss,
    optim,
    padding,
    pointwise,
    pool,
    random,
    reduce,
    rows,
    scan,
    session,
    shaping,
    slicing,
    sorting,
)

__all__ = [
    "activation",
    "arrange",
    "attention",
    "conv",
    "counting",
    "creation",
    "embedding",
    "indexing",
    "linalg",
    "linear",
    "loss",
    "optim",
    "padding",
    "pointwise",
    "pool",
    "random",
    "reduce",
    "rows",
    "scan",
    "session",
    "shaping",
    "slicing",
    "sorting",
]

number_ops()
