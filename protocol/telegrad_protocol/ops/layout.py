"""Shape, strides and order of elements: views, copies, flips, casts."""

from __future__ import annotations

import math
from typing import Any

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.rules import check_shape, need_shape, same
from telegrad_protocol.shapes import Meta, broadcast, infer_size, like, meta, view_strides, wrap_dim, wrap_dims
from telegrad_protocol.spec import Dims, Inferred, Size, Tensor, op


def view_of(input: Meta, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Inferred:
    return Inferred((meta(shape, input.dtype, strides, input.device),), offset=offset)


def _swap(input: Meta, dim0: int, dim1: int) -> Inferred:
    a, b = wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim)
    shape, strides = list(input.shape), list(input.strides)
    if input.ndim:
        shape[a], shape[b] = shape[b], shape[a]
        strides[a], strides[b] = strides[b], strides[a]
    return view_of(input, tuple(shape), tuple(strides))


@op(_swap, view=True, second_names="swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swaps two dimensions; a view."""


def _reshape(input: Meta, shape: tuple[int, ...]) -> Inferred:
    shape = infer_size(shape, input.numel)
    strides = view_strides(input, shape)
    return Inferred((like(input, shape=shape),)) if strides is None else view_of(input, shape, strides)


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


def _as_strided(input: Meta, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None) -> Inferred:
    if not input.contiguous:
        raise ShapeError("as_strided: the tensor must be contiguous", hint="call it on the tensor that owns the memory")
    if len(size) != len(stride):
        raise ShapeError(f"mismatch in length of strides and shape: {len(stride)} and {len(size)}", argument="stride")
    if any(step < 0 for step in stride):
        raise ShapeError("as_strided: negative strides are not supported", argument="stride", got=list(stride))
    if min(size, default=0) < 0:
        raise ShapeError(f"as_strided: sizes must not be negative, got {list(size)}", argument="size", got=list(size))
    offset = storage_offset or 0
    last = offset + (sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if 0 not in size else -1)
    if offset < 0 or last >= input.numel:
        raise ShapeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset} reach element {last} of "
            f"{input.numel}",
            argument="size",
        )
    return view_of(input, size, stride, offset)


@op(_as_strided, view=True)
def as_strided(input: Tensor, size: Size, stride: Size, storage_offset: int | None = None) -> Tensor:
    """A view by sizes, strides and offset, in elements, of a contiguous tensor's memory."""


def _as_strided_gradient(grad: Meta, shape: tuple[int, ...], *geometry: Any) -> Meta:
    whole = like(grad, shape=shape)
    need_shape(grad, _as_strided(whole, *geometry).meta.shape)
    return whole


@op(_as_strided_gradient, on="", inner=True)
def _as_strided_backward(
    grad: Tensor, shape: Size, size: Size, stride: Size, storage_offset: int | None = None
) -> Tensor:
    """Zeros of `shape` with `grad` added at the elements of the `as_strided` view."""


def _as_strided_scatter(input: Meta, src: Meta, *geometry: Any) -> Meta:
    need_shape(src, _as_strided(like(input), *geometry).meta.shape, "src")
    return like(input)


@op(_as_strided_scatter)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Size, stride: Size, storage_offset: int | None = None
) -> Tensor:
    """A copy of `input` with `src` written to the elements of the `as_strided` view of the same arguments."""


def _expand(input: Meta, size: tuple[int, ...]) -> Inferred:
    lead = len(size) - input.ndim
    if lead < 0:
        raise ShapeError(
            f"the number of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({input.ndim})",
            argument="size",
        )
    shape, strides = list(size), [0] * len(size)
    for axis in reversed(range(len(size))):
        have = input.shape[axis - lead] if axis >= lead else 1
        wanted = have if size[axis] == -1 and axis >= lead else size[axis]
        if wanted < 0 or have not in (1, wanted):
            raise ShapeError(
                f"The expanded size of the tensor ({wanted}) must match the existing size ({have}) at non-singleton "
                f"dimension {axis}. Target sizes: {list(size)}. Tensor sizes: {list(input.shape)}",
                argument="size",
            )
        shape[axis] = wanted
        if have == wanted and axis >= lead:
            strides[axis] = input.strides[axis - lead]
        elif have == wanted and input.ndim:
            strides[axis] = shape[axis + 1] * strides[axis + 1]
    return view_of(input, tuple(shape), tuple(strides))


