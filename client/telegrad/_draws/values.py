"""Values of draws out of words, as PyTorch's CPU kernels make them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .fused import box_muller
from .position import Position, Words

SINGLY: Final = 16
"""Fewer normals than this are drawn one by one."""


class Drawing:
    """Draws from a position on; `position` is where the generator is then."""

    def __init__(self, words: Words, position: Position) -> None:
        self._words = words
        self.position = position

    def _words32(self, count: int) -> np.ndarray:
        found = self._words.take(self.position, count)
        self.position = self.position._replace(words=self.position.words + count)
        return found

    def _words64(self, count: int) -> np.ndarray:
        """Two words each, the first the high one."""
        pairs = self._words32(2 * count).reshape(count, 2)
        joined: np.ndarray = pairs[:, 0].astype(np.uint64) << np.uint64(32) | pairs[:, 1]
        return joined

    def _units(self, count: int, dtype: np.dtype[Any]) -> np.ndarray:
        """Uniform numbers over [0, 1), in float32 of 24 bits, in float64 of 53."""
        if dtype == np.float64:
            return (self._words64(count) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53
        return (self._words32(count) & np.uint32(0xFFFFFF)).astype(np.float32) * np.float32(2**-24)

    def rand(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Uniform over [0, 1)."""
        values = self._units(math.prod(shape), dtype).astype(dtype, copy=False)
        values[values == 1] = 0  # a half may have been rounded up to the end
        return values.reshape(shape)

    def randn(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Normal, with mean 0 and deviation 1."""
        count = math.prod(shape)
        values = self.normals(count) if count < SINGLY else self._blocks(count, dtype)
        return values.astype(dtype, copy=False).reshape(shape)

    def normals(self, count: int) -> np.ndarray:
        """Float64 normals made in pairs; an odd one is kept for next time."""
        kept = [] if self.position.normal is None else [self.position.normal]
        if not count:
            return np.empty(0)
        fresh = count - len(kept)
        pairs = []
        units = self._units(fresh + fresh % 2, np.dtype(np.float64)).tolist()
        for angle, height in zip(units[::2], units[1::2], strict=True):
            radius, theta = math.sqrt(-2.0 * math.log1p(-height)), 2 * math.pi * angle
            pairs += [radius * math.cos(theta), radius * math.sin(theta)]
        self.position = self.position._replace(normal=pairs[-1] if fresh % 2 else None)
        return np.array([*kept, *pairs[:fresh]]) + 0.0

    def _blocks(self, count: int, dtype: np.dtype[Any]) -> np.ndarray:
        """Blocks of 16. A ragged end is made good by drawing the last 16 values again."""
        transform = _box_muller64 if dtype == np.float64 else box_muller
        # PyTorch draws a unit for each value of 32 bits and more, but below that only for whole blocks.
        missing = count % SINGLY if dtype.itemsize < 4 else 0
        values = self._units(count - missing, dtype)
        if missing:
            values = np.append(values, np.empty(missing, np.float32))
        values = transform(values)
        if count % SINGLY:
            values[-SINGLY:] = transform(self._units(SINGLY, dtype))
        return values

    def randint(self, low: int, high: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Integers of `[low, high)`."""
        span, count = high - low, math.prod(shape)
        # Below 2**28 one word leaves a skew that PyTorch accepts.
        words = self._words64(count) if span >= 2**28 else self._words32(count)
        values = (words % words.dtype.type(span)).astype(np.uint64, copy=False) + np.uint64(low % 2**64)
        found: np.ndarray = values.view(np.int64).astype(dtype, copy=False).reshape(shape)
        return found

    def seed(self) -> int:
        """A number of 63 bits, as `random_` draws an int64."""
        return int(self._words64(1)[0] & np.uint64(2**63 - 1))

    def randperm(self, n: int, dtype: np.dtype[Any]) -> np.ndarray:
        """A permutation of `0 … n - 1`."""
        out = list(range(n))
        steps = np.arange(n, 1, -1, dtype=np.uint32)
        chosen = self._words32(steps.size) % steps + np.arange(steps.size, dtype=np.uint32)
        for i, j in enumerate(chosen.tolist()):
            out[i], out[j] = out[j], out[i]
        return np.array(out, dtype)

    def multinomial(self, weights: np.ndarray, count: int, replacement: bool) -> np.ndarray:
        """Indices drawn by valid weights, `[n]` or `[rows, n]`."""
        if replacement and count > 1:
            return self._with_replacement(weights, count)
        # The race: the smallest of exponentials with these rates comes first.
        units = self._units(weights.size, np.dtype(np.float64)).tolist()
        times = np.array([-1.0 * math.log1p(-unit) for unit in units]).astype(weights.dtype).reshape(weights.shape)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            keys = weights / times
        if count == 1:
            return np.asarray(keys.argmax(-1, keepdims=True))
        return np.argsort(-keys.astype(np.float64), axis=-1, kind="stable")[..., :count].copy()

    def _with_replacement(self, weights: np.ndarray, count: int) -> np.ndarray:
        rows = weights.reshape(-1, weights.shape[-1])
        sums = np.cumsum(rows, axis=1)
        sums /= sums[:, -1:].copy()
        sums[:, -1] = 1
        units = self._units(len(rows) * count, np.dtype(np.float64)).reshape(len(rows), count)
        drawn = [np.searchsorted(found.astype(np.float64), unit) for found, unit in zip(sums, units, strict=True)]
        return np.array(drawn, np.int64).reshape(*weights.shape[:-1], count)


def _box_muller64(units: np.ndarray) -> np.ndarray:
    """`box_muller` in float64, by the C library's functions."""
    whole = units.size // SINGLY * SINGLY
    blocks = units[:whole].reshape(-1, 2, 8)
    radius = [math.sqrt(-2.0 * math.log(1.0 - unit)) for unit in blocks[:, 0].ravel().tolist()]
    theta = [2 * math.pi * unit for unit in blocks[:, 1].ravel().tolist()]
    out = units.copy()
    paired = out[:whole].reshape(-1, 2, 8)
    paired[:, 0] = (np.array([r * math.cos(t) for r, t in zip(radius, theta, strict=True)]) + 0.0).reshape(-1, 8)
    paired[:, 1] = (np.array([r * math.sin(t) for r, t in zip(radius, theta, strict=True)]) + 0.0).reshape(-1, 8)
    return out
