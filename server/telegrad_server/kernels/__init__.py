"""The kernels, a module per family, named as the declarations are. Importing this package completes the table."""

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
    shaping,
    sorting,
)
from .registry import KERNELS, Raw

__all__ = [
    "KERNELS",
    "Raw",
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
    "shaping",
    "sorting",
]
