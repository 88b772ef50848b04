"""Sorted order, the largest elements, the median, the mode, quantiles."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.shapes import Meta, like, reduced, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Tensor, op


def _with_indices(input: Meta, shape: tuple[int, ...]) -> Inferred:
    return Inferred((like(input, shape=shape), like(input, shape=shape, dtype=dtypes.int64)))


def _sort(input: Meta, dim: int, descending: bool, stable: bool) -> Inferred:
    wrap_dim(dim, input.ndim)
    return _with_indices(input, input.shape)


@op(_sort, returns=("values", "indices"))
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> None:
    """The sorted elements along a dimension, and their indices; `nan` counts as the largest.

    Equal elements always keep their order, with `stable` or without.
    """


@op(lambda *args: _sort(*args).metas[1], differentiable=False)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort a dimension."""


def _msort(input: Meta) -> Meta:
    wrap_dim(0, input.ndim)
    return like(input)


@op(_msort)
def msort(input: Tensor) -> Tensor:
    """The sorted elements along the first dimension."""


def _topk(input: Meta, k: int, dim: int, largest: bool, sorted: bool) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    size = (input.shape or (1,))[axis]
    if not 0 <= k <= size:
        raise ShapeError("selected index k out of range", argument="k", expected=f"[0, {size}]", got=k)
    return _with_indices(input, (*input.shape[:axis], k, *input.shape[axis + 1 :]) if input.ndim else ())


@op(_topk, returns=("values", "indices"))
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> None:
    """The `k` largest, or smallest, elements along a dimension, in order, and their indices."""


def _one_of(name: str, input: Meta, dim: int, keepdim: bool) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    if (input.shape or (1,))[axis] == 0:
        raise OpIndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.", argument="dim", got=dim)
    return _with_indices(input, reduced(input.shape, (axis,), keepdim))


def _kthvalue(input: Meta, k: int, dim: int, keepdim: bool) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    if not 1 <= k <= (input.shape or (1,))[axis]:
        raise ShapeError(f"kthvalue(): selected number k out of range for dimension {axis}", argument="k", got=k)
    return _one_of("kthvalue", input, dim, keepdim)


@op(_kthvalue, returns=("values", "indices"))
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> None:
    """The `k`-th smallest element along a dimension, counted from 1, and its index."""


@op(lambda input: like(input, shape=()))
def median(input: Tensor) -> Tensor:
    """The median, the lower of two; `nan` if there is one, or no element."""


@op(lambda input: like(input, shape=()))
def nanmedian(input: Tensor) -> Tensor:
    """The median of the elements that are not `nan`."""


@op(lambda *args: _one_of("median", *args), on="", form_of="median", returns=("values", "indices"))
def _median_dim(input: Tensor, dim: int, keepdim: bool = False) -> None:
    """The median along a dimension, and its index; the first `nan` if there is one."""


@op(lambda *args: _one_of("median", *args), on="", form_of="nanmedian", returns=("values", "indices"))
def _nanmedian_dim(input: Tensor, dim: int, keepdim: bool = False) -> None:
    """The median of the elements that are not `nan` along a dimension, and its index."""


@op(lambda *args: _one_of("mode", *args), returns=("values", "indices"))
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> None:
    """The most frequent value along a dimension, the smallest of several, and its last index."""


def _quantile(input: Meta, q: Meta | Number, dim: int | None, keepdim: bool, interpolation: str) -> Meta:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise ShapeError(
            "quantile() input tensor must be either float or double dtype", argument="input", got=input.dtype.name
        )
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ShapeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}",
            argument="interpolation",
            got=interpolation,
        )
    _check_q(input, q)
    axis = None if dim is None else wrap_dim(dim, input.ndim)
    if (input.numel if axis is None else (input.shape or (1,))[axis]) == 0:
        raise ShapeError("quantile() input tensor must be non-empty", argument="input")
    shape = reduced(input.shape, tuple(range(input.ndim)) if axis is None else (axis,), keepdim)
    return like(input, shape=(*q.shape, *shape) if isinstance(q, Meta) else shape)


def _check_q(input: Meta, q: Meta | Number) -> None:
    if not isinstance(q, Meta):
        return
    if q.ndim > 1:
        raise ShapeError("quantile() q must be a scalar or 1D tensor", argument="q", got=list(q.shape))
    if q.dtype is not input.dtype:
        raise ShapeError(
            "quantile() q tensor must be same dtype as the input tensor",
            argument="q",
            expected=input.dtype.name,
            got=q.dtype.name,
        )


@op(_quantile)
def quantile(
    input: Tensor,
    q: Tensor | Number,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which a share `q` in [0, 1] of the elements lies; a vector of shares comes first in the shape."""


@op(_quantile)
def nanquantile(
    input: Tensor,
    q: Tensor | Number,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """As `quantile`, of the elements that are not `nan`."""
