"""Cumulative sums, products and extrema; differences; integrals by trapezoids."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpValueError, ShapeError, UnsupportedOp
from telegrad_protocol.rules import common_dtype, need_dtype, need_floating, need_shape, reduction_dtype
from telegrad_protocol.shapes import Meta, broadcast, like, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Tensor, op

from .joining import cat_rule


def _running(input: Meta, dim: int, dtype: DType | None) -> Meta:
    wrap_dim(dim, input.ndim)
    return like(input, dtype=reduction_dtype(input, dtype))


@op(_running, inplace=True, autocast="float32")
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running sums along a dimension."""


@op(_running, inplace=True, autocast="float32")
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running products along a dimension."""


def _linear_recurrence(input: Meta, factor: Meta, dim: int, reverse: bool) -> Meta:
    need_floating(input)
    need_shape(factor, input.shape, "factor")
    need_dtype(factor, input, "factor")
    wrap_dim(dim, input.ndim)
    return like(input)


@op(_linear_recurrence, on="", inner=True, autocast="low")
def _recurrence(input: Tensor, factor: Tensor, dim: int, reverse: bool) -> Tensor:
    """`out[k] = input[k] + factor[k] * out[k - 1]` along a dimension, or of `out[k + 1]` in reverse."""


def _extremum(input: Meta, dim: int) -> Inferred:
    wrap_dim(dim, input.ndim)
    return Inferred((like(input), like(input, dtype=dtypes.int64)))


@op(_extremum, returns=("values", "indices"))
def cummax(input: Tensor, dim: int) -> None:
    """The largest element so far along a dimension, and its last index."""


@op(_extremum, returns=("values", "indices"))
def cummin(input: Tensor, dim: int) -> None:
    """The smallest element so far along a dimension, and its last index."""


def _logcumsumexp(input: Meta, dim: int) -> Meta:
    wrap_dim(dim, input.ndim)
    if input.dtype.category != dtypes.FLOAT:
        raise UnsupportedOp(f'"logcumsumexp_out_cpu" not implemented for {input.dtype.name}', argument="input")
    return like(input)


@op(_logcumsumexp)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithm of the running sum of exponentials, without overflow."""


def _diff(input: Meta, n: int, dim: int, prepend: Meta | None, append: Meta | None) -> Meta:
    if n < 0:
        raise ShapeError(f"order must be non-negative but got {n}", argument="n", got=n)
    if not input.ndim:
        raise ShapeError("diff expects input to be at least one-dimensional", argument="input")
    parts = tuple([part for part in (prepend, input, append) if part is not None])
    if any(part.ndim != input.ndim for part in parts):
        raise ShapeError("diff expects prepend or append to be the same dimension as input", argument="prepend")
    axis = wrap_dim(dim, input.ndim)
    if n == 0:
        return like(input)
    whole = cat_rule(parts, axis).meta
    shape = (*whole.shape[:axis], max(whole.shape[axis] - n, 0), *whole.shape[axis + 1 :])
    return like(whole, shape=shape)


@op(_diff)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along a dimension, `n` times over; `prepend` and `append` are joined first.

    The input itself for an `n` of 0.
    """


def sample_shape(y: tuple[int, ...], x: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape in which sample points broadcast with samples: a vector lies along the dimension."""
    return (*x, *(1,) * (len(y) - 1 - axis)) if len(x) == 1 else x


def _areas(y: Meta, x: Meta | None, dx: Number | None, dim: int) -> tuple[tuple[int, ...], DType, int]:
    """Shape and dtype of the areas between neighbours, and their dimension."""
    axis = wrap_dim(dim, y.ndim)
    if x is not None and dx is not None:
        raise OpValueError("trapezoid: give either x or dx, not both", argument="dx")
    if not y.ndim or y.shape[axis] == 0:
        raise ShapeError("trapezoid: expected at least one sample along dim", argument="y", got=list(y.shape))
    dtype = common_dtype((y, x, 0.5))
    shape = (*y.shape[:axis], y.shape[axis] - 1, *y.shape[axis + 1 :])
    if x is None:
        return shape, dtype, axis
    if x.ndim == 1 and x.shape[0] != y.shape[axis]:
        raise ShapeError("trapezoid: There must be one `x` value for each sample point", argument="x", got=x.shape[0])
    points = sample_shape(y.shape, x.shape, axis)
    lead = max(len(points) - y.ndim, 0)
    whole = broadcast([points, y.shape])
    return (*whole[: axis + lead], whole[axis + lead] - 1, *whole[axis + lead + 1 :]), dtype, axis + lead


def _trapezoid(y: Meta, x: Meta | None, dx: Number | None, dim: int) -> Meta:
    shape, dtype, axis = _areas(y, x, dx, dim)
    return like(y, shape=(*shape[:axis], *shape[axis + 1 :]), dtype=dtype)


@op(_trapezoid, on="torch")
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """The integral of samples `y` along a dimension by trapezoids, at points `x` or at distances of `dx` (1)."""


def _cumulative(y: Meta, x: Meta | None, dx: Number | None, dim: int) -> Meta:
    shape, dtype, _ = _areas(y, x, dx, dim)
    return like(y, shape=shape, dtype=dtype)


@op(_cumulative, on="torch")
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """The running integral of samples along a dimension by trapezoids, one value per gap."""
