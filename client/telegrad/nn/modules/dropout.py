"""Dropout layers."""

from __future__ import annotations

from telegrad import functional as F
from telegrad._tensor import Tensor

from .module import Module


class _Dropout(Module):
    function = ""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, self.function)(input, self.p, self.training, inplace=self.inplace)
        return result

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes elements at random, in training (Hinton et al., 2012)."""

    function = "dropout"


class Dropout1d(_Dropout):
    """Zeroes channels of (N, C, L) at random, in training."""

    function = "dropout1d"


class Dropout2d(_Dropout):
    """Zeroes channels of (N, C, H, W) at random, in training."""

    function = "dropout2d"


class Dropout3d(_Dropout):
    """Zeroes channels of (N, C, D, H, W) at random, in training."""

    function = "dropout3d"
