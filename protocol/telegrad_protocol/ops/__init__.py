"""The declarations, a module per family. Importing this package completes the op table."""

from telegrad_protocol.spec import number_ops

from . import (
    activation,
    attention,
    conv,
    creation,
    embedding,
    indexing,
    linalg,
    linear,
    loss,
    pointwise,
    pool,
    random,
    reduce,
    rows,
    session,
    shaping,
    sorting,
)

__all__ = [
    "activation",
    "attention",
    "conv",
    "creation",
    "embedding",
    "indexing",
    "linalg",
    "linear",
    "loss",
    "pointwise",
    "pool",
    "random",
    "reduce",
    "rows",
    "session",
    "shaping",
    "sorting",
]

number_ops()
