"""Gather and scatter by index tensors and masks."""

from __future__ import annotations

from typing import Any

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.rules import Elementwise, need_shape
from telegrad_protocol.shapes import Meta, broadcast, like, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Size, Tensor, op

Indices = tuple[Meta | None, ...]
MASKS = (dtypes.bool_, dtypes.uint8)

# By an index per dimension -------------------------------------------------------------------------------------------


def common_index(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape of index tensors."""
    try:
        return broadcast(shapes)
    except ShapeError:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        raise OpIndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}",
            argument="indices",
        ) from None


def indexed_shape(input: Meta, indices: Indices) -> tuple[int, ...]:
    """The shape of advanced indexing. The index tensors' common shape replaces them, or comes first if they are apart."""
    if len(indices) > input.ndim:
        raise OpIndexError(f"too many indices for tensor of dimension {input.ndim}", argument="indices")
    positions = [position for position, index in enumerate(indices) if index is not None]
    if not positions:
        return input.shape
    common = common_index([index.shape for index in indices if index is not None])
    kept = [size for axis, size in enumerate(input.shape) if axis not in positions]
    lead = positions[0] if positions == list(range(positions[0], positions[-1] + 1)) else 0
    return (*kept[:lead], *common, *kept[lead:])


def _check_index_dtypes(indices: Indices, masks: bool = False) -> None:
    for index in indices:
        if index is not None and (index.dtype.category != dtypes.INT or index.dtype in MASKS):
            if masks and index.dtype in MASKS:
                continue
            raise OpIndexError(
                "tensors used as indices must be long, int, byte or bool tensors",
                argument="indices",
                got=index.dtype.name,
            )


def _index_rule(input: Meta, indices: Indices) -> Meta:
    _check_index_dtypes(indices)
    return like(input, shape=indexed_shape(input, indices))


@op(_index_rule, on="")
def _index(input: Tensor, indices: list[Tensor | None]) -> Tensor:
    """`input[indices]` for integer tensors; None takes a whole dimension. An index outside raises IndexError."""


def _has_masks(indices: Indices) -> bool:
    return any(index is not None and index.dtype in MASKS for index in indices)


def _index_gradient(grad: Meta, shape: tuple[int, ...], indices: Indices) -> Meta:
    whole = like(grad, shape=shape)
    if _has_masks(indices):
        _check_masks(whole, indices)
    else:
        need_shape(grad, _index_rule(whole, indices).shape)
    return whole


@op(_index_gradient, on="", inner=True)
def _index_backward(grad: Tensor, shape: Size, indices: list[Tensor | None]) -> Tensor:
    """Zeros of `shape` with `grad` added at the indices or masks."""


def _check_masks(input: Meta, indices: Indices) -> None:
    _check_index_dtypes(indices, masks=True)
    axis = 0
    for position, index in enumerate(indices):
        if index is not None and index.dtype in MASKS:
            if index.shape != input.shape[axis : axis + index.ndim]:
                raise OpIndexError(
                    f"The shape of the mask {list(index.shape)} at index {position} does not match the shape of the "
                    f"indexed tensor {list(input.shape)} at index {axis}",
                    argument="indices",
                )
            axis += index.ndim
        else:
            axis += 1
    if axis > input.ndim:
        raise OpIndexError(f"too many indices for tensor of dimension {input.ndim}", argument="indices")
    common_index([index.shape for index in indices if index is not None and index.dtype not in MASKS])


def _masked(input: Meta, indices: Indices) -> Meta:
    _check_masks(input, indices)
    return like(input, shape=(input.numel,))  # the values decide; without repeated indices, at most this


@op(_masked, on="", static_shape=False)
def _index_mask(input: Tensor, indices: list[Tensor | None]) -> Tensor:
    """`input[indices]` where some indices are masks, each for as many dimensions as it has."""


def _index_put(input: Meta, indices: Indices, values: Meta, accumulate: bool) -> Meta:
    if values.dtype is not input.dtype:
        raise ShapeError(
            "Index put requires the source and destination dtypes match, got "
            f"{dtypes.TYPE_NAMES[input.dtype]} for the destination and {dtypes.TYPE_NAMES[values.dtype]} for the source.",
            argument="values",
            expected=input.dtype.name,
            got=values.dtype.name,
        )
    if _has_masks(indices):
        _check_masks(input, indices)
    else:
        _check_assigned(values.shape, _index_rule(input, indices).shape)
    return like(input)


def _check_assigned(values: tuple[int, ...], target: tuple[int, ...]) -> None:
    sizes = zip(reversed(values), reversed(target), strict=False)
    if len(values) > len(target) or any(size not in (1, wanted) for size, wanted in sizes):
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(values)} cannot be broadcast to indexing result of shape "
            f"{list(target)}",
            argument="values",
            expected=list(target),
            got=list(values),
        )


