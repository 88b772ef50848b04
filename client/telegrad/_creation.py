"""Tensors from data and from nothing, with PyTorch's dtype, device and requires_grad arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType

from . import _host
from ._ops import FUNCTIONS
from .tensor import Tensor


class _Defaults:
    """What `set_default_dtype` changes."""

    dtype: DType = dtypes.float32


defaults = _Defaults()


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested lists, NumPy arrays. It stays on the host until an op needs it.

    >>> import telegrad as tg
    >>> tg.tensor([[1, 2], [3, 4]]).sum().item()
    10
    """
    array = _host.array_of(data, dtype, defaults.dtype)
    made = _host.from_array(array, dtype or _host.dtype_of(array))
    return made.requires_grad_() if requires_grad else made


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor with a copy of a NumPy array; later writes to the array do not reach it."""
    return tensor(array)


def _sizes(size: tuple[Any, ...]) -> Any:
    return size[0] if len(size) == 1 and not isinstance(size[0], int) else size


def zeros(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape."""
    return _made(FUNCTIONS["zeros"](_sizes(size), dtype=dtype or defaults.dtype), requires_grad)


def ones(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape."""
    return _made(FUNCTIONS["ones"](_sizes(size), dtype=dtype or defaults.dtype), requires_grad)


def _made(made: Any, requires_grad: bool) -> Any:
    return made.requires_grad_() if requires_grad else made
