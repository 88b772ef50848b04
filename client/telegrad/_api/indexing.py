"""`x[...]` read and written: basic indices make views, index tensors gather, masks select."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from telegrad._tracing.call_sites import warn
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.record import inplace, record
from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError
from telegrad_protocol.spec import OPS

from . import host_factories as host_factories
from . import host_ops, host_tensors
from .deferred_numbers import plain


def get(x: Any, index: Any) -> Any:
    """The value of `x[index]`."""
    if not x._id and x._leaves is None and (found := host_ops.at(x, index)) is not None:
        return found
    basic, advanced = _split(x, index)
    if advanced and not x._id and x._leaves is None and x.is_on_host:
        found = _on_host(x, basic, advanced)
        if found is not None:
            return found
    viewed = record(OPS["_slice"], (x, basic))
    return _gather(viewed, advanced) if advanced else viewed


def put(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value`: a write into the view, or `index_put_` where tensors index."""
    basic, advanced = _split(x, index)
    value = plain(value)
    if isinstance(value, TensorBase):
        value = value.to(x.device)
    elif not isinstance(value, bool | int | float | np.generic):
        raise TypeError(f"can't assign a {_name(value)} to a {x.type()}")
    viewed = record(OPS["_slice"], (x, basic)) if basic or not advanced else x
    if advanced:
        if not isinstance(value, TensorBase):
            value = host_tensors.tensor_like(x, host_tensors.narrowed(np.asarray(value), x.dtype.name))
        elif value._meta.numel == 1 and _is_one_mask(advanced):
            value = value.to(x.dtype)
        inplace(OPS["index_put"], (viewed, advanced, _without_leading_ones(value, 0), False))
    elif isinstance(value, TensorBase):
        value = _without_leading_ones(value, viewed.ndim)
        OPS["expand"].infer((value, viewed._meta.shape))  # raises in PyTorch's words
        inplace(OPS["copy"], (viewed, value))
    else:
        inplace(OPS["fill"], (viewed, value))


def _name(value: Any) -> str:
    return "numpy.ndarray" if isinstance(value, np.ndarray) else type(value).__name__


def edges(x: Any, pieces: tuple[tuple[slice, ...], ...]) -> Any:
    """The first and last elements of each dimension, joined: the corners that a summary of a large tensor shows."""
    for dim, cuts in enumerate(pieces):
        if len(cuts) > 1:
            lead = (slice(None),) * dim
            x = record(OPS["cat"], (tuple(get(x, (*lead, cut)) for cut in cuts), dim))
    return x


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """Drop leading dimensions of size 1, which PyTorch allows an assigned value to have in excess."""
    shape = value._meta.shape
    extra = 0
    while extra < len(shape) - ndim and shape[extra] == 1:
        extra += 1
    return record(OPS["reshape"], (value, shape[extra:])) if extra else value


def _is_one_mask(tensors: tuple[Any, ...]) -> bool:
    given = [tensor for tensor in tensors if tensor is not None]
    return len(given) == 1 and given[0]._meta.dtype is dtypes.bool_


