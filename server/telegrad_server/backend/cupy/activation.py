"""Activations on a CUDA device."""

from __future__ import annotations

from typing import Any

from .mixin import CupyMixin


class Activation(CupyMixin):
    """See `Primitives`."""

    def sigmoid(self, array: Any) -> Any:
        return self._map("activation", "sigmoid", array)

    def gelu(self, array: Any, approximate: str) -> Any:
        return self._map("activation", "gelu", array, approximate == "tanh")

    def gelu_backward(self, grad: Any, array: Any, approximate: str) -> Any:
        array, grad = self._contiguous(array), self._contiguous(grad)
        out = self.cp.empty(array.shape, array.dtype)
        types = (array.dtype, grad.dtype)
        self.device.launch(
            "activation", "gelu_backward", types, out.size, grad, array, out, out.size, approximate == "tanh"
        )
        return out