@op(_index_put, inplace=True, idempotent=True, autocast="widest")
def index_put(input: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values`, broadcast, written at the indices or masks; added with `accumulate`."""


@op(lambda index, size: like(index), on="", differentiable=False)
def _checked_places(index: Tensor, size: int) -> Tensor:
    """The index itself; IndexError where it lies outside [-size, size)."""


def _take(input: Meta, index: Meta) -> Meta:
    if index.dtype is not dtypes.int64:
        raise ShapeError(
            f"take(): Expected a long tensor for index, but got {dtypes.TYPE_NAMES[index.dtype]}",
            argument="index",
            got=index.dtype.name,
        )
    return like(input, shape=index.shape)


@op(_take)
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened `input` at `index`, in the shape of `index`."""


# By masks -----------------------------------------------------------------------------------------------------------


def _need_mask(mask: Meta, message: str) -> None:
    if mask.dtype is not dtypes.bool_:
        raise ShapeError(message, argument="mask", expected="bool", got=mask.dtype.name)


def _masked_select(input: Meta, mask: Meta) -> Meta:
    _need_mask(mask, "masked_select: expected BoolTensor for mask")
    return like(input, shape=(like(input, shape=broadcast([mask.shape, input.shape])).numel,))


@op(_masked_select, static_shape=False)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in a row; both are broadcast."""


def _masked_scatter(input: Meta, mask: Meta, source: Meta) -> Meta:
    _need_mask(mask, f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    if source.dtype is not input.dtype:
        raise ShapeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype.name} and "
            f"{source.dtype.name}",
            argument="source",
            expected=input.dtype.name,
            got=source.dtype.name,
        )
    return like(input, shape=broadcast([input.shape, mask.shape]))


@op(_masked_scatter, inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in their order, where the mask holds; both are broadcast."""


def _masked_scatter_gradient(grad: Meta, mask: Meta, size: tuple[int, ...]) -> Meta:
    _need_mask(mask, f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    need_shape(grad, broadcast([grad.shape, mask.shape]))
    return like(grad, shape=size)


@op(_masked_scatter_gradient, on="", inner=True)
def _masked_scatter_backward(grad: Tensor, mask: Tensor, size: Size) -> Tensor:
    """The elements of `grad` where the mask holds, then zeros, in the shape `size`."""


@op(
    lambda input: like(input, shape=(input.numel, input.ndim), dtype=dtypes.int64),
    on="",
    static_shape=False,
    differentiable=False,
)
def nonzero(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each."""


@op(
    lambda input: like(input, shape=(input.numel, input.ndim), dtype=dtypes.int64),
    static_shape=False,
    differentiable=False,
)
def argwhere(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each: `(n, ndim)`."""


def _masked_fill(input: Meta, mask: Meta, value: Meta | Number) -> Inferred:
    if mask.dtype is not dtypes.bool_:
        raise ShapeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {dtypes.FULL_C_NAMES[mask.dtype]}",
            argument="mask",
            expected="bool",
            got=mask.dtype.name,
        )
    if isinstance(value, Meta) and value.ndim:
        raise ShapeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).",
            argument="value",
        )
    return Elementwise()(input, mask)._replace(compute=None)


@op(
    _masked_fill,
    inplace=True,
    idempotent=True,
    elementwise=True,
)
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with `value` where the mask holds."""


# Along a dimension, an index per element ------------------------------------------------------------------------------


def _check_index(index: Meta, name: str) -> None:
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise ShapeError(
            f"{name}(): Expected dtype int32/int64 for index",
            argument="index",
            expected="int64",
            got=index.dtype.name,
        )


def _fits(index: Meta, other: Meta, axis: int, name: str) -> None:
    if index.numel == 0:
        return
    if max(index.ndim, 1) != max(other.ndim, 1):
        raise ShapeError(
            f"Index tensor must have the same number of dimensions as {name} tensor",
            argument="index",
            expected=other.ndim,
            got=index.ndim,
        )
    for position, size in enumerate(index.shape):
        if position != axis and size > (other.shape or (1,))[position]:
            raise ShapeError(
                f"Size does not match at dimension {position} expected index {list(index.shape)} to be no larger than "
                f"{name} {list(other.shape)} apart from dimension {axis}",
                argument="index",
            )


def _gather(input: Meta, dim: int, index: Meta) -> Meta:
    _check_index(index, "gather")
    _fits(index, input, wrap_dim(dim, input.ndim), "input")
    return like(input, shape=index.shape)


@op(_gather)
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Picks elements along `dim` by `index`, in its shape; an index out of range raises RuntimeError."""


def _scatter(input: Meta, dim: int, index: Meta, src: Meta | Number, *_: Any) -> Meta:
    _check_index(index, "scatter")
    _fits(index, input, wrap_dim(dim, input.ndim), "self")
    if isinstance(src, Meta):
        if src.dtype is not input.dtype:
            raise ShapeError(
                "scatter(): Expected self.dtype to be equal to src.dtype",
                argument="src",
                expected=input.dtype.name,
                got=src.dtype.name,
            )
        _fits(index, src, -1, "src")
    return like(input)


@op(_scatter, inplace=True)
def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | Number) -> Tensor:
    """`input` with `src` written along `dim` at `index`."""


@op(_scatter, inplace=True, autocast="widest")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added along `dim` at `index`, in its order."""


def _scatter_reduce(input: Meta, dim: int, index: Meta, src: Meta, reduce: str, include_self: bool) -> Meta:
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ShapeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
            argument="reduce",
            got=reduce,
        )
    return _scatter(input, dim, index, src)


@op(_scatter_reduce, inplace=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the elements of `src` reduced into the elements at `index`: sum, prod, mean, amax or amin.

    Without `include_self`, the elements of `input` at `index` do not count.
    """


@op(_scatter, on="", inner=True)
def _scatter_multiply(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` multiplied by `src` along `dim` at `index`."""


@op(_scatter, on="", inner=True)
def _scatter_extremum(input: Tensor, dim: int, index: Tensor, src: Tensor, largest: bool, include_self: bool) -> Tensor:
    """The largest or smallest of the elements of `src` at each index, and of `input` there with `include_self`."""


def _take_along_dim(input: Meta, indices: Meta, dim: int | None) -> Meta:
    if indices.dtype is not dtypes.int64:
        raise ShapeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.name}",
            argument="indices",
            got=indices.dtype.name,
        )
    if dim is None:
        return like(input, shape=(indices.numel,))
    if input.ndim != indices.ndim:
        raise ShapeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices",
            argument="indices",
        )
    axis = wrap_dim(dim, input.ndim)
    own = (*input.shape[:axis], 1, *input.shape[axis + 1 :])
    other = (*indices.shape[:axis], 1, *indices.shape[axis + 1 :])
    common = broadcast([own, other])
    return like(input, shape=(*common[:axis], indices.shape[axis], *common[axis + 1 :]))


@op(_take_along_dim)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with the other dimensions broadcast; without `dim`, in the flattened tensor."""


# Along a dimension, an index per slice --------------------------------------------------------------------------------


_INDEX_WORDS = {
    "index_select": "index_select(): Expected dtype int32 or int64 for index",
    "index_add_": "index_add_(): Expected dtype int32/int64 for index but got: {}",
    "index_copy_": "index_copy_(): Expected a long tensor for index, but got {}",
}


def _vector(index: Meta, name: str) -> None:
    if index.dtype not in (dtypes.int64, dtypes.int32):
        words = _INDEX_WORDS[name].format(dtypes.TYPE_NAMES[index.dtype])
        raise ShapeError(words, argument="index", expected="int64", got=index.dtype.name)
    if index.ndim > 1:
        raise OpIndexError(f"{name}(): Index is supposed to be a vector", argument="index", expected=1, got=index.ndim)


def _index_select(input: Meta, dim: int, index: Meta) -> Meta:
    _vector(index, "index_select")
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return like(input)
    return like(input, shape=(*input.shape[:axis], index.numel, *input.shape[axis + 1 :]))


@op(_index_select)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `dim` at a vector of indices; one out of range raises IndexError."""


def _slices(name: str, counts: type[ShapeError] | type[OpIndexError]) -> Any:
    def rule(input: Meta, dim: int, index: Meta, source: Meta, *_: Any) -> Meta:
        _vector(index, name)
        axis = wrap_dim(dim, input.ndim)
        if source.dtype is not input.dtype:
            own, other = dtypes.TYPE_NAMES[input.dtype], dtypes.TYPE_NAMES[source.dtype]
            raise ShapeError(
                f"{name}(): self ({own}) and source ({other}) must have the same scalar type"
                if name == "index_add_"
                else f"{name}(): self and source expected to have the same dtype, but got (self) {own} and (source) {other}",
                argument="source",
                expected=input.dtype.name,
                got=source.dtype.name,
            )
        along = (source.shape or (1,))[axis if source.ndim > axis else 0]
        if index.numel != along:
            count = f"{name}(): Number of indices ({index.numel}) should be equal to source.size(dim)"
            raise counts(
                f"{count}: ({along}), for dim: {axis}" if name == "index_add_" else f"{count} ({along})",
                argument="source",
            )
        if source.ndim != input.ndim or any(
            a != b for position, (a, b) in enumerate(zip(source.shape, input.shape, strict=True)) if position != axis
        ):
            raise ShapeError(
                f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. Got "
                f"self.shape = {list(input.shape)} source.shape = {list(source.shape)}",
                argument="source",
            )
        return like(input)

    return rule


@op(_slices("index_add_", ShapeError), inplace=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with `alpha` times the slices of `source` added at `index`, in its order."""


@op(_slices("index_copy_", OpIndexError), inplace=True, autocast="widest")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with the slices of `source` written at `index`."""


def _index_fill(input: Meta, dim: int, index: Meta, value: Meta | Number) -> Meta:
    if index.dtype is not dtypes.int64:
        raise OpIndexError("index_fill_(): Expected dtype int64 for index.", argument="index", got=index.dtype.name)
    _vector(index, "index_fill_")
    wrap_dim(dim, input.ndim)
    if isinstance(value, Meta) and value.ndim:
        raise ShapeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).",
            argument="value",
        )
    return like(input)


@op(_index_fill, inplace=True, idempotent=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with one value in the slices at `index`."""
