"""Padding on a CUDA device."""

from __future__ import annotations

from typing import Any

from .mixin import CupyMixin


class Padding(CupyMixin):
    """See `Primitives`."""

    def pad(self, array: Any, pad: tuple[int, ...], value: Any) -> Any:
        sizes, source, target = list(array.shape), [slice(None)] * array.ndim, [slice(None)] * array.ndim
        for place in range(len(pad) // 2):
            axis, before, after = array.ndim - 1 - place, pad[2 * place], pad[2 * place + 1]
            length = max(sizes[axis] + min(before, 0) + min(after, 0), 0)
            source[axis] = slice(max(-before, 0), max(-before, 0) + length)
            target[axis] = slice(max(before, 0), max(before, 0) + length)
            sizes[axis] += before + after
        out = self.cp.full(tuple(sizes), value, array.dtype)
        out[tuple(target)] = array[tuple(source)]
        return out
