"""Histograms, distinct values, membership, positions in a sorted sequence."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, ShapeError
from telegrad_protocol.rules import not_implemented
from telegrad_protocol.shapes import Meta, check_size, contiguous, like, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Tensor, Value, op


def _bincount(input: Meta, weights: Meta | None, minlength: int) -> Meta:
    if input.dtype.category != dtypes.INT:
        raise not_implemented("bincount_cpu", input.dtype)
    if input.ndim != 1:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.", argument="input")
    if minlength < 0:
        raise ShapeError("minlength should be >= 0", argument="minlength", got=minlength)
    check_size((minlength,))
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(
            "weights should be 1-d and have the same length as input",
            argument="weights",
            expected=list(input.shape),
            got=list(weights.shape),
        )
    exact = dtypes.float32 if weights is not None and weights.dtype is dtypes.float32 else dtypes.float64
    return like(input, dtype=dtypes.int64 if weights is None else exact)


@op(_bincount, static_shape=False, differentiable=False)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 up occurs, or the sum of its weights; at least `minlength` counts."""


def _histc(input: Meta, bins: int, min: Number, max: Number) -> Meta:
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented("histogram_cpu", input.dtype)
    if bins <= 0:
        raise ShapeError(
            f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0", argument="bins", got=bins
        )
    if max < min:
        raise ShapeError("torch.histc: max must be larger than min", argument="max", got=max)
    return like(input, shape=(bins,))


@op(_histc, differentiable=False)
def histc(input: Tensor, bins: int = 100, min: Value = 0, max: Value = 0) -> Tensor:
    """How many elements fall into each of `bins` equal intervals of [min, max], or of their own range."""


def _searchsorted(
    sorted_sequence: Meta,
    input: Meta | Number,
    out_int32: bool,
    right: bool,
    side: str | None,
    sorter: Meta | None,
) -> Meta:
    shape = input.shape if isinstance(input, Meta) else ()
    if side not in (None, "left", "right"):
        raise ShapeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}", argument="side", got=side
        )
    if right and side == "left":
        raise ShapeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
            argument="side",
        )
    if not sorted_sequence.ndim:
        raise ShapeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension",
            argument="sorted_sequence",
        )
    if sorted_sequence.ndim != 1 and (sorted_sequence.ndim != len(shape) or sorted_sequence.shape[:-1] != shape[:-1]):
        raise ShapeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and "
            f"input value tensor {list(shape)}",
            argument="input",
        )
    if sorter is not None and sorter.shape != sorted_sequence.shape:
        raise ShapeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(sorted_sequence.shape)} and got sorter tensor {list(sorter.shape)}",
            argument="sorter",
        )
    if sorter is not None and sorter.dtype is not dtypes.int64:
        raise ShapeError(
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
            f"{dtypes.TYPE_NAMES[sorter.dtype]}",
            argument="sorter",
            expected="int64",
            got=sorter.dtype.name,
        )
    return contiguous(shape, dtypes.int32 if out_int32 else dtypes.int64, sorted_sequence.device)


@op(_searchsorted, on="torch", differentiable=False)
def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """The positions of values in a sorted sequence: before equal elements, or after them with `right`.

    `sorted_sequence` is a vector, or `(..., n)` beside `input (..., m)`; `sorter` are the indices that sort it.
    """


def _bucketize(input: Meta | Number, boundaries: Meta, out_int32: bool, right: bool) -> Meta:
    if boundaries.ndim != 1:
        raise ShapeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})", argument="boundaries"
        )
    return _searchsorted(boundaries, input, out_int32, right, None, None)


@op(_bucketize, on="torch", differentiable=False)
def bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket of each value: `boundaries[i - 1] < value <= boundaries[i]`, the other way round with `right`."""


def _isin(elements: Meta | Number, test_elements: Meta | Number, *_: bool) -> Meta:
    device = next((x.device for x in (elements, test_elements) if isinstance(x, Meta)), "cpu")
    return contiguous(elements.shape if isinstance(elements, Meta) else (), dtypes.bool_, device)


@op(_isin, on="torch", differentiable=False)
def isin(
    elements: Tensor | Number,
    test_elements: Tensor | Number,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Whether each element is among `test_elements`, or is not with `invert`.

    `assume_unique` promises that neither has repeated values; the result is the same without it.
    """


def _need_classes(tensor: Meta) -> None:
    if tensor.dtype is not dtypes.int64:
        raise ShapeError(
            "one_hot is only applicable to index tensor of type LongTensor.",
            argument="tensor",
            expected="int64",
            got=tensor.dtype.name,
        )


def _one_hot(tensor: Meta, num_classes: int) -> Meta:
    _need_classes(tensor)
    if num_classes < 1:
        raise ShapeError("num_classes should be positive", argument="num_classes", got=num_classes)
    return like(tensor, shape=(*tensor.shape, num_classes))


@op(_one_hot, on="", form_of="one_hot", differentiable=False)
def _one_hot_classes(tensor: Tensor, num_classes: int) -> Tensor:
    """A row of zeros with a one at the class, for each element."""


def _one_hot_open(tensor: Meta) -> Meta:
    _need_classes(tensor)
    if not tensor.numel:
        raise ShapeError("Can not infer total number of classes from empty tensor.", argument="tensor")
    return tensor


@op(_one_hot_open, on="", form_of="one_hot", static_shape=False, differentiable=False)
def _one_hot_inferred(tensor: Tensor) -> Tensor:
    """As `_one_hot_classes`, with classes up to the largest element."""


def _distinct(input: Meta, dim: int | None) -> Inferred:
    if dim is not None and not input.ndim:
        raise OpIndexError("Dimension specified as 0 but tensor has no dimensions", argument="dim", got=dim)
    shape = input.shape if dim is None else (input.shape or (1,))[wrap_dim(dim, input.ndim) :][:1]
    counts = (input.numel,) if dim is None else shape
    values = (input.numel,) if dim is None else input.shape
    index = dtypes.int64
    return Inferred(
        (like(input, shape=values), like(input, shape=shape, dtype=index), like(input, shape=counts, dtype=index))
    )


@op(
    lambda input, sorted, inverse, counts, dim: _distinct(input, dim),
    on="",
    static_shape=False,
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
    """The distinct values in order, or the distinct slices of `dim`; each element's index among them; their counts."""


@op(
    lambda input, inverse, counts, dim: _distinct(input, dim),
    on="",
    inner=True,
    static_shape=False,
    differentiable=False,
    returns=("values", "inverse", "counts"),
)
def _unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> None:
    """The first of each run of equal values, or of equal slices of `dim`; each element's run; the runs' lengths."""
