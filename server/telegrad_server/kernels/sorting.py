"""Order: sorting, the largest, running sums and products."""

from __future__ import annotations

from .registry import kernel, vjp


def _back_to(f, g, meta, indices, dim):
    """Zeros with the gradient of the values where they came from."""
    g = g[0]
    if meta.ndim == 0:
        return g
    return f.scatter(f.zeros(meta.shape, dtype=meta.dtype), dim, indices, g)


@kernel
def sort(xp, input, dim, descending, stable):
    if input.ndim == 0:
        return input, xp.argmax(input, None)
    order = xp.argsort(input, dim, descending)
    return xp.take_along_axis(input, order, dim), order


vjp(sort, input=lambda f, g, input_meta, indices, dim: _back_to(f, g, input_meta, indices, dim))


@kernel
def argsort(xp, input, dim, descending, stable):
    return xp.argsort(input, dim, descending) if input.ndim else xp.argmax(input, None)


@kernel
def topk(xp, input, k, dim, largest, sorted):
    if input.ndim == 0:
        return input, xp.argmax(input, None)
    order = xp.argsort(input, dim, largest)
    first = [slice(None)] * input.ndim
    first[dim] = slice(k)
    order = order[tuple(first)]
    return xp.take_along_axis(input, order, dim), order


vjp(topk, input=lambda f, g, input_meta, indices, dim: _back_to(f, g, input_meta, indices, dim))


@kernel
def cumsum(xp, input, dim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.cumsum(input, dim) if input.ndim else input


vjp(
    cumsum,
    input=lambda f, g, input_meta, dim: (
        f._cast_to(f.flip(f.cumsum(f.flip(g, (dim,)), dim), (dim,)), input_meta.dtype) if input_meta.ndim else g
    ),
)


@kernel
def cumprod(xp, input, dim, dtype):
    if dtype is not None:
        input = xp.cast(input, dtype)
    return xp.cumprod(input, dim) if input.ndim else input


vjp(cumprod, input=lambda f, g, input, dim: _cumprod_input(f, g, input, dim))


def _cumprod_input(f, g, input, dim):
    """The gradient of each element: for every place after it, the product with that element left out.

    Computed without dividing, so that zeros do no harm: for each k, the products from k on with x_k replaced by 1.
    """
    if input.ndim == 0:
        return g
    parts = []
    for k in range(input.shape[dim]):
        ones = f.fill(f.narrow(input, dim, k, 1), 1)
        before = f.prod(f.narrow(input, dim, 0, k), dim, True) if k else ones
        after = f.narrow(input, dim, k + 1, input.shape[dim] - k - 1)
        products = f.mul(f.cumprod(f.cat((ones, after), dim), dim), before)
        parts.append(f.sum(f.mul(f.narrow(g, dim, k, input.shape[dim] - k), products), dim, True))
    return f.cat(tuple(parts), dim)
