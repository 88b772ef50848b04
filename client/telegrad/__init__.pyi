"""`telegrad`, for type checkers.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from collections.abc import Sequence
from typing import overload

from telegrad._api.creation import arange as arange
from telegrad._api.creation import as_tensor as as_tensor
from telegrad._api.creation import eye as eye
from telegrad._api.creation import from_numpy as from_numpy
from telegrad._api.creation import full as full
from telegrad._api.creation import full_like as full_like
from telegrad._api.creation import linspace as linspace
from telegrad._api.creation import logspace as logspace
from telegrad._api.creation import tensor as tensor
from telegrad._api.declared import SignLogabsdet, ValuesIndices
from telegrad._api.deferred import deferred as deferred
from telegrad._api.overloads.comparison import allclose as allclose
from telegrad._api.overloads.comparison import equal as equal
from telegrad._api.overloads.gather import nonzero as nonzero
from telegrad._api.overloads.gather import repeat_interleave as repeat_interleave
from telegrad._api.overloads.gather import scatter as scatter
from telegrad._api.overloads.gather import unique as unique
from telegrad._api.overloads.gather import where as where
from telegrad._api.overloads.joining import block_diag as block_diag
from telegrad._api.overloads.joining import cat as _cat
from telegrad._api.overloads.joining import cat as cat
from telegrad._api.overloads.joining import meshgrid as meshgrid
from telegrad._api.overloads.joining import split as split
from telegrad._api.overloads.joining import stack as stack
from telegrad._api.overloads.layout import as_strided as as_strided
from telegrad._api.overloads.layout import broadcast_shapes as broadcast_shapes
from telegrad._api.overloads.layout import broadcast_tensors as broadcast_tensors
from telegrad._api.overloads.layout import swapaxes as swapaxes
from telegrad._api.overloads.matmul import einsum as einsum
from telegrad._api.overloads.matmul import tensordot as tensordot
from telegrad._api.overloads.properties import can_cast as can_cast
from telegrad._api.overloads.properties import is_floating_point as is_floating_point
from telegrad._api.overloads.properties import is_inference as is_inference
from telegrad._api.overloads.properties import is_tensor as is_tensor
from telegrad._api.overloads.properties import numel as numel
from telegrad._api.overloads.properties import promote_types as promote_types
from telegrad._api.overloads.properties import result_type as result_type
from telegrad._api.overloads.reduction import aminmax as aminmax
from telegrad._api.overloads.reduction import norm as norm
from telegrad._api.overloads.reduction import std_mean as std_mean
from telegrad._api.overloads.reduction import var_mean as var_mean
from telegrad._api.printing import get_printoptions as get_printoptions
from telegrad._api.printing import printoptions as printoptions
from telegrad._api.printing import set_printoptions as set_printoptions
from telegrad._api.read_all import read_all as read_all
from telegrad._api.signatures import DeviceLike, Number, Sizes
from telegrad._api.size import Size as Size
from telegrad._profile.profile import profile as profile
from telegrad._runtime.connection import connect as connect
from telegrad._runtime.connection import disconnect as disconnect
from telegrad._runtime.connection import synchronize as synchronize
from telegrad._runtime.defaults import get_default_device as get_default_device
from telegrad._runtime.defaults import get_default_dtype as get_default_dtype
from telegrad._runtime.defaults import set_default_device as set_default_device
from telegrad._runtime.defaults import set_default_dtype as set_default_dtype
from telegrad._runtime.devices import device as device
from telegrad._tensor import Tensor as Tensor
from telegrad.amp.autocast_mode import autocast as autocast
from telegrad.amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
from telegrad.amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
from telegrad.autograd import enable_grad as enable_grad
from telegrad.autograd import inference_mode as inference_mode
from telegrad.autograd import is_grad_enabled as is_grad_enabled
from telegrad.autograd import is_inference_mode_enabled as is_inference_mode_enabled
from telegrad.autograd import no_grad as no_grad
from telegrad.autograd import set_grad_enabled as set_grad_enabled
from telegrad.random import Generator as Generator
from telegrad.random import get_rng_state as get_rng_state
from telegrad.random import initial_seed as initial_seed
from telegrad.random import manual_seed as manual_seed
from telegrad.random import rand_like as rand_like
from telegrad.random import randint as randint
from telegrad.random import randint_like as randint_like
from telegrad.random import randn_like as randn_like
from telegrad.random import randperm as randperm
from telegrad.random import seed as seed
from telegrad.random import set_rng_state as set_rng_state
from telegrad_protocol.dtypes import DType
from telegrad_protocol.dtypes import DType as _DType
from telegrad_protocol.errors import OutOfMemory as _OutOfMemory

from . import amp as amp
from . import autograd as autograd
from . import cuda as cuda
from . import functional as functional
from . import linalg as linalg
from . import nn as nn
from . import optim as optim
from . import random as random
from . import utils as utils

OutOfMemoryError = _OutOfMemory

def abs(input: Tensor) -> Tensor:
    """The absolute value of `input`."""

def absolute(input: Tensor) -> Tensor:
    """The absolute value of `input`."""

def acos(input: Tensor) -> Tensor:
    """The inverse cosine."""

def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The averages of `output_size` windows that cover the last dimension evenly."""

