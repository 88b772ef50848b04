"""Methods and operators of `Tensor`, and the results of several parts.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self, overload

from telegrad._api.handles import RemovableHandle
from telegrad._api.overloads.reduction import AMinMax
from telegrad._api.signatures import DeviceLike, Number, Operand, Sizes
from telegrad._tensor import Tensor
from telegrad._tracing.proxy import TensorBase
from telegrad.random import Generator
from telegrad_protocol.dtypes import DType

class SignLogabsdet(NamedTuple):
    sign: Tensor
    logabsdet: Tensor

class EigenvaluesEigenvectors(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor

class ValuesIndices(NamedTuple):
    values: Tensor
    indices: Tensor

class Declared(TensorBase):
    """What `Tensor` has from the op table."""

    @property
    def H(self) -> Tensor:
        """The matrix transposed."""
    @property
    def T(self) -> Tensor:
        """The tensor with its dimensions in reverse order."""
    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Operand) -> Tensor: ...
    def __and__(self, other: Operand) -> Tensor: ...
    def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
    def __floordiv__(self, other: Operand) -> Tensor: ...
    def __ge__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
    def __gt__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
    def __iadd__(self, other: Operand) -> Self: ...
    def __iand__(self, other: Operand) -> Self: ...
    def __ifloordiv__(self, other: Operand) -> Self: ...
    def __ilshift__(self, other: Operand) -> Self: ...
    def __imod__(self, other: Operand) -> Self: ...
    def __imul__(self, other: Operand) -> Self: ...
    def __invert__(self) -> Tensor:
        """The bits flipped; for booleans, not."""
    def __ior__(self, other: Operand) -> Self: ...
    def __ipow__(self, other: Operand) -> Self: ...
    def __irshift__(self, other: Operand) -> Self: ...
    def __isub__(self, other: Operand) -> Self: ...
    def __itruediv__(self, other: Operand) -> Self: ...
    def __ixor__(self, other: Operand) -> Self: ...
    def __le__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
    def __lshift__(self, other: Operand) -> Tensor: ...
    def __lt__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
    def __matmul__(self, other: Tensor) -> Tensor: ...
    def __mod__(self, other: Operand) -> Tensor: ...
    def __mul__(self, other: Operand) -> Tensor: ...
    def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __or__(self, other: Operand) -> Tensor: ...
    def __pow__(self, other: Operand) -> Tensor: ...
    def __radd__(self, other: Operand) -> Tensor: ...
    def __rand__(self, other: Operand) -> Tensor: ...
    def __reversed__(self) -> Tensor:
        """The rows in reverse order."""
    def __rfloordiv__(self, other: Operand) -> Tensor: ...
    def __rlshift__(self, other: Operand) -> Tensor: ...
    def __rmatmul__(self, other: Tensor) -> Tensor: ...
    def __rmod__(self, other: Operand) -> Tensor: ...
    def __rmul__(self, other: Operand) -> Tensor: ...
    def __ror__(self, other: Operand) -> Tensor: ...
    def __rpow__(self, other: Operand) -> Tensor: ...
    def __rrshift__(self, other: Operand) -> Tensor: ...
    def __rshift__(self, other: Operand) -> Tensor: ...
    def __rsub__(self, other: Operand) -> Tensor: ...
    def __rtruediv__(self, other: Operand) -> Tensor: ...
    def __rxor__(self, other: Operand) -> Tensor: ...
    def __sub__(self, other: Operand) -> Tensor: ...
    def __truediv__(self, other: Operand) -> Tensor: ...
    def __xor__(self, other: Operand) -> Tensor: ...
    def abs(self) -> Tensor:
        """The absolute value of `input`."""
    def abs_(self) -> Self:
        """The absolute value of `input`."""
    def absolute(self) -> Tensor:
        """The absolute value of `input`."""
    def absolute_(self) -> Self:
        """The absolute value of `input`."""
    def acos(self) -> Tensor:
        """The inverse cosine."""
    def acos_(self) -> Self:
        """The inverse cosine."""
    def add(self, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
        """Adds `other`, scaled by `alpha`, to `input`."""
    def add_(self, other: Tensor | Number, *, alpha: Number = 1) -> Self:
        """Adds `other`, scaled by `alpha`, to `input`."""
    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
        """`beta * input + alpha * (batch1 @ batch2).sum(0)`; with `beta` 0, `input` is not read."""
    def addbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Self:
        """`beta * input + alpha * (batch1 @ batch2).sum(0)`; with `beta` 0, `input` is not read."""
    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """input + value * tensor1 / tensor2."""
    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Self:
        """input + value * tensor1 / tensor2."""
    def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """input + value * tensor1 * tensor2."""
    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Self:
        """input + value * tensor1 * tensor2."""
    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
        """`beta * input + alpha * (mat1 @ mat2)`; with `beta` 0, `input` is not read."""
    def addmm_(self, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Self:
        """`beta * input + alpha * (mat1 @ mat2)`; with `beta` 0, `input` is not read."""
    def addmv(self, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
        """`beta * input + alpha * (mat @ vec)`; with `beta` 0, `input` is not read."""
    def addmv_(self, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Self:
        """`beta * input + alpha * (mat @ vec)`; with `beta` 0, `input` is not read."""
    def all(self, dim: Sizes | None = None, keepdim: _bool = False) -> Tensor:
        """Whether every element is true; over no dimensions, `()`, whether each is."""
    def allclose(self, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
        """Whether all elements are close: |input - other| <= atol + rtol * |other|."""
    def amax(self, dim: Sizes | None = (), keepdim: _bool = False) -> Tensor:
        """The largest value; equal ones share the gradient."""
    def amin(self, dim: Sizes | None = (), keepdim: _bool = False) -> Tensor:
        """The smallest value; equal ones share the gradient."""
    def aminmax(self, *, dim: _int | None = None, keepdim: _bool = False) -> AMinMax:
        """The smallest and the largest value."""
    def any(self, dim: Sizes | None = None, keepdim: _bool = False) -> Tensor:
        """Whether any element is true; over no dimensions, `()`, whether each is."""
    def arccos(self) -> Tensor:
        """The inverse cosine."""
    def arccos_(self) -> Self:
        """The inverse cosine."""
    def arcsin(self) -> Tensor:
        """The inverse sine."""
    def arcsin_(self) -> Self:
        """The inverse sine."""
    def arctan(self) -> Tensor:
        """The inverse tangent."""
    def arctan_(self) -> Self:
        """The inverse tangent."""
    def argmax(self, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
        """The first index of the largest value, along `dim` or in the flattened input."""
    def argmin(self, dim: _int | None = None, keepdim: _bool = False) -> Tensor:
        """The first index of the smallest value, along `dim` or in the flattened input."""
    def argsort(self, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> Tensor:
        """The indices that sort a dimension."""
    def argwhere(self) -> Tensor:
        """The indices of nonzero elements, a row each: `(n, ndim)`."""
    def as_strided(self, size: Sequence[_int], stride: Sequence[_int], storage_offset: _int | None = None) -> Tensor:
        """A view by sizes, strides and offset, in elements, of the memory that `input` shows: all of it, whatever `input` is.

        Raises RuntimeError where the view would leave the memory.

        >>> import telegrad as tg
        >>> tg.as_strided(tg.arange(6.0).reshape(2, 3).t(), (2, 2), (1, 3))
        tensor([[0., 3.],
                [1., 4.]])
        """
    def as_strided_scatter(self, src: Tensor, size: Sizes, stride: Sizes, storage_offset: _int | None = None) -> Tensor:
        """A copy of `input` with `src` written to the elements of the `as_strided` view of the same arguments."""
    def asin(self) -> Tensor:
        """The inverse sine."""
    def asin_(self) -> Self:
        """The inverse sine."""
    def atan(self) -> Tensor:
        """The inverse tangent."""
    def atan_(self) -> Self:
        """The inverse tangent."""
    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: _bool | None = None,
        create_graph: _bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradients of this tensor to the `.grad` of the leaves it depends on."""
    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
        """`beta * input + alpha * (batch1 @ batch2)`, for batches of matrices; with `beta` 0, `input` is not read."""
    def baddbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Self:
        """`beta * input + alpha * (batch1 @ batch2)`, for batches of matrices; with `beta` 0, `input` is not read."""
    def bernoulli(self, *, generator: Generator | None = None) -> Tensor:
        """Ones with the probabilities in `input`, zeros otherwise."""
    def bernoulli_(self, p: Tensor | _float = 0.5, *, generator: Generator | None = None) -> Self:
        """Fill with ones with probability `p`, zeros otherwise."""
    def bfloat16(self) -> Tensor:
        """The values as bfloat16."""
    def bincount(self, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
        """How often each number from 0 up occurs, or the sum of its weights; at least `minlength` counts."""
    def bitwise_and(self, other: Tensor | Number) -> Tensor:
        """And of the bits."""
    def bitwise_and_(self, other: Tensor | Number) -> Self:
        """And of the bits."""
    def bitwise_left_shift(self, other: Tensor | Number) -> Tensor:
        """Shifts the bits of `input` left."""
    def bitwise_left_shift_(self, other: Tensor | Number) -> Self:
        """Shifts the bits of `input` left."""
    def bitwise_not(self) -> Tensor:
        """Flips the bits; for booleans, not."""
    def bitwise_not_(self) -> Self:
        """Flips the bits; for booleans, not."""
    def bitwise_or(self, other: Tensor | Number) -> Tensor:
        """Or of the bits."""
    def bitwise_or_(self, other: Tensor | Number) -> Self:
        """Or of the bits."""
    def bitwise_right_shift(self, other: Tensor | Number) -> Tensor:
        """Shifts the bits of `input` right."""
    def bitwise_right_shift_(self, other: Tensor | Number) -> Self:
        """Shifts the bits of `input` right."""
    def bitwise_xor(self, other: Tensor | Number) -> Tensor:
        """Exclusive or of the bits."""
    def bitwise_xor_(self, other: Tensor | Number) -> Self:
        """Exclusive or of the bits."""
    def bmm(self, mat2: Tensor) -> Tensor:
        """Products of matrices in pairs: `(b, n, k)` and `(b, k, m)`."""
    def bool(self) -> Tensor:
        """The values as bool."""
    @overload
    def broadcast_to(self, *size: _int) -> Tensor:
        """As `expand`."""
    @overload
    def broadcast_to(self, size: Sequence[_int]) -> Tensor: ...
    def byte(self) -> Tensor:
        """The values as uint8."""
    def ceil(self) -> Tensor:
        """The smallest integer not below `input`."""
    def ceil_(self) -> Self:
        """The smallest integer not below `input`."""
    def char(self) -> Tensor:
        """The values as int8."""
    def chunk(self, chunks: _int, dim: _int = 0) -> tuple[Tensor, ...]:
        """Views of at most `chunks` pieces of dimension `dim`, all of one size but the last."""
    def clamp(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
        """Limits `input` to the range from `min` to `max`; either may be open."""
    def clamp_(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Self:
        """Limits `input` to the range from `min` to `max`; either may be open."""
    def clamp_max(self, max: Tensor | Number) -> Tensor:
        """Limits `input` from above."""
    def clamp_max_(self, max: Tensor | Number) -> Self:
        """Limits `input` from above."""
    def clamp_min(self, min: Tensor | Number) -> Tensor:
        """Limits `input` from below."""
    def clamp_min_(self, min: Tensor | Number) -> Self:
        """Limits `input` from below."""
    def clip(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
        """Limits `input` to the range from `min` to `max`; either may be open."""
    def clip_(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Self:
        """Limits `input` to the range from `min` to `max`; either may be open."""
    def clone(self) -> Tensor:
        """A copy that gradients flow through."""
    def contiguous(self) -> Tensor:
        """The same elements in row-major order: the tensor's own memory where it has that, else a copy."""
    def copy_(self, src: Tensor | Number, non_blocking: _bool = False) -> Self:
        """Overwrite with the values of `src`, broadcast and cast, from whatever device."""
    def cos(self) -> Tensor:
        """The cosine of `input`, in radians."""
    def cos_(self) -> Self:
        """The cosine of `input`, in radians."""
    def cosh(self) -> Tensor:
        """The hyperbolic cosine."""
    def cosh_(self) -> Self:
        """The hyperbolic cosine."""
    def count_nonzero(self, dim: Sizes | None = None) -> Tensor:
        """How many elements are not zero."""
    def cpu(self) -> Tensor:
        """The tensor in the server's main memory."""
    def cross(self, other: Tensor, dim: _int = -1) -> Tensor:
        """The cross product of vectors of 3 along `dim`."""
    def cuda(self, device: DeviceLike | None = None) -> Tensor:
        """The tensor on a GPU of the server."""
    def cummax(self, dim: _int) -> ValuesIndices:
        """The largest element so far along a dimension, and its last index."""
    def cummin(self, dim: _int) -> ValuesIndices:
        """The smallest element so far along a dimension, and its last index."""
    def cumprod(self, dim: _int, *, dtype: DType | None = None) -> Tensor:
        """Running products along a dimension."""
    def cumprod_(self, dim: _int, *, dtype: DType | None = None) -> Self:
        """Running products along a dimension."""
    def cumsum(self, dim: _int, *, dtype: DType | None = None) -> Tensor:
        """Running sums along a dimension."""
    def cumsum_(self, dim: _int, *, dtype: DType | None = None) -> Self:
        """Running sums along a dimension."""
    def det(self) -> Tensor:
        """The determinants of square matrices."""
    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
    def diag(self, diagonal: _int = 0) -> Tensor:
        """The diagonal of a matrix, or a matrix with this diagonal; a copy."""
    def diag_embed(self, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
        """Matrices whose diagonals are the rows of `input`, zeros elsewhere."""
    def diagflat(self, offset: _int = 0) -> Tensor:
        """A matrix whose diagonal is the flattened `input`."""
    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """The diagonal of two dimensions as a new last one, above the main one for `offset` > 0; a view."""
    def diagonal_scatter(self, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """A copy of `input` with `src` on a diagonal."""
    def diff(self, n: _int = 1, dim: _int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
        """Differences of neighbours along a dimension, `n` times over; `prepend` and `append` are joined first.

        The input itself for an `n` of 0.
        """
    def div(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def div_(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Self:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def divide(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def divide_(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Self:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def dot(self, tensor: Tensor) -> Tensor:
        """The sum of the products of two vectors' elements."""
    def double(self) -> Tensor:
        """The values as float64."""
    def eq(self, other: Tensor | Number) -> Tensor:
        """True where `input` equals `other`."""
    def eq_(self, other: Tensor | Number) -> Self:
        """True where `input` equals `other`."""
    def equal(self, other: Tensor) -> _bool:
        """Whether shapes and all elements are the same."""
    def erf(self) -> Tensor:
        """The error function."""
    def erf_(self) -> Self:
        """The error function."""
    def exp(self) -> Tensor:
        """e to the power of `input`."""
    def exp2(self) -> Tensor:
        """2 to the power of `input`."""
    def exp2_(self) -> Self:
        """2 to the power of `input`."""
    def exp_(self) -> Self:
        """e to the power of `input`."""
    def expand(self, *sizes: Sizes, size: Sizes | None = None) -> Tensor:
        """A view in which dimensions of size 1 are repeated; -1 keeps a size."""
    def expand_as(self, other: Tensor) -> Tensor:
        """`expand` to the shape of `other`."""
    def expm1(self) -> Tensor:
        """e to the power of `input`, minus 1, exact near 0."""
    def expm1_(self) -> Self:
        """e to the power of `input`, minus 1, exact near 0."""
    def exponential_(self, lambd: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with exponentially distributed numbers."""
    def fill(self, value: Tensor | Number) -> Tensor:
        """A tensor like `input`, filled with one value."""
    def fill_(self, value: Tensor | Number) -> Self:
        """A tensor like `input`, filled with one value."""
    def fix(self) -> Tensor:
        """`input` without its fraction."""
    def fix_(self) -> Self:
        """`input` without its fraction."""
    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
        """The dimensions from `start_dim` to `end_dim` as one; a view where the memory allows it, else a copy."""
    @overload
    def flip(self, *dims: _int) -> Tensor:
        """Reverses the order along these dimensions."""
    @overload
    def flip(self, dims: Sequence[_int]) -> Tensor: ...
    def fliplr(self) -> Tensor:
        """Reverses the order of the columns."""
    def flipud(self) -> Tensor:
        """Reverses the order of the rows."""
    def float(self) -> Tensor:
        """The values as float32."""
    def floor(self) -> Tensor:
        """The largest integer not above `input`."""
    def floor_(self) -> Self:
        """The largest integer not above `input`."""
    def floor_divide(self, other: Tensor | Number) -> Tensor:
        """The quotient, rounded down."""
    def floor_divide_(self, other: Tensor | Number) -> Self:
        """The quotient, rounded down."""
    def fmod(self, other: Tensor | Number) -> Tensor:
        """The remainder of division rounded towards zero; it has the sign of `input`."""
    def fmod_(self, other: Tensor | Number) -> Self:
        """The remainder of division rounded towards zero; it has the sign of `input`."""
    def gather(self, dim: _int, index: Tensor) -> Tensor:
        """Picks elements along `dim` by `index`, in its shape; an index out of range raises RuntimeError."""
    def ge(self, other: Tensor | Number) -> Tensor:
        """True where `input` is at least `other`."""
    def ge_(self, other: Tensor | Number) -> Self:
        """True where `input` is at least `other`."""
    def ger(self, vec2: Tensor) -> Tensor:
        """Every product of an element of `input` and one of `vec2`: `(n, m)`."""
    def get_device(self) -> _int:
        """The GPU's index, -1 on the CPU."""
    def greater(self, other: Tensor | Number) -> Tensor:
        """True where `input` is greater than `other`."""
    def greater_(self, other: Tensor | Number) -> Self:
        """True where `input` is greater than `other`."""
    def greater_equal(self, other: Tensor | Number) -> Tensor:
        """True where `input` is at least `other`."""
    def greater_equal_(self, other: Tensor | Number) -> Self:
        """True where `input` is at least `other`."""
    def gt(self, other: Tensor | Number) -> Tensor:
        """True where `input` is greater than `other`."""
    def gt_(self, other: Tensor | Number) -> Self:
        """True where `input` is greater than `other`."""
    def half(self) -> Tensor:
        """The values as float16."""
    def histc(self, bins: _int = 100, min: Number = 0, max: Number = 0) -> Tensor:
        """How many elements fall into each of `bins` equal intervals of [min, max], or of their own range."""
    def index_add(self, dim: _int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
        """`input` with `alpha` times the slices of `source` added at `index`, in its order."""
    def index_add_(self, dim: _int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Self:
        """`input` with `alpha` times the slices of `source` added at `index`, in its order."""
    def index_copy(self, dim: _int, index: Tensor, source: Tensor) -> Tensor:
        """`input` with the slices of `source` written at `index`."""
    def index_copy_(self, dim: _int, index: Tensor, source: Tensor) -> Self:
        """`input` with the slices of `source` written at `index`."""
    def index_fill(self, dim: _int, index: Tensor, value: Tensor | Number) -> Tensor:
        """`input` with one value in the slices at `index`."""
    def index_fill_(self, dim: _int, index: Tensor, value: Tensor | Number) -> Self:
        """`input` with one value in the slices at `index`."""
    def index_put(self, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Tensor:
        """`input` with `values`, broadcast, written at the indices or masks; added with `accumulate`."""
    def index_put_(self, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = False) -> Self:
        """`input` with `values`, broadcast, written at the indices or masks; added with `accumulate`."""
    def index_select(self, dim: _int, index: Tensor) -> Tensor:
        """The slices of `dim` at a vector of indices; one out of range raises IndexError."""
    def inner(self, other: Tensor) -> Tensor:
        """The sum of products over the last dimension of both, for every pair of their other indices."""
    def int(self) -> Tensor:
        """The values as int32."""
    def is_same_size(self, other: Tensor) -> _bool: ...
    def isclose(self, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> Tensor:
        """True where |input - other| <= atol + rtol * |other|."""
    def isfinite(self) -> Tensor:
        """True where `input` is neither infinite nor `nan`."""
    def isinf(self) -> Tensor:
        """True where `input` is infinite."""
    def isnan(self) -> Tensor:
        """True where `input` is not a number."""
    def kron(self, other: Tensor) -> Tensor:
        """The Kronecker product: `other` once per element of `input`, times that element."""
    def kthvalue(self, k: _int, dim: _int = -1, keepdim: _bool = False) -> ValuesIndices:
        """The `k`-th smallest element along a dimension, counted from 1, and its index."""
    def le(self, other: Tensor | Number) -> Tensor:
        """True where `input` is at most `other`."""
    def le_(self, other: Tensor | Number) -> Self:
        """True where `input` is at most `other`."""
    def lerp(self, end: Tensor, weight: Tensor | Number) -> Tensor:
        """Linear interpolation: input + weight * (end - input)."""
    def lerp_(self, end: Tensor, weight: Tensor | Number) -> Self:
        """Linear interpolation: input + weight * (end - input)."""
    def less(self, other: Tensor | Number) -> Tensor:
        """True where `input` is less than `other`."""
    def less_(self, other: Tensor | Number) -> Self:
        """True where `input` is less than `other`."""
    def less_equal(self, other: Tensor | Number) -> Tensor:
        """True where `input` is at most `other`."""
    def less_equal_(self, other: Tensor | Number) -> Self:
        """True where `input` is at most `other`."""
    def log(self) -> Tensor:
        """The natural logarithm of `input`; `-inf` at 0, `nan` below."""
    def log10(self) -> Tensor:
        """The base-10 logarithm of `input`."""
    def log10_(self) -> Self:
        """The base-10 logarithm of `input`."""
    def log1p(self) -> Tensor:
        """The natural logarithm of 1 + `input`, exact near 0."""
    def log1p_(self) -> Self:
        """The natural logarithm of 1 + `input`, exact near 0."""
    def log2(self) -> Tensor:
        """The base-2 logarithm of `input`."""
    def log2_(self) -> Self:
        """The base-2 logarithm of `input`."""
    def log_(self) -> Self:
        """The natural logarithm of `input`; `-inf` at 0, `nan` below."""
    def log_softmax(self, dim: _int, dtype: DType | None = None) -> Tensor:
        """The logarithm of `softmax`, computed without leaving the range of the dtype."""
    def logaddexp(self, other: Tensor) -> Tensor:
        """log(exp(input) + exp(other)), without overflow."""
    def logcumsumexp(self, dim: _int) -> Tensor:
        """The logarithm of the running sum of exponentials, without overflow."""
    def logical_and(self, other: Tensor) -> Tensor:
        """True where both are nonzero."""
    def logical_and_(self, other: Tensor) -> Self:
        """True where both are nonzero."""
    def logical_not(self) -> Tensor:
        """True where `input` is zero."""
    def logical_not_(self) -> Self:
        """True where `input` is zero."""
    def logical_or(self, other: Tensor) -> Tensor:
        """True where either is nonzero."""
    def logical_or_(self, other: Tensor) -> Self:
        """True where either is nonzero."""
    def logical_xor(self, other: Tensor) -> Tensor:
        """True where exactly one is nonzero."""
    def logical_xor_(self, other: Tensor) -> Self:
        """True where exactly one is nonzero."""
    def logsumexp(self, dim: Sizes | None, keepdim: _bool = False) -> Tensor:
        """The logarithm of the sum of exponentials, without overflow."""
    def long(self) -> Tensor:
        """The values as int64."""
    def lt(self, other: Tensor | Number) -> Tensor:
        """True where `input` is less than `other`."""
    def lt_(self, other: Tensor | Number) -> Self:
        """True where `input` is less than `other`."""
    @property
    def mT(self) -> Tensor:
        """The tensor with its last two dimensions exchanged."""
    def masked_fill(self, mask: Tensor, value: Tensor | Number) -> Tensor:
        """`input` with `value` where the mask holds."""
    def masked_fill_(self, mask: Tensor, value: Tensor | Number) -> Self:
        """`input` with `value` where the mask holds."""
    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        """`input` with the elements of `source`, in their order, where the mask holds; both are broadcast."""
    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Self:
        """`input` with the elements of `source`, in their order, where the mask holds; both are broadcast."""
    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements where the mask holds, in a row; both are broadcast."""
    def matmul(self, other: Tensor) -> Tensor:
        """The matrix product: of vectors, matrices, and batches of matrices, whose leading dimensions broadcast.

        >>> import torch
        >>> torch.matmul(torch.ones(2, 3), torch.ones(3, 4)).shape
        torch.Size([2, 4])
        """
    @overload
    def max(self) -> Tensor:
        """`max(input)`: the maximum of all elements. `max(input, dim)`: values and indices along a dimension. `max(input, other)`: the maximum, element by element."""
    @overload
    def max(self, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
    @overload
    def max(self, other: Tensor) -> Tensor: ...
    def maximum(self, other: Tensor) -> Tensor:
        """The larger of the two; `nan` if either is."""
    def mean(self, dim: Sizes | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
        """The mean over `dim`, or over everything."""
    @overload
    def median(self) -> Tensor:
        """The middle value, the lower of two; along a dimension, values and indices."""
    @overload
    def median(self, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
    @overload
    def min(self) -> Tensor:
        """`min(input)`: the minimum of all elements. `min(input, dim)`: values and indices along a dimension. `min(input, other)`: the minimum, element by element."""
    @overload
    def min(self, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
    @overload
    def min(self, other: Tensor) -> Tensor: ...
    def minimum(self, other: Tensor) -> Tensor:
        """The smaller of the two; `nan` if either is."""
    def mm(self, mat2: Tensor) -> Tensor:
        """The product of two matrices, `(n, k)` and `(k, m)`."""
    def mode(self, dim: _int = -1, keepdim: _bool = False) -> ValuesIndices:
        """The most frequent value along a dimension, the smallest of several, and its last index."""
    def moveaxis(self, source: Sizes, destination: Sizes) -> Tensor:
        """The dimensions `source` moved to the positions `destination`; a view."""
    def movedim(self, source: Sizes, destination: Sizes) -> Tensor:
        """The dimensions `source` moved to the positions `destination`; a view."""
    def msort(self) -> Tensor:
        """The sorted elements along the first dimension."""
    def mul(self, other: Tensor | Number) -> Tensor:
        """Multiplies `input` by `other`."""
    def mul_(self, other: Tensor | Number) -> Self:
        """Multiplies `input` by `other`."""
    def multinomial(
        self, num_samples: _int, replacement: _bool = False, *, generator: Generator | None = None
    ) -> Tensor:
        """Indices drawn with the probabilities in each row of `input`."""
    def multiply(self, other: Tensor | Number) -> Tensor:
        """Multiplies `input` by `other`."""
    def multiply_(self, other: Tensor | Number) -> Self:
        """Multiplies `input` by `other`."""
    def mv(self, vec: Tensor) -> Tensor:
        """The product of a matrix `(n, k)` and a vector `(k,)`."""
    def nan_to_num(
        self, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
    ) -> Tensor:
        """`input` with `nan` and infinities replaced."""
    def nan_to_num_(
        self, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None
    ) -> Self:
        """`input` with `nan` and infinities replaced."""
    @overload
    def nanmedian(self) -> Tensor:
        """The middle value, the lower of two; along a dimension, values and indices."""
    @overload
    def nanmedian(self, dim: _int, keepdim: _bool = False) -> ValuesIndices: ...
    def nanquantile(
        self, q: Tensor | Number, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = "linear"
    ) -> Tensor:
        """As `quantile`, of the elements that are not `nan`."""
    def narrow(self, dim: _int, start: _int, length: _int) -> Tensor:
        """`length` elements of dimension `dim` from `start` on; a view."""
    def ne(self, other: Tensor | Number) -> Tensor:
        """True where `input` differs from `other`."""
    def ne_(self, other: Tensor | Number) -> Self:
        """True where `input` differs from `other`."""
    def neg(self) -> Tensor:
        """Negates `input`."""
    def neg_(self) -> Self:
        """Negates `input`."""
    def negative(self) -> Tensor:
        """Negates `input`."""
    def negative_(self) -> Self:
        """Negates `input`."""
    @overload
    def new_empty(
        self,
        *size: _int,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor:
        """As `empty`, of this tensor's dtype, and where it is."""
    @overload
    def new_empty(
        self,
        size: Sequence[_int],
        *,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    def new_full(
        self,
        size: Sizes,
        fill_value: Number,
        *,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
    ) -> Tensor:
        """As `full`, of this tensor's dtype."""
    @overload
    def new_ones(
        self,
        *size: _int,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor:
        """As `ones`, of this tensor's dtype, and where it is."""
    @overload
    def new_ones(
        self,
        size: Sequence[_int],
        *,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    def new_tensor(
        self, data: Any, *, dtype: DType | None = None, device: DeviceLike | None = None, requires_grad: _bool = False
    ) -> Tensor:
        """As `tensor`, of this tensor's dtype."""
    @overload
    def new_zeros(
        self,
        *size: _int,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor:
        """As `zeros`, of this tensor's dtype, and where it is."""
    @overload
    def new_zeros(
        self,
        size: Sequence[_int],
        *,
        dtype: DType | None = None,
        device: DeviceLike | None = None,
        requires_grad: _bool = False,
        pin_memory: _bool = False,
    ) -> Tensor: ...
    @overload
    def nonzero(self, *, as_tuple: Literal[False] = False) -> Tensor:
        """The indices of elements that are not zero: a row each, or a tensor per dimension."""
    @overload
    def nonzero(self, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
    def norm(
        self,
        p: _float | Literal["fro"] | None = "fro",
        dim: Sizes | None = None,
        keepdim: _bool = False,
        dtype: DType | None = None,
    ) -> Tensor:
        """The vector norm of all elements, or along `dim`; "fro" is the 2-norm."""
    def normal_(self, mean: _float = 0.0, std: _float = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with normal numbers."""
    def not_equal(self, other: Tensor | Number) -> Tensor:
        """True where `input` differs from `other`."""
    def not_equal_(self, other: Tensor | Number) -> Self:
        """True where `input` differs from `other`."""
    def outer(self, vec2: Tensor) -> Tensor:
        """Every product of an element of `input` and one of `vec2`: `(n, m)`."""
    @overload
    def permute(self, *dims: _int) -> Tensor:
        """The dimensions in another order; a view."""
    @overload
    def permute(self, dims: Sequence[_int]) -> Tensor: ...
    def pow(self, exponent: Tensor | Number) -> Tensor:
        """Raises `input` to the power of `exponent`."""
    def pow_(self, exponent: Tensor | Number) -> Self:
        """Raises `input` to the power of `exponent`."""
    def prod(self, dim: _int | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
        """The product over `dim`, or of everything."""
    def quantile(
        self, q: Tensor | Number, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = "linear"
    ) -> Tensor:
        """The value below which a share `q` in [0, 1] of the elements lies; a vector of shares comes first in the shape."""
    def random_(self, a: _int | None = None, b: _int | None = None, *, generator: Generator | None = None) -> Self:
        """Fill with integers: of the dtype's range, in [0, a), or in [a, b)."""
    def reciprocal(self) -> Tensor:
        """1 over `input`."""
    def reciprocal_(self) -> Self:
        """1 over `input`."""
    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook` with this tensor's gradient whenever one is computed; what it returns goes on in its place.

        The handle that comes back takes it away again. A hook that reads no value waits for nothing. Raises
        RuntimeError for a tensor that does not require grad.

        >>> import telegrad as tg
        >>> x = tg.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> (x * 3).sum().backward()
        >>> x.grad
        tensor([30., 30.])
        """
    def relu(self) -> Tensor:
        """The positive part of `input`: max(0, input)."""
    def relu_(self) -> Self:
        """The positive part of `input`: max(0, input)."""
    def remainder(self, other: Tensor | Number) -> Tensor:
        """The remainder of division rounded down; it has the sign of `other`."""
    def remainder_(self, other: Tensor | Number) -> Self:
        """The remainder of division rounded down; it has the sign of `other`."""
    @overload
    def repeat(self, *repeats: _int) -> Tensor:
        """The whole tensor over again, so many times along each dimension."""
    @overload
    def repeat(self, repeats: Sequence[_int]) -> Tensor: ...
    def repeat_interleave(
        self, repeats: Tensor | _int | None = None, dim: _int | None = None, *, axis: _int | None = None
    ) -> Tensor:
        """Each element a number of times in a row: one number for all, or a tensor of them.

        `repeat_interleave(repeats)`, with nothing to repeat, repeats the indices 0, 1, 2, … so.
        """
    @overload
    def reshape(self, *shape: _int) -> Tensor:
        """The same elements in another shape; a view where the memory allows it, else a copy. One size may be -1."""
    @overload
    def reshape(self, shape: Sequence[_int]) -> Tensor: ...
    def reshape_as(self, other: Tensor) -> Tensor:
        """`reshape` to the shape of `other`."""
    def roll(self, shifts: _int | Sizes, dims: Sizes | None = None) -> Tensor:
        """Moves elements along dimensions, around the end to the beginning; without `dims`, in the flattened tensor."""
    def rot90(self, k: _int = 1, dims: Sizes = ...) -> Tensor:
        """Turns the plane of two dimensions by 90 degrees, `k` times, from the first towards the second."""
    def round(self, *, decimals: _int = 0) -> Tensor:
        """Rounds to the nearest number of that many decimals, halves to even."""
    def round_(self, *, decimals: _int = 0) -> Self:
        """Rounds to the nearest number of that many decimals, halves to even."""
    def rsqrt(self) -> Tensor:
        """1 over the square root of `input`."""
    def rsqrt_(self) -> Self:
        """1 over the square root of `input`."""
    def scatter(
        self,
        dim: _int | None = None,
        index: Any | None = None,
        src: Any | None = None,
        *,
        value: Any | None = None,
        reduce: str | None = None,
        axis: _int | None = None,
    ) -> Tensor:
        """`input` with elements of `src`, or `value`, where the index says; with `reduce`, added to or multiplied."""
    def scatter_(
        self, dim: _int, index: Any, src: Any | None = None, *, value: Any | None = None, reduce: str | None = None
    ) -> Self:
        """As `scatter`, in place."""
    def scatter_add(self, dim: _int, index: Tensor, src: Tensor) -> Tensor:
        """`input` with `src` added along `dim` at `index`, in its order."""
    def scatter_add_(self, dim: _int, index: Tensor, src: Tensor) -> Self:
        """`input` with `src` added along `dim` at `index`, in its order."""
    def scatter_reduce(
        self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Tensor:
        """`input` with the elements of `src` reduced into the elements at `index`: sum, prod, mean, amax or amin.

        Without `include_self`, the elements of `input` at `index` do not count.
        """
    def scatter_reduce_(
        self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = True
    ) -> Self:
        """`input` with the elements of `src` reduced into the elements at `index`: sum, prod, mean, amax or amin.

        Without `include_self`, the elements of `input` at `index` do not count.
        """
    def select(self, dim: _int, index: _int) -> Tensor:
        """The slice at `index` of dimension `dim`, without that dimension; a view."""
    def select_scatter(self, src: Tensor, dim: _int, index: _int) -> Tensor:
        """A copy of `input` with `src` at `index` of dimension `dim`."""
    def share_memory_(self) -> Self:
        """Tensors of forked workers stay on the host, where they are shared anyway."""
    def short(self) -> Tensor:
        """The values as int16."""
    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-input))."""
    def sigmoid_(self) -> Self:
        """1 / (1 + exp(-input))."""
    def sign(self) -> Tensor:
        """-1, 0 or 1 by the sign of `input`."""
    def sign_(self) -> Self:
        """-1, 0 or 1 by the sign of `input`."""
    def sin(self) -> Tensor:
        """The sine of `input`, in radians."""
    def sin_(self) -> Self:
        """The sine of `input`, in radians."""
    def sinh(self) -> Tensor:
        """The hyperbolic sine."""
    def sinh_(self) -> Self:
        """The hyperbolic sine."""
    def slice_scatter(
        self, src: Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1
    ) -> Tensor:
        """A copy of `input` with `src` in a slice of dimension `dim`."""
    def slogdet(self) -> SignLogabsdet:
        """The signs of determinants, and the logarithms of their absolute values."""
    def softmax(self, dim: _int, dtype: DType | None = None) -> Tensor:
        """Exponentials along `dim`, scaled to add up to 1; `dtype` casts the input first.

        >>> import torch
        >>> torch.softmax(torch.zeros(2), 0)
        tensor([0.5000, 0.5000])
        """
    def sort(self, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> ValuesIndices:
        """The sorted elements along a dimension, and their indices; `nan` counts as the largest.

        Equal elements always keep their order, with `stable` or without.
        """
    def split(self, split_size: Any, dim: _int = 0) -> tuple[Tensor, ...]:
        """Views of a size, or of these sizes, along a dimension."""
    def sqrt(self) -> Tensor:
        """The square root of `input`."""
    def sqrt_(self) -> Self:
        """The square root of `input`."""
    def square(self) -> Tensor:
        """`input` times itself."""
    def square_(self) -> Self:
        """`input` times itself."""
    def squeeze(self, dim: Sizes | None = None) -> Tensor:
        """Without the dimensions of size 1, or without those of `dim` that have size 1; a view."""
    @overload
    def std(self, unbiased: _bool) -> Tensor:
        """The standard deviation: the root of the variance."""
    @overload
    def std(
        self,
        dim: Sizes | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: Number | None = None,
    ) -> Tensor: ...
    def sub(self, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
        """Subtracts `other`, scaled by `alpha`, from `input`."""
    def sub_(self, other: Tensor | Number, *, alpha: Number = 1) -> Self:
        """Subtracts `other`, scaled by `alpha`, from `input`."""
    def subtract(self, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
        """Subtracts `other`, scaled by `alpha`, from `input`."""
    def subtract_(self, other: Tensor | Number, *, alpha: Number = 1) -> Self:
        """Subtracts `other`, scaled by `alpha`, from `input`."""
    def sum(self, dim: Sizes | None = None, keepdim: _bool = False, *, dtype: DType | None = None) -> Tensor:
        """The sum over `dim`, or over everything."""
    @overload
    def sum_to_size(self, *size: _int) -> Tensor:
        """Undoes broadcasting: sums over the dimensions that `expand` would have stretched."""
    @overload
    def sum_to_size(self, size: Sequence[_int]) -> Tensor: ...
    def swapaxes(self, axis0: _int, axis1: _int) -> Tensor:
        """The tensor with two dimensions exchanged."""
    def swapdims(self, dim0: _int, dim1: _int) -> Tensor:
        """Swaps two dimensions; a view."""
    def t(self) -> Tensor:
        """The transpose of a matrix; a vector or a number as it is. A view."""
    def take(self, index: Tensor) -> Tensor:
        """The elements of the flattened `input` at `index`, in the shape of `index`."""
    def take_along_dim(self, indices: Tensor, dim: _int | None = None) -> Tensor:
        """As `gather`, with the other dimensions broadcast; without `dim`, in the flattened tensor."""
    def tan(self) -> Tensor:
        """The tangent of `input`, in radians."""
    def tan_(self) -> Self:
        """The tangent of `input`, in radians."""
    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""
    def tanh_(self) -> Self:
        """The hyperbolic tangent."""
    def tensor_split(self, indices_or_sections: _int | Sizes, dim: _int = 0) -> tuple[Tensor, ...]:
        """Views of pieces of dimension `dim`: a number of nearly equal ones, or cut at these indices."""
    @overload
    def tile(self, *dims: _int) -> Tensor:
        """As `repeat`; missing leading numbers are 1."""
    @overload
    def tile(self, dims: Sequence[_int]) -> Tensor: ...
    @overload
    def to(
        self, dtype: DType, non_blocking: _bool = False, copy: _bool = False, *, memory_format: Any | None = None
    ) -> Tensor:
        """The tensor with another dtype or on another device; itself where nothing changes.

        `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; `copy=True` copies in any case.
        """
    @overload
    def to(
        self,
        device: DeviceLike | None = None,
        dtype: DType | None = None,
        non_blocking: _bool = False,
        copy: _bool = False,
        *,
        memory_format: Any | None = None,
    ) -> Tensor: ...
    @overload
    def to(
        self, other: Tensor, non_blocking: _bool = False, copy: _bool = False, *, memory_format: Any | None = None
    ) -> Tensor: ...
    def topk(self, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True) -> ValuesIndices:
        """The `k` largest, or smallest, elements along a dimension, in order, and their indices."""
    def trace(self) -> Tensor:
        """The sum of a matrix's diagonal."""
    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """Swaps two dimensions; a view."""
    def tril(self, diagonal: _int = 0) -> Tensor:
        """The lower triangle of matrices, up to a diagonal; zeros above."""
    def tril_(self, diagonal: _int = 0) -> Self:
        """The lower triangle of matrices, up to a diagonal; zeros above."""
    def triu(self, diagonal: _int = 0) -> Tensor:
        """The upper triangle of matrices, from a diagonal on; zeros below."""
    def triu_(self, diagonal: _int = 0) -> Self:
        """The upper triangle of matrices, from a diagonal on; zeros below."""
    def true_divide(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def true_divide_(self, other: Tensor | Number, *, rounding_mode: str | None = None) -> Self:
        """Divides `input` by `other`; rounds down ("floor") or towards zero ("trunc") if asked."""
    def trunc(self) -> Tensor:
        """`input` without its fraction."""
    def trunc_(self) -> Self:
        """`input` without its fraction."""
    @overload
    def type(self, dtype: None = None) -> str:
        """The name of the tensor type, or the tensor with another dtype."""
    @overload
    def type(self, dtype: DType | str) -> Tensor: ...
    def type_as(self, other: Tensor) -> Tensor:
        """The tensor with the dtype of another."""
    def unbind(self, dim: _int = 0) -> tuple[Tensor, ...]:
        """A view per index of dimension `dim`, without that dimension."""
    def unflatten(self, dim: _int, sizes: Sizes) -> Tensor:
        """Dimension `dim` as several, of these sizes; a view. One size may be -1."""
    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """A view of all windows of a size along a dimension, `step` apart; their elements are the last dimension."""
    def uniform_(
        self, a: _float = 0.0, b: _float = 1.0, *, generator: Generator | None = None, **bounds: _float
    ) -> Self:
        """Fill with uniform numbers in [from, to)."""
    @overload
    def unique(
        self,
        sorted: _bool = True,
        return_inverse: Literal[False] = False,
        return_counts: Literal[False] = False,
        dim: _int | None = None,
    ) -> Tensor:
        """The distinct values; with their positions and counts if asked."""
    @overload
    def unique(
        self, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None
    ) -> Any: ...
    def unsqueeze(self, dim: _int) -> Tensor:
        """A new dimension of size 1 at `dim`; a view."""
    @overload
    def var(self, unbiased: _bool) -> Tensor:
        """The variance: squared distances from the mean, summed and divided by the count less `correction`."""
    @overload
    def var(
        self,
        dim: Sizes | None = None,
        unbiased: _bool | None = None,
        keepdim: _bool = False,
        *,
        correction: Number | None = None,
    ) -> Tensor: ...
    def view(self, *shape: Sizes | DType, size: Sizes | None = None, dtype: DType | None = None) -> Tensor:
        """The same memory in another shape."""
    def view_as(self, other: Tensor) -> Tensor:
        """`view` to the shape of `other`."""
    def where(self, condition: Tensor, other: Tensor | Number) -> Tensor:
        """This tensor's elements where the condition holds, those of `other` elsewhere."""
    def xlogy(self, other: Tensor | Number) -> Tensor:
        """input log(other), and 0 where `input` is 0."""
    def xlogy_(self, other: Tensor | Number) -> Self:
        """input log(other), and 0 where `input` is 0."""
    def zero_(self) -> Self:
        """Overwrite with zeros."""
