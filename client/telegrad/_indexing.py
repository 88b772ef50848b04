"""`x[...]` read and written: a basic index is a view, tensors in it gather, masks select."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError
from telegrad_protocol.spec import OPS

from . import _host
from ._record import inplace, record
from ._types import TensorBase


def get(x: Any, index: Any) -> Any:
    """The value of `x[index]`."""
    basic, advanced = _split(x, index)
    if x._host is not None and x._leaves is None:
        found = _on_host(x, basic, advanced)
        if found is not None:
            return found
    viewed = record(OPS["_slice"], (x, basic))
    return _gather(viewed, advanced) if advanced else viewed


def put(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value`: a write into the view, or `index_put_` where tensors index."""
    basic, advanced = _split(x, index)
    if not isinstance(value, TensorBase):
        value = _host.tensor_like(x, _host.array_of(value, x.dtype)) if np.ndim(value) else value
    else:
        value = value.to(x.device)
    viewed = record(OPS["_slice"], (x, basic)) if basic or not advanced else x
    if advanced:
        if not isinstance(value, TensorBase):
            value = _host.tensor_like(x, _host.narrowed(np.asarray(value), x.dtype.name))
        inplace(OPS["index_put"], (viewed, advanced, value, False))
    elif isinstance(value, TensorBase):
        value = _without_leading_ones(value, viewed)
        inplace(OPS["copy"], (viewed, value))
    else:
        inplace(OPS["fill"], (viewed, value))


def edges(x: Any, pieces: tuple[tuple[slice, ...], ...]) -> Any:
    """Pieces of each dimension, joined: the corners that a summary of a large tensor shows."""
    for dim, cuts in enumerate(pieces):
        if len(cuts) > 1:
            lead = (slice(None),) * dim
            x = record(OPS["cat"], (tuple(get(x, (*lead, cut)) for cut in cuts), dim))
    return x


def _without_leading_ones(value: Any, target: Any) -> Any:
    """PyTorch lets an assigned value have more leading dimensions of size 1 than the place it goes to."""
    extra = value.ndim - target.ndim
    if extra > 0 and all(size == 1 for size in value._meta.shape[:extra]):
        return record(OPS["reshape"], (value, value._meta.shape[extra:]))
    return value


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
    items = [_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    used = sum(_consumes(item) for item in items)
    if used > x.ndim:
        raise OpIndexError(f"too many indices for tensor of dimension {x.ndim}", argument="index", got=used)
    if Ellipsis in [item for item in items if not isinstance(item, TensorBase)]:
        place = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[place : place + 1] = [(None, None, None)] * (x.ndim - used)
        if any(item is Ellipsis for item in items):
            raise OpIndexError("an index can only have a single ellipsis ('...')", argument="index")
    return items


def _consumes(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, TensorBase) and item._meta.dtype is dtypes.bool_:
        return item._meta.ndim
    return 1


def _item(item: Any) -> Any:
    """One item of an index: None, Ellipsis, an int, (start, stop, step), or a tensor."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and int(item.step) <= 0:
            raise ValueError("step must be greater than zero")
        return tuple([None if bound is None else int(bound) for bound in (item.start, item.stop, item.step)])
    if isinstance(item, bool | np.bool_):
        return _host.from_array(np.array(bool(item)), dtypes.bool_)
    if isinstance(item, TensorBase):
        if item._meta.ndim == 0 and item._meta.dtype.category == dtypes.INT and item._host is not None:
            return int(item._host)
        return _index_tensor(item)
    if isinstance(item, list | tuple | np.ndarray):
        array = _host.array_of(item, None)
        return _index_tensor(_host.from_array(array, _host.dtype_of(array)))
    if hasattr(item, "__index__"):
        return item.__index__()
    raise OpIndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(item).__name__})",
        argument="index",
    )


def _index_tensor(item: Any) -> Any:
    if item._meta.dtype.category == dtypes.FLOAT:
        if item.numel() == 0:
            return _host.from_array(np.zeros(item._meta.shape, np.int64), dtypes.int64)
        raise OpIndexError(
            "tensors used as indices must be long, int, byte or bool tensors", argument="index", got=item.dtype.name
        )
    return item


def _gather(x: Any, tensors: tuple[Any, ...]) -> Any:
    masked = any(t is not None and t._meta.dtype in (dtypes.bool_, dtypes.uint8) for t in tensors)
    return record(OPS["_index_mask" if masked else "_index"], (x, tensors))


def _on_host(x: Any, basic: tuple[Any, ...], advanced: tuple[Any, ...]) -> Any:
    """Indexing of a host tensor by NumPy; None where a tensor on the server takes part."""
    if any(t is not None and t._host is None for t in advanced):
        return None
    inferred = OPS["_slice"].infer((x, basic))
    picked = x._host[tuple([slice(*item) if isinstance(item, tuple) else item for item in basic])]
    if not advanced:
        assert isinstance(inferred.offset, int)
        return _host.view(x, np.asarray(picked), inferred.meta.strides, x._offset + inferred.offset)
    index = tuple([slice(None) if t is None else t._host for t in advanced])
    return _host.tensor_like(x, np.ascontiguousarray(picked[index]))