def add(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Adds `other`, scaled by `alpha`, to `input`."""

def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2).sum(0)`; with `beta` 0, `input` is not read."""

def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""

def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""

def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`; with `beta` 0, `input` is not read."""

def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`; with `beta` 0, `input` is not read."""

def all(input: Tensor, dim: Sizes | None = None, keepdim: _bool = False) -> Tensor:
    """Whether every element is true; over no dimensions, `()`, whether each is."""

def amax(input: Tensor, dim: Sizes | None = (), keepdim: _bool = False) -> Tensor:
    """The largest value; equal ones share the gradient."""

def amin(input: Tensor, dim: Sizes | None = (), keepdim: _bool = False) -> Tensor:
    """The smallest value; equal ones share the gradient."""

def any(input: Tensor, dim: Sizes | None = None, keepdim: _bool = False) -> Tensor:
    """Whether any element is true; over no dimensions, `()`, whether each is."""

def arccos(input: Tensor) -> Tensor:
    """The inverse cosine."""

def arcsin(input: Tensor) -> Tensor:
    """The inverse sine."""

def arctan(input: Tensor) -> Tensor:
    """The inverse tangent."""

def argmax(input: Tensor, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
    """The first index of the largest value, along `dim` or in the flattened input."""

def argmin(input: Tensor, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
    """The first index of the smallest value, along `dim` or in the flattened input."""

def argsort(input: Tensor, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> Tensor:
    """The indices that sort a dimension."""

def argwhere(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each: `(n, ndim)`."""

def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sizes, stride: Sizes, storage_offset: _int | None = None
) -> Tensor:
    """A copy of `input` with `src` written to the elements of the `as_strided` view of the same arguments."""

def asin(input: Tensor) -> Tensor:
    """The inverse sine."""

def atan(input: Tensor) -> Tensor:
    """The inverse tangent."""

def atleast_1d(input: Tensor) -> Tensor:
    """The tensor with one dimension or more; a view."""

def atleast_2d(input: Tensor) -> Tensor:
    """The tensor with two dimensions or more, new ones in front; a view."""

def atleast_3d(input: Tensor) -> Tensor:
    """The tensor with three dimensions or more, a new one in front of a vector's, others behind; a view."""

def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: _bool = False,
    count_include_pad: _bool = True,
) -> Tensor:
    """The average of each window of `input (N, C, L)` or `(C, L)`."""

def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2)`, for batches of matrices; with `beta` 0, `input` is not read."""

def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in `input`, zeros otherwise."""

bfloat16: DType

def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1ᵀ weight[o] input2 + bias[o]` for each `o`: `(..., a)`, `(..., b)`, weight `(out, a, b)`."""

def bincount(input: Tensor, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
    """How often each number from 0 up occurs, or the sum of its weights; at least `minlength` counts."""

def bitwise_and(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """And of the bits."""

def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` left."""

def bitwise_not(input: Tensor) -> Tensor:
    """Flips the bits; for booleans, not."""

