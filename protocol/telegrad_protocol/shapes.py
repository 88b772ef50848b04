"""Metadata of tensors, and the pure rules that compute it.

A `Meta` is interned: equal shape, strides, dtype and device give the same object, so that inference can be
memoised on identity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from .devices import DEVICE_SHIFT, ProcessDevice, device_index
from .dtypes import DType
from .errors import OpIndexError, ShapeError, TooLarge
from .limits import LIMITS

Shape = tuple[int, ...]


PAGE: Final = 4096
"""Memory of up to this many bytes is not checked before its allocation, nor freed at once: either would cost more."""


class Meta:
    """Shape, strides (in elements), dtype and device of a tensor; `nbytes` counts elements, not storage.

    `floating`: gradients flow through the dtype; `half`: a floating dtype of two bytes; `full`: of more. `large`: more
    bytes than a page. `device_bits`: the device as row flags carry it.
    """

    __slots__ = (
        "contiguous",
        "device",
        "device_bits",
        "dtype",
        "floating",
        "full",
        "half",
        "large",
        "nbytes",
        "ndim",
        "numel",
        "shape",
        "strides",
    )

    def __init__(self, shape: Shape, dtype: DType, strides: Shape, device: str) -> None:
        self.shape = shape
        self.dtype = dtype
        self.strides = strides
        self.device = device
        self.device_bits = device_index(device) << DEVICE_SHIFT
        self.floating = dtype.is_floating_point
        self.full = dtype.is_floating_point and dtype.itemsize > 2
        self.half = dtype.is_floating_point and dtype.itemsize == 2
        self.ndim = len(shape)
        self.numel = math.prod(shape)
        self.nbytes = self.numel * dtype.itemsize
        self.large = self.nbytes > PAGE
        self.contiguous = is_contiguous(shape, strides)

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


class HasMeta:
    """Base of the client's proxies and the server's tensors: inference needs no more of either."""

    __slots__ = ("__weakref__",)
    _meta: Meta


_INTERN_LIMIT: Final = 1 << 16
_interned: dict[tuple[Shape, DType, Shape, str], Meta] = {}
_contiguous: dict[tuple[Shape, DType, str], Meta] = {}


def meta(shape: Shape, dtype: DType, strides: Shape, device: str | None = None) -> Meta:
    """The one `Meta` with these fields; without a device, on this process's own."""
    device = device or ProcessDevice.device
    key = (shape, dtype, strides, device)
    found = _interned.get(key)
    if found is None:
        check_size(shape)
        if len(_interned) >= _INTERN_LIMIT:
            # Dropping the table costs later misses, never a wrong result: nothing compares metas by identity
            # but the memo of inference.
            _interned.clear()
        found = _interned[key] = Meta(shape, dtype, strides, device)
    return found


def contiguous(shape: Shape, dtype: DType, device: str | None = None) -> Meta:
    """The `Meta` of a freshly made tensor: row-major; without a device, on this process's own.

    >>> from telegrad_protocol.dtypes import float32
    >>> contiguous((2, 3), float32).strides
    (3, 1)
    """
    device = device or ProcessDevice.device
    key = (shape, dtype, device)
    found = _contiguous.get(key)
    if found is None:
        if len(_contiguous) >= _INTERN_LIMIT:
            _contiguous.clear()
        found = _contiguous[key] = meta(shape, dtype, row_major(shape), device)
    return found


def like(source: Meta, *, shape: Shape | None = None, dtype: DType | None = None) -> Meta:
    """A contiguous `Meta` on the same device, with another shape or dtype where given."""
    return contiguous(source.shape if shape is None else shape, dtype or source.dtype, source.device)


