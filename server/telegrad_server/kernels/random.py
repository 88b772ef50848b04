"""Random numbers. A gradient reuses the saved draw, it never draws again."""

from __future__ import annotations

from telegrad_protocol import dtypes

from .registry import kernel, vjp


@kernel
def rand(xp, size, dtype, generator, device):
    return xp.rand(generator, size, dtype or dtypes.float32)


@kernel
def randn(xp, size, dtype, generator, device):
    return xp.randn(generator, size, dtype or dtypes.float32)


@kernel
def randint(xp, low, high, size, dtype, generator, device):
    return xp.randint(generator, low, high, size, dtype or dtypes.int64)


@kernel
def randperm(xp, n, dtype, generator, device):
    return xp.randperm(generator, n, dtype or dtypes.int64)


@kernel
def bernoulli(xp, input, generator):
    return xp.bernoulli(generator, input, input)


@kernel
def multinomial(xp, input, num_samples, replacement, generator):
    return xp.multinomial(generator, input, num_samples, replacement)


@kernel(name="_uniform")
def _uniform(xp, input, low, high, generator):
    return xp.uniform(generator, input, low, high)


@kernel(name="_normal")
def _normal(xp, input, mean, std, generator):
    return xp.normal(generator, input, mean, std)


@kernel(name="_random")
def _random(xp, input, low, high, generator):
    return xp.random_integers(generator, input, low, high)


@kernel(name="_exponential")
def _exponential(xp, input, lambd, generator):
    return xp.exponential(generator, input, lambd)


@kernel(name="_bernoulli")
def _bernoulli(xp, input, p, generator):
    return xp.bernoulli(generator, p, input)


def _drop(xp, input, p, training, generator, shape):
    """The input times a mask that is 0 or 1 / (1 - p); the gradient needs the mask alone."""
    if not training or p == 0.0:
        return xp.copy(input), None
    if p == 1.0:
        mask = xp.full_like(input, 0)
    else:
        mask = xp.keep_mask(generator, 1.0 - p, shape, input)
    return xp.multiply(input, mask), mask


def _drop_input(f, g, aux):
    return g if aux is None else f.mul(g, aux)


def _channels(input):
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


@kernel(aux=True)
def dropout(xp, input, p, training, generator):
    return _drop(xp, input, p, training, generator, input.shape)


vjp(dropout, input=_drop_input)


@kernel(aux=True)
def dropout1d(xp, input, p, training, generator):
    return _drop(xp, input, p, training, generator, _channels(input))


vjp(dropout1d, input=_drop_input)


@kernel(aux=True)
def dropout2d(xp, input, p, training, generator):
    return _drop(xp, input, p, training, generator, _channels(input))


vjp(dropout2d, input=_drop_input)


@kernel(aux=True)
def dropout3d(xp, input, p, training, generator):
    return _drop(xp, input, p, training, generator, _channels(input))


vjp(dropout3d, input=_drop_input)
