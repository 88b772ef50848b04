"""Random numbers on a CUDA device: Philox, computed by the kernels that use them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpError
from telegrad_server.backend.random import draw_arguments
from telegrad_server.backend.random.philox import PhiloxGenerator, words_per_value

from .mixin import CupyMixin

Shape = tuple[int, ...]


class Random(CupyMixin):
    """See `Primitives`."""

    def new_generator(self, seed: int) -> PhiloxGenerator:
        return PhiloxGenerator(seed)

    def rand(self, generator: PhiloxGenerator, size: Shape, dtype: DType) -> Any:
        return self._uniform(generator, size, self.dtype(dtype), 0.0, 1.0)

    def randn(self, generator: PhiloxGenerator, size: Shape, dtype: DType) -> Any:
        return self._normal(generator, size, self.dtype(dtype), 0.0, 1.0)

    def randint(self, generator: PhiloxGenerator, low: int, high: int, size: Shape, dtype: DType) -> Any:
        return self._integers(generator, low, high, size, self.dtype(dtype))

    def randperm(self, generator: PhiloxGenerator, n: int, dtype: DType) -> Any:
        native = draw_arguments.known(self.dtype(dtype), "randperm")
        draw_arguments.check_permutation(n, native)
        keys = self.cp.empty(n, np.uint64)
        self._draw("keys", (), generator, 2 * n, keys)
        return self.cp.argsort(keys).astype(native)

    def uniform(self, generator: PhiloxGenerator, like: Any, low: float, high: float) -> Any:
        return self._uniform(generator, like.shape, like.dtype, low, high)

    def normal(self, generator: PhiloxGenerator, like: Any, mean: float, std: float) -> Any:
        return self._normal(generator, like.shape, like.dtype, mean, std)

    def random_integers(self, generator: PhiloxGenerator, like: Any, low: int | None, high: int | None) -> Any:
        if low is None:
            span = draw_arguments.largest(draw_arguments.known(like.dtype, "random_kernel_cuda")) + 1
            return self._whole(generator, 0, span, like.shape, like.dtype)
        return self._integers(generator, low, high, like.shape, like.dtype)

    def exponential(self, generator: PhiloxGenerator, like: Any, lambd: float) -> Any:
        draw_arguments.check_exponential(lambd, like.dtype)
        out = self.cp.empty(like.shape, like.dtype)
        self._draw("exponential", (out.dtype,), generator, out.size * words_per_value(out.dtype), out, float(lambd))
        return out

    def bernoulli(self, generator: PhiloxGenerator, p: Any, like: Any) -> Any:
        dtype = draw_arguments.known(like.dtype, "bernoulli")
        out = self.cp.empty(like.shape, dtype)
        if not hasattr(p, "dtype"):
            draw_arguments.check_probability(p)
            self._draw("bernoulli", (dtype,), generator, out.size, out, float(p), 1.0)
            return out
        draw_arguments.floating(p.dtype, "bernoulli_tensor_cuda_p_")
        chances = self._contiguous(self.cp.broadcast_to(p, out.shape))
        check = self.device.check_with(_no_probability)
        self._draw("bernoulli_each", (dtype, p.dtype), generator, out.size, out, chances, check, self.device.fault)
        return out

    def keep_mask(self, generator: PhiloxGenerator, keep: float, shape: Shape, like: Any) -> Any:
        draw_arguments.check_probability(keep)
        out = self.cp.empty(shape, like.dtype)
        self._draw("bernoulli", (like.dtype,), generator, out.size, out, float(keep), 1.0 / keep if keep else 0.0)
        return out

    def multinomial(self, generator: PhiloxGenerator, weights: Any, count: int, replacement: bool) -> Any:
        draw_arguments.check_multinomial(weights, count, replacement)
        if not weights.size:
            return self.cp.empty((*weights.shape[:-1], count), np.int64)
        wide = weights.astype(np.float64)
        self._check_weights(wide)
        if replacement and count > 1:
            return self._with_replacement(generator, wide, count)
        # The race: the smallest of exponentials with these rates comes first.
        draw = self.cp.empty(wide.shape, np.float64)
        self._draw("exponential", (np.float64,), generator, 2 * draw.size, draw, 1.0)
        keys = self.cp.negative(self.cp.divide(wide, draw))
        return self._contiguous(self.cp.argsort(keys, -1)[..., :count])

    def _with_replacement(self, generator: PhiloxGenerator, weights: Any, count: int) -> Any:
        sums = self.cumsum(weights, -1)
        total = sums[..., -1:]
        unit = self._uniform(generator, (*weights.shape[:-1], count), np.dtype(np.float64), 0.0, 1.0)
        # Rounding may reach the total, where nothing comes after.
        wanted = self.cp.minimum(unit * total, self.cp.nextafter(total, self.cp.zeros_like(total)))
        return self.searchsorted(sums, wanted, True)

    def _check_weights(self, weights: Any) -> None:
        good = self.cp.logical_and(weights >= 0, weights < math.inf)
        self.check_index(self.cp.logical_not(good), 0, 1, _no_weight)
        self.check_index(self.cp.any(weights > 0, -1), 1, 2, _no_weights)

    # Kernels ------------------------------------------------------------------------------------------------

    def _uniform(self, generator: PhiloxGenerator, shape: Shape, dtype: Any, low: float, high: float) -> Any:
        draw_arguments.check_uniform(low, high, draw_arguments.floating(dtype, "check_uniform_bounds"))
        out = self.cp.empty(shape, dtype)
        self._draw("uniform", (dtype,), generator, out.size * words_per_value(dtype), out, float(low), float(high))
        return out

    def _normal(self, generator: PhiloxGenerator, shape: Shape, dtype: Any, mean: float, std: float) -> Any:
        draw_arguments.floating(dtype, "normal_kernel_cuda")
        draw_arguments.check_normal(std)
        out = self.cp.empty(shape, dtype)
        pairs = out.size + out.size % 2
        self._draw("normal", (dtype,), generator, pairs * words_per_value(dtype), out, float(mean), float(std))
        return out

    def _integers(self, generator: PhiloxGenerator, low: int, high: int | None, shape: Shape, dtype: Any) -> Any:
        dtype = draw_arguments.known(dtype, "random_from_to")
        if low == draw_arguments.INT64_MIN and high is None:
            return self._whole(generator, low, 1 << 64, shape, dtype)
        low, last = draw_arguments.bounds(low, high, dtype)
        return self._whole(generator, low, last - low + 1, shape, dtype)

    def _whole(self, generator: PhiloxGenerator, low: int, span: int, shape: Shape, dtype: Any) -> Any:
        """Integers from `low` on, `span` of them."""
        out = self.cp.empty(shape, np.int64)
        self._draw("integers", (), generator, 2 * out.size, out, low, np.uint64(span % 2**64))
        return out.astype(dtype, copy=False)

    def _draw(self, name: str, types: Any, generator: PhiloxGenerator, words: int, out: Any, *options: Any) -> None:
        """Run a kernel of `random.cu` with a thread for each block of four words."""
        counter = generator.take(words)
        blocks = (words + 3) // 4
        self.device.launch("random", name, types, blocks, *counter, out, out.size, *options)


def _no_probability(found: int) -> OpError:
    return OpError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.", argument="input")


def _no_weight(found: int) -> OpError:
    return OpError("probability tensor contains either `inf`, `nan` or element < 0", argument="input")


def _no_weights(found: int) -> OpError:
    return OpError("invalid multinomial distribution (sum of probabilities <= 0)", argument="input")
