"""Functions and methods that PyTorch has and that are written here out of declared ops: overloads, aliases, casts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.spec import OPS

from . import _host, autograd
from ._creation import full, named
from ._ops import FUNCTIONS as F
from ._record import inplace, return_type
from ._tensor import Size, Tensor, device
from ._types import TensorBase
from ._typing import DeviceLike, Extremum, Middle, Number, Sizes, Spread

# Reductions whose overloads differ in what they return ------------------------------------------------------------


def _either(given: Any, numpys: Any) -> Any:
    """An argument, or what was given under NumPy's name for it."""
    return given if numpys is None else numpys


def _extremum(name: str) -> Extremum:
    full, pair, along = F[f"a{name}"], F[f"{name}imum"], F[f"_{name}_dim"]

    def function(
        input: Tensor,
        dim: Any = None,
        keepdim: bool = False,
        *,
        other: Any = None,
        axis: Any = None,
        keepdims: Any = None,
    ) -> Any:
        dim, keepdim = _either(dim, axis), _either(keepdim, keepdims)
        if isinstance(dim, TensorBase) or other is not None:
            return pair(input, dim if other is None else other)
        if dim is not None:
            return along(input, dim, keepdim)
        if isinstance(input, TensorBase) and not input._meta.numel:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
                "the 'dim' argument."
            )
        return full(input)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"`{name}(input)`: the {name}imum of all elements. `{name}(input, dim)`: values and indices along a dimension. "
        f"`{name}(input, other)`: the {name}imum, element by element."
    )
    return function  # type: ignore[return-value]  # one function for all its forms


max = _extremum("max")
min = _extremum("min")


def _spread_of(name: str) -> Spread:
    function = F[name]

    def measure(
        input: Tensor,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: bool = False,
        *,
        correction: Any = None,
        axis: Any = None,
        keepdims: Any = None,
    ) -> Any:
        dim, keepdim = _either(dim, axis), _either(keepdim, keepdims)
        if isinstance(dim, bool):  # the overload std(unbiased)
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        return function(input, dim, correction=correction, keepdim=keepdim)

    measure.__name__ = measure.__qualname__ = name
    measure.__doc__ = OPS[name].doc
    return measure  # type: ignore[return-value]  # one function for both its forms


std = _spread_of("std")
var = _spread_of("var")


