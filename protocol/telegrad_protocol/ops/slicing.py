"""Slices, pieces, diagonals and triangles of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from telegrad_protocol.errors import OpIndexError, OpValueError, ShapeError
from telegrad_protocol.rules import need_shape
from telegrad_protocol.shapes import Meta, check_results, like, meta, wrap_dim
from telegrad_protocol.spec import Index, Inferred, Rule, Size, Tensor, op

from .layout import view_of


def slice_bounds(bounds: tuple[Any, ...], size: int) -> tuple[int, int, int]:
    """Start, stop and step of a slice of a dimension, limited to its size; stop is never before start."""
    start, stop, step = bounds
    step = 1 if step is None else step
    if step <= 0:
        raise OpValueError("step must be greater than zero", argument="index", got=step)
    low, high, _ = slice(start, stop).indices(size)
    return low, max(low, high), step


def _located(input: Meta, index: tuple[Any, ...]) -> tuple[Meta, int]:
    """The shape and strides of a basic index, and the offset of its first element."""
    if sum(item is not None for item in index) > input.ndim:
        raise _too_many(input)
    shape, strides, offset, axis = [], [], 0, 0
    for item in index:
        size, stride = (input.shape[axis], input.strides[axis]) if axis < input.ndim else (1, 1)
        if item is None:
            shape.append(1)
            strides.append(size * stride)
            continue
        if isinstance(item, tuple):
            start, stop, step = slice_bounds(item, size)
            shape.append(-(-(stop - start) // step))
            strides.append(stride * step)
            offset += start * stride
        else:
            offset += _place(item, size, axis) * stride
        axis += 1
    shown = (*shape, *input.shape[axis:]), input.dtype, (*strides, *input.strides[axis:]), input.device
    return meta(*shown), offset


def basic_index(input: Meta, index: tuple[Any, ...]) -> Inferred:
    found, offset = _located(input, index)
    return Inferred((found,), offset=offset)


def _several(input: Meta, indices: list[tuple[Any, ...]]) -> Inferred:
    found = [_located(input, index) for index in indices]
    return Inferred(tuple([part for part, _ in found]), offset=tuple([offset for _, offset in found]))


def _too_many(input: Meta) -> OpIndexError:
    if not input.ndim:
        return OpIndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number",
            argument="index",
        )
    return OpIndexError(f"too many indices for tensor of dimension {input.ndim}", argument="index")


def _place(index: int, size: int, axis: int) -> int:
    if not -size <= index < size:
        raise OpIndexError(
            f"index {index} is out of bounds for dimension {axis} with size {size}", argument="index", got=index
        )
    return index % size


@op(basic_index, view=True, on="")
def _slice(input: Tensor, index: Index) -> Tensor:
    """Basic indexing: per item None for a new dimension, an int, or (start, stop, step); other dimensions stay whole."""


def _gradient_of(view: Callable[..., Inferred]) -> Rule:
    """The rule of a view's gradient: it has the input's shape, and `grad` the view's."""

    def rule(grad: Meta, shape: tuple[int, ...], *geometry: Any) -> Meta:
        whole = like(grad, shape=shape)
        need_shape(grad, view(whole, *geometry).meta.shape)
        return whole

    return rule


@op(_gradient_of(basic_index), on="", inner=True)
def _slice_backward(grad: Tensor, shape: Size, index: Index) -> Tensor:
    """Zeros of `shape` with `grad` in the slice."""


def _select(input: Meta, dim: int, index: int) -> Inferred:
    if not input.ndim:
        raise OpIndexError("select() cannot be applied to a 0-dim tensor.", argument="input")
    axis = wrap_dim(dim, input.ndim)
    if not -input.shape[axis] <= index < input.shape[axis]:
        raise OpIndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {axis}",
            argument="index",
            got=index,
        )
    return basic_index(input, (*_whole(axis), index))


def _whole(count: int) -> tuple[Any, ...]:
    return ((None, None, None),) * count