def row_major(shape: Shape) -> Shape:
    """Strides of a contiguous tensor, in elements, as PyTorch counts them (a size of 0 counts as 1)."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether the elements lie densely in row-major order; strides of axes of size 1 do not matter."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 0:
            return True
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def check_size(shape: Shape) -> None:
    """Raise for a rank or a number of elements beyond the limits, or a negative size."""
    if len(shape) > LIMITS.rank:
        raise TooLarge(f"a tensor of {len(shape)} dimensions, more than the {LIMITS.rank} allowed")
    for size in shape:
        if size < 0:
            raise ShapeError(f"Trying to create tensor with negative dimension {size}: {list(shape)}", argument="size")
    # Sizes of 0 do not make the others smaller: strides and offsets are computed from them all the same.
    if math.prod(size or 1 for size in shape) > LIMITS.elements:
        raise TooLarge(f"a tensor of shape {list(shape)} has more than {LIMITS.elements} elements")


def check_work(op: str, *metas: Meta) -> None:
    """Raise where an op would visit more elements than this process may: a kernel cannot be stopped half-way."""
    for meta in metas:
        if meta.numel > ProcessDevice.most_elements:
            raise TooLarge(
                f"{op} would visit the {meta.numel} elements of a tensor that shows its memory many times; "
                f"at most {ProcessDevice.most_elements} can be computed with here",
                op=op,
                expected=ProcessDevice.most_elements,
                got=list(meta.shape),
                hint="compute with the tensor before it was expanded",
            )


def check_results(count: int) -> None:
    """Raise for a call with more results than the limit: every one costs both sides, whatever its size."""
    if count > LIMITS.results:
        raise TooLarge(
            f"the call would have {count} results, more than the {LIMITS.results} allowed",
            expected=LIMITS.results,
            got=count,
            hint="narrow the tensor first, or make larger pieces",
        )


def wrap_dim(dim: int, ndim: int, *, argument: str = "dim") -> int:
    """The axis that a possibly negative `dim` means; a 0-d tensor counts as having one axis.

    >>> wrap_dim(-1, 3)
    2
    """
    span = ndim or 1
    if not -span <= dim < span:
        raise OpIndexError(
            f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})",
            argument=argument,
            expected=f"[{-span}, {span - 1}]",
            got=dim,
        )
    return dim + span if dim < 0 else dim


def wrap_dims(dims: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction's `dim` means: all of them for None or an empty list; duplicates are refused."""
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int):
        dims = (dims,)
    elif not dims:
        return tuple(range(ndim))
    wrapped = tuple(wrap_dim(dim, ndim) for dim in dims)
    if len(set(wrapped)) != len(wrapped):
        twice = next(dim for index, dim in enumerate(wrapped) if dim in wrapped[:index])
        raise ShapeError(f"dim {twice} appears multiple times in the list of dims", argument="dim", got=list(dims))
    return wrapped if ndim else ()


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The common shape under NumPy's broadcasting.

    >>> broadcast([(3, 1), (4,)])
    (3, 4)
    """
    result: tuple[int, ...] = ()
    for shape in shapes:
        if shape != result:
            result = _broadcast_two(result, shape) if result else shape
    return result


def _broadcast_two(a: Shape, b: Shape) -> Shape:
    ndim = max(len(a), len(b))
    long_a, long_b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    sizes = []
    for axis, (x, y) in enumerate(zip(long_a, long_b, strict=True)):
        if x != y and x != 1 and y != 1:
            raise ShapeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {axis}",
                expected=list(a),
                got=list(b),
            )
        sizes.append(y if x == 1 else x)
    return tuple(sizes)


def reduced(shape: Shape, dims: tuple[int, ...], keepdim: bool) -> Shape:
    """The shape after reducing over `dims` (already wrapped)."""
    if keepdim:
        return tuple([1 if axis in dims else size for axis, size in enumerate(shape)])
    return tuple([size for axis, size in enumerate(shape) if axis not in dims])


def infer_size(shape: Shape, numel: int) -> Shape:
    """Replace the one -1 in a target shape by what the number of elements leaves.

    >>> infer_size((2, -1), 6)
    (2, 3)
    """
    unknown = [axis for axis, size in enumerate(shape) if size == -1]
    if len(unknown) > 1:
        raise ShapeError("only one dimension can be inferred", argument="shape", got=list(shape))
    known = math.prod(size for size in shape if size != -1)
    if any(size < -1 for size in shape):
        axis = next(axis for axis, size in enumerate(shape) if size < -1)
        words = f"invalid shape dimension {shape[axis]} at index {axis} of shape {list(shape)}"
        raise ShapeError(words, argument="shape", got=list(shape))
    if unknown:
        if known == 0:
            raise ShapeError(
                f"cannot reshape tensor of {numel} elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous",
                argument="shape",
            )
        if numel % known == 0:
            axis = unknown[0]
            return (*shape[:axis], numel // known, *shape[axis + 1 :])
    elif known == numel:
        return shape
    raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {numel}", argument="shape")


def view_strides(source: Meta, shape: Shape) -> Shape | None:
    """Strides that show `source` as `shape` without a copy, or None where only a copy can.

    Axes of the source are grouped into runs that lie densely in memory; each run must be cut up by whole target
    axes (the rule of `torch.Tensor.view`).
    """
    if source.numel == 0:
        return source.strides if shape == source.shape else row_major(shape)
    strides = [1] * len(shape)
    target = len(shape) - 1
    chunk_base, chunk_numel, view_numel = (source.strides[-1] if source.ndim else 1), 1, 1
    for axis in range(source.ndim - 1, -1, -1):
        chunk_numel *= source.shape[axis]
        ends = axis == 0 or (source.shape[axis - 1] != 1 and source.strides[axis - 1] != chunk_numel * chunk_base)
        if not ends:
            continue
        while target >= 0 and (view_numel < chunk_numel or shape[target] == 1):
            strides[target] = view_numel * chunk_base
            view_numel *= shape[target]
            target -= 1
        if view_numel != chunk_numel:
            return None
        if axis > 0:
            chunk_base, chunk_numel, view_numel = source.strides[axis - 1], 1, 1
    return tuple(strides) if target < 0 or source.ndim else row_major(shape)
