"""Padding layers."""

from __future__ import annotations

from telegrad import functional as F
from telegrad._api.signatures import Sizes
from telegrad._tensor import Tensor

from .module import Module


class _Pad(Module):
    dims = 0
    mode = "constant"

    def __init__(self, padding: Sizes, value: float = 0.0) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value if self.mode == "constant" else None)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad):
    """Zeros around (H, W)."""

    dims = 2


class _ConstantPad(_Pad):
    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A value at both ends of (L)."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A value around (H, W)."""

    dims = 2


class ReflectionPad1d(_Pad):
    """The ends of (L), mirrored."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The ends of (H, W), mirrored."""

    dims, mode = 2, "reflect"


class ReplicationPad2d(_Pad):
    """The ends of (H, W), repeated."""

    dims, mode = 2, "replicate"
