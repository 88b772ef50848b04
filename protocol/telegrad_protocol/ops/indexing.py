"""Gathering and scattering by index tensors; masks; counting."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, OpTypeError, ShapeError
from telegrad_protocol.rules import need_index
from telegrad_protocol.shapes import Meta, broadcast, like, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Size, Tensor, op

Indices = tuple[Meta | None, ...]


def indexed_shape(input: Meta, indices: Indices) -> tuple[int, ...]:
    """The shape of advanced indexing: the index tensors' common shape stands where they are, or first if apart."""
    places = [i for i, index in enumerate(indices) if index is not None]
    if len(indices) > input.ndim:
        raise OpIndexError(
            f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})", argument="indices"
        )
    common = broadcast(index.shape for index in indices if index is not None)
    kept = [size for axis, size in enumerate(input.shape) if axis not in places]
    if not places:
        return input.shape
    adjacent = places == list(range(places[0], places[-1] + 1))
    lead = places[0] if adjacent else 0
    return (*kept[:lead], *common, *kept[lead:])


def _index_rule(input: Meta, indices: Indices) -> Meta:
    for index in indices:
        if index is not None and index.dtype.category != dtypes.INT:
            raise OpIndexError("tensors used as indices must be long, int, byte or bool tensors", argument="indices")
    return like(input, shape=indexed_shape(input, indices))


@op(_index_rule, on="")
def _index(input: Tensor, indices: list[Tensor | None]) -> Tensor:
    """`input[indices]` for integer tensors; None takes a whole dimension."""


@op(lambda grad, shape, indices: like(grad, shape=shape), on="")
def _index_backward(grad: Tensor, shape: Size, indices: list[Tensor | None]) -> Tensor:
    """Zeros of `shape` with `grad` added where the indices look."""


def _masked(input: Meta, indices: Indices) -> Meta:
    axis = 0
    for index in indices:
        if index is not None and index.dtype in (dtypes.bool_, dtypes.uint8):
            if index.shape != input.shape[axis : axis + index.ndim]:
                raise OpIndexError(
                    f"The shape of the mask {list(index.shape)} at index {axis} does not match the shape of the indexed "
                    f"tensor {list(input.shape)} at index {axis}",
                    argument="indices",
                )
            axis += index.ndim
        else:
            axis += 1
    return like(input, shape=(input.numel,))  # at most


@op(_masked, on="", settled=False)
def _index_mask(input: Tensor, indices: list[Tensor | None]) -> Tensor:
    """`input[indices]` where some indices are masks."""


@op(lambda input, *_: like(input), inplace=True)
def index_put(input: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` written (or added) where the indices, or masks, look."""


@op(lambda input, *_: like(input), on="")
def _index_zero(input: Tensor, indices: list[Tensor | None]) -> Tensor:
    """`input` with zeros where the indices, or masks, look."""


def _masked_select(input: Meta, mask: Meta) -> Meta:
    if mask.dtype is not dtypes.bool_:
        raise ShapeError("masked_select: expected BoolTensor for mask", argument="mask", got=mask.dtype.name)
    return like(input, shape=(like(input, shape=broadcast([input.shape, mask.shape])).numel,))


@op(_masked_select, settled=False)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in a row."""


@op(
    lambda input: like(input, shape=(input.numel, input.ndim), dtype=dtypes.int64),
    on="",
    settled=False,
    differentiable=False,
)
def nonzero(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each."""


def _gather(input: Meta, dim: int, index: Meta) -> Meta:
    need_index(index)
    axis = wrap_dim(dim, input.ndim)
    _fits(index, input, axis, "input")
    return like(input, shape=index.shape)


def _fits(index: Meta, other: Meta, axis: int, name: str) -> None:
    if index.numel == 0:
        return
    if max(index.ndim, 1) != max(other.ndim, 1):
        raise ShapeError(f"Index tensor must have the same number of dimensions as {name} tensor", argument="index")
    for i in range(index.ndim):
        if i != axis and other.ndim and index.shape[i] > other.shape[i]:
            raise ShapeError(
                f"Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than {name} "
                f"{list(other.shape)} apart from dimension {axis}",
                argument="index",
            )


@op(_gather)
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Picks along `dim` what `index` says, for each place of `index`."""


def _scatter(input: Meta, dim: int, index: Meta, src: Meta | Number) -> Meta:
    need_index(index)
    axis = wrap_dim(dim, input.ndim)
    _fits(index, input, axis, "self")
    if isinstance(src, Meta):
        if src.dtype is not input.dtype:
            raise ShapeError("scatter(): Expected self.dtype to be equal to src.dtype", argument="src")
        _fits(index, src, -1, "src")
    return like(input)


@op(_scatter, inplace=True)
def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | Number) -> Tensor:
    """`input` with `src` written along `dim` where `index` says."""


@op(_scatter, inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added along `dim` where `index` says."""


def _index_select(input: Meta, dim: int, index: Meta) -> Meta:
    need_index(index)
    if index.ndim > 1:
        raise OpIndexError("index_select(): Index is supposed to be a vector", argument="index")
    axis = wrap_dim(dim, input.ndim)
    return like(input, shape=(*input.shape[:axis], index.numel, *input.shape[axis + 1 :]))


@op(_index_select)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Places of a dimension, by a vector of indices."""


@op(lambda input, *_: like(input), inplace=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with rows of `source` added at the places of `dim` that `index` names, in their order."""


@op(lambda input, *_: like(input), inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with rows of `source` written at the places of `dim` that `index` names."""


@op(lambda input, *_: like(input), inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with one value at the places of `dim` that `index` names."""


@op(lambda input, indices, dim: like(input, shape=indices.shape if dim is None else _along(input, indices, dim)))
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with the other dimensions broadcast."""


def _along(input: Meta, indices: Meta, dim: int) -> tuple[int, ...]:
    axis = wrap_dim(dim, input.ndim)
    own = (*input.shape[:axis], 1, *input.shape[axis + 1 :])
    other = (*indices.shape[:axis], 1, *indices.shape[axis + 1 :])
    common = broadcast([own, other])
    return (*common[:axis], indices.shape[axis], *common[axis + 1 :])


def _one_hot(input: Meta, num_classes: int) -> Meta:
    if input.dtype is not dtypes.int64:
        raise OpTypeError("one_hot is only applicable to index tensor of type LongTensor.", got=input.dtype.name)
    return like(input, shape=(*input.shape, num_classes))


@op(_one_hot, on="", differentiable=False)
def _one_hot_classes(input: Tensor, num_classes: int) -> Tensor:
    """A row of zeros with a one at the class, for each element."""


@op(
    lambda input, weights, minlength: like(
        input, shape=(input.numel + minlength,), dtype=dtypes.int64 if weights is None else dtypes.float64
    ),
    settled=False,
    differentiable=False,
)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 up occurs, or the sum of its weights."""


@op(
    lambda input, *_: Inferred((like(input), like(input, dtype=dtypes.int64), like(input, dtype=dtypes.int64))),
    on="",
    settled=False,
    differentiable=False,
    returns=("values", "inverse", "counts"),
)
def _unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> None:
    """The distinct values in order, where each element went, and how many of each there were."""