@op(_expand, view=True, on="tensor")
def expand(input: Tensor, size: Size) -> Tensor:
    """Stretches dimensions of size 1, and adds leading ones, without copying; -1 keeps a size."""


def _sum_to_size(input: Meta, size: tuple[int, ...]) -> Meta:
    _expand(like(input, shape=size), input.shape)
    return like(input, shape=size)


@op(_sum_to_size, on="tensor")
def sum_to_size(input: Tensor, size: Size) -> Tensor:
    """Undoes broadcasting: sums over the dimensions that `expand` would have stretched."""


# Dimensions in another order, more of them, fewer of them -----------------------------------------------------------


def _permuted(input: Meta, dims: tuple[int, ...]) -> Inferred:
    return view_of(input, tuple([input.shape[d] for d in dims]), tuple([input.strides[d] for d in dims]))


def _permute(input: Meta, dims: tuple[int, ...]) -> Inferred:
    if len(dims) != input.ndim:
        raise ShapeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}",
            argument="dims",
            expected=input.ndim,
            got=len(dims),
        )
    axes = tuple([wrap_dim(dim, input.ndim, argument="dims") for dim in dims])
    if len(set(axes)) != len(axes):
        raise ShapeError("permute(): duplicate dims are not allowed.", argument="dims", got=list(dims))
    return _permuted(input, axes)


@op(_permute, view=True)
def permute(input: Tensor, dims: Size) -> Tensor:
    """The dimensions in another order; a view."""


def _t(input: Meta) -> Inferred:
    if input.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D", argument="input")
    return _permuted(input, tuple(reversed(range(input.ndim))))


@op(_t, view=True)
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number as it is. A view."""


def moved_order(ndim: int, source: tuple[int, ...], destination: tuple[int, ...]) -> tuple[int, ...]:
    """The order of dimensions that moves `source` to `destination` and keeps the others in order."""
    if len(source) != len(destination):
        raise ShapeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number "
            f"of dims as destination ({list(destination)} dims)",
            argument="destination",
        )
    froms = [wrap_dim(dim, ndim, argument="source") for dim in source]
    tos = [wrap_dim(dim, ndim, argument="destination") for dim in destination]
    for name, given, axes in (("source", source, froms), ("destination", destination, tos)):
        if len(set(axes)) != len(axes):
            raise ShapeError(f"movedim: repeated dim in `{name}` ({list(given)})", argument=name)
    rest = iter([axis for axis in range(ndim) if axis not in froms])
    placed = dict(zip(tos, froms, strict=True))
    return tuple([placed[axis] if axis in placed else next(rest) for axis in range(ndim)])


@op(lambda input, *dims: _permuted(input, moved_order(input.ndim, *dims)), view=True, second_names="moveaxis")
def movedim(input: Tensor, source: Size, destination: Size) -> Tensor:
    """The dimensions `source` moved to the positions `destination`; a view."""


def _unsqueeze(input: Meta, dim: int) -> Inferred:
    axis = wrap_dim(dim, input.ndim + 1)
    step = input.shape[axis] * input.strides[axis] if axis < input.ndim else 1
    shape, strides = input.shape, input.strides
    return view_of(input, (*shape[:axis], 1, *shape[axis:]), (*strides[:axis], step, *strides[axis:]))


@op(_unsqueeze, view=True)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 at `dim`; a view."""


