"""New tensors: constants, ranges, identity matrices."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.limits import LIMITS
from telegrad_protocol.shapes import Meta, contiguous, like
from telegrad_protocol.spec import Device, Number, Size, Tensor, Value, op


def _filled(size: tuple[int, ...], dtype: DType | None, device: str | None) -> Meta:
    return contiguous(size, dtype or dtypes.float32, device)


def _zeros(size: tuple[int, ...], dtype: DType | None, device: str | None) -> Meta:
    if any(n < 0 for n in size):
        raise ShapeError("zeros: Dimension size must be non-negative.", argument="size", got=list(size))
    return _filled(size, dtype, device)


@op(_zeros, on="torch", differentiable=False)
def zeros(size: Size, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of zeros."""


@op(_filled, on="torch", differentiable=False)
def ones(size: Size, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of ones."""


@op(_filled, on="torch", differentiable=False)
def empty(size: Size, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor to be written; its values are 0, so that no session sees another's memory."""


def _full(size: tuple[int, ...], fill_value: Number, dtype: DType | None, device: str | None) -> Meta:
    natural = {bool: dtypes.bool_, int: dtypes.int64}.get(type(fill_value), dtypes.float32)
    return contiguous(size, dtype or natural, device)


@op(_full, on="torch", differentiable=False)
def full(size: Size, fill_value: Number, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor filled with one value, whose type decides the dtype if none is given."""


def _eye(n: int, m: int | None, dtype: DType | None, device: str | None) -> Meta:
    for name, size in (("n", n), ("m", m)):
        if size is not None and size < 0:
            raise ShapeError(f"{name} must be greater or equal to 0, got {size}", argument=name, got=size)
    return contiguous((n, n if m is None else m), dtype or dtypes.float32, device)


@op(_eye, on="torch", differentiable=False)
def eye(n: int, m: int | None = None, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""


def _arange(start: Number, end: Number, step: Number, dtype: DType | None, device: str | None) -> Meta:
    if step == 0:
        raise ShapeError("step must be nonzero", argument="step", got=step)
    if (end - start) * step < 0:
        raise ShapeError("upper bound and lower bound inconsistent with step sign", argument="end", got=end)
    if not all(math.isfinite(value) for value in (start, end, step)):
        raise ShapeError(f"unsupported range: {start} -> {end}", argument="end", got=end)
    floating = float in (type(start), type(end), type(step))
    dtype = dtype or (dtypes.float32 if floating else dtypes.int64)
    count = (end - start) / step
    if count > LIMITS.elements:
        raise ShapeError("invalid size, possible overflow?", argument="end", got=end)
    return contiguous((math.ceil(count),), dtype, device)


@op(_arange, on="torch", differentiable=False)
def arange(
    start: Value, end: Value, step: Value = 1, *, dtype: DType | None = None, device: Device | None = None
) -> Tensor:
    """Numbers from `start` up to, and without, `end`."""


def _steps(steps: int, dtype: DType | None, device: str | None) -> Meta:
    if steps < 0:
        raise ShapeError("number of steps must be non-negative", argument="steps", got=steps)
    return contiguous((steps,), dtype or dtypes.float32, device)


@op(lambda _start, _end, steps, *made: _steps(steps, *made), on="torch", differentiable=False)
def linspace(
    start: Number, end: Number, steps: int, *, dtype: DType | None = None, device: Device | None = None
) -> Tensor:
    """`steps` numbers at equal distances, both ends among them."""


@op(lambda _start, _end, steps, _base, *made: _steps(steps, *made), on="torch", differentiable=False)
def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: Number = 10.0,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """`steps` powers of `base`, their exponents at equal distances."""


def _fill(input: Meta, value: Meta | Number) -> Meta:
    if isinstance(value, Meta) and value.ndim:
        raise ShapeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.",
            argument="value",
        )
    return like(input)


@op(_fill, inplace=True, idempotent=True)
def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A tensor like `input`, filled with one value."""
