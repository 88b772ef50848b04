"""Several tensors joined into one; one tensor repeated."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpValueError, ShapeError
from telegrad_protocol.rules import common_dtype
from telegrad_protocol.shapes import Meta, check_results, like, wrap_dim
from telegrad_protocol.spec import Inferred, Size, Tensor, op

from .layout import view_of
from .slicing import basic_index

# Joining ---------------------------------------------------------------------------------------------------------------


def _need_tensors(tensors: tuple[Meta, ...], name: str) -> None:
    if not tensors:
        raise ShapeError(f"{name} expects a non-empty TensorList", argument="tensors")


def joined_ones(shapes: list[tuple[int, ...]]) -> list[int]:
    """The tensors that `cat` joins: `cat` ignores tensors of shape (0,), unless all are."""
    kept = [index for index, shape in enumerate(shapes) if shape != (0,)]
    return kept or list(range(len(shapes)))


def _promoted(tensors: tuple[Meta, ...], shape: tuple[int, ...]) -> Inferred:
    common = common_dtype(tensors)
    cast = None if all(tensor.dtype is common for tensor in tensors) else common
    return Inferred((like(tensors[0], shape=shape, dtype=common),), cast)


def cat_rule(tensors: tuple[Meta, ...], dim: int) -> Inferred:
    if not tensors:
        raise OpValueError("torch.cat(): expected a non-empty list of Tensors", argument="tensors")
    for index, tensor in enumerate(tensors):
        if not tensor.ndim:
            raise ShapeError(
                f"zero-dimensional tensor (at position {index}) cannot be concatenated", argument="tensors"
            )
    joined = joined_ones([tensor.shape for tensor in tensors])
    first = tensors[joined[0]].shape
    axis = wrap_dim(dim, len(first))
    for index in joined[1:]:
        _check_joined(first, tensors[index].shape, axis, index)
    length = sum(tensors[index].shape[axis] for index in joined)
    return _promoted(tensors, (*first[:axis], length, *first[axis + 1 :]))


def _check_joined(first: tuple[int, ...], shape: tuple[int, ...], axis: int, index: int) -> None:
    if len(shape) != len(first):
        raise ShapeError(
            f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}", argument="tensors"
        )
    for other, (wanted, size) in enumerate(zip(first, shape, strict=True)):
        if other != axis and wanted != size:
            raise ShapeError(
                f"Sizes of tensors must match except in dimension {axis}. Expected size {wanted} but got size {size} "
                f"for tensor number {index} in the list.",
                argument="tensors",
                expected=list(first),
                got=list(shape),
            )


@op(cat_rule, on="torch", autocast="widest")
def cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors along a dimension that they have; other sizes must match. Dtypes are promoted."""


def _stack(tensors: tuple[Meta, ...], dim: int) -> Inferred:
    _need_tensors(tensors, "stack")
    first = tensors[0].shape
    for index, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(tensor.shape)} at entry {index}",
                argument="tensors",
                expected=list(first),
                got=list(tensor.shape),
            )
    axis = wrap_dim(dim, len(first) + 1)
    return _promoted(tensors, (*first[:axis], len(tensors), *first[axis:]))


@op(_stack, on="torch", autocast="widest")
def stack(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors of one shape along a new dimension."""


def at_least(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """`shape` with as many dimensions as `atleast_{ndim}d` gives it."""
    if len(shape) >= ndim:
        return shape
    if len(shape) == 2:
        return (*shape, 1)
    size = shape[0] if shape else 1
    return ((size,), (1, size), (1, size, 1))[ndim - 1]


def _lifted(tensors: tuple[Meta, ...], ndim: int) -> tuple[Meta, ...]:
    return tuple([like(tensor, shape=at_least(tensor.shape, ndim)) for tensor in tensors])


def _hstack(tensors: tuple[Meta, ...]) -> Inferred:
    _need_tensors(tensors, "hstack")
    lifted = _lifted(tensors, 1)
    return cat_rule(lifted, 0 if lifted[0].ndim == 1 else 1)


@op(_hstack, on="torch")
def hstack(tensors: list[Tensor]) -> Tensor:
    """Joins tensors along the second dimension, vectors along their only one."""


def _vstack(tensors: tuple[Meta, ...]) -> Inferred:
    _need_tensors(tensors, "vstack")
    return cat_rule(_lifted(tensors, 2), 0)


@op(_vstack, on="torch")
def vstack(tensors: list[Tensor]) -> Tensor:
    """Joins tensors along the first dimension; vectors are rows."""


def _dstack(tensors: tuple[Meta, ...]) -> Inferred:
    _need_tensors(tensors, "dstack")
    return cat_rule(_lifted(tensors, 3), 2)


@op(_dstack, on="torch")
def dstack(tensors: list[Tensor]) -> Tensor:
    """Joins tensors along the third dimension."""


def _at_least(ndim: int) -> Any:
    def rule(input: Meta) -> Inferred:
        if input.ndim >= ndim:
            return view_of(input, input.shape, input.strides)
        if input.ndim == 0:
            return basic_index(input, (None,) * ndim)
        if input.ndim == 2:
            return basic_index(input, ((None, None, None),) * 2 + (None,))
        return basic_index(input, (None, (None, None, None), *(None,) * (ndim - 2)))

    return rule


@op(_at_least(1), on="torch", view=True)
def atleast_1d(input: Tensor) -> Tensor:
    """The tensor with one dimension or more; a view."""


@op(_at_least(2), on="torch", view=True)
def atleast_2d(input: Tensor) -> Tensor:
    """The tensor with two dimensions or more, new ones in front; a view."""


@op(_at_least(3), on="torch", view=True)
def atleast_3d(input: Tensor) -> Tensor:
    """The tensor with three dimensions or more, a new one in front of a vector's, others behind; a view."""


def _block_diag(tensors: tuple[Meta, ...]) -> Meta:
    _need_tensors(tensors, "block_diag")
    for index, tensor in enumerate(tensors):
        if tensor.ndim > 2:
            raise ShapeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {index} has {tensor.ndim}.",
                argument="tensors",
            )
    blocks = [at_least(tensor.shape, 2) for tensor in tensors]
    shape = (sum(rows for rows, _ in blocks), sum(columns for _, columns in blocks))
    return like(tensors[0], shape=shape, dtype=common_dtype(tensors))


