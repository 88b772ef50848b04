"""The declarations, a module per family. Importing this package completes the op table."""

from telegrad_protocol.spec import number_ops

from . import (
    attention,
    conv,
    creation,
    embedding,
    linear,
    loss,
    pointwise,
    pool,
    reduce,
    rows,
    session,
    shaping,
)

__all__ = [
    "attention",
    "conv",
    "creation",
    "embedding",
    "linear",
    "loss",
    "pointwise",
    "pool",
    "reduce",
    "rows",
    "session",
    "shaping",
]

number_ops()
