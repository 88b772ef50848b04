"""Views and copies that rearrange: reshape, transpose, slice, expand, and what indexing is made of."""

from __future__ import annotations

import itertools
import math

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError, OpValueError, ShapeError, UnsupportedOp
from telegrad_protocol.rules import common_dtype, same
from telegrad_protocol.shapes import Meta, infer_size, like, meta, view_strides, wrap_dim, wrap_dims
from telegrad_protocol.spec import Dims, Index, Inferred, Size, Tensor, op


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


def _as_strided(input: Meta, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None) -> Inferred:
    if len(size) != len(stride):
        raise ShapeError(f"mismatch in length of strides and shape: {len(stride)} and {len(size)}", argument="stride")
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


@op(lambda input, dtype: like(input, dtype=dtype), on="")
def _cast_to(input: Tensor, dtype: DType) -> Tensor:
    """`input` in another dtype; inside a gradient no copy is made where it is of that dtype already."""


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


def _permute(input: Meta, dims: tuple[int, ...]) -> Inferred:
    if len(dims) != input.ndim:
        raise ShapeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}",
            argument="dims",
        )
    axes = [wrap_dim(dim, input.ndim) for dim in dims]
    if len(set(axes)) != len(axes):
        raise ShapeError("permute(): duplicate dims are not allowed.", argument="dims", got=list(dims))
    return _view_of(input, tuple([input.shape[a] for a in axes]), tuple([input.strides[a] for a in axes]))


@op(_permute, view=True)
def permute(input: Tensor, dims: Size) -> Tensor:
    """Reorders the dimensions; a view."""


def _movedim(input: Meta, source: tuple[int, ...], destination: tuple[int, ...]) -> Inferred:
    return _permute(input, moved(input.ndim, source, destination))


def moved(ndim: int, source: tuple[int, ...], destination: tuple[int, ...]) -> tuple[int, ...]:
    """The order of dimensions after moving some of them."""
    if len(source) != len(destination):
        raise ShapeError("movedim: Invalid source or destination dims", argument="destination")
    places = {wrap_dim(d, ndim): wrap_dim(s, ndim) for s, d in zip(source, destination, strict=True)}
    rest = iter([axis for axis in range(ndim) if axis not in places.values()])
    return tuple([places[axis] if axis in places else next(rest) for axis in range(ndim)])


@op(_movedim, view=True)
def movedim(input: Tensor, source: Size, destination: Size) -> Tensor:
    """Moves dimensions to other places; a view."""


def _t(input: Meta) -> Inferred:
    if input.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D", argument="input")
    return _swap(input, 0, 1) if input.ndim == 2 else _view_of(input, input.shape, input.strides)


@op(_t, view=True)
def t(input: Tensor) -> Tensor:
    """Transposes a matrix; a view."""


def _unsqueeze(input: Meta, dim: int) -> Inferred:
    axis = wrap_dim(dim, input.ndim + 1)
    stride = input.shape[axis] * input.strides[axis] if axis < input.ndim else 1
    shape = (*input.shape[:axis], 1, *input.shape[axis:])
    return _view_of(input, shape, (*input.strides[:axis], stride, *input.strides[axis:]))


@op(_unsqueeze, view=True)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Adds a dimension of size 1; a view."""


def _squeeze(input: Meta, dim: Dims) -> Inferred:
    axes = wrap_dims(dim, input.ndim) if dim != () else ()
    kept = [axis for axis in range(input.ndim) if axis not in axes or input.shape[axis] != 1]
    return _view_of(input, tuple([input.shape[a] for a in kept]), tuple([input.strides[a] for a in kept]))


@op(_squeeze, view=True)
def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Removes dimensions of size 1, all or those named; a view."""


