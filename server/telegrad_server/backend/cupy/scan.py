"""Running folds along an axis, on a CUDA device: a block of threads folds each line, in the order of a tree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from telegrad_server.backend.constants import THREADS_PER_BLOCK

from .mixin import CupyMixin


class Scan(CupyMixin):
    """See `Primitives`."""

    def cumsum(self, array: Any, axis: int) -> Any:
        return self._scan("cumsum", _widened(array), axis)

    def cumprod(self, array: Any, axis: int) -> Any:
        return self._scan("cumprod", _widened(array), axis)

    def recurrence(self, array: Any, factor: Any, axis: int, reverse: bool) -> Any:
        factor = self._contiguous(self.cp.broadcast_to(factor, array.shape).astype(array.dtype, copy=False))
        return self._scan("recurrence", array, axis, factor, reverse)

    def running_extremum(self, array: Any, axis: int, largest: bool) -> tuple[Any, Any]:
        places = self.cp.empty(array.shape, np.int64)
        return self._scan("running_extremum", array, axis, places, largest), places

    def logcumsumexp(self, array: Any, axis: int) -> Any:
        return self._scan("logcumsumexp", array, axis)

    def _scan(self, name: str, array: Any, axis: int, *options: Any) -> Any:
        array, axis = self._contiguous(array), axis % array.ndim
        out = self.cp.empty(array.shape, array.dtype)
        n, inner = array.shape[axis], math.prod(array.shape[axis + 1 :])
        if out.size:
            args = (array, out, out.size // n, n, inner, *options)
            threads = 32 if n <= 32 else THREADS_PER_BLOCK
            self.device.launch_rows("scan", name, (array.dtype,), out.size // n, *args, threads=threads)
        return out


def _widened(array: Any) -> Any:
    return array.astype(np.int64, copy=False) if array.dtype.kind in "biu" else array
