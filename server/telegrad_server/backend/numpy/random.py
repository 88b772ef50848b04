"""Random numbers on the CPU, from PyTorch's generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_server.backend.random.mersenne_generator import MersenneGenerator

from .mixin import NumpyMixin


class Random(NumpyMixin):
    """See `Primitives`."""

    def new_generator(self, seed: int) -> MersenneGenerator:
        return MersenneGenerator(seed)

    def rand(self, generator: MersenneGenerator, size: tuple[int, ...], dtype: DType) -> Any:
        return generator.rand(size, self.dtype(dtype))

    def randn(self, generator: MersenneGenerator, size: tuple[int, ...], dtype: DType) -> Any:
        return generator.randn(size, self.dtype(dtype))

    def randint(self, generator: MersenneGenerator, low: int, high: int, size: tuple[int, ...], dtype: DType) -> Any:
        return generator.randint(low, high, size, self.dtype(dtype))

    def randperm(self, generator: MersenneGenerator, n: int, dtype: DType) -> Any:
        return generator.randperm(n, self.dtype(dtype))

    def uniform(self, generator: MersenneGenerator, like: Any, low: float, high: float) -> Any:
        return generator.uniform(like.shape, like.dtype, low, high)

    def normal(self, generator: MersenneGenerator, like: Any, mean: float, std: float) -> Any:
        return generator.normal(like.shape, like.dtype, mean, std)

    def random_integers(self, generator: MersenneGenerator, like: Any, low: int | None, high: int | None) -> Any:
        if low is None:
            return generator.random(like.shape, like.dtype)
        return generator.randint(low, high, like.shape, like.dtype)

    def exponential(self, generator: MersenneGenerator, like: Any, lambd: float) -> Any:
        return generator.exponential(like.shape, like.dtype, lambd)

    def bernoulli(self, generator: MersenneGenerator, p: Any, like: Any) -> Any:
        return generator.bernoulli(p, like.shape, like.dtype)

    def multinomial(self, generator: MersenneGenerator, weights: Any, count: int, replacement: bool) -> Any:
        return generator.multinomial(weights, count, replacement)

    def keep_mask(self, generator: MersenneGenerator, keep: float, shape: tuple[int, ...], like: Any) -> Any:
        kept = generator.bernoulli(keep, shape, like.dtype)
        return np.divide(kept, like.dtype.type(keep), out=kept)
