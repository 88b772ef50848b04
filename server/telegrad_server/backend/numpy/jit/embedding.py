"""The gradient of an embedding table."""

from __future__ import annotations

import numpy as np

from .gather import add_rows


def embedding_backward(g: np.ndarray, index: np.ndarray, rows: int, padding_idx: int | None) -> np.ndarray:
    """The gradient `(rows, n)` of an embedding's table, from `g (k, n)` for its rows `index (k,)`, int64."""
    out = np.zeros((rows, g.shape[1]), g.dtype)
    add_rows(out, index, g, -1 if padding_idx is None else padding_idx)
    return out
