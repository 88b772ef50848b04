"""Joining, repeating and padding arrays on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from telegrad_protocol.errors import ShapeError, TooLarge
from telegrad_protocol.limits import LIMITS

from .mixin import NumpyMixin


class Joining(NumpyMixin):
    """See `Primitives`."""

    concatenate = staticmethod(np.concatenate)
    stack = staticmethod(np.stack)
    tile = staticmethod(np.tile)

    def repeated_index(self, repeats: Any, count: int) -> Any:
        return repeated_index(repeats, count)


def repeated_index(repeats: Any, count: int) -> Any:
    """Each of 0 ... `count` - 1 as often as `repeats` says: NumPy does not see that a sum of counts overflows."""
    if (repeats < 0).any():
        raise ShapeError("repeats can not be negative", argument="repeats")
    wanted = np.broadcast_to(repeats.reshape(-1), (count,))
    total = float(wanted.sum(dtype=np.float64))
    if total > LIMITS.elements:
        raise TooLarge(f"repeats add up to {total:g}, more than the {LIMITS.elements} elements of a tensor")
    return np.repeat(np.arange(count), wanted)
