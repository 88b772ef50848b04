"""Linear algebra: inverses, determinants, systems of equations, factors, distances."""

# ruff: noqa: N803  # the arguments are named as PyTorch names them

from __future__ import annotations

import math

from telegrad_protocol.errors import OpError
from telegrad_protocol.ops.linalg import is_vector
from telegrad_protocol.shapes import broadcast

from ._shared import at_least, dtype_of, zero_gradient
from .matmul import mirrored
from .registry import decomposition, direct_kernel, kernel, vjp


def _decomposed(words, function, *args):
    """The result of a factorization; its one possible error is raised in PyTorch's words."""
    try:
        return function(*args)
    except ValueError as error:  # NumPy's LinAlgError
        raise OpError(words) from error


@kernel
def inv(xp, A):
    words = "the inversion could not be completed because the input matrix is singular."
    return _decomposed(f"linalg.inv: The diagonal element of a factor is zero, {words}", xp.inv, A)


vjp(inv, A=lambda f, g, out: f.neg(f.matmul(f.matmul(mirrored(f, out), g), mirrored(f, out))))


def _scaled_inverse(f, factor, A, singular):
    """The inverses, transposed and scaled; for a singular matrix, of the identity."""
    singular = f.reshape(singular, (*singular.shape, 1, 1))
    safe = f.where(singular, _identity(f, A.shape[-1], dtype_of(f, A)), A)
    return f.mul(f.reshape(factor, (*factor.shape, 1, 1)), mirrored(f, f.inv(safe)))


def _identity(f, size, dtype):
    ones = f.ones((size, size), dtype=dtype)
    return f.sub(f.tril(ones), f.tril(ones, -1))


# As in PyTorch, the gradient is scaled by the determinant, so it is 0 for a singular matrix.
direct_kernel("det", A=lambda f, g, A, out: _scaled_inverse(f, f.mul(g, out), A, f.eq(out, 0)))


# The sign is constant wherever it has a derivative.
direct_kernel(
    "slogdet", A=lambda f, g, A, sign: zero_gradient(f, A) if g[1] is None else _slogdet_grad(f, g[1], A, f.eq(sign, 0))
)


def _slogdet_grad(f, g, A, singular):
    return _scaled_inverse(f, f.where(singular, math.inf, g), A, singular)


@kernel
def solve(xp, A, B):
    words = "torch.linalg.solve: The solver failed because the input matrix is singular."
    if is_vector(A, B):
        return _decomposed(words, xp.solve, A, B[..., None])[..., 0]
    return _decomposed(words, xp.solve, A, B)


def _matrix_grad(f, g, A, B_meta, out):
    gb = f.solve(mirrored(f, A), g)
    if is_vector(A, B_meta):
        gb, out = (f.reshape(x, (*x.shape, 1)) for x in (gb, out))
    return f.neg(f.matmul(gb, mirrored(f, out)))


vjp(solve, A=_matrix_grad, B=lambda f, g, A: f.solve(mirrored(f, A), g))


@kernel
def cholesky(xp, A, upper):
    words = "The factorization could not be completed because the input is not positive-definite."
    lower = _decomposed(f"linalg.cholesky: {words}", xp.cholesky, A)
    return xp.swapaxes(lower, -2, -1) if upper else lower


def _symmetric(f, x):
    return f.mul(f.add(x, mirrored(f, x)), 0.5)


def _half_diagonal(f, x):
    """The lower triangle, its diagonal halved."""
    return f.mul(f.add(f.tril(x), f.tril(x, -1)), 0.5)


def _cholesky_grad(f, g, out, upper):
    lower, g = (mirrored(f, out), mirrored(f, g)) if upper else (out, g)
    back = f.inv(lower)
    inner = _half_diagonal(f, f.matmul(mirrored(f, lower), g))
    full = f.matmul(f.matmul(mirrored(f, back), inner), back)
    return _symmetric(f, full)


vjp(cholesky, A=_cholesky_grad)


def _eigh_grad(f, g, eigenvalues, eigenvectors):
    along, turning = g
    size = eigenvalues.shape[-1]
    unit = _identity(f, size, dtype_of(f, eigenvalues))
    inner = None if along is None else f.mul(f.reshape(along, (*along.shape, 1)), unit)
    if turning is not None:
        apart = f.sub(
            f.reshape(eigenvalues, (*eigenvalues.shape[:-1], 1, size)), f.reshape(eigenvalues, (*eigenvalues.shape, 1))
        )
        turned = f.matmul(mirrored(f, eigenvectors), turning)
        mixed = f.mul(f.div(turned, f.add(apart, unit)), f.add(f.neg(unit), 1.0))
        inner = mixed if inner is None else f.add(inner, mixed)
    return _symmetric(f, f.matmul(f.matmul(eigenvectors, inner), mirrored(f, eigenvectors)))


direct_kernel("eigh", A=_eigh_grad)


@decomposition
def cdist(f, x1, x2, p):
    rows = f.reshape(x1, (*x1.shape[:-1], 1, x1.shape[-1]))
    others = f.reshape(x2, (*x2.shape[:-2], 1, *x2.shape[-2:]))
    apart = f.sub(rows, others)
    distance = f.vector_norm(apart, p, -1)
    # A count has no gradient, PyTorch's distances have one of 0.
    return f.add(distance, f.sum(f.fill(apart, 0), -1)) if p == 0 else distance


@decomposition
def pairwise_distance(f, x1, x2, p, eps, keepdim):
    return f.vector_norm(f.add(f.sub(x1, x2), eps), p, -1, keepdim)


@decomposition
def cosine_similarity(f, x1, x2, dim, eps):
    shape = broadcast([tuple(x1.shape), tuple(x2.shape)])
    first, second = (f.expand(x, shape) for x in (x1, x2))
    first, second = (f.div(x, at_least(f, f.vector_norm(x, 2, dim, True), eps)) for x in (first, second))
    return f.sum(f.mul(first, second), dim)


@decomposition
def trace(f, input):
    return f.sum(f.diagonal(input, 0, 0, 1))


@decomposition
def cross(f, input, other, dim):
    a, b = ([f.select(x, dim, i) for i in range(3)] for x in (input, other))
    terms = [f.sub(f.mul(a[i], b[j]), f.mul(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return f.stack(tuple(terms), dim)
