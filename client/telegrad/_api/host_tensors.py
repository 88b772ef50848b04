"""Tensors that are still on the host: made from data, and handled by NumPy until an op needs them on the server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from telegrad._runtime.grad_mode import born
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.shapes import Meta, contiguous

from .deferred_numbers import DeferredNumber, plain

if TYPE_CHECKING:
    from telegrad._tensor import Tensor

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
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only supported types are: {names}."
        )
    return found


def array_of(data: Any, dtype: DType | None, default: DType = dtypes.float32) -> np.ndarray:
    """An array of its own with the values of `data`: nested sequences, numbers, arrays, or tensors of one element."""
    if isinstance(data, TensorBase):
        return narrowed(np.array(data._values()), (dtype or data._meta.dtype).name)
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if dtype is None:
        dtype = functools.reduce(dtypes.promote, _found_in(data, default))
    data = _plain(data)
    try:
        array = np.array(data)
    except ValueError:
        _explain(data, _sizes(data))
        raise
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    if array.dtype.kind == "O" or (array.dtype.kind == "u" and not isinstance(data, np.ndarray | np.generic)):
        raise ValueError("Overflow when unpacking long long")
    if not isinstance(data, np.ndarray):
        _check_range(array, dtype)
    return narrowed(array, dtype.name)


def _check_range(array: np.ndarray, dtype: DType) -> None:
    """Raise for Python numbers that an integer type does not hold; one that has no signs takes negative ones around."""
    if dtype.category != dtypes.INT or not array.size:
        return
    bounds = np.iinfo(NUMPY[dtype])
    lowest = -int(bounds.max) if not dtype.is_signed else int(bounds.min)
    if not (lowest <= array.min() and array.max() <= bounds.max):
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


_PLAIN: Final[dict[type, DType | None]] = {bool: dtypes.bool_, int: dtypes.int64, float: None}
"""The dtypes of Python's numbers; a float's is the default."""


def _found_in(data: Any, default: DType) -> Iterator[DType]:
    """The dtypes of what stands in nested sequences, each once a level; the default where nothing does."""
    if isinstance(data, np.ndarray):
        yield dtype_of(data)
    elif not _is_sequence(data):
        yield _dtype_of_item(data, default)
    elif not len(data):
        yield default
    else:
        for kind in set(map(type, data)):
            if kind in _PLAIN or issubclass(kind, np.generic):
                yield _dtype_of_item(kind(0), default)
            else:
                for item in data:
                    if type(item) is kind:
                        yield from _found_in(item, default)


def _dtype_of_item(item: Any, default: DType) -> DType:
    if isinstance(item, TensorBase):
        return item._meta.dtype
    if isinstance(item, np.generic):
        return dtype_of(np.asarray(item))
    for kind in (bool, int, float):
        if isinstance(item, kind) or (isinstance(item, DeferredNumber) and item.kind is kind):
            return _PLAIN[kind] or default
    if isinstance(item, str):
        raise ValueError("too many dimensions 'str'")
    raise RuntimeError(f"Could not infer dtype of {type(item).__name__}")


def _is_sequence(data: Any) -> bool:
    return isinstance(data, Sequence | np.ndarray) and not isinstance(data, str | bytes)


def _plain(data: Any) -> Any:
    """Nested sequences with numbers for the tensors in them."""
    if isinstance(data, TensorBase):
        values = data._values()
        if values.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return values.item()
    if isinstance(data, DeferredNumber):
        return plain(data)
    if not _is_sequence(data) or isinstance(data, np.ndarray) or all(kind in _PLAIN for kind in set(map(type, data))):
        return data
    return [_plain(item) for item in data]


def _sizes(data: Any) -> list[int]:
    """The shape that the first elements promise."""
    sizes = []
    while _is_sequence(data):
        sizes.append(len(data))
        if not len(data):
            break
        data = data[0]
    return sizes


def _explain(data: Any, sizes: list[int], dim: int = 0) -> None:
    """Raise what PyTorch says of sequences that differ in length or depth."""
    if dim == len(sizes):
        if _is_sequence(data):
            raise TypeError(f"'{type(data).__name__}' object cannot be interpreted as an integer")
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != sizes[dim]:
        raise ValueError(f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})")
    for item in data:
        _explain(item, sizes, dim + 1)


def number(value: Any) -> Any:
    """A NumPy number, or a deferred one, as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else plain(value)


