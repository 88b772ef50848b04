"""Matrices taken apart: inverses, determinants, systems of equations, factors. Leading dimensions are batches."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError
from telegrad_protocol.rules import need_floating
from telegrad_protocol.shapes import Meta, broadcast, like
from telegrad_protocol.spec import Inferred, Tensor, op


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
