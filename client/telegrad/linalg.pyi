"""`torch.linalg`.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from typing import Literal

from telegrad._api.declared import EigenvaluesEigenvectors, SignLogabsdet
from telegrad._api.signatures import Sizes
from telegrad._tensor import Tensor
from telegrad_protocol.dtypes import DType

def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular L with L @ Lᵀ = A, for symmetric positive-definite matrices; with `upper`, Lᵀ."""

def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 along `dim`."""

def det(A: Tensor) -> Tensor:
    """The determinants of square matrices."""

def eigh(A: Tensor, UPLO: str = "L") -> EigenvaluesEigenvectors:
    """Eigenvalues of symmetric matrices in ascending order, and eigenvectors as columns, read from one triangle."""

def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices `(..., n, n)`; an error where one is singular."""

def norm(
    A: Tensor,
    ord: float | Literal["fro"] | None = None,
    dim: Sizes | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Sizes | None = None,
) -> Tensor:
    """The vector norm of all elements, or along `dim`."""

def slogdet(A: Tensor) -> SignLogabsdet:
    """The signs of determinants, and the logarithms of their absolute values."""

def solve(A: Tensor, B: Tensor) -> Tensor:
    """X with A @ X = B: matrices `(..., n, n)`, right-hand sides `(..., n, k)`, or `(..., n)` for one each."""

def vector_norm(
    x: Tensor, ord: float = 2, dim: Sizes | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The norm (sum |x|^ord)^(1/ord); the largest absolute value for inf, the count of nonzeros for 0."""
