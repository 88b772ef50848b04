"""Reductions over dimensions."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.rules import NO_MEAN, need_floating, reduce_dims, reduction_dtype
from telegrad_protocol.shapes import Meta, like, reduced, wrap_dim, wrap_dims
from telegrad_protocol.spec import Checked, Dims, Inferred, Rule, Tensor, op


def _sum(input: Meta, dim: Dims, keepdim: bool, dtype: DType | None) -> Meta:
    return reduce_dims(input, dim, keepdim, reduction_dtype(input, dtype))


@op(_sum, autocast="float32")
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum over `dim`, or over everything."""


def _mean(input: Meta, dim: Dims, keepdim: bool, dtype: DType | None) -> Meta:
    if dtype is None:
        need_floating(input, words=NO_MEAN)
    return reduce_dims(input, dim, keepdim, dtype)


@op(_mean)
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean over `dim`, or over everything."""


def _prod(input: Meta, dim: int | None, keepdim: bool, dtype: DType | None) -> Meta:
    return reduce_dims(input, dim, keepdim, reduction_dtype(input, dtype))


@op(_prod, autocast="float32")
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The product over `dim`, or of everything."""


def _extremum(name: str) -> Rule:
    def rule(input: Meta, dim: Dims, keepdim: bool) -> Meta:
        if not input.numel and dim in (None, ()):
            raise ShapeError(f"{_nothing(name)} Specify the reduction dim with the 'dim' argument.", argument="dim")
        _need_elements(name, input, wrap_dims(dim, input.ndim))
        return reduce_dims(input, dim, keepdim)

    return rule


def _nothing(name: str) -> str:
    return f"{name}(): Expected reduction dim to be specified for input.numel() == 0."


def _need_elements(name: str, input: Meta, axes: tuple[int, ...]) -> None:
    for axis in axes:
        if axis < input.ndim and not input.shape[axis]:
            raise OpIndexError(
                f"{name}(): Expected reduction dim {axis} to have non-zero size.",
                argument="dim",
                got=list(input.shape),
            )


@op(_extremum("amax"))
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest value; equal ones share the gradient."""


@op(_extremum("amin"))
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The smallest value; equal ones share the gradient."""


def _along(name: str) -> Rule:
    def rule(input: Meta, dim: int, keepdim: bool) -> Inferred:
        axis = wrap_dim(dim, input.ndim)
        _need_elements(name, input, (axis,))
        shape = reduced(input.shape, (axis,), keepdim)
        return Inferred((like(input, shape=shape), like(input, shape=shape, dtype=dtypes.int64)))

    return rule


@op(_along("max"), on="", form_of="max", returns=("values", "indices"))
def _max_dim(input: Tensor, dim: int, keepdim: bool = False) -> None:
    """The largest values along `dim`, and their first indices."""


@op(_along("min"), on="", form_of="min", returns=("values", "indices"))
def _min_dim(input: Tensor, dim: int, keepdim: bool = False) -> None:
    """The smallest values along `dim`, and their first indices."""


def _arg(name: str) -> Rule:
    def rule(input: Meta, dim: int | None, keepdim: bool) -> Meta:
        if dim is None and not input.numel:
            raise OpIndexError(_nothing(name), argument="dim", got=list(input.shape))
        axes = wrap_dims(dim, input.ndim)
        _need_elements(name, input, axes)
        return like(input, shape=reduced(input.shape, axes, keepdim), dtype=dtypes.int64)

    return rule


@op(_arg("argmax"), differentiable=False)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The first index of the largest value, along `dim` or in the flattened input."""


@op(_arg("argmin"), differentiable=False)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The first index of the smallest value, along `dim` or in the flattened input."""


def _truth(input: Meta, dim: Dims, keepdim: bool) -> Meta:
    dtype = dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_
    if dim == ():
        return like(input, dtype=dtype)
    return reduce_dims(input, dim, keepdim, dtype)


@op(_truth, differentiable=False)
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true; over no dimensions, `()`, whether each is."""


@op(_truth, differentiable=False)
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true; over no dimensions, `()`, whether each is."""


def _spread(input: Meta, dim: Dims, correction: float, keepdim: bool) -> Meta:
    need_floating(input, words="std and var only support floating point and complex dtypes")
    return reduce_dims(input, dim, keepdim)


@op(_spread)
def var(input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The variance: squared distances from the mean, summed and divided by the count less `correction`."""


@op(_spread)
def std(input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The standard deviation: the root of the variance."""


def _logsumexp(input: Meta, dim: Dims, keepdim: bool) -> Meta:
    dtype = input.dtype if input.dtype.category == dtypes.FLOAT else dtypes.float32
    return reduce_dims(input, dim, keepdim, dtype)


@op(_logsumexp, autocast="float32")
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """The logarithm of the sum of exponentials, without overflow."""


def _vector_norm(input: Meta, ord: float, dim: Dims, keepdim: bool, dtype: DType | None) -> Meta:
    if dtype is None:
        need_floating(input, "x", "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}")
    if (ord < 0 or ord == math.inf) and 0 in [input.shape[axis] for axis in wrap_dims(dim, input.ndim)]:
        raise ShapeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have "
            "an identity",
            argument="x",
            got=list(input.shape),
        )
    return reduce_dims(input, dim, keepdim, dtype)


@op(_vector_norm, on="linalg", autocast="float32")
def vector_norm(
    x: Tensor, ord: Checked = 2, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The norm (sum |x|^ord)^(1/ord); the largest absolute value for inf, the count of nonzeros for 0."""


@op(lambda input, dim: reduce_dims(input, dim, False, dtypes.int64), differentiable=False)
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero."""