def _split(x: Any, index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The basic index that comes first, and the index tensors for the dimensions that it leaves.

    Masks count for as many dimensions as they have.
    """
    items = _items(x, index)
    basic: list[Any] = []
    advanced: list[Any] = []
    for item in items:
        if isinstance(item, TensorBase):
            count = item.ndim if item.dtype is dtypes.bool_ else 1
            if item.dtype is dtypes.bool_ and count == 0:
                basic.append(None)  # a 0-d mask selects along a new dimension of size 1
                item = record(OPS["reshape"], (item, (1,)))
                count = 0
            basic.extend([(None, None, None)] * count)
            advanced.append(item.to(x.device))
        else:
            basic.append(item)
            if not isinstance(item, int):
                advanced.append(None)
    while advanced and advanced[-1] is None:
        advanced.pop()
    while basic and basic[-1] == (None, None, None):
        basic.pop()
    return tuple(basic), tuple(advanced)


def _items(x: Any, index: Any) -> list[Any]:
    items = [_item(item) for item in (index if _lists_items(index) else (index,))]
    used = sum(_consumes(item) for item in items)
    if used > x.ndim and (x.ndim or len(items) > 1 or not isinstance(items[0], int)):  # `_slice` words the other
        raise OpIndexError(f"too many indices for tensor of dimension {x.ndim}", argument="index", got=used)
    if Ellipsis in [item for item in items if not isinstance(item, TensorBase)]:
        position = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[position : position + 1] = [(None, None, None)] * (x.ndim - used)
        if any(item is Ellipsis for item in items):
            raise OpIndexError("an index can only have a single ellipsis ('...')", argument="index")
    return items


def _lists_items(index: Any) -> bool:
    """Whether an index is a tuple of indices: a tuple, or a short sequence with items other than numbers."""
    if isinstance(index, tuple):
        return True
    if not _is_sequence(index) or len(index) >= 32:
        return False
    kinds = slice | TensorBase | np.ndarray
    several = any(item is None or item is Ellipsis or isinstance(item, kinds) or _is_sequence(item) for item in index)
    if several:
        warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch "
            "2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
            "x[torch.tensor(seq)], which will result either in an error or a different result"
        )
    return several


def _is_sequence(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str | bytes)


def _consumes(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, TensorBase) and item._meta.dtype is dtypes.bool_:
        return item._meta.ndim
    return 1


def _item(item: Any) -> Any:
    """One item of an index: None, Ellipsis, an int, (start, stop, step), or a tensor."""
    item = plain(item)
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        bounds = tuple([_bound(bound) for bound in (item.start, item.stop, item.step)])
        if bounds[2] is not None and bounds[2] <= 0:
            raise ValueError("step must be greater than zero" if bounds[2] else "slice step cannot be zero")
        return bounds
    if isinstance(item, bool | np.bool_):
        return host_tensors.from_array(np.array(bool(item)), dtypes.bool_)
    if isinstance(item, TensorBase):
        is_integer = item._meta.ndim == 0 and item._meta.dtype in (
            dtypes.int64,
            dtypes.int32,
            dtypes.int16,
            dtypes.int8,
        )
        return int(item._host) if is_integer and not item._id else _index_tensor(item)
    if isinstance(item, np.ndarray):
        return _index_tensor(host_tensors.from_array(np.array(item), host_tensors.dtype_of(item)))
    if _is_sequence(item):
        array = host_tensors.array_of(list(item), None)
        array = array if array.dtype in (np.bool_, np.uint8) else array.astype(np.int64)
        return _index_tensor(host_tensors.from_array(array, host_tensors.dtype_of(array)))
    if hasattr(item, "__index__"):
        return item.__index__()
    if isinstance(item, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(item).__name__}'")
    raise OpIndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(item).__name__})",
        argument="index",
    )


def _bound(bound: Any) -> int | None:
    try:
        return None if bound is None else operator.index(bound)
    except TypeError as error:
        if isinstance(bound, TensorBase):
            raise
        raise TypeError("slice indices must be integers or None or have an __index__ method") from error


def _index_tensor(item: Any) -> Any:
    if item._meta.dtype is dtypes.uint8:
        if item._meta.ndim:
            warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")
        return item.to(dtypes.bool_)
    if item._meta.dtype not in (dtypes.int64, dtypes.int32, dtypes.bool_):
        raise OpIndexError(
            "tensors used as indices must be long, int, byte or bool tensors", argument="index", got=item.dtype.name
        )
    return item


def _gather(x: Any, tensors: tuple[Any, ...]) -> Any:
    return record(_gathering(tensors), (x, tensors))


def _gathering(tensors: tuple[Any, ...]) -> Any:
    masked = any(t is not None and t._meta.dtype is dtypes.bool_ for t in tensors)
    return OPS["_index_mask" if masked else "_index"]


def _on_host(x: Any, basic: tuple[Any, ...], advanced: tuple[Any, ...]) -> Any:
    """Indexing of a host tensor by others in NumPy; None where a tensor on the server takes part."""
    if any(t is not None and not t.is_on_host for t in advanced):
        return None
    viewed = record(OPS["_slice"], (x, basic))
    _gathering(advanced).infer((viewed, advanced))
    index = tuple([slice(None) if t is None else t._host for t in advanced])
    try:
        return host_tensors.tensor_like(x, np.asarray(viewed._host[index], order="C"))
    except IndexError as error:
        raise OpIndexError(str(error).replace("for axis", "for dimension"), argument="index") from None