def std_mean(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    return std(input, dim, unbiased, keepdim, correction=correction), F["mean"](input, dim, keepdim)


def var_mean(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    return var(input, dim, unbiased, keepdim, correction=correction), F["mean"](input, dim, keepdim)


def norm(
    input: Tensor,
    p: float | Literal["fro"] | None = "fro",
    dim: Sizes | None = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """The vector norm of all elements, or along `dim`; "fro" is the 2-norm."""
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    order = 2.0 if p in ("fro", None) else float(p)
    return F["vector_norm"](input, order, dim, keepdim, dtype=dtype)


class AMinMax(NamedTuple):
    """The smallest and the largest value."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> AMinMax:
    """The smallest and the largest value."""
    if dim is None and not input.numel():
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return AMinMax(F["amin"](input, dim, keepdim), F["amax"](input, dim, keepdim))


# Views of memory ---------------------------------------------------------------------------------------------------


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view by sizes, strides and offset, in elements, of the memory that `input` shows: all of it, whatever `input` is.

    Raises RuntimeError where the view would leave the memory.

    >>> import telegrad as tg
    >>> tg.as_strided(tg.arange(6.0).reshape(2, 3).t(), (2, 2), (1, 3))
    tensor([[0., 3.],
            [1., 4.]])
    """
    base, offset = input.base, input._offset if storage_offset is None else storage_offset
    if base._memory is not None and (
        base._offset or not base._meta.contiguous or base._meta.numel != base.root._meta.numel
    ):
        if base._leaves is not None:
            raise NotImplementedError("as_strided of a tensor that requires grad and shows a part of detached memory")
        base = F["detach"](base.root)
    return F["as_strided"](base, size, stride, offset)


# Joining and splitting ---------------------------------------------------------------------------------------------


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Joins tensors of one shape along a new dimension; on the host while all of them are there."""
    dim = dim if axis is None else axis
    if (
        len(tensors)
        and _host.all_on_host(tensors)
        and len({(t._meta.shape, t.dtype, t._meta.device) for t in tensors}) == 1
    ):
        joined = np.stack([t._host for t in tensors], axis=dim)
        return _host.from_array(joined, tensors[0].dtype, tensors[0]._meta.device)
    return F["stack"](tensors, dim)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Joins tensors along an existing dimension; on the host while all of them are there."""
    dim = dim if axis is None else axis
    if len(tensors) and _host.all_on_host(tensors) and _joinable(tensors, dim):
        joined = np.concatenate([t._host for t in tensors], axis=dim)
        return _host.from_array(joined, tensors[0].dtype, tensors[0]._meta.device)
    return F["cat"](tensors, dim)


def _joinable(tensors: Sequence[Tensor], dim: int) -> bool:
    """Whether NumPy would join these as PyTorch does: one dtype, sizes equal but along `dim`."""
    if len({(t.dtype, t._meta.device) for t in tensors}) != 1 or not all(-t.ndim <= dim < t.ndim for t in tensors):
        return False
    return len({_without(t._meta.shape, dim) for t in tensors}) == 1


def _without(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    kept = list(shape)
    del kept[dim]
    return tuple(kept)


concat = concatenate = cat


def split(tensor: Tensor, split_size_or_sections: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of a size, or of these sizes, along a dimension."""
    return F["split"](tensor, split_size_or_sections, dim)


def _split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of a size, or of these sizes, along a dimension."""
    return F["split"](self, split_size, dim)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """The tensor with two dimensions exchanged."""
    return F["transpose"](input, axis0, axis1)


def _scattered(self: Tensor, index: Tensor, src: Any, value: Any, reduce: str | None) -> tuple[Any, str | None]:
    """What `scatter` writes, and the reduction that `scatter_reduce` knows for its `reduce`."""
    if (src is None) == (value is None):
        raise TypeError("scatter() takes one of src, a tensor, and value, a number")
    if reduce is None:
        return _either(src, value), None
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    found = _either(src, value)
    if not isinstance(found, TensorBase):
        found = full(index.shape, found, dtype=self.dtype, device=self.device)
    return found, "sum" if reduce == "add" else "prod"


def scatter(
    input: Tensor,
    dim: int | None = None,
    index: Any = None,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """`input` with elements of `src`, or `value`, where the index says; with `reduce`, added to or multiplied."""
    found, how = _scattered(input, index, src, value, reduce)
    dim = _either(dim, axis)
    if how is None:
        return F["scatter"](input, dim, index, found)
    return F["scatter_reduce"](input, dim, index, found, how)


def _scatter_(
    self: Tensor, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """As `scatter`, in place."""
    found, how = _scattered(self, index, src, value, reduce)
    if how is None:
        return inplace(OPS["scatter"], OPS["scatter"].bind(self, dim, index, found))
    return inplace(OPS["scatter_reduce"], OPS["scatter_reduce"].bind(self, dim, index, found, how))


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each expanded to their common shape."""
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple(F["expand"](t, shape) for t in tensors)


def broadcast_shapes(*shapes: Sizes) -> Size:
    """The common shape under broadcasting. Raises RuntimeError if there is none."""
    from telegrad_protocol.shapes import broadcast

    return Size(broadcast([(s,) if isinstance(s, int) else tuple(s) for s in shapes]))


def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid."""
    listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    return F["meshgrid"](listed, indexing=indexing)


def einsum(equation: str, *operands: Tensor | Sequence[Tensor]) -> Tensor:
    """Sums of products by Einstein's convention."""
    listed = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    return F["einsum"](equation, listed)


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor: ...
def where(
    condition: Tensor, input: Tensor | Number | None = None, other: Tensor | Number | None = None
) -> Tensor | tuple[Tensor, ...]:
    """`input` where the condition holds, `other` elsewhere; with the condition alone, where it is true."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return F["where"](condition, input, other)


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[False] = False) -> Tensor: ...
@overload
def nonzero(input: Tensor, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The indices of elements that are not zero: a row each, or a tensor per dimension."""
    found = F["nonzero"](input)
    return tuple(F["unbind"](found, 1)) if as_tuple else found


@overload
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: int | None = None,
) -> Tensor: ...
@overload
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any: ...
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values; with their places and counts if asked."""
    values, inverse, counts = F["_unique"](input, sorted, return_inverse, return_counts, dim)
    found = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return found[0] if len(found) == 1 else tuple(found)


def _median(name: str) -> Middle:
    full, along = F[name], F[f"_{name}_dim"]

    def function(
        input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None
    ) -> Any:
        dim, keepdim = _either(dim, axis), _either(keepdim, keepdims)
        return full(input) if dim is None else along(input, dim, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The middle value, the lower of two; along a dimension, values and indices."
    return function


median = _median("median")
nanmedian = _median("nanmedian")


def repeat_interleave(
    input: Tensor, repeats: Tensor | int | None = None, dim: int | None = None, *, axis: int | None = None
) -> Tensor:
    """Each element a number of times in a row: one number for all, or a tensor of them.

    `repeat_interleave(repeats)`, with nothing to repeat, repeats the places 0, 1, 2, … so.
    """
    dim = _either(dim, axis)
    if repeats is None:
        input, repeats = F["arange"](0, input.numel(), dtype=dtypes.int64, device=input._meta.device), input
    if isinstance(repeats, TensorBase):
        return F["_repeat_interleave_each"](input, repeats, dim)
    return F["repeat_interleave"](input, repeats, dim)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with these matrices on its diagonal."""
    return F["_block_diagonal"](tensors)


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Sums products over the last `dims` dimensions of a and the first of b, or over dimensions given in pairs."""
    if isinstance(dims, int):
        return F["_tensordot"](a, b, tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims)))
    first, second = dims
    return F["_tensordot"](a, b, tuple(first), tuple(second))


# Comparison of whole tensors ------------------------------------------------------------------------------------


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same."""
    return input.shape == other.shape and bool(F["all"](F["eq"](input, other)))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close: |input - other| <= atol + rtol * |other|."""
    return bool(F["all"](F["isclose"](input, other, rtol, atol, equal_nan)))


def is_tensor(obj: object) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, TensorBase)


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_inference(input: Tensor) -> bool:
    """Whether a tensor's memory was made in inference mode."""
    return input.is_inference()


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def result_type(*operands: Tensor | Number) -> DType:
    """The dtype that an arithmetic op on these gives."""
    from telegrad_protocol.rules import common_dtype

    return common_dtype(tuple(o._meta if isinstance(o, TensorBase) else _host.number(o) for o in operands))


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that both convert to."""
    return dtypes.promote(type1, type2)


def can_cast(from_: DType, to: DType) -> bool:
    """Whether an in-place result of one dtype may be written into another."""
    return dtypes.can_cast(from_, to)


# Casts and moves ---------------------------------------------------------------------------------------------------


@overload
def _to(
    self: Tensor, dtype: DType, non_blocking: bool = False, copy: bool = False, *, memory_format: Any = None
) -> Tensor: ...
@overload
def _to(
    self: Tensor,
    device: DeviceLike = None,
    dtype: DType | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    *,
    memory_format: Any = None,
) -> Tensor: ...
@overload
def _to(
    self: Tensor, other: Tensor, non_blocking: bool = False, copy: bool = False, *, memory_format: Any = None
) -> Tensor: ...
def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself where nothing changes.

    `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; `copy=True` copies in any case.
    """
    wanted, where, copy = to_arguments(args, dict(kwargs))
    moved = self if where is None else move(self, named(where))
    if wanted is not None and wanted is not self.dtype:
        return cast(moved, wanted)
    return F["clone"](self) if copy and moved is self else moved


def to_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[DType | None, Any, bool]:
    dtype, where = dtypes.of_type(kwargs.pop("dtype", None)), kwargs.pop("device", None)
    copy = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)  # nothing ever blocks
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for value in args:
        if isinstance(value, DType | type):
            dtype = dtypes.of_type(value)
        elif isinstance(value, TensorBase):
            dtype, where = value._meta.dtype, value._meta.device
        elif isinstance(value, str | device | int) and not isinstance(value, bool):
            where = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() received an invalid combination of arguments: got {type(value).__name__}")
    return dtype, where, copy


def move(self: Tensor, where: str) -> Tensor:
    """The values on another device: from the host straight there, between devices of the server without the client."""
    if self._meta.device == where:
        return self
    if self._host is not None and self._leaves is None:
        return _host.from_array(np.asarray(self._host, order="C"), self.dtype, where)
    return autograd.carry(self, where)


def cast(self: Tensor, dtype: DType) -> Tensor:
    """The values in another dtype; on the host while they are there."""
    if self._host is not None and self._leaves is None and self.numel() <= _SMALL:
        values = _host.widened(self._host, self.dtype.name)
        with np.errstate(invalid="ignore", over="ignore"):
            return _host.from_array(_host.narrowed(np.asarray(values, order="C"), dtype.name), dtype, self._meta.device)
    return F["_to_dtype"](self, dtype)


_SMALL = 1 << 12
"""Host tensors up to this size are cast on the host; larger ones on the server, which has to have them anyway."""


def _caster(dtype: DType) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return _to(self, dtype)

    method.__name__ = method.__qualname__ = dtype.name
    method.__doc__ = f"The values as {dtype.name}."
    return method


@overload
def _type(self: Tensor, dtype: None = None) -> str: ...
@overload
def _type(self: Tensor, dtype: DType | str) -> Tensor: ...
def _type(self: Tensor, dtype: DType | str | None = None) -> Tensor | str:
    """The name of the tensor type, or the tensor with another dtype."""
    if dtype is None:
        return f"torch.{dtypes.TYPE_NAMES[self.dtype]}Tensor"
    if isinstance(dtype, str) and dtype not in _DTYPE_OF_TYPE:
        raise ValueError(f"invalid type: '{dtype}'")
    return _to(self, dtype if isinstance(dtype, DType) else _DTYPE_OF_TYPE[dtype])


_DTYPE_OF_TYPE = {f"torch.{name}Tensor": dtype for dtype, name in dtypes.TYPE_NAMES.items()}


def _cpu(self: Tensor) -> Tensor:
    """The tensor in the server's main memory."""
    return move(self, "cpu")


def _cuda(self: Tensor, device: DeviceLike = None) -> Tensor:
    """The tensor on a GPU of the server."""
    return move(self, named("cuda" if device is None else device))


# Methods -----------------------------------------------------------------------------------------------------------


def _expand(self: Tensor, *sizes: Sizes, size: Sizes | None = None) -> Tensor:
    """A view in which dimensions of size 1 are repeated; -1 keeps a size."""
    given: Any = sizes or (size,)
    return F["expand"](self, given[0] if len(given) == 1 and not isinstance(given[0], int) else given)


def _view(self: Tensor, *shape: Sizes | DType, size: Sizes | None = None, dtype: DType | None = None) -> Tensor:
    """The same memory in another shape."""
    given: Any = shape or (size,)
    if dtype is not None or isinstance(given[0], DType):
        raise NotImplementedError("view(dtype) is not supported")
    return F["view"](self, given[0] if len(given) == 1 and not isinstance(given[0], int) else given)


def _copy_(self: Tensor, src: Tensor | Number, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of `src`, broadcast and cast, from whatever device."""
    return inplace(OPS["copy"], (self, move(src, self._meta.device) if isinstance(src, TensorBase) else src))


def _zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return inplace(OPS["fill"], (self, 0))


def _masked_fill(self: Tensor, mask: Tensor, value: Any) -> Any:
    return F["masked_fill"](self, mask, value)


def _size_like(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    def method(self: Tensor, other: Tensor) -> Tensor:
        return F[name](self, other._meta.shape)

    method.__name__ = method.__qualname__ = f"{name}_as"
    method.__doc__ = f"`{name}` to the shape of `other`."
    return method


def _transposed(self: Tensor) -> Tensor:
    """The tensor with its dimensions in reverse order."""
    return F["permute"](self, tuple(range(self.ndim))[::-1])


def _matrices_transposed(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged."""
    return F["transpose"](self, -2, -1)


def _matrix_transposed(self: Tensor) -> Tensor:
    """The matrix transposed."""
    return F["transpose"](self, 0, 1)


def _reversed(self: Tensor) -> Tensor:
    """The rows in reverse order."""
    return F["flip"](self, (0,)) if self.ndim else self


def _unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of a size along a dimension, `step` apart; their elements are the last dimension."""
    return F["_unfold_windows"](self, dimension, size, step)


def _where(self: Tensor, condition: Tensor, other: Tensor | Number) -> Tensor:
    """This tensor's elements where the condition holds, those of `other` elsewhere."""
    return F["where"](condition, self, other)


def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype of another."""
    return _to(self, other.dtype)


def _share_memory_(self: Tensor) -> Tensor:
    """Tensors of forked workers stay on the host, where they are shared anyway."""
    return self


def _is_same_size(self: Tensor, other: Tensor) -> bool:
    return self.shape == other.shape


def _get_device(self: Tensor) -> int:
    """The GPU's index, -1 on the CPU."""
    return -1 if not self.is_cuda else self.device.index or 0


METHODS: dict[str, Callable[..., Any]] = {
    "median": median,
    "nanmedian": nanmedian,
    "repeat_interleave": repeat_interleave,
    "unfold": _unfold,
    "max": max,
    "min": min,
    "std": std,
    "var": var,
    "norm": norm,
    "aminmax": aminmax,
    "split": _split,
    "swapaxes": swapaxes,
    "scatter": scatter,
    "scatter_": _scatter_,
    "where": _where,
    "nonzero": nonzero,
    "unique": unique,
    "equal": equal,
    "allclose": allclose,
    "to": _to,
    "type": _type,
    "type_as": _type_as,
    "cpu": _cpu,
    "cuda": _cuda,
    **{name.lower(): _caster(dtype) for dtype, name in dtypes.TYPE_NAMES.items()},
    "view": _view,
    "expand": _expand,
    "copy_": _copy_,
    "zero_": _zero_,
    "expand_as": _size_like("expand"),
    "view_as": _size_like("view"),
    "reshape_as": _size_like("reshape"),
    "share_memory_": _share_memory_,
    "is_same_size": _is_same_size,
    "as_strided": as_strided,
    "get_device": _get_device,
    "__reversed__": _reversed,
}

PROPERTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "T": _transposed,
    "mT": _matrices_transposed,
    "H": _matrix_transposed,
}

ALIASES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "clip": "clamp",
    "divide": "div",
    "true_divide": "div",
    "fix": "trunc",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "moveaxis": "movedim",
    "multiply": "mul",
    "negative": "neg",
    "subtract": "sub",
    "swapdims": "transpose",
    "ger": "outer",
}
"""PyTorch's second names of declared ops."""


def attach() -> None:
    """Give `Tensor` the methods that are written here."""
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    for name, function in PROPERTIES.items():
        setattr(Tensor, name, property(function))
    for alias, name in ALIASES.items():
        if name in F and hasattr(Tensor, name):
            setattr(Tensor, alias, getattr(Tensor, name))
            if hasattr(Tensor, f"{name}_"):
                setattr(Tensor, f"{alias}_", getattr(Tensor, f"{name}_"))


TORCH: dict[str, Any] = {
    name: value
    for name, value in list(globals().items())
    if not name.startswith("_")
    and callable(value)
    and getattr(value, "__module__", None) == __name__
    and name not in ("attach", "cast", "move", "to_arguments", "AMinMax", "full")
}
"""The functions here that belong into the `torch` namespace."""

__all__ = ["ALIASES", "METHODS", "TORCH", "attach", "return_type"]
