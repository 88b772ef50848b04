"""Errors of the ops of networks: PyTorch's exceptions and messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.engine import new_engine

from telegrad_protocol.spec import OPS
from telegrad_server.kernels import IMPLS

Shape = tuple[int, ...]


class Of(tuple):
    """Ones of this shape, in float32 by default."""

    dtype = "float32"


def of(*shape: int, dtype: str = "float32") -> Of:
    made = Of(shape)
    made.dtype = dtype
    return made


def classes(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


MATMUL = r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 4x5\)"
MIXED = "expected m1 and m2 to have the same dtype, but got: float != double"
IMAGE, FILTERS = of(1, 4, 5, 5), of(2, 4, 3, 3)

CASES: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("matmul", (of(2, 3), of(4, 5)), RuntimeError, MATMUL),
    ("matmul", (of(2, 3), of(3, 5, dtype="float64")), RuntimeError, MIXED),
    ("matmul", (of(3), of(4)), RuntimeError, "inconsistent tensor size, expected tensor \\[3\\] and src \\[4\\]"),
    ("matmul", (of(2, 3), of(4)), RuntimeError, r"size mismatch, got input \(2\), mat \(2x3\), vec \(4\)"),
    ("matmul", (of(2, 2, 3), of(3, 3, 4)), RuntimeError, r"size of tensor a \(2\) must match the size of tensor b"),
    ("matmul", (of(2, 2, 3), of(2, 4, 4)), RuntimeError, r"batch2 tensor to be: \[2, 3\] but got: \[2, 4\]"),
    ("matmul", (of(), of(2)), RuntimeError, "need to be at least 1D, but they are 0D and 1D"),
    ("matmul", (of(2, 2, dtype="bool"), of(2, 2, dtype="bool")), NotImplementedError, "for 'Bool'"),
    ("mm", (of(2), of(2, 2)), RuntimeError, "self must be a matrix"),
    ("bmm", (of(2, 3, 4), of(4, 5, 6)), RuntimeError, r"batch2 tensor to be: \[2, 4\] but got: \[4, 5\]"),
    ("addmm", (of(7), of(2, 3), of(3, 4)), RuntimeError, r"must match the existing size \(7\)"),
    ("linear", (of(2, 3), of(4, 5)), RuntimeError, r"cannot be multiplied \(2x3 and 5x4\)"),
    ("linear", (of(2, 3), of(4, 3, dtype="float64")), RuntimeError, MIXED),
    ("linear", (of(2, 3), of(4, 3), of(5)), RuntimeError, r"The expanded size of the tensor \(4\) must match"),
    ("einsum", ("ij,jk->ik", [of(2, 3), of(4, 5)]), RuntimeError, "subscript j has size 4 for operand 1"),
    ("einsum", ("ij,jk->ik", [of(2, 3)]), RuntimeError, "fewer operands were provided than specified"),
    ("einsum", ("ijk", [of(2, 3)]), RuntimeError, r"subscripts in the equation \(3\) does not match"),
    ("einsum", ("ij->iz", [of(2, 3)]), RuntimeError, "output subscript z does not appear"),
    ("einsum", ("i#", [of(2, 3)]), RuntimeError, "invalid subscript given at index 1"),
    ("cross", (of(3, 4), of(3, 4), 1), RuntimeError, "inputs dimension 1 must have length 3. Got 4 and 4"),
    ("softmax", (of(2, 3), 5), IndexError, "Dimension out of range"),
    ("softmax", (of(2, 3, dtype="int64"), 0), NotImplementedError, "softmax_kernel_impl\" not implemented for 'Long'"),
    (
        "layer_norm",
        (of(2, 3), (4,)),
        RuntimeError,
        r"Given normalized_shape=\[4\], expected input",
    ),
    (
        "layer_norm",
        (of(2, 3), (3,), of(4)),
        RuntimeError,
        "Expected weight to be of same shape as",
    ),
    ("group_norm", (of(2, 3, 4), 2), RuntimeError, "divisible by num_groups"),
    ("cross_entropy", (of(3, 4), classes(1, 2)), ValueError, r"batch_size \(3\) to match target batch_size \(2\)"),
    ("cross_entropy", (of(3, 4), classes(1, 2, 7)), IndexError, "Target 7 is out of bounds."),
    ("cross_entropy", (of(3, 4), of(3)), RuntimeError, "expected target dtype to be Long or Byte"),
    ("nll_loss", (of(3, 4), classes(1, 2, -1)), IndexError, "Target -1 is out of bounds."),
    ("mse_loss", (of(3), of(4)), RuntimeError, r"The size of tensor a \(3\) must match"),
    ("binary_cross_entropy", (of(3), of(4)), ValueError, "Using a target size"),
    ("conv2d", (of(1, 3, 5, 5), FILTERS), RuntimeError, "to have 4 channels, but got 3 channels instead"),
    ("conv2d", (of(3, 5), FILTERS), RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"),
    ("conv2d", (of(1, 4, 2, 2), FILTERS), RuntimeError, "Kernel size can't be greater than actual input size"),
    ("conv2d", (IMAGE, FILTERS, of(3)), RuntimeError, "expected bias to be 1-dimensional with 2 elements"),
    ("conv2d", (IMAGE, of(3, 2, 3, 3), None, 1, 0, 1, 2), RuntimeError, "divisible by 2 at dimension 0"),
    ("conv2d", (IMAGE, FILTERS, None, 0), RuntimeError, "non-positive stride is not supported"),
    ("conv2d", (IMAGE, FILTERS, None, (1, 2, 3)), RuntimeError, "expected stride to be a single integer value"),
    ("conv2d", (IMAGE, FILTERS, None, 2, "same"), RuntimeError, "padding='same' is not supported for strided"),
    ("conv2d", (IMAGE, FILTERS, None, 1, "foo"), RuntimeError, "Invalid padding string: 'foo'"),
    ("conv_transpose2d", (IMAGE, of(3, 4, 3, 3)), RuntimeError, "to have 3 channels, but got 4 channels instead"),
    ("max_pool2d", (of(1, 2, 3), 4), RuntimeError, r"Calculated output size: \(1x0x0\). Output size is too small"),
    (
        "max_pool2d",
        (of(1, 2, 4, 4), 2, None, 2),
        RuntimeError,
        "pad should be at most half of effective",
    ),
    ("max_pool2d", (of(1, 2, 4, 4), 2, 0), RuntimeError, "stride should not be zero"),
    ("embedding", (classes(1, 9), of(4, 2)), IndexError, "index out of range in self"),
    ("embedding", (of(2), of(4, 2)), RuntimeError, "one of the following scalar types: Long, Int"),
    ("embedding", (classes(1), of(4, 2), None, 1.0), NotImplementedError, "max_norm is not supported"),
    (
        "scaled_dot_product_attention",
        (of(2, 2, 3), of(2, 4, 3), of(2, 4, 5), of(2, 4), 0.0, True),
        RuntimeError,
        "Explicit attn_mask should not be set when is_causal=True",
    ),
]


@pytest.mark.parametrize(("op", "args", "error", "words"), CASES, ids=lambda value: str(value)[:40])
def test_a_wrong_argument_is_refused_in_pytorchs_words(
    op: str, args: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    engine = new_engine()

    def made(value: Any) -> Any:
        if isinstance(value, Of):
            return engine.wrap(np.ones(value, value.dtype))
        if isinstance(value, np.ndarray):
            return engine.wrap(value.copy())
        return [made(item) for item in value] if isinstance(value, list) else value

    spec = OPS[op]
    with pytest.raises(error, match=words):
        engine.apply(IMPLS[op], spec.convert(spec.bind(*map(made, args))), grad=False)