@op(_select, view=True)
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` of dimension `dim`, without that dimension; a view."""


def narrow_index(shape: tuple[int, ...], dim: int, start: int, length: int) -> tuple[Any, ...]:
    """The basic index of `narrow`."""
    if not shape:
        raise ShapeError("narrow() cannot be applied to a 0-dim tensor.", argument="input")
    axis = wrap_dim(dim, len(shape))
    size = shape[axis]
    if length < 0:
        raise ShapeError("narrow(): length must be non-negative.", argument="length", got=length)
    if not -size <= start <= size:
        raise OpIndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})", argument="start"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise ShapeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({size}).", argument="length", got=length
        )
    return (*_whole(axis), (start, start + length, 1))


@op(lambda input, *cut: basic_index(input, narrow_index(input.shape, *cut)), view=True)
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements of dimension `dim` from `start` on; a view."""


def _pieces(input: Meta, dim: int, cuts: tuple[tuple[int, int], ...]) -> Inferred:
    """Views of dimension `dim` from each start to its stop."""
    return _several(input, [(*_whole(dim), (start, stop, 1)) for start, stop in cuts])


def split_cuts(shape: tuple[int, ...], size: int | tuple[int, ...], dim: int) -> tuple[tuple[int, int], ...]:
    """Where `split` cuts dimension `dim`: the start and the stop of each piece."""
    if not shape:
        raise ShapeError("split expects at least a 1-dimensional tensor", argument="tensor")
    total = shape[wrap_dim(dim, len(shape))]
    check_results(len(size) if not isinstance(size, int) else -(-total // size) if size > 0 else 0)
    if isinstance(size, int):
        if size < 0 or (size == 0 and total):
            raise ShapeError(
                f"split expects split_size be non-negative, but got split_size={size}"
                if size
                else f"split_size can only be 0 if dimension size is 0, but got dimension size of {total}",
                argument="split_size_or_sections",
                got=size,
            )
        return tuple([(at, min(at + size, total)) for at in range(0, total, size or 1)]) or ((0, 0),)
    if min(size, default=0) < 0 or sum(size) != total:
        raise ShapeError(
            f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension {dim}), "
            f"and to have only non-negative entries, but got split_sizes={list(size)}",
            argument="split_size_or_sections",
            got=list(size),
        )
    return _consecutive(size)


def _consecutive(sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    cuts, at = [], 0
    for size in sizes:
        cuts.append((at, at + size))
        at += size
    return tuple(cuts)


def _split(tensor: Meta, size: int | tuple[int, ...], dim: int) -> Inferred:
    cuts = split_cuts(tensor.shape, size, dim)
    return _pieces(tensor, wrap_dim(dim, tensor.ndim), cuts)


@op(_split, view=True, fixed_views="Split")
def split(tensor: Tensor, split_size_or_sections: int | Size, dim: int = 0) -> list[Tensor]:
    """Views of pieces of dimension `dim`: of one size, the last maybe smaller, or of these sizes."""


def chunk_cuts(shape: tuple[int, ...], chunks: int, dim: int) -> tuple[tuple[int, int], ...]:
    """Where `chunk` cuts dimension `dim`."""
    if not shape:
        raise ShapeError("chunk expects at least a 1-dimensional tensor", argument="input")
    if chunks <= 0:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}", argument="chunks", got=chunks)
    total = shape[wrap_dim(dim, len(shape))]
    if total:
        return split_cuts(shape, -(-total // chunks), dim)
    check_results(chunks)
    return ((0, 0),) * chunks


@op(
    lambda input, chunks, dim: _pieces(input, _axis(input, dim), chunk_cuts(input.shape, chunks, dim)),
    view=True,
    fixed_views="Split",
)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """Views of at most `chunks` pieces of dimension `dim`, all of one size but the last."""


def _axis(input: Meta, dim: int) -> int:
    return wrap_dim(dim, input.ndim)


def tensor_split_cuts(shape: tuple[int, ...], parts: int | tuple[int, ...], dim: int) -> tuple[tuple[int, int], ...]:
    """Where `tensor_split` cuts dimension `dim`."""
    if not shape:
        raise ShapeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims", argument="input"
        )
    total = shape[wrap_dim(dim, len(shape))]
    check_results(parts if isinstance(parts, int) else len(parts) + 1)
    if not isinstance(parts, int):
        edges = zip((0, *parts), (*parts, total), strict=True)
        return tuple([slice_bounds((start, stop, 1), total)[:2] for start, stop in edges])
    if parts <= 0:
        raise ShapeError(
            f"number of sections must be larger than 0, got {parts}", argument="indices_or_sections", got=parts
        )
    least, more = divmod(total, parts)
    return _consecutive((least + 1,) * more + (least,) * (parts - more))


@op(lambda input, parts, dim: _pieces(input, _axis(input, dim), tensor_split_cuts(input.shape, parts, dim)), view=True)
def tensor_split(input: Tensor, indices_or_sections: int | Size, dim: int = 0) -> list[Tensor]:
    """Views of pieces of dimension `dim`: a number of nearly equal ones, or cut at these indices."""


def _unbind(input: Meta, dim: int) -> Inferred:
    if not input.ndim:
        raise OpIndexError("Dimension specified as 0 but tensor has no dimensions", argument="dim")
    axis = wrap_dim(dim, input.ndim)
    check_results(input.shape[axis])
    return _several(input, [(*_whole(axis), index) for index in range(input.shape[axis])])


@op(_unbind, view=True, fixed_views="Unbind")
def unbind(input: Tensor, dim: int = 0) -> list[Tensor]:
    """A view per index of dimension `dim`, without that dimension."""


def diagonal_rule(input: Meta, offset: int, dim1: int, dim2: int) -> Inferred:
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if a == b or not input.ndim:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}", argument="dim2", got=[dim1, dim2])
    rows, columns = input.shape[a] + min(offset, 0), input.shape[b] - max(offset, 0)
    length = max(min(rows, columns), 0)
    rest = [axis for axis in range(input.ndim) if axis not in (a, b)]
    skip = (offset * input.strides[b] if offset >= 0 else -offset * input.strides[a]) if length else 0
    return view_of(
        input,
        (*[input.shape[axis] for axis in rest], length),
        (*[input.strides[axis] for axis in rest], input.strides[a] + input.strides[b]),
        skip,
    )


@op(diagonal_rule, view=True)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions as a new last one, above the main one for `offset` > 0; a view."""


@op(_gradient_of(diagonal_rule), on="", inner=True)
def _diagonal_backward(grad: Tensor, shape: Size, offset: int, dim1: int, dim2: int) -> Tensor:
    """Zeros of `shape` with `grad` on the diagonal."""


def _windows(input: Meta, dimension: int, size: int, step: int) -> Inferred:
    axis = wrap_dim(dimension, input.ndim, argument="dimension")
    total, stride = (input.shape[axis], input.strides[axis]) if input.ndim else (1, 1)
    if not 0 <= size <= total:
        raise ShapeError(
            f"maximum size for tensor at dimension {axis} is {total} but size is {size}", argument="size", got=size
        )
    if step <= 0:
        raise ShapeError(f"step is {step} but must be > 0", argument="step", got=step)
    count = (total - size) // step + 1
    shape, strides = input.shape, input.strides
    if not input.ndim:
        return view_of(input, (size,), (stride,))
    return view_of(
        input,
        (*shape[:axis], count, *shape[axis + 1 :], size),
        (*strides[:axis], step * stride, *strides[axis + 1 :], stride),
    )


@op(_windows, view=True, on="", form_of="unfold")
def _unfold_windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """`Tensor.unfold`: windows of `size` elements of a dimension, `step` apart, as a new last dimension; a view."""


@op(_gradient_of(_windows), on="", inner=True)
def _unfold_windows_backward(grad: Tensor, shape: Size, dimension: int, size: int, step: int) -> Tensor:
    """The sum of windows at their positions, in zeros of `shape`."""


def _triangle(name: str) -> Any:
    def rule(input: Meta, diagonal: int) -> Meta:
        if input.ndim < 2:
            raise ShapeError(f"{name}: input tensor must have at least 2 dimensions", argument="input")
        return like(input)

    return rule


@op(_triangle("tril"), inplace=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, up to a diagonal; zeros above."""


@op(_triangle("triu"), inplace=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, from a diagonal on; zeros below."""


def embedded_shape(shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> tuple[int, ...]:
    """The shape of `diag_embed`."""
    ndim = len(shape) + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}", argument="dim2")
    size, rest = shape[-1] + abs(offset), iter(shape[:-1])
    return tuple([size if axis in (a, b) else next(rest) for axis in range(ndim)])


@op(lambda input, *diagonal: like(input, shape=embedded_shape(input.shape, *diagonal)))
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices whose diagonals are the rows of `input`, zeros elsewhere."""


def _diag(input: Meta, diagonal: int) -> Meta:
    if input.ndim == 1:
        return like(input, shape=embedded_shape(input.shape, diagonal, 0, 1))
    if input.ndim == 2:
        return like(input, shape=diagonal_rule(input, diagonal, 0, 1).meta.shape)
    raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D", argument="input")


@op(_diag)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix with this diagonal; a copy."""


@op(lambda input, offset: like(input, shape=embedded_shape((input.numel,), offset, 0, 1)))
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix whose diagonal is the flattened `input`."""


def _need_same_shape(part: tuple[int, ...], src: Meta) -> None:
    if src.shape != part:
        raise ShapeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(part)}",
            argument="src",
            expected=list(part),
            got=list(src.shape),
        )


def _scattered(input: Meta, src: Meta, index: tuple[Any, ...]) -> Meta:
    _need_same_shape(basic_index(input, index).meta.shape, src)
    return like(input)


@op(_scattered, on="", inner=True)
def _slice_scatter(input: Tensor, src: Tensor, index: Index) -> Tensor:
    """A copy of `input` with `src` in the slice."""


def select_index(shape: tuple[int, ...], dim: int, index: int) -> tuple[Any, ...]:
    """The basic index of `select`."""
    if not shape:
        raise OpIndexError("select() cannot be applied to a 0-dim tensor.", argument="input")
    return (*((None, None, None),) * wrap_dim(dim, len(shape)), index)


@op(lambda input, src, *geometry: _scattered(input, src, select_index(input.shape, *geometry)))
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` with `src` at `index` of dimension `dim`."""


def slice_index(shape: tuple[int, ...], dim: int, start: int | None, end: int | None, step: int) -> tuple[Any, ...]:
    """The basic index of a slice of one dimension."""
    axis = wrap_dim(dim, len(shape))
    return (*((None, None, None),) * axis, slice_bounds((start, end, step), shape[axis] if shape else 1))


@op(lambda input, src, *cut: _scattered(input, src, slice_index(input.shape, *cut)))
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of `input` with `src` in a slice of dimension `dim`."""


def _diagonal_scatter(input: Meta, src: Meta, *diagonal: int) -> Meta:
    _need_same_shape(diagonal_rule(input, *diagonal).meta.shape, src)
    return like(input)


@op(_diagonal_scatter)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` with `src` on a diagonal."""
