"""Ops that NumPy does while all their tensors are on the host: views, and arithmetic on integers."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from telegrad._runtime.grad_mode import grad_mode
from telegrad._tracing.call_sites import warn
from telegrad._tracing.host_integers import ARITHMETIC, COMPARISONS, DIVISIONS, divides
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.record import ON_HOST, ON_HOST_TOO, several
from telegrad_protocol import dtypes
from telegrad_protocol.rules import frozen_view
from telegrad_protocol.shapes import Meta, meta
from telegrad_protocol.spec import OPS, OpSpec

from . import host_tensors

_SLICE: Final = OPS["_slice"]


def _view(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """A view of a host tensor, or several."""
    source = args[0]
    if source._id or source._leaves is not None or not source.is_on_host:
        return None
    inferred = spec.infer(args)
    if inferred.offset is None or spec.detached:
        return None
    if inferred.warning is not None:
        warn(inferred.warning)
    count = len(inferred.metas)
    offsets = inferred.offset if isinstance(inferred.offset, tuple) else (inferred.offset,) * count
    views = [
        host_tensors.view(source, viewed, source._offset + offset, frozen_view(spec, grad_mode.on, number))
        for number, (viewed, offset) in enumerate(zip(inferred.metas, offsets, strict=True))
    ]
    return views[0] if spec.returns == ("out",) else several(spec, tuple(views))


def at(x: Any, index: Any) -> Any:
    """`x[index]` of a host tensor for the commonest indices: an integer, or a slice; None for any other."""
    seen = x._meta
    if not seen.ndim:
        return None
    size = seen.shape[0]
    if type(index) is slice:
        start, stop = _bound(index.start, 0), _bound(index.stop, size)
        if index.step is not None or start is None or stop is None:
            return None
        if not 0 <= start <= stop <= size:
            start, stop, _ = slice(start, stop).indices(size)
        viewed = _row_meta(seen, stop - start if stop > start else 0)
    else:
        start = _bound(index, None)
        if start is None or not -size <= start < size:
            return None
        start %= size
        viewed = _row_meta(seen, None)
    return host_tensors.view(x, viewed, x._offset + start * seen.strides[0], _frozen_now())


def rows(x: Any) -> list[Any]:
    """What iteration over a host tensor gives."""
    seen, row, frozen = x._meta, _row_meta(x._meta, None), _frozen_now()
    step = seen.strides[0]
    return [host_tensors.view(x, row, x._offset + at * step, frozen) for at in range(seen.shape[0])]


def _frozen_now() -> str | None:
    """Why views of host tensors that are made now are frozen, if they are."""
    return frozen_view(_SLICE, False) if grad_mode.off and not grad_mode.on else None


@functools.lru_cache(maxsize=1024)
def _row_meta(seen: Meta, count: int | None) -> Meta:
    """What a view of so many rows is, or, without a number, of one without its dimension."""
    if count is None:
        return meta(seen.shape[1:], seen.dtype, seen.strides[1:], seen.device)
    return meta((count, *seen.shape[1:]), seen.dtype, seen.strides, seen.device)


def _bound(value: Any, open_end: int | None) -> int | None:
    """An integer, also one in a host tensor, or what None stands for; None for what is neither."""
    if type(value) is int:
        return value
    if value is None:
        return open_end
    if isinstance(value, TensorBase) and not value._id:
        found = value._meta
        if not found.ndim and found.dtype.category == dtypes.INT and found.dtype is not dtypes.uint8:
            return int(value._host)
    return None


def _integers(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """Arithmetic or a comparison of small integer tensors on the host, also with Python's integers."""
    first, second = args[:2]
    if not (_is_integer(first) and _is_integer(second)) or any(value != 1 for value in args[2:]):
        return None
    found = spec.infer(args).meta
    compares = spec.name in COMPARISONS
    dtype = np.dtype(np.int64) if compares else host_tensors.NUMPY[found.dtype]
    if spec.name in DIVISIONS and not (type(second) is int and divides(second)):
        return None
    if any(
        type(value) is int and not _fits(value, other, found) for value, other in ((first, second), (second, first))
    ):
        return None
    arrays = [
        np.asarray(value._host if isinstance(value, TensorBase) else value).astype(dtype) for value in (first, second)
    ]
    made = np.asarray((COMPARISONS if compares else ARITHMETIC)[spec.name](*arrays))
    return host_tensors.from_array(made, found.dtype, found.device)


def _is_integer(value: Any) -> bool:
    if not isinstance(value, TensorBase):
        return type(value) is int
    return not value._id and not value._meta.large and value._meta.dtype.category == dtypes.INT and value.is_on_host


def _fits(number: int, tensor: Any, found: Meta) -> bool:
    """Whether the dtypes of the tensor, and of the result where that has integers, hold a number."""
    kinds = [d for d in (tensor._meta.dtype, found.dtype) if d.category == dtypes.INT]
    return all(np.iinfo(kind.name).min <= number <= np.iinfo(kind.name).max for kind in kinds)


def attach() -> None:
    """Let recording do these ops on the host."""
    for name, spec in OPS.items():
        if spec.view and spec.tensor_slots == (0,) and not spec.takes_lists:
            ON_HOST[name] = _view
    for name in ON_HOST_TOO:
        ON_HOST[name] = _integers


attach()
