"""The samples of every op, a module per family."""

from . import (
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