def _squeeze(input: Meta, dim: Dims) -> Inferred:
    among = range(input.ndim) if dim is None else [wrap_dim(d, input.ndim) for d in _listed(dim)]
    if len(set(among)) != len(among):
        twice = next(axis for index, axis in enumerate(among) if axis in among[:index])
        raise ShapeError(f"dim {twice} appears multiple times in the list of dims", argument="dim")
    keep = [axis for axis in range(input.ndim) if axis not in among or input.shape[axis] != 1]
    return _permuted(input, tuple(keep))


def _listed(dim: int | tuple[int, ...]) -> tuple[int, ...]:
    return (dim,) if isinstance(dim, int) else dim


@op(_squeeze, view=True)
def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have size 1; a view."""


def flat_shape(shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    """`shape` with the dimensions from `start_dim` to `end_dim`, both included, made one."""
    first, last = (
        wrap_dim(start_dim, len(shape), argument="start_dim"),
        wrap_dim(end_dim, len(shape), argument="end_dim"),
    )
    if first > last:
        raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim", argument="end_dim")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


@op(lambda input, *dims: _reshape(input, flat_shape(input.shape, *dims)), view=True)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one; a view where the memory allows it, else a copy."""


def unflat_shape(shape: tuple[int, ...], dim: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with dimension `dim` split into `sizes`, one of which may be -1."""
    axis = wrap_dim(dim, len(shape))
    if not shape:
        raise OpIndexError("Dimension specified as 0 but tensor has no dimensions", argument="dim", got=dim)
    if not sizes:
        raise ShapeError("unflatten: sizes must be non-empty", argument="sizes")
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and shape[axis] % known == 0:
        sizes = infer_size(sizes, shape[axis])
    if -1 in sizes or math.prod(sizes) != shape[axis]:
        raise ShapeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[axis]}) in "
            "the input tensor",
            argument="sizes",
            expected=shape[axis],
            got=list(sizes),
        )
    return (*shape[:axis], *sizes, *shape[axis + 1 :])


@op(lambda input, *more: _view(input, unflat_shape(input.shape, *more)), view=True)
def unflatten(input: Tensor, dim: int, sizes: Size) -> Tensor:
    """Dimension `dim` as several, of these sizes; a view. One size may be -1."""


@op(_expand, view=True, on="torch tensor")
def broadcast_to(input: Tensor, size: Size) -> Tensor:
    """As `expand`."""


# Copies and other dtypes -----------------------------------------------------------------------------------------------


@op(lambda input, dtype: like(input, dtype=dtype), on="", form_of="to")
def _to_dtype(input: Tensor, dtype: DType) -> Tensor:
    """A copy of another dtype; gradients come back in the input's."""


@op(lambda input, dtype: like(input, dtype=dtype), on="", inner=True)
def _cast_to(input: Tensor, dtype: DType) -> Tensor:
    """`input` in another dtype; a gradient that has the dtype already is not copied."""


@op(same)
def clone(input: Tensor) -> Tensor:
    """A copy that gradients flow through."""


def _alias(input: Meta) -> Inferred:
    return view_of(input, input.shape, input.strides)


@op(_alias, view=True, detached=True, differentiable=False)
def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""


@op(_alias, view=True, detached=True, own_version=True, differentiable=False, on="")
def _data(input: Tensor) -> Tensor:
    """As `detach`; autograd does not notice writes through the result."""


def _contiguous(input: Meta) -> Inferred:
    if input.contiguous:
        return view_of(input, input.shape, input.strides)
    return Inferred((like(input),))


@op(_contiguous, view=True, on="tensor")
def contiguous(input: Tensor) -> Tensor:
    """The same elements in row-major order: the tensor's own memory where it has that, else a copy."""


@op(lambda input, like_: like(input, dtype=like_.dtype), on="", inner=True, differentiable=False)
def _cast_like(input: Tensor, like: Tensor) -> Tensor:
    """`input` in the dtype of `like`."""


def _overwritten(input: Meta, src: Meta) -> Meta:
    check_shape("copy", broadcast((input.shape, src.shape)), input.shape)
    return like(input)


@op(_overwritten, on="", inplace=True, elementwise=True)
def copy(input: Tensor, src: Tensor) -> Tensor:
    """The values of `src` in the shape and dtype of `input`."""


# Reversed, rolled, rotated ---------------------------------------------------------------------------------------------


def _flip(input: Meta, dims: tuple[int, ...]) -> Meta:
    if dims:
        wrap_dims(dims, input.ndim)
    return like(input)


@op(_flip)
def flip(input: Tensor, dims: Size) -> Tensor:
    """Reverses the order along these dimensions."""


def _at_least_dims(least: int) -> Any:
    def rule(input: Meta) -> Meta:
        if input.ndim < least:
            raise ShapeError(f"Input must be >= {least}-d.", argument="input", got=list(input.shape))
        return like(input)

    return rule


@op(_at_least_dims(2))
def fliplr(input: Tensor) -> Tensor:
    """Reverses the order of the columns."""


@op(_at_least_dims(1))
def flipud(input: Tensor) -> Tensor:
    """Reverses the order of the rows."""


def _roll(input: Meta, shifts: int | tuple[int, ...], dims: Any) -> Meta:
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    dims = (dims,) if isinstance(dims, int) else dims or ()
    if not shifts:
        raise ShapeError("`shifts` required", argument="shifts")
    if len(shifts) != len(dims) and (dims or len(shifts) > 1):
        raise ShapeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}", argument="dims")
    for dim in dims:
        wrap_dim(dim, input.ndim)
    return like(input)


