"""Embedding tables on the CPU."""

from __future__ import annotations

import numpy as np

from telegrad_protocol.errors import OpIndexError

from .jit import embedding as jit
from .mixin import NumpyMixin, widened

Array = np.ndarray


class Embedding(NumpyMixin):
    """See `Primitives`."""

    def embedding(self, table: Array, index: Array, skipped: int | None = None) -> Array:
        if index.size and not 0 <= index.min() <= index.max() < len(table):
            raise OpIndexError("index out of range in self", argument="input", expected=f"[0, {len(table)})")
        rows = np.take(table, index, axis=0)
        if skipped is not None:
            rows[index == skipped] = 0
        return rows

    def counts(self, index: Array, count: int) -> Array:
        return np.bincount(index.reshape(-1), minlength=count)

    @widened
    def embedding_backward(self, g: Array, index: Array, count: int, skipped: int | None) -> Array:
        width = g.shape[-1]
        wanted = index.reshape(-1).astype(np.int64)
        try:
            return jit.embedding_backward(g.reshape(wanted.size, width), wanted, count, skipped)
        except IndexError as error:
            raise OpIndexError(str(error), argument="input", expected=f"[0, {count})") from None
