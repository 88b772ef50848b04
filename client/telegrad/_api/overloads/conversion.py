"""Tensors with another dtype, on another device, or with other values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, overload

import numpy as np

from telegrad import autograd
from telegrad._api import host_tensors
from telegrad._api.functions import FUNCTIONS as F
from telegrad._api.signatures import DeviceLike, Number
from telegrad._runtime.defaults import device_name
from telegrad._runtime.devices import device
from telegrad._tensor import Tensor
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.record import inplace
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.spec import OPS


@overload
def _to(
    self: Tensor, dtype: DType, non_blocking: bool = False, copy: bool = False, *, memory_format: Any = None
) -> Tensor: ...


@overload
def _to(
    self: Tensor,
    device: DeviceLike = None,
    dtype: DType | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    *,
    memory_format: Any = None,
) -> Tensor: ...


@overload
def _to(
    self: Tensor, other: Tensor, non_blocking: bool = False, copy: bool = False, *, memory_format: Any = None
) -> Tensor: ...


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself where nothing changes.

    `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; `copy=True` copies in any case.
    """
    wanted, where, copy = to_arguments(args, dict(kwargs))
    moved = self if where is None else move(self, device_name(where))
    if wanted is not None and wanted is not self.dtype:
        return cast(moved, wanted)
    return F["clone"](self) if copy and moved is self else moved


def to_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[DType | None, Any, bool]:
    dtype, where = dtypes.of_type(kwargs.pop("dtype", None)), kwargs.pop("device", None)
    copy = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)  # nothing ever blocks
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for value in args:
        if isinstance(value, DType | type):
            dtype = dtypes.of_type(value)
        elif isinstance(value, TensorBase):
            dtype, where = value._meta.dtype, value._meta.device
        elif isinstance(value, str | device | int) and not isinstance(value, bool):
            where = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() received an invalid combination of arguments: got {type(value).__name__}")
    return dtype, where, copy


def move(self: Tensor, where: str) -> Tensor:
    """The values on another device: from the host straight there, between devices of the server without the client."""
    if self._meta.device == where:
        return self
    if self.is_on_host and self._leaves is None:
        return host_tensors.from_array(np.asarray(self._host, order="C"), self.dtype, where)
    return autograd.carry(self, where)


_SMALL = 1 << 12
"""Host tensors up to this size are cast on the host; larger ones on the server, which has to have them anyway."""


def cast(self: Tensor, dtype: DType) -> Tensor:
    """The values in another dtype; on the host while they are there."""
    if self.is_on_host and self._leaves is None and self.numel() <= _SMALL:
        values = host_tensors.widened(self._host, self.dtype.name)
        with np.errstate(invalid="ignore", over="ignore"):
            return host_tensors.from_array(
                host_tensors.narrowed(np.asarray(values, order="C"), dtype.name), dtype, self._meta.device
            )
    return F["_to_dtype"](self, dtype)


def _caster(dtype: DType) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return _to(self, dtype)

    method.__name__ = method.__qualname__ = dtype.name
    method.__doc__ = f"The values as {dtype.name}."
    return method


@overload
def _type(self: Tensor, dtype: None = None) -> str: ...


@overload
def _type(self: Tensor, dtype: DType | str) -> Tensor: ...


def _type(self: Tensor, dtype: DType | str | None = None) -> Tensor | str:
    """The name of the tensor type, or the tensor with another dtype."""
    if dtype is None:
        return f"torch.{dtypes.TYPE_NAMES[self.dtype]}Tensor"
    if isinstance(dtype, str) and dtype not in _DTYPE_OF_TYPE:
        raise ValueError(f"invalid type: '{dtype}'")
    return _to(self, dtype if isinstance(dtype, DType) else _DTYPE_OF_TYPE[dtype])


_DTYPE_OF_TYPE = {f"torch.{name}Tensor": dtype for dtype, name in dtypes.TYPE_NAMES.items()}


def _cpu(self: Tensor) -> Tensor:
    """The tensor in the server's main memory."""
    return move(self, "cpu")


def _cuda(self: Tensor, device: DeviceLike = None) -> Tensor:
    """The tensor on a GPU of the server."""
    return move(self, device_name("cuda" if device is None else device))


def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype of another."""
    return _to(self, other.dtype)


def _copy_(self: Tensor, src: Tensor | Number, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of `src`, broadcast and cast, from whatever device."""
    return inplace(OPS["copy"], (self, move(src, self._meta.device) if isinstance(src, TensorBase) else src))


def _zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return inplace(OPS["fill"], (self, 0))


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "to": _to,
    "type": _type,
    "type_as": _type_as,
    "cpu": _cpu,
    "cuda": _cuda,
    **{name.lower(): _caster(dtype) for dtype, name in dtypes.TYPE_NAMES.items()},
    "copy_": _copy_,
    "zero_": _zero_,
}