@op(_roll)
def roll(input: Tensor, shifts: int | Size, dims: Dims = None) -> Tensor:
    """Moves elements along dimensions, around the end to the beginning; without `dims`, in the flattened tensor."""


def _rot90(input: Meta, k: int, dims: tuple[int, ...]) -> Meta:
    if len(dims) != 2:
        raise ShapeError(
            f"expected total rotation dims == 2, but got dims = {len(dims)}", argument="dims", got=list(dims)
        )
    if input.ndim < 2:
        raise ShapeError(f"expected total dims >= 2, but got total dims = {input.ndim}", argument="input")
    a, b = (wrap_dim(dim, input.ndim, argument="dims") for dim in dims)
    if a == b:
        raise ShapeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}", argument="dims"
        )
    shape = list(input.shape)
    if k % 2:
        shape[a], shape[b] = shape[b], shape[a]
    return like(input, shape=tuple(shape))


@op(_rot90)
def rot90(input: Tensor, k: int = 1, dims: Size = (0, 1)) -> Tensor:
    """Turns the plane of two dimensions by 90 degrees, `k` times, from the first towards the second."""


# Channels as pixels ----------------------------------------------------------------------------------------------------


def _shuffle(input: Meta, upscale_factor: int) -> Meta:
    _need_image(input, "pixel_shuffle")
    *lead, channels, height, width = input.shape
    if upscale_factor <= 0 or channels % upscale_factor**2:
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {upscale_factor**2}",
            argument="upscale_factor",
            got=upscale_factor,
        )
    grown = (channels // upscale_factor**2, height * upscale_factor, width * upscale_factor)
    return like(input, shape=(*lead, *grown))


def _need_image(input: Meta, name: str) -> None:
    if input.ndim < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)",
            argument="input",
        )


@op(_shuffle, on="functional torch")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels `(..., C * r * r, H, W)` as finer pixels `(..., C, H * r, W * r)`."""


def _unshuffle(input: Meta, downscale_factor: int) -> Meta:
    _need_image(input, "pixel_unshuffle")
    *lead, channels, height, width = input.shape
    if downscale_factor <= 0 or math.gcd(height, width) % downscale_factor:
        raise ShapeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but they are {height} and "
            f"{width}, and downscale_factor={downscale_factor}",
            argument="downscale_factor",
            got=downscale_factor,
        )
    coarse = (channels * downscale_factor**2, height // downscale_factor, width // downscale_factor)
    return like(input, shape=(*lead, *coarse))


@op(_unshuffle, on="functional torch")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""
