"""The samples of every op, a module per family."""

from . import creation, pointwise, reduce, shaping
from .base import SAMPLES, Sample, T

__all__ = ["SAMPLES", "Sample", "T", "creation", "pointwise", "reduce", "shaping"]