def flat_shape(shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    """The shape after joining neighbouring dimensions."""
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim", argument="end_dim")
    if not shape:
        return (1,)
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


@op(lambda input, start_dim, end_dim: _reshape(input, flat_shape(input.shape, start_dim, end_dim)), view=True)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Joins neighbouring dimensions; a view where the memory allows it."""


def _unflatten(input: Meta, dim: int, sizes: tuple[int, ...]) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    filled = infer_size(sizes, input.shape[axis])
    return _reshape(input, (*input.shape[:axis], *filled, *input.shape[axis + 1 :]))


@op(_unflatten, view=True)
def unflatten(input: Tensor, dim: int, sizes: Size) -> Tensor:
    """Splits a dimension into several; a view."""


@op(_expand, view=True)
def broadcast_to(input: Tensor, size: Size) -> Tensor:
    """Stretches to a shape without copying."""


def _contiguous(input: Meta) -> Inferred:
    return _view_of(input, input.shape, input.strides) if input.contiguous else Inferred((like(input),))


@op(_contiguous, view=True, on="tensor")
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy in which they do."""


def sliced(input: Meta, index: Index) -> tuple[list[int], list[int], int]:
    """Shape, strides and offset of a basic index."""
    shape: list[int] = []
    strides: list[int] = []
    offset = axis = 0
    for item in index:
        if item is None:
            shape.append(1)
            strides.append(0)
            continue
        if axis >= input.ndim:
            raise OpIndexError(f"too many indices for tensor of dimension {input.ndim}", argument="index")
        size, step = input.shape[axis], input.strides[axis]
        if isinstance(item, int):
            if not -size <= item < size:
                raise OpIndexError(
                    f"index {item} is out of bounds for dimension {axis} with size {size}",
                    argument="index",
                    expected=f"[{-size}, {size - 1}]",
                    got=item,
                )
            offset += (item % size) * step
        else:
            start, stop, hop = slice(*item).indices(size)
            if hop <= 0:
                raise OpValueError("slice step must be positive", argument="index", got=hop)
            shape.append(max(0, -(-(stop - start) // hop)))
            strides.append(step * hop)
            offset += start * step
        axis += 1
    return [*shape, *input.shape[axis:]], [*strides, *input.strides[axis:]], offset


def _slice_rule(input: Meta, index: Index) -> Inferred:
    shape, strides, offset = sliced(input, index)
    return _view_of(input, tuple(shape), tuple(strides), offset)


@op(_slice_rule, view=True, on="")
def _slice(input: Tensor, index: Index) -> Tensor:
    """`input[index]` for a basic index: new axes, numbers and [start, stop, step]; a view."""


@op(lambda grad, shape, index: like(grad, shape=shape), on="")
def _slice_backward(grad: Tensor, shape: Size, index: Index) -> Tensor:
    """Zeros of `shape` with `grad` where the index looks."""


def _narrow(input: Meta, dim: int, start: int, length: int) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    size = input.shape[axis]
    if length < 0 or not -size <= start <= size or (start % size if start < 0 else start) + length > size:
        raise ShapeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({size}).", argument="length", got=length
        )
    start = start + size if start < 0 else start
    return _slice_rule(input, (*((None, None, None),) * axis, (start, start + length, None)))


@op(_narrow, view=True)
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A part of one dimension; a view."""


def _select(input: Meta, dim: int, index: int) -> Inferred:
    return _slice_rule(input, (*((None, None, None),) * wrap_dim(dim, input.ndim), index))


@op(_select, view=True)
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One place of a dimension, which goes away; a view."""


def cuts(size: int, split_size: int | tuple[int, ...]) -> list[tuple[int, int]]:
    """Start and end of each part of a split dimension."""
    if isinstance(split_size, int):
        if split_size < 0 or (split_size == 0 and size):
            raise ShapeError(f"split expects split_size be non-negative, but got split_size={split_size}")
        return [(i, min(i + split_size, size)) for i in range(0, size, split_size or 1)] or [(0, 0)]
    if sum(split_size) != size:
        raise ShapeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size), but got "
            f"split_sizes={list(split_size)}",
            argument="split_size",
        )
    ends = list(itertools.accumulate(split_size))
    return [(end - length, end) for end, length in zip(ends, split_size, strict=True)]


def _split(input: Meta, split_size: int | tuple[int, ...], dim: int) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    return _parts(input, axis, cuts(input.shape[axis], split_size))


def _parts(input: Meta, axis: int, bounds: list[tuple[int, int]]) -> Inferred:
    lead, tail, strides = input.shape[:axis], input.shape[axis + 1 :], input.strides
    metas = tuple([meta((*lead, b - a, *tail), input.dtype, strides, input.device) for a, b in bounds])
    return Inferred(metas, offset=tuple([a * strides[axis] for a, _ in bounds]))


@op(_split, view=True)
def split(input: Tensor, split_size: int | Size, dim: int = 0) -> list[Tensor]:
    """Parts of one size, or of these sizes, along a dimension; views."""


def _chunk(input: Meta, chunks: int, dim: int) -> Inferred:
    if chunks <= 0:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}", argument="chunks")
    axis = wrap_dim(dim, input.ndim)
    return _split(input, -(-input.shape[axis] // chunks), axis)


@op(_chunk, view=True)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """At most that many parts of equal size along a dimension; views."""


def _unbind(input: Meta, dim: int) -> Inferred:
    axis = wrap_dim(dim, input.ndim)
    found = [_select(input, axis, i) for i in range(input.shape[axis])]
    return Inferred(tuple(f.meta for f in found), offset=tuple(f.offset for f in found))


@op(_unbind, view=True)
def unbind(input: Tensor, dim: int = 0) -> list[Tensor]:
    """Every place of a dimension, which goes away; views."""


def _cat(tensors: tuple[Meta, ...], dim: int) -> Inferred:
    if not tensors:
        raise ShapeError("torch.cat(): expected a non-empty list of Tensors", argument="tensors")
    compute = common_dtype(tensors)
    full = [m for m in tensors if m.shape != (0,)] or list(tensors)
    axis = wrap_dim(dim, full[0].ndim)
    if not full[0].ndim:
        raise ShapeError("zero-dimensional tensor (at position 0) cannot be concatenated", argument="tensors")
    for place, m in enumerate(full):
        if m.ndim != full[0].ndim or any(
            a != b for i, (a, b) in enumerate(zip(m.shape, full[0].shape, strict=True)) if i != axis
        ):
            raise ShapeError(
                f"Sizes of tensors must match except in dimension {axis}. Expected {list(full[0].shape)} but got "
                f"{list(m.shape)} for tensor number {place} in the list.",
                argument="tensors",
            )
    shape = list(full[0].shape)
    shape[axis] = sum(m.shape[axis] for m in full)
    return Inferred((like(full[0], shape=tuple(shape), dtype=compute),), _mixed(tensors, compute))


def _mixed(tensors: tuple[Meta, ...], compute: DType) -> DType | None:
    """The dtype to cast to, if not all tensors have it."""
    return None if all(m.dtype is compute for m in tensors) else compute


@op(_cat, on="torch")
def cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors along an existing dimension."""


def _stack(tensors: tuple[Meta, ...], dim: int) -> Inferred:
    if not tensors:
        raise ShapeError("stack expects a non-empty TensorList", argument="tensors")
    first = tensors[0]
    for place, m in enumerate(tensors):
        if m.shape != first.shape:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(m.shape)} at entry {place}",
                argument="tensors",
            )
    axis = wrap_dim(dim, first.ndim + 1)
    compute = common_dtype(tensors)
    shape = (*first.shape[:axis], len(tensors), *first.shape[axis:])
    return Inferred((like(first, shape=shape, dtype=compute),), _mixed(tensors, compute))


@op(_stack, on="torch")
def stack(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors of one shape along a new dimension."""


def _repeat(input: Meta, repeats: tuple[int, ...]) -> Meta:
    if len(repeats) < input.ndim:
        raise ShapeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
            argument="repeats",
        )
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    return like(input, shape=tuple([n * r for n, r in zip(shape, repeats, strict=True)]))


@op(_repeat, on="tensor")
def repeat(input: Tensor, repeats: Size) -> Tensor:
    """Copies of the tensor side by side along each dimension."""


def _repeat_interleave(input: Meta, repeats: int, dim: int | None) -> Meta:
    if dim is None:
        return like(input, shape=(input.numel * repeats,))
    axis = wrap_dim(dim, input.ndim)
    return like(input, shape=(*input.shape[:axis], input.shape[axis] * repeats, *input.shape[axis + 1 :]))


@op(_repeat_interleave)
def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Each element that many times in a row."""


def _flip(input: Meta, dims: tuple[int, ...]) -> Meta:
    wrap_dims(dims, input.ndim)  # refuses what is out of range
    return like(input)


@op(_flip)
def flip(input: Tensor, dims: Size) -> Tensor:
    """Reverses the order along dimensions."""


@op(lambda input, shifts, dims: like(input))
def roll(input: Tensor, shifts: Size, dims: Dims = None) -> Tensor:
    """Moves elements along dimensions, those that fall off coming back at the other end."""


def _triangle(input: Meta, diagonal: int) -> Meta:
    if input.ndim < 2:
        raise ShapeError(f"tril: input tensor must have at least 2 dimensions, got {input.ndim}", argument="input")
    return like(input)


@op(_triangle, inplace=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, zeros above."""


@op(_triangle, inplace=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, zeros below."""


def _diagonal(input: Meta, offset: int, dim1: int, dim2: int) -> Inferred:
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}", argument="dim2")
    rows, columns = input.shape[a] + min(offset, 0), input.shape[b] - max(offset, 0)
    size = max(0, min(rows, columns))
    start = max(offset, 0) * input.strides[b] + max(-offset, 0) * input.strides[a] if size else 0
    rest = [axis for axis in range(input.ndim) if axis not in (a, b)]
    shape = (*[input.shape[axis] for axis in rest], size)
    strides = (*[input.strides[axis] for axis in rest], input.strides[a] + input.strides[b])
    return _view_of(input, shape, strides, start)


@op(_diagonal, view=True)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last one; a view."""


def _diag_embed(input: Meta, offset: int) -> Meta:
    side = input.shape[-1] + abs(offset)
    return like(input, shape=(*input.shape[:-1], side, side))


@op(_diag_embed, on="")
def _diag_matrix(input: Tensor, offset: int = 0) -> Tensor:
    """Square matrices with the last dimension on their diagonals."""


def _diag(input: Meta, diagonal: int) -> Meta:
    if input.ndim == 1:
        return _diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D", argument="input")
    return like(input, shape=_diagonal(input, diagonal, 0, 1).meta.shape)


@op(_diag)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with that diagonal."""


def _meshgrid(tensors: tuple[Meta, ...], indexing: str) -> tuple[Meta, ...]:
    if indexing not in ("ij", "xy"):
        raise ShapeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    sizes = [m.numel for m in tensors]
    if indexing == "xy" and len(sizes) > 1:
        sizes[0], sizes[1] = sizes[1], sizes[0]
    return tuple([like(m, shape=tuple(sizes)) for m in tensors])


@op(_meshgrid, on="torch")
def meshgrid(tensors: list[Tensor], indexing: str = "ij") -> list[Tensor]:
    """Coordinates of a grid: each tensor along a dimension of its own."""


def _pad(input: Meta, pad: tuple[int, ...], mode: str, value: float | None) -> Meta:
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise UnsupportedOp(f"Unrecognised padding mode {mode}", argument="mode", got=mode)
    if len(pad) % 2 or len(pad) // 2 > input.ndim:
        raise ShapeError("Padding length must be divisible by 2 and at most twice the number of dimensions")
    shape = list(input.shape)
    for i in range(len(pad) // 2):
        shape[-1 - i] += pad[2 * i] + pad[2 * i + 1]
        if shape[-1 - i] < 0:
            raise ShapeError(
                f"The input size {input.shape[-1 - i]}, plus negative padding, resulted in a negative size"
            )
        if mode == "reflect" and max(pad[2 * i : 2 * i + 2]) >= input.shape[-1 - i]:
            raise ShapeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"{pad[2 * i : 2 * i + 2]} at dimension {input.ndim - 1 - i} of input {list(input.shape)}"
            )
    return like(input, shape=tuple(shape))


@op(_pad, on="functional")
def pad(input: Tensor, pad: Size, mode: str = "constant", value: float | None = None) -> Tensor:
    """Adds (or, where negative, removes) elements at the ends of the last dimensions, the last first."""


def _pixel_shuffle(input: Meta, upscale_factor: int) -> Meta:
    c, h, w = input.shape[-3:]
    r = upscale_factor
    if c % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    return like(input, shape=(*input.shape[:-3], c // (r * r), h * r, w * r))


@op(lambda grad, shape, *_: like(grad, shape=shape), on="")
def _pad_backward(grad: Tensor, shape: Size, pad: Size, mode: str) -> Tensor:
    """The gradient of `pad`: what was copied to the ends is added to where it came from."""


@op(_pixel_shuffle, on="functional")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Turns channels (C r r, H, W) into pixels (C, H r, W r)."""
