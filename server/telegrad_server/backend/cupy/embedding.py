"""Embedding tables on a CUDA device. The kernel that meets an index out of range reports it, and goes on with 0."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from telegrad_protocol.errors import OpIndexError

from .mixin import CupyMixin, threads_for

Array = Any


class Embedding(CupyMixin):
    """See `Primitives`."""

    def embedding(self, table: Array, index: Array, skipped: int | None = None) -> Array:
        table, width = self._contiguous(table), prod(table.shape[1:])
        out = self.cp.empty((*index.shape, *table.shape[1:]), table.dtype)
        sizes = (index.size, width, len(table), -1 if skipped is None else skipped)
        args = (table, self._int64(index), out, *sizes, *self._index_check(len(table)))
        if out.size:
            self.device.launch_rows(
                "embedding", "embedding", (out.dtype,), index.size, *args, threads=threads_for(width)
            )
        return out

    def counts(self, index: Array, count: int) -> Array:
        out = self.cp.zeros(count, np.int64)
        self.device.launch("embedding", "counts", (), index.size, self._int64(index), out, index.size, count)
        return out

    def embedding_backward(self, g: Array, index: Array, count: int, skipped: int | None) -> Array:
        g, places, width = self._contiguous(g), self._int64(index), g.shape[-1]
        rows, threads, none = index.size, threads_for(width), -1 if skipped is None else skipped
        out, first = self.cp.zeros((count, width), g.dtype), self.cp.full(count, rows, np.int64)
        args = (places, first, rows, count, *self._index_check(count))
        self.device.launch("embedding", "first_places", (), rows, *args)
        tiles = -(-width // threads)
        args = (g, places, first, out, rows, width, count, none, tiles)
        self.device.launch_rows("embedding", "embedding_backward", (g.dtype,), rows * tiles, *args, threads=threads)
        return out

    def _index_check(self, count: int) -> tuple[Array, np.int64]:
        return self.device.fault, self.device.check_with(_no_row, count)


def _no_row(index: int, count: int) -> OpIndexError:
    message, op = "index out of range in self", "embedding"
    return OpIndexError(message, op=op, argument="input", expected=f"[0, {count})", got=index)
