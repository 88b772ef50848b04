"""Tensors that are still on the host: made from data, and handled by NumPy until an op needs them on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import contiguous, meta

from ._modes import born
from ._types import TensorBase

if TYPE_CHECKING:
    from ._tensor import Tensor

# NumPy has no bfloat16: on the host its bits are kept as uint16, and its values are shown as float32.
NUMPY: dict[DType, np.dtype[Any]] = {
    dtype: np.dtype(np.uint16 if dtype is dtypes.bfloat16 else dtype.name) for dtype in dtypes.ALL
}
_DTYPES = {np.dtype(dtype.name): dtype for dtype in dtypes.ALL if dtype is not dtypes.bfloat16}


def widened(values: np.ndarray, dtype: str) -> np.ndarray:
    """Bits of bfloat16 as float32 values; anything else as it is."""
    if dtype != "bfloat16":
        return values
    return (values.astype(np.uint32) << 16).view(np.float32)


def narrowed(values: np.ndarray, dtype: str) -> np.ndarray:
    """The host form of values: for bfloat16 its bits, rounded to nearest even; else an array of that dtype."""
    if dtype != "bfloat16":
        return np.asarray(values, NUMPY[dtypes.by_name(dtype)])
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(np.asarray(values, np.float32)), np.uint16(0x7FC0), rounded).reshape(np.shape(values))


def dtype_of(array: np.ndarray) -> DType:
    """The dtype for a NumPy array's. Raises TypeError for one that tensors do not have."""
    found = _DTYPES.get(array.dtype.newbyteorder("="))
    if found is None:
        names = ", ".join(dtype.name for dtype in dtypes.ALL)
        raise TypeError(f"can't convert np.ndarray of type {array.dtype}. The only supported types are: {names}.")
    return found


def array_of(data: Any, dtype: DType | None, default: DType = dtypes.float32) -> np.ndarray:
    """An array of its own with the values of `data`: nested lists, numbers, arrays, or tensors inside them."""
    if isinstance(data, TensorBase):
        data = data._values()
    elif isinstance(data, list | tuple):
        data = _plain(data)
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"expected sequences of equal length at every level: {error}") from None
    if array.dtype.kind in "OUSMmcV":
        raise TypeError(
            f"new(): a tensor cannot be made of {array.dtype if array.dtype.kind != 'O' else type(data).__name__}"
        )
    if dtype is None:
        dtype = _natural(data, array, default)
    return narrowed(array, dtype.name)


def _natural(data: Any, array: np.ndarray, default: DType) -> DType:
    """Python floats become the default dtype; arrays and NumPy numbers keep theirs."""
    if isinstance(data, np.ndarray | np.generic):
        return dtype_of(array)
    if array.dtype.kind == "f":
        return default if array.size == 0 or not _holds_numpy(data) else dtype_of(array)
    return dtype_of(array)


def _holds_numpy(data: Any) -> bool:
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic) and not isinstance(data, float)


def _plain(data: Any) -> Any:
    if isinstance(data, TensorBase):
        return data._values()
    return [_plain(item) for item in data] if isinstance(data, list | tuple) else data


def from_array(array: np.ndarray, dtype: DType, device: str | None = None) -> Tensor:
    """A host tensor on an array that nobody else writes to; on the server it will be on `device`."""
    made = cast("Tensor", born(object.__new__(TensorBase.proxy)))
    made._host = array
    made._meta = contiguous(array.shape, dtype, device)
    return made


def tensor_like(source: Tensor, array: np.ndarray) -> Tensor:
    return from_array(array, source.dtype, source._meta.device)


def alias(source: Tensor) -> Tensor:
    """Another host tensor on the same memory, outside the graph."""
    return view(source, source._host, source._meta.strides, source._offset)


def view(source: Tensor, array: np.ndarray, strides: tuple[int, ...], offset: int) -> Tensor:
    """A host tensor that shows memory of another; named on the server when the other is."""
    made = cast("Tensor", object.__new__(TensorBase.proxy))
    made._host = array
    made._meta = meta(array.shape, source._meta.dtype, strides, source._meta.device)
    made._base = root = source.root
    made._pressing = True
    made._offset = offset
    root.add_alias(made)
    return made


def all_on_host(tensors: Sequence[Any]) -> bool:
    """Whether every tensor still is on the host and takes no part in autograd."""
    return all(isinstance(t, TensorBase) and t._host is not None and t._leaves is None for t in tensors)
