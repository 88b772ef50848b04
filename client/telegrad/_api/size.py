"""`torch.Size`."""

from __future__ import annotations

from typing import Any, SupportsIndex, overload

import numpy as np

from telegrad._tracing.frames import hide_frames


class Size(tuple[int, ...]):
    """A shape; a tuple that prints as PyTorch's.

    >>> import telegrad as tg
    >>> tg.Size([2, 3]).numel()
    6
    """

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: Any) -> Any:
        try:
            found = tuple.__getitem__(self, index)
            return Size(found) if isinstance(index, slice) else found
        except (IndexError, TypeError) as problem:
            hide_frames(problem)
            raise

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))