def bitwise_or(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Or of the bits."""

def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Shifts the bits of `input` right."""

def bitwise_xor(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Exclusive or of the bits."""

def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of matrices in pairs: `(b, n, k)` and `(b, k, m)`."""

bool: DType

def broadcast_to(input: Tensor, size: Sizes) -> Tensor:
    """As `expand`."""

def bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: _bool = False, right: _bool = False) -> Tensor:
    """The bucket of each value: `boundaries[i - 1] < value <= boundaries[i]`, the other way round with `right`."""

def cdist(x1: Tensor, x2: Tensor, p: _float = 2.0) -> Tensor:
    """The p-norm distance of every row of `x1 (..., n, d)` to every row of `x2 (..., m, d)`: `(..., n, m)`."""

def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below `input`."""

def celu(input: Tensor, alpha: _float = 1.0) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

def chunk(input: Tensor, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces of dimension `dim`, all of one size but the last."""

def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """Limits `input` to the range from `min` to `max`; either may be open."""

def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """Limits `input` from above."""

def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """Limits `input` from below."""

def clip(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """Limits `input` to the range from `min` to `max`; either may be open."""

def clone(input: Tensor) -> Tensor:
    """A copy that gradients flow through."""

concat = _cat
concatenate = _cat

def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: _int = 1,
) -> Tensor:
    """Convolution of `input (N, C, L)`, or `(C, L)`, with `weight (O, C / groups, k)`, plus `bias (O,)`."""

def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: _int = 1,
) -> Tensor:
    """Convolution of `input (N, C, H, W)`, or `(C, H, W)`, with `weight (O, C / groups, kh, kw)`, plus `bias (O,)`.

    >>> import torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5), torch.ones(2, 1, 3, 3), padding=1).shape
    torch.Size([1, 2, 5, 5])
    """

def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: _int = 1,
) -> Tensor:
    """Convolution of `input (N, C, D, H, W)`, or `(C, D, H, W)`, with `weight (O, C / groups, kd, kh, kw)`."""

def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: _int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv1d`: `input (N, C, L)`, weight `(C, O / groups, k)`, bias `(O,)`."""

def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: _int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv2d`: `input (N, C, H, W)`, weight `(C, O / groups, kh, kw)`, bias `(O,)`."""

def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: _int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv3d`: `input (N, C, D, H, W)`, weight `(C, O / groups, kd, kh, kw)`, bias `(O,)`."""

def cos(input: Tensor) -> Tensor:
    """The cosine of `input`, in radians."""

def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine."""

def cosine_similarity(x1: Tensor, x2: Tensor, dim: _int = 1, eps: _float = 1e-08) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms below `eps` count as `eps`."""

def count_nonzero(input: Tensor, dim: Sizes | None = None) -> Tensor:
    """How many elements are not zero."""

def cross(input: Tensor, other: Tensor, dim: _int = -1) -> Tensor:
    """The cross product of vectors of 3 along `dim`."""

def cummax(input: Tensor, dim: _int) -> ValuesIndices:
    """The largest element so far along a dimension, and its last index."""

def cummin(input: Tensor, dim: _int) -> ValuesIndices:
    """The smallest element so far along a dimension, and its last index."""

def cumprod(input: Tensor, dim: _int, *, dtype: DType | None = None) -> Tensor:
    """Running products along a dimension."""

def cumsum(input: Tensor, dim: _int, *, dtype: DType | None = None) -> Tensor:
    """Running sums along a dimension."""

def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: _int = -1) -> Tensor:
    """The running integral of samples along a dimension by trapezoids, one value per gap."""

default_generator: Generator

def det(A: Tensor) -> Tensor:
    """The determinants of square matrices."""

def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""