def beside(tensor: Any, value: Any) -> tuple[Any, Any]:
    """A tensor and a foreign value as an operator takes them: NumPy's numbers as Python's, its arrays as tensors.

    An array counts as NumPy has it: both sides get the dtype that NumPy gives the result.
    """
    if not isinstance(value, np.ndarray) or value.dtype.newbyteorder("=") not in _DTYPES:
        return tensor, number(value)
    common = np.result_type(value.dtype, NUMPY[tensor._meta.dtype])
    if tensor._meta.dtype is dtypes.bfloat16 or common not in _DTYPES:
        return tensor, value
    value = np.array(value, common)
    value = value.reshape(1) if not value.ndim and tensor._meta.ndim else value
    return tensor.to(dtype_of(value)), from_array(value, dtype_of(value), tensor._meta.device)


def from_array(array: np.ndarray, dtype: DType, device: str | None = None) -> Tensor:
    """A host tensor on an array that nobody else writes to; on the server it will be on `device`."""
    made = cast("Tensor", born(object.__new__(TensorBase.proxy)))
    made._host = array
    made._meta = contiguous(array.shape, dtype, device)
    return made


def on_demand(made_meta: Meta, make: Callable[[], np.ndarray]) -> Tensor:
    """A host tensor whose values are made when they are first looked at."""
    made = cast("Tensor", born(object.__new__(TensorBase.proxy)))
    made._make, made._meta = make, made_meta
    return made


def tensor_like(source: Tensor, array: np.ndarray) -> Tensor:
    return from_array(array, source.dtype, source._meta.device)


def alias(source: Tensor, *, own_version: bool = False) -> Tensor:
    """Another host tensor on the same memory, outside the graph."""
    made = _sharing(source, None, source._meta, source._offset)
    made._make = lambda: source._host
    made._memory, made._own_version = source.root, own_version
    return made


def view(source: Tensor, viewed: Meta, offset: int, frozen: str | None) -> Tensor:
    """A host tensor that shows memory of another; named on the server when the other is."""
    base = source if source._base is None else source._base
    root = base if base._memory is None else base._memory
    made: Any = object.__new__(TensorBase.proxy)
    if root.__dict__.get("_host") is not None:
        made._host = _shown(root, viewed, offset)
    else:
        made._make = lambda: _shown(root, viewed, offset)
    made._meta, made._offset, made._base, made._free_now = viewed, offset, base, True
    if frozen or source._frozen:
        made._frozen = frozen or source._frozen
    root.add_alias(made)
    return born(made)  # type: ignore[no-any-return]


def _shown(root: TensorBase, viewed: Meta, offset: int) -> np.ndarray:
    """A view of a tensor's array, by strides in elements."""
    array = root._host
    if viewed.ndim == 1 and array.ndim == 1 and viewed.strides[0] == 1 and array.strides[0] == array.itemsize:
        found: np.ndarray = array[offset : offset + viewed.shape[0]]  # as below, in half the time
        return found
    if not array.flags.c_contiguous:
        root._host = array = np.ascontiguousarray(array)  # nobody writes to it, so a copy is as good
    if not viewed.numel:
        return np.empty(viewed.shape, array.dtype)
    size = array.itemsize
    if viewed.ndim == 1:
        strides: tuple[int, ...] = (size * viewed.strides[0],)
    else:
        strides = tuple([size * stride for stride in viewed.strides])
    return np.ndarray(viewed.shape, array.dtype, array, offset * size, strides)


def _sharing(source: Tensor, array: np.ndarray | None, meta: Meta, offset: int) -> Tensor:
    made = cast("Tensor", object.__new__(TensorBase.proxy))
    if array is not None:
        made._host = array
    made._meta, made._offset = meta, offset
    made._free_now = True
    source.root.add_alias(made)
    return made


def all_on_host(tensors: Sequence[Any]) -> bool:
    """Whether every tensor still is on the host and takes no part in autograd."""
    return all(isinstance(t, TensorBase) and not t._id and t._leaves is None for t in tensors)
