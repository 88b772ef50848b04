"""Views and copies that rearrange: reshape, transpose, slice, expand, and what indexing is made of."""

from __future__ import annotations

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import same
from telegrad_protocol.shapes import Meta, infer_size, like, meta, view_strides, wrap_dim
from telegrad_protocol.spec import Inferred, Size, Tensor, op


def _view_of(input: Meta, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Inferred:
    return Inferred((meta(shape, input.dtype, strides, input.device),), offset=offset)


def _swap(input: Meta, dim0: int, dim1: int) -> Inferred:
    a, b = wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim)
    shape, strides = list(input.shape), list(input.strides)
    if input.ndim:
        shape[a], shape[b] = shape[b], shape[a]
        strides[a], strides[b] = strides[b], strides[a]
    return _view_of(input, tuple(shape), tuple(strides))


@op(_swap, view=True)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swaps two dimensions; a view."""


def _reshape(input: Meta, shape: tuple[int, ...]) -> Inferred:
    shape = infer_size(shape, input.numel)
    strides = view_strides(input, shape)
    return Inferred((like(input, shape=shape),)) if strides is None else _view_of(input, shape, strides)


@op(_reshape, view=True)
def reshape(input: Tensor, shape: Size) -> Tensor:
    """The same elements in another shape; a view where the memory allows it, else a copy. One size may be -1."""


def _view(input: Meta, shape: tuple[int, ...]) -> Inferred:
    found = _reshape(input, shape)
    if found.offset is None:
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
            "two contiguous subspaces). Use .reshape(...) instead.",
            argument="shape",
        )
    return found


@op(_view, view=True, on="tensor")
def view(input: Tensor, shape: Size) -> Tensor:
    """The same memory in another shape; an error where only a copy could do it."""


def _as_strided(
    input: Meta, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None
) -> Inferred:
    if len(size) != len(stride):
        raise ShapeError(
            f"mismatch in length of strides and shape: {len(stride)} and {len(size)}", argument="stride"
        )
    if any(step < 0 for step in stride):
        raise ShapeError("as_strided: negative strides are not supported", argument="stride", got=list(stride))
    offset = storage_offset or 0
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if 0 not in size else offset
    if offset < 0 or last >= max(input.numel, 1):
        raise ShapeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset} reach element {last} of "
            f"{input.numel}",
            argument="size",
        )
    return _view_of(input, size, stride, offset)


@op(_as_strided, view=True)
def as_strided(input: Tensor, size: Size, stride: Size, storage_offset: int | None = None) -> Tensor:
    """A view by sizes, strides and offset, in elements, of a contiguous tensor's memory."""


@op(lambda grad, shape, *_: like(grad, shape=shape), on="")
def _as_strided_backward(
    grad: Tensor, shape: Size, size: Size, stride: Size, storage_offset: int | None = None
) -> Tensor:
    """Zeros of `shape` with `grad` added where `as_strided` looked."""


@op(lambda input, src, *_: like(input))
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Size, stride: Size, storage_offset: int | None = None
) -> Tensor:
    """A copy of `input` with `src` written where `as_strided` of the same arguments would look."""


@op(lambda input, dtype: like(input, dtype=dtype), on="")
def _to_dtype(input: Tensor, dtype: DType) -> Tensor:
    """A copy of another dtype; gradients come back in the input's."""


@op(same)
def clone(input: Tensor) -> Tensor:
    """A copy that gradients flow through."""


@op(lambda input: _view_of(input, input.shape, input.strides), view=True, differentiable=False)
def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""


def _expand(input: Meta, size: tuple[int, ...]) -> Inferred:
    lead = len(size) - input.ndim
    if lead < 0:
        raise ShapeError(
            f"the number of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({input.ndim})",
            argument="size",
        )
    shape, strides = [], []
    for axis, wanted in enumerate(size):
        have = input.shape[axis - lead] if axis >= lead else 1
        if wanted == -1 and axis >= lead:
            wanted = have
        if wanted < 0 or have not in (1, wanted):
            raise ShapeError(
                f"The expanded size of the tensor ({wanted}) must match the existing size ({have}) at non-singleton "
                f"dimension {axis}. Target sizes: {list(size)}. Tensor sizes: {list(input.shape)}",
                argument="size",
            )
        shape.append(wanted)
        stretched = axis < lead or (have == 1 and wanted != 1)
        strides.append(0 if stretched else input.strides[axis - lead])
    return _view_of(input, tuple(shape), tuple(strides))


@op(_expand, view=True, on="tensor")
def expand(input: Tensor, size: Size) -> Tensor:
    """Stretches dimensions of size 1, and adds leading ones, without copying; -1 keeps a size."""


def _sum_to_size(input: Meta, size: tuple[int, ...]) -> Meta:
    _expand(like(input, shape=size), input.shape)
    return like(input, shape=size)


@op(_sum_to_size, on="tensor")
def sum_to_size(input: Tensor, size: Size) -> Tensor:
    """Undoes broadcasting: sums over the dimensions that `expand` would have stretched."""
