"""Ops on tensors and the autograd graph that they leave. Knows no op by name."""

from .apply import Engine

__all__ = ["Engine"]
