"""Linear algebra: inverses, determinants, systems of equations, factors, distances. Leading dimensions are batches."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import common_dtype, need_floating
from telegrad_protocol.shapes import Meta, broadcast, like, wrap_dim
from telegrad_protocol.spec import Checked, Inferred, Tensor, op

from .matmul import need_rank


def _square(name: str, A: Meta) -> None:
    need_floating(A, "A", f"linalg.{name}: Expected a floating point or complex tensor as input. Got {{}}")
    if A.dtype.itemsize < 4:
        got = dtypes.TYPE_NAMES[A.dtype]
        raise ShapeError(
            f"linalg.{name}: Low precision dtypes not supported. Got {got}", argument="A", got=A.dtype.name
        )
    if A.ndim < 2:
        raise ShapeError(f"linalg.{name}: The input tensor A must have at least 2 dimensions.", argument="A")
    if A.shape[-1] != A.shape[-2]:
        raise ShapeError(
            f"linalg.{name}: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices",
            argument="A",
            got=list(A.shape),
        )


def _inv(A: Meta) -> Meta:
    _square("inv", A)
    return like(A)


@op(_inv, on="linalg")
def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices `(..., n, n)`; an error where one is singular."""


def _det(A: Meta) -> Meta:
    _square("det", A)
    return like(A, shape=A.shape[:-2])


@op(_det, on="linalg torch tensor")
def det(A: Tensor) -> Tensor:
    """The determinants of square matrices."""


def _slogdet(A: Meta) -> Inferred:
    _square("slogdet", A)
    each = like(A, shape=A.shape[:-2])
    return Inferred((each, each))


@op(_slogdet, on="linalg torch tensor", returns=("sign", "logabsdet"))
def slogdet(A: Tensor) -> Tensor:
    """The signs of determinants, and the logarithms of their absolute values."""


def is_vector(A: Meta, B: Meta) -> bool:
    """Whether `B` holds one right-hand side per matrix, without a dimension for several."""
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])


def _solve(A: Meta, B: Meta) -> Meta:
    _square("solve", A)
    if A.dtype is not B.dtype:
        raise ShapeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found {A.dtype.name} and {B.dtype.name}"
        )
    shape = (*B.shape, 1) if is_vector(A, B) else B.shape
    if len(shape) < 2 or shape[-2] != A.shape[-1]:
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({list(A.shape)} and "
            f"{list(B.shape)})"
        )
    full = (*broadcast((A.shape[:-2], shape[:-2])), *shape[-2:])
    return like(B, shape=full[:-1] if is_vector(A, B) else full)


@op(_solve, on="linalg")
def solve(A: Tensor, B: Tensor) -> Tensor:
    """X with A @ X = B: matrices `(..., n, n)`, right-hand sides `(..., n, k)`, or `(..., n)` for one each."""


def _cholesky(A: Meta, upper: bool) -> Meta:
    _square("cholesky", A)
    return like(A)


@op(_cholesky, on="linalg")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular L with L @ Lᵀ = A, for symmetric positive-definite matrices; with `upper`, Lᵀ."""


def _eigh(A: Meta, UPLO: str) -> Inferred:
    _square("eigh", A)
    if UPLO not in ("L", "U"):
        raise ShapeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}", argument="UPLO")
    return Inferred((like(A, shape=A.shape[:-1]), like(A)))


@op(_eigh, on="linalg", returns=("eigenvalues", "eigenvectors"))
def eigh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices in ascending order, and eigenvectors as columns, read from one triangle."""


def _cdist(x1: Meta, x2: Meta, p: float) -> Meta:
    need_floating(x1, "x1", "cdist only supports floating-point dtypes, X1 got: {}")
    need_floating(x2, "x2", "cdist only supports floating-point dtypes, X2 got: {}")
    if x1.ndim < 2 or x2.ndim < 2:
        raise ShapeError("cdist only supports at least 2D tensors")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if not p >= 0:
        raise ShapeError("cdist only supports non-negative p values", argument="p", got=p)
    batch = broadcast((x1.shape[:-2], x2.shape[:-2]))
    return like(x1, shape=(*batch, x1.shape[-2], x2.shape[-2]), dtype=common_dtype((x1, x2)))


@op(_cdist, on="torch", autocast="float32")
def cdist(x1: Tensor, x2: Tensor, p: Checked = 2.0) -> Tensor:
    """The p-norm distance of every row of `x1 (..., n, d)` to every row of `x2 (..., m, d)`: `(..., n, m)`."""


def _pairwise(x1: Meta, x2: Meta, p: float, eps: float, keepdim: bool) -> Meta:
    shape = broadcast((x1.shape, x2.shape))
    return like(x1, shape=(*shape[:-1], 1) if keepdim else shape[:-1], dtype=_float_of(x1, x2))


def _float_of(*operands: Meta) -> DType:
    dtype = common_dtype(operands)
    return dtype if dtype.category == dtypes.FLOAT else dtypes.float32


@op(_pairwise, on="functional torch", autocast="float32")
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of `x1 - x2 + eps` over the last dimension."""


def _cosine(x1: Meta, x2: Meta, dim: int, eps: float) -> Meta:
    shape = list(broadcast((x1.shape, x2.shape)))
    if shape:
        del shape[wrap_dim(dim, len(shape))]
    return like(x1, shape=tuple(shape), dtype=_float_of(x1, x2))


@op(_cosine, on="functional torch", autocast="float32")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms below `eps` count as `eps`."""


def _trace(input: Meta) -> Meta:
    need_rank(input, 2, f"trace: expected a matrix, but got tensor with dim {input.ndim}", "input")
    whole = input.dtype if input.dtype.category == dtypes.FLOAT else dtypes.int64
    return like(input, shape=(), dtype=whole)


@op(_trace)
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""


def _cross(input: Meta, other: Meta, dim: int) -> Meta:
    if input.ndim != other.ndim:
        raise ShapeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and {other.shape[axis]}"
        )
    return like(input, shape=broadcast((input.shape, other.shape)), dtype=common_dtype((input, other)))


@op(_cross, on="torch tensor linalg", autocast="widest")
def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 along `dim`."""