def diag(input: Tensor, diagonal: _int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix with this diagonal; a copy."""

def diag_embed(input: Tensor, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
    """Matrices whose diagonals are the rows of `input`, zeros elsewhere."""

def diagflat(input: Tensor, offset: _int = 0) -> Tensor:
    """A matrix whose diagonal is the flattened `input`."""

def diagonal(input: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
    """The diagonal of two dimensions as a new last one, above the main one for `offset` > 0; a view."""

def diagonal_scatter(input: Tensor, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
    """A copy of `input` with `src` on a diagonal."""

def diff(
    input: Tensor, n: _int = 1, dim: _int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along a dimension, `n` times over; `prepend` and `append` are joined first.

    The input itself for an `n` of 0.
    """

def div(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""

def divide(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""

def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements."""

double: DType

def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins tensors along the third dimension."""

dtype = _DType
e: _float

@overload
def empty(
    *size: _int,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """A tensor of a shape whose values mean nothing yet."""

@overload
def empty(
    size: Sequence[_int],
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """As `empty`, with the shape and dtype of `input`, and where it is."""

def eq(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` equals `other`."""

def erf(input: Tensor) -> Tensor:
    """The error function."""

def exp(input: Tensor) -> Tensor:
    """e to the power of `input`."""

def exp2(input: Tensor) -> Tensor:
    """2 to the power of `input`."""

def expm1(input: Tensor) -> Tensor:
    """e to the power of `input`, minus 1, exact near 0."""

def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A tensor like `input`, filled with one value."""

def fix(input: Tensor) -> Tensor:
    """`input` without its fraction."""

def flatten(input: Tensor, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one; a view where the memory allows it, else a copy."""

def flip(input: Tensor, dims: Sizes) -> Tensor:
    """Reverses the order along these dimensions."""

def fliplr(input: Tensor) -> Tensor:
    """Reverses the order of the columns."""

def flipud(input: Tensor) -> Tensor:
    """Reverses the order of the rows."""

float: DType
float16: DType
float32: DType
float64: DType

def floor(input: Tensor) -> Tensor:
    """The largest integer not above `input`."""

def floor_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The quotient, rounded down."""

def fmod(input: Tensor, other: Tensor | Number) -> Tensor:
    """The remainder of division rounded towards zero; it has the sign of `input`."""

def gather(input: Tensor, dim: _int, index: Tensor) -> Tensor:
    """Picks elements along `dim` by `index`, in its shape; an index out of range raises RuntimeError."""

def ge(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at least `other`."""

def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an element of `input` and one of `vec2`: `(n, m)`."""

def greater(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is greater than `other`."""

def greater_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at least `other`."""

def group_norm(
    input: Tensor, num_groups: _int, weight: Tensor | None = None, bias: Tensor | None = None, eps: _float = 1e-05
) -> Tensor:
    """Layer norm of each group of channels of `input (N, C, ...)`; weight and bias `(C,)`."""

def gt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is greater than `other`."""

half: DType

def histc(input: Tensor, bins: _int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """How many elements fall into each of `bins` equal intervals of [min, max], or of their own range."""

def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins tensors along the second dimension, vectors along their only one."""

def index_add(input: Tensor, dim: _int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with `alpha` times the slices of `source` added at `index`, in its order."""

def index_copy(input: Tensor, dim: _int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with the slices of `source` written at `index`."""

def index_fill(input: Tensor, dim: _int, index: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with one value in the slices at `index`."""

def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Tensor:
    """`input` with `values`, broadcast, written at the indices or masks; added with `accumulate`."""

def index_select(input: Tensor, dim: _int, index: Tensor) -> Tensor:
    """The slices of `dim` at a vector of indices; one out of range raises IndexError."""

inf: _float

def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products over the last dimension of both, for every pair of their other indices."""

int: DType
int16: DType
int32: DType
int64: DType
int8: DType

def isclose(
    input: Tensor, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False
) -> Tensor:
    """True where |input - other| <= atol + rtol * |other|."""

def isfinite(input: Tensor) -> Tensor:
    """True where `input` is neither infinite nor `nan`."""

def isin(
    elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: _bool = False, invert: _bool = False
) -> Tensor:
    """Whether each element is among `test_elements`, or is not with `invert`.

    `assume_unique` promises that neither has repeated values; the result is the same without it.
    """

def isinf(input: Tensor) -> Tensor:
    """True where `input` is infinite."""

def isnan(input: Tensor) -> Tensor:
    """True where `input` is not a number."""

def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: `other` once per element of `input`, times that element."""

def kthvalue(input: Tensor, k: _int, dim: _int = -1, keepdim: _bool = False) -> ValuesIndices:
    """The `k`-th smallest element along a dimension, counted from 1, and its index."""

def layer_norm(
    input: Tensor,
    normalized_shape: Sizes,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: _float = 1e-05,
) -> Tensor:
    """Shifts and scales the last dimensions to mean 0 and variance 1, then applies `weight` and `bias`."""

def le(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at most `other`."""

def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """Linear interpolation: input + weight * (end - input)."""

def less(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is less than `other`."""

def less_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is at most `other`."""

def log(input: Tensor) -> Tensor:
    """The natural logarithm of `input`; `-inf` at 0, `nan` below."""

def log10(input: Tensor) -> Tensor:
    """The base-10 logarithm of `input`."""

def log1p(input: Tensor) -> Tensor:
    """The natural logarithm of 1 + `input`, exact near 0."""

def log2(input: Tensor) -> Tensor:
    """The base-2 logarithm of `input`."""

def log_softmax(input: Tensor, dim: _int, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, computed without leaving the range of the dtype."""

def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow."""

def logcumsumexp(input: Tensor, dim: _int) -> Tensor:
    """The logarithm of the running sum of exponentials, without overflow."""

def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """True where both are nonzero."""

def logical_not(input: Tensor) -> Tensor:
    """True where `input` is zero."""

def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """True where either is nonzero."""

def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """True where exactly one is nonzero."""

def logsumexp(input: Tensor, dim: Sizes | None, keepdim: _bool = False) -> Tensor:
    """The logarithm of the sum of exponentials, without overflow."""

long: DType

def lt(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` is less than `other`."""

def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with `value` where the mask holds."""

def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in their order, where the mask holds; both are broadcast."""

def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in a row; both are broadcast."""

def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: of vectors, matrices, and batches of matrices, whose leading dimensions broadcast.

    >>> import torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3, 4)).shape
    torch.Size([2, 4])
    """

@overload
def max(input: Tensor, /) -> Tensor:
    """`max(input)`: the maximum of all elements. `max(input, dim)`: values and indices along a dimension. `max(input, other)`: the maximum, element by element."""

@overload
def max(input: Tensor, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
@overload
def max(input: Tensor, other: Tensor) -> Tensor: ...
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; `nan` if either is."""

def mean(input: Tensor, dim: Sizes | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean over `dim`, or over everything."""

@overload
def median(input: Tensor) -> Tensor:
    """The middle value, the lower of two; along a dimension, values and indices."""

@overload
def median(input: Tensor, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
@overload
def min(input: Tensor, /) -> Tensor:
    """`min(input)`: the minimum of all elements. `min(input, dim)`: values and indices along a dimension. `min(input, other)`: the minimum, element by element."""

@overload
def min(input: Tensor, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
@overload
def min(input: Tensor, other: Tensor) -> Tensor: ...
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; `nan` if either is."""

def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, `(n, k)` and `(k, m)`."""

def mode(input: Tensor, dim: _int = -1, keepdim: _bool = False) -> ValuesIndices:
    """The most frequent value along a dimension, the smallest of several, and its last index."""

def moveaxis(input: Tensor, source: Sizes, destination: Sizes) -> Tensor:
    """The dimensions `source` moved to the positions `destination`; a view."""

def movedim(input: Tensor, source: Sizes, destination: Sizes) -> Tensor:
    """The dimensions `source` moved to the positions `destination`; a view."""

def msort(input: Tensor) -> Tensor:
    """The sorted elements along the first dimension."""

def mul(input: Tensor, other: Tensor | Number) -> Tensor:
    """Multiplies `input` by `other`."""

def multinomial(
    input: Tensor, num_samples: _int, replacement: _bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with the probabilities in each row of `input`."""

def multiply(input: Tensor, other: Tensor | Number) -> Tensor:
    """Multiplies `input` by `other`."""

def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix `(n, k)` and a vector `(k,)`."""

nan: _float

def nan_to_num(
    input: Tensor, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
) -> Tensor:
    """`input` with `nan` and infinities replaced."""

@overload
def nanmedian(input: Tensor) -> Tensor:
    """The middle value, the lower of two; along a dimension, values and indices."""

@overload
def nanmedian(input: Tensor, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
def nanquantile(
    input: Tensor, q: Tensor | Number, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """As `quantile`, of the elements that are not `nan`."""

def narrow(input: Tensor, dim: _int, start: _int, length: _int) -> Tensor:
    """`length` elements of dimension `dim` from `start` on; a view."""

def ne(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` differs from `other`."""

def neg(input: Tensor) -> Tensor:
    """Negates `input`."""

def negative(input: Tensor) -> Tensor:
    """Negates `input`."""

newaxis: None

def not_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """True where `input` differs from `other`."""

@overload
def ones(
    *size: _int,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Ones of a shape, given as numbers or a tuple."""

@overload
def ones(
    size: Sequence[_int],
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """As `ones`, with the shape and dtype of `input`, and where it is."""

def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an element of `input` and one of `vec2`: `(n, m)`."""

def pairwise_distance(x1: Tensor, x2: Tensor, p: _float = 2.0, eps: _float = 1e-06, keepdim: _bool = False) -> Tensor:
    """The p-norm of `x1 - x2 + eps` over the last dimension."""

def permute(input: Tensor, dims: Sizes) -> Tensor:
    """The dimensions in another order; a view."""

pi: _float

def pixel_shuffle(input: Tensor, upscale_factor: _int) -> Tensor:
    """Channels `(..., C * r * r, H, W)` as finer pixels `(..., C, H * r, W * r)`."""

def pixel_unshuffle(input: Tensor, downscale_factor: _int) -> Tensor:
    """The inverse of `pixel_shuffle`."""

def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """Raises `input` to the power of `exponent`."""

def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, a learned multiple of it elsewhere, per channel."""

def prod(input: Tensor, dim: _int | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
    """The product over `dim`, or of everything."""

def quantile(
    input: Tensor, q: Tensor | Number, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The value below which a share `q` in [0, 1] of the elements lies; a vector of shares comes first in the shape."""

@overload
def rand(
    *size: _int,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1)."""

@overload
def rand(
    size: Sequence[_int],
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
) -> Tensor: ...
@overload
def randn(
    *size: _int,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and variance 1."""

@overload
def randn(
    size: Sequence[_int],
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
) -> Tensor: ...
def reciprocal(input: Tensor) -> Tensor:
    """1 over `input`."""

def relu(input: Tensor) -> Tensor:
    """The positive part of `input`: max(0, input)."""

def remainder(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The remainder of division rounded down; it has the sign of `other`."""

def reshape(input: Tensor, shape: Sizes) -> Tensor:
    """The same elements in another shape; a view where the memory allows it, else a copy. One size may be -1."""

def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: _float | None = None) -> Tensor:
    """Divides by the root of the mean square over the last dimensions; `eps` None is the dtype's own."""

def roll(input: Tensor, shifts: _int | Sizes, dims: Sizes | None = None) -> Tensor:
    """Moves elements along dimensions, around the end to the beginning; without `dims`, in the flattened tensor."""

def rot90(input: Tensor, k: _int = 1, dims: Sizes = ...) -> Tensor:
    """Turns the plane of two dimensions by 90 degrees, `k` times, from the first towards the second."""

def round(input: Tensor, *, decimals: _int = 0) -> Tensor:
    """Rounds to the nearest number of that many decimals, halves to even."""

def rsqrt(input: Tensor) -> Tensor:
    """1 over the square root of `input`."""

def scatter_add(input: Tensor, dim: _int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added along `dim` at `index`, in its order."""

def scatter_reduce(
    input: Tensor, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
) -> Tensor:
    """`input` with the elements of `src` reduced into the elements at `index`: sum, prod, mean, amax or amin.

    Without `include_self`, the elements of `input` at `index` do not count.
    """

def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: _bool = False,
    right: _bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """The positions of values in a sorted sequence: before equal elements, or after them with `right`.

    `sorted_sequence` is a vector, or `(..., n)` beside `input (..., m)`; `sorter` are the indices that sort it.
    """

def select(input: Tensor, dim: _int, index: _int) -> Tensor:
    """The slice at `index` of dimension `dim`, without that dimension; a view."""

def select_scatter(input: Tensor, src: Tensor, dim: _int, index: _int) -> Tensor:
    """A copy of `input` with `src` at `index` of dimension `dim`."""

def selu(input: Tensor) -> Tensor:
    """`elu`, scaled so that activations normalise themselves (Klambauer et al., 2017)."""

short: DType

def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""

def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign of `input`."""

def sin(input: Tensor) -> Tensor:
    """The sine of `input`, in radians."""

def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""

def slice_scatter(
    input: Tensor, src: Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1
) -> Tensor:
    """A copy of `input` with `src` in a slice of dimension `dim`."""

def slogdet(A: Tensor) -> SignLogabsdet:
    """The signs of determinants, and the logarithms of their absolute values."""

def softmax(input: Tensor, dim: _int, dtype: DType | None = None) -> Tensor:
    """Exponentials along `dim`, scaled to add up to 1; `dtype` casts the input first.

    >>> import torch
    >>> torch.softmax(torch.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """

def sort(input: Tensor, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> ValuesIndices:
    """The sorted elements along a dimension, and their indices; `nan` counts as the largest.

    Equal elements always keep their order, with `stable` or without.
    """

def sqrt(input: Tensor) -> Tensor:
    """The square root of `input`."""

def square(input: Tensor) -> Tensor:
    """`input` times itself."""

def squeeze(input: Tensor, dim: Sizes | None = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have size 1; a view."""

@overload
def std(input: Tensor, unbiased: _bool) -> Tensor:
    """The standard deviation: the root of the variance."""

@overload
def std(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: Number | None = None,
) -> Tensor: ...
def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Subtracts `other`, scaled by `alpha`, from `input`."""

def subtract(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Subtracts `other`, scaled by `alpha`, from `input`."""

def sum(input: Tensor, dim: Sizes | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum over `dim`, or over everything."""

def swapdims(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """Swaps two dimensions; a view."""

def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number as it is. A view."""

def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened `input` at `index`, in the shape of `index`."""

def take_along_dim(input: Tensor, indices: Tensor, dim: _int | None = None) -> Tensor:
    """As `gather`, with the other dimensions broadcast; without `dim`, in the flattened tensor."""

def tan(input: Tensor) -> Tensor:
    """The tangent of `input`, in radians."""

def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""

def tensor_split(input: Tensor, indices_or_sections: _int | Sizes, dim: _int = 0) -> tuple[Tensor, ...]:
    """Views of pieces of dimension `dim`: a number of nearly equal ones, or cut at these indices."""

def tile(input: Tensor, dims: Sizes) -> Tensor:
    """As `repeat`; missing leading numbers are 1."""

def topk(input: Tensor, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True) -> ValuesIndices:
    """The `k` largest, or smallest, elements along a dimension, in order, and their indices."""

def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""

def transpose(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """Swaps two dimensions; a view."""

def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: _int = -1) -> Tensor:
    """The integral of samples `y` along a dimension by trapezoids, at points `x` or at distances of `dx` (1)."""

def tril(input: Tensor, diagonal: _int = 0) -> Tensor:
    """The lower triangle of matrices, up to a diagonal; zeros above."""

def triu(input: Tensor, diagonal: _int = 0) -> Tensor:
    """The upper triangle of matrices, from a diagonal on; zeros below."""

def true_divide(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""

def trunc(input: Tensor) -> Tensor:
    """`input` without its fraction."""

uint8: DType

def unbind(input: Tensor, dim: _int = 0) -> tuple[Tensor, ...]:
    """A view per index of dimension `dim`, without that dimension."""

def unflatten(input: Tensor, dim: _int, sizes: Sizes) -> Tensor:
    """Dimension `dim` as several, of these sizes; a view. One size may be -1."""

def unsqueeze(input: Tensor, dim: _int) -> Tensor:
    """A new dimension of size 1 at `dim`; a view."""

@overload
def var(input: Tensor, unbiased: _bool) -> Tensor:
    """The variance: squared distances from the mean, summed and divided by the count less `correction`."""

@overload
def var(
    input: Tensor,
    dim: Sizes | None = None,
    unbiased: _bool | None = None,
    keepdim: _bool = False,
    *,
    correction: Number | None = None,
) -> Tensor: ...
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins tensors along the first dimension; vectors are rows."""

def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input log(other), and 0 where `input` is 0."""

@overload
def zeros(
    *size: _int,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """Zeros of a shape, given as numbers or a tuple."""

@overload
def zeros(
    size: Sequence[_int],
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor: ...
def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: DeviceLike | None = None,
    requires_grad: _bool = False,
    pin_memory: _bool = False,
) -> Tensor:
    """As `zeros`, with the shape and dtype of `input`, and where it is."""

__version__: str