@op(_block_diag, on="", form_of="block_diag")
def _block_diagonal(tensors: list[Tensor]) -> Tensor:
    """Matrices along the diagonal, zeros elsewhere; vectors are rows."""


def _meshgrid(tensors: tuple[Meta, ...], indexing: str) -> Inferred:
    _need_tensors(tensors, "meshgrid")
    check_results(len(tensors))
    if indexing not in ("ij", "xy"):
        raise ShapeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}',
            argument="indexing",
            got=indexing,
        )
    if any(tensor.ndim > 1 for tensor in tensors):
        raise ShapeError("torch.meshgrid: Expected 0D or 1D tensors in the tensor list", argument="tensors")
    if len({tensor.dtype for tensor in tensors}) > 1:
        raise ShapeError("torch.meshgrid expects all tensors to have the same dtype", argument="tensors")
    sizes = [tensor.numel for tensor in tensors]
    if indexing == "xy" and len(sizes) > 1:
        sizes[:2] = sizes[1], sizes[0]
    return Inferred(tuple([like(tensor, shape=tuple(sizes)) for tensor in tensors]))


@op(_meshgrid, on="torch", separate=True)
def meshgrid(tensors: list[Tensor], indexing: str = "ij") -> list[Tensor]:
    """The coordinates of every point of a grid, a tensor per axis; "xy" swaps the first two dimensions."""


# Repeating -------------------------------------------------------------------------------------------------------------


def _repeat(input: Meta, repeats: tuple[int, ...]) -> Meta:
    lead = len(repeats) - input.ndim
    if lead < 0:
        raise ShapeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
            argument="repeats",
            expected=input.ndim,
            got=len(repeats),
        )
    shape = (1,) * lead + input.shape
    return like(input, shape=tuple([n * size for n, size in zip(repeats, shape, strict=True)]))


@op(_repeat, on="tensor")
def repeat(input: Tensor, repeats: Size) -> Tensor:
    """The whole tensor over again, so many times along each dimension."""


@op(lambda input, dims: _repeat(input, (1,) * (input.ndim - len(dims)) + dims))
def tile(input: Tensor, dims: Size) -> Tensor:
    """As `repeat`; missing leading numbers are 1."""


def _repeat_interleave(input: Meta, repeats: int, dim: int | None) -> Meta:
    if repeats < 0:
        raise ShapeError("Repeats must be non-negative", argument="repeats", got=repeats)
    if dim is None:
        return like(input, shape=(input.numel * repeats,))
    axis = wrap_dim(dim, input.ndim)
    shape = input.shape or (1,)
    return like(input, shape=(*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]))


@op(_repeat_interleave)
def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Each element so many times in a row, along `dim` or in the flattened tensor."""


def _repeat_each(input: Meta, repeats: Meta, dim: int | None) -> Meta:
    size = input.numel if dim is None else (input.shape or (1,))[wrap_dim(dim, input.ndim)]
    _check_repeats(repeats, size, dim)
    return like(input)


def _check_repeats(repeats: Meta, size: int, dim: int | None = None) -> None:
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise ShapeError(
            "repeats has to be Long or Int tensor", argument="repeats", expected="int64", got=repeats.dtype.name
        )
    if repeats.ndim > 1:
        raise ShapeError("Repeat only accepts 1D vector as repeat", argument="repeats", got=list(repeats.shape))
    if repeats.numel not in (1, size):
        raise ShapeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.numel} and "
            f"input.size({dim or 0}) = {size}",
            argument="repeats",
            expected=size,
            got=repeats.numel,
        )


@op(_repeat_each, on="", form_of="repeat_interleave", static_shape=False)
def _repeat_interleave_each(input: Tensor, repeats: Tensor, dim: int | None = None) -> Tensor:
    """Each element repeated by its number in `repeats (n,)`, of an integer dtype."""


def _repeated(repeats: Meta, count: int) -> Meta:
    _check_repeats(repeats, count)
    return like(repeats, dtype=dtypes.int64)


@op(_repeated, on="", inner=True, static_shape=False, differentiable=False)
def _repeated_index(repeats: Tensor, count: int) -> Tensor:
    """Each of 0 ... `count` - 1 repeated by its number in `repeats`."""
