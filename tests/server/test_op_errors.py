"""Errors of ops: PyTorch's exceptions and messages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from support.engine import new_engine, torch_function

from telegrad_protocol.spec import OPS
from telegrad_server.kernels import IMPLS


class Refusal(NamedTuple):
    """A call that fails. Arrays are turned into tensors; `message` is a regular expression."""

    op: str
    args: tuple[Any, ...]
    error: type[Exception]
    message: str
    keywords: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.op}: {self.message}"


def refused(op: str, error: type[Exception], message: str, *args: Any, **keywords: Any) -> Refusal:
    return Refusal(op, args, error, message, keywords)


def ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int64)


X = np.zeros((3, 4), np.float32)
ZERO = np.zeros((), np.float32)
ROW = np.zeros(4, np.float32)
VECTOR = np.zeros(3, np.float32)
CUBE = np.zeros((1, 1, 1), np.float32)
NONE = np.zeros((0, 2), np.float32)
TRUE = np.ones((3, 4), np.bool_)
OUT_OF_RANGE = r"Dimension out of range \(expected to be in range of \[-2, 1\], but got"

SHAPING = (
    refused("permute", RuntimeError, "does not match the length of the desired", X, (0,)),
    refused("permute", RuntimeError, "duplicate dims", X, (0, 0)),
    refused("permute", IndexError, OUT_OF_RANGE, X, (0, 3)),
    refused("t", RuntimeError, "<= 2 dimensions, but self is 3D", CUBE),
    refused("movedim", RuntimeError, "Invalid source or destination dims", X, (0, 1), (0,)),
    refused("movedim", RuntimeError, "repeated dim in `source`", X, (0, 0), (0, 1)),
    refused("squeeze", RuntimeError, "appears multiple times", X, (0, 0)),
    refused("unsqueeze", IndexError, "Dimension out of range", X, 4),
    refused("flatten", RuntimeError, "start_dim cannot come after end_dim", X, 1, 0),
    refused("unflatten", RuntimeError, "don't multiply up to the size of dim 1", X, 1, (3, -1)),
    refused("expand", RuntimeError, "must match the existing size", X, (4, 4)),
    refused("reshape", RuntimeError, "is invalid for input of size 12", X, (5,)),
)
SLICING = (
    refused("select", IndexError, r"index 3 out of range for tensor of size \[3, 4\] at dimension 0", X, 0, 3),
    refused("select", IndexError, "cannot be applied to a 0-dim tensor", ZERO, 0, 0),
    refused("narrow", IndexError, "start out of range", X, 0, 4, 1),
    refused("narrow", RuntimeError, r"start \(1\) \+ length \(5\) exceeds dimension size \(3\)", X, 0, 1, 5),
    refused("narrow", RuntimeError, "length must be non-negative", X, 0, 1, -1),
    refused("split", RuntimeError, "split_size can only be 0 if", X, 0),
    refused("split", RuntimeError, "to sum exactly to 3", X, (1, 1)),
    refused("split", RuntimeError, "at least a 1-dimensional tensor", ZERO, 1),
    refused("chunk", RuntimeError, "`chunks` to be greater than 0", X, 0),
    refused("tensor_split", RuntimeError, "larger than 0, got 0", X, 0),
    refused("unbind", IndexError, "tensor has no dimensions", ZERO),
    refused("diagonal", RuntimeError, "diagonal dimensions cannot be identical", X, 0, 0, 0),
    refused("diagonal", IndexError, "Dimension out of range", VECTOR),
)
OURS = (  # private ops, which PyTorch has under another name
    refused("_slice", IndexError, "index 3 is out of bounds for dimension 0 with size 3", X, (3,)),
    refused("_slice", IndexError, "too many indices for tensor of dimension 2", X, (0, 0, 0)),
    refused("_slice", IndexError, "invalid index of a 0-dim tensor", ZERO, (0,)),
    refused("_slice", ValueError, "step must be greater than zero", X, ((None, None, -1),)),
    refused("_unfold_windows", RuntimeError, "maximum size for tensor at dimension 0 is 3 but size is 5", X, 0, 5, 1),
    refused("_unfold_windows", RuntimeError, "step is 0 but must be > 0", X, 0, 1, 0),
    refused("_index", IndexError, "index 5 is out of bounds for dimension 0 with size 3", X, (ints(5),)),
    refused(
        "_index",
        IndexError,
        r"could not be broadcast together with shapes \[2\], \[3\]",
        X,
        (ints(0, 1), ints(0, 1, 2)),
    ),
    refused("_index", IndexError, "must be long, int, byte or bool", X, (ROW,)),
    refused("_index", IndexError, "too many indices", X, (ints(0), ints(0), ints(0))),
    refused(
        "_index_mask", IndexError, r"shape of the mask \[2\] at index 0 does not match", X, (np.ones(2, np.bool_),)
    ),
    refused("_repeat_interleave_each", RuntimeError, "repeats must have the same size", X, ints(1, 2), 0),
    refused("_repeat_interleave_each", RuntimeError, "repeats can not be negative", X, ints(1, -2, 1), 0),
    refused("_one_hot_classes", RuntimeError, "must be smaller than num_classes", ints(3), 3),
    refused("_one_hot_classes", RuntimeError, "must be non-negative", ints(-1), 3),
    refused("_median_dim", IndexError, "Expected reduction dim 0 to have non-zero size", NONE, 0),
)
ARRANGE = (
    refused("cat", ValueError, "expected a non-empty list", ()),
    refused("cat", RuntimeError, "zero-dimensional tensor", (ZERO, ZERO)),
    refused("cat", RuntimeError, "same number of dimensions: got 2 and 1", (X, ROW)),
    refused(
        "cat", RuntimeError, "Expected size 4 but got size 2 for tensor number 1", (X, np.zeros((1, 2), np.float32))
    ),
    refused("cat", IndexError, "Dimension out of range", (X,), 3),
    refused("stack", RuntimeError, "non-empty TensorList", ()),
    refused("stack", RuntimeError, r"got \[3, 4\] at entry 0 and \[4\] at entry 1", (X, ROW)),
    refused("hstack", RuntimeError, "non-empty TensorList", ()),
    refused("vstack", RuntimeError, "non-empty TensorList", ()),
    refused("dstack", RuntimeError, "non-empty TensorList", ()),
    refused("repeat", RuntimeError, "can not be smaller than number of dimensions", X, (2,)),
    refused("repeat_interleave", RuntimeError, "Repeats must be non-negative", X, -1),
    refused("flip", RuntimeError, "appears multiple times", X, (0, 0)),
    refused("fliplr", RuntimeError, "Input must be >= 2-d", VECTOR),
    refused("roll", RuntimeError, "shifts and dimensions must align. shifts: 2, dims:1", X, (1, 2), (0,)),
    refused("roll", IndexError, OUT_OF_RANGE, X, 1, 5),
    refused("rot90", RuntimeError, "rotation dims to be different", X, 1, (0, 0)),
    refused("tril", RuntimeError, "at least 2 dimensions", VECTOR),
    refused("diag", RuntimeError, "Supports 1D or 2D tensors. Got 3D", CUBE),
    refused("diag_embed", RuntimeError, "cannot be identical 1, 1", X, 0, 1, 1),
    refused("slice_scatter", RuntimeError, r"slice size = \[3, 4\]", X, np.zeros((2, 2), np.float32)),
    refused("select_scatter", RuntimeError, r"slice size = \[4\]", X, VECTOR, 0, 0),
    refused("pad", RuntimeError, "must be divisible by 2", X, (1,)),
    refused("pad", RuntimeError, "padding length 6 and input of dimension 2", X, (1,) * 6),
    refused("pad", RuntimeError, "should be less than the corresponding input dimension", X, (4, 0), "reflect"),
    refused("pad", RuntimeError, "wrapping around more than once", X, (5, 0), "circular"),
    refused("pad", NotImplementedError, "Unrecognised padding mode foo", X, (1, 0), "foo"),
    refused("pixel_shuffle", RuntimeError, "is not divisible by 4", np.zeros((3, 2, 2), np.float32), 2),
)
INDEXING = (
    refused("index_put", RuntimeError, "source and destination dtypes match", X, (ints(0),), ints(1)),
    refused("index_put", RuntimeError, "cannot be broadcast to indexing result", X, (ints(0),), VECTOR),
    refused(
        "index_put", RuntimeError, "cannot be broadcast to indexing result", X, (TRUE[:, 0],), np.zeros(5, np.float32)
    ),
    refused("index_put", IndexError, "index 7 is out of bounds", X, (ints(7),), ROW),
    refused("index_select", IndexError, "index out of range in self", X, 0, ints(5)),
    refused("index_select", IndexError, "index out of range in self", X, 0, ints(-1)),
    refused("index_select", IndexError, "supposed to be a vector", X, 0, ints([1])),
    refused("gather", RuntimeError, "index 5 is out of bounds for dimension 1 with size 4", X, 1, ints([5])),
    refused("gather", RuntimeError, "index -1 is out of bounds", X, 1, ints([-1])),
    refused("gather", RuntimeError, "same number of dimensions as input", X, 1, ints(1)),
    refused("gather", RuntimeError, "Size does not match at dimension 0", X, 1, ints([0], [0], [0], [0])),
    refused("gather", RuntimeError, "Expected dtype int32/int64 for index", X, 1, X[:1, :1]),
    refused("scatter", RuntimeError, "index 5 is out of bounds", X, 1, ints([5]), 1.0),
    refused("scatter", RuntimeError, "self.dtype to be equal to src.dtype", X, 1, ints([0]), ints([1])),
    refused("scatter_reduce", RuntimeError, "either sum, prod, mean, amax or amin", X, 1, ints([0]), X, "foo"),
    refused("index_add", RuntimeError, "index 5 is out of bounds", X, 0, ints(5), X[:1]),
    refused("index_add", RuntimeError, "Number of indices", X, 0, ints(1), X[:2]),
    refused("index_add", RuntimeError, "must match self tensor shape", X, 0, ints(1), X[:1, :3]),
    refused("index_copy", IndexError, "index 5 is out of bounds", X, 0, ints(5), X[:1]),
    refused("index_copy", IndexError, "Number of indices", X, 0, ints(1), X[:2]),
    refused("index_fill", IndexError, "index 5 is out of bounds", X, 0, ints(5), 1.0),
    refused("index_fill", RuntimeError, "only supports a 0-dimensional value", X, 0, ints(1), VECTOR),
    refused("take", IndexError, "index 12", X, ints(12)),
    refused("take", RuntimeError, "Expected a long tensor for index", X, ROW),
    refused("take_along_dim", RuntimeError, "same number of dimensions", X, ints(1), 1),
    refused("masked_select", RuntimeError, "expected BoolTensor for mask", X, X),
    refused("masked_scatter", RuntimeError, "same dtypes", X, TRUE, ints(1)),
    refused("masked_scatter", RuntimeError, "elements of source < number of ones in mask", X, TRUE, VECTOR),
)
COUNTING = (
    refused("bincount", RuntimeError, "1-d non-negative integral", ints(-1)),
    refused("bincount", RuntimeError, "1-d non-negative integral", ints([1])),
    refused("bincount", NotImplementedError, "bincount_cpu", VECTOR),
    refused("bincount", RuntimeError, "same length as input", ints(1), VECTOR),
    refused("histc", RuntimeError, "bins must be > 0", VECTOR, 0),
    refused("histc", RuntimeError, "max must be larger than min", VECTOR, 3, 2, 1),
    refused("searchsorted", RuntimeError, "first N-1 dimensions", X[:2], X),
    refused("searchsorted", RuntimeError, "can't be set to opposites", VECTOR, ROW, right=True, side="left"),
    refused("bucketize", RuntimeError, "boundaries tensor must be 1 dimension", VECTOR, X),
)
ORDER = (
    refused("sort", IndexError, OUT_OF_RANGE, X, 4),
    refused("topk", RuntimeError, "selected index k out of range", X, 5),
    refused("kthvalue", RuntimeError, "selected number k out of range for dimension 1", X, 0),
    refused("mode", IndexError, "Expected reduction dim 0 to have non-zero size", NONE, 0),
    refused("quantile", RuntimeError, r"in the range \[0, 1\] but got 2", X, 2.0),
    refused("quantile", RuntimeError, "either float or double", ints(1), 0.5),
    refused("quantile", RuntimeError, "must be non-empty", NONE, 0.5),
    refused("quantile", RuntimeError, "interpolation must be one of", X, 0.5, interpolation="foo"),
    refused("cumsum", IndexError, OUT_OF_RANGE, X, 3),
    refused("cummax", IndexError, OUT_OF_RANGE, X, 3),
    refused("logcumsumexp", NotImplementedError, "not implemented for", ints(1), 0),
    refused("diff", RuntimeError, "order must be non-negative", X, -1),
    refused("diff", RuntimeError, "at least one-dimensional", ZERO),
    refused("trapezoid", RuntimeError, "one `x` value for each sample point", X, VECTOR),
)
PUBLIC = (*SHAPING, *SLICING, *ARRANGE, *INDEXING, *COUNTING, *ORDER)


def with_tensors(value: Any, make: Any) -> Any:
    if isinstance(value, np.ndarray):
        return make(value)
    return tuple(with_tensors(item, make) for item in value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("refusal", [*PUBLIC, *OURS], ids=str)
def test_a_refusal_has_the_exception_and_the_words(refusal: Refusal) -> None:
    engine, spec = new_engine(), OPS[refusal.op]
    args = with_tensors(refusal.args, lambda array: engine.wrap(np.array(array)))
    with pytest.raises(refusal.error, match=refusal.message) as caught:
        engine.apply(IMPLS[refusal.op], spec.convert(spec.bind(*args, **refusal.keywords)), grad=False)
    if refusal.error is RuntimeError:
        assert not isinstance(caught.value, IndexError | TypeError | ValueError | NotImplementedError)


@pytest.mark.oracle
@pytest.mark.parametrize("refusal", PUBLIC, ids=str)
def test_torch_refuses_the_same_with_the_same_words(refusal: Refusal) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    args = with_tensors(refusal.args, lambda array: torch.from_numpy(np.array(array)))
    function, method = torch_function(refusal.op)
    call = getattr(args[0], function) if method else function
    with pytest.raises(refusal.error, match=refusal.message):
        call(*args[method:], **refusal.keywords)
