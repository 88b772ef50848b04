"""Runs ops on tensors, puts them on the tape, and goes back over it. Knows no op by name."""

from .apply import Engine
from .backward import BackwardPass
from .inplace import apply_inplace
from .modes import backward_pass

__all__ = ["BackwardPass", "Engine", "apply_inplace", "backward_pass"]
