"""Activations on the CPU, over compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import activation as jit
from .mixin import NumpyMixin, is_fast, wide


class Activation(NumpyMixin):
    """See `Primitives`."""

    def sigmoid(self, array: Any) -> Any:
        if is_fast(array):
            return jit.sigmoid_forward(array)
        return np.divide(1, np.add(np.exp(np.negative(array)), 1))

    def gelu(self, array: Any, approximate: str) -> Any:
        return jit.gelu_forward(wide(array), approximate).astype(array.dtype, copy=False)

    def gelu_backward(self, grad: Any, array: Any, approximate: str) -> Any:
        return jit.gelu_backward(wide(grad), wide(array), approximate).astype(array.dtype, copy=False)
