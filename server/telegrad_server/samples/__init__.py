"""The samples of every op, a module per family."""

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
from .base import SAMPLES, Sample, T

__all__ = [
    "SAMPLES",
    "Sample",
    "T",
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
