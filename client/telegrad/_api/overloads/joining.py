"""Joining and splitting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from telegrad._api import host_tensors
from telegrad._api.functions import FUNCTIONS as F
from telegrad._api.signatures import Sizes
from telegrad._tensor import Tensor


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Joins tensors of one shape along a new dimension; on the host while all of them are there."""
    dim = dim if axis is None else axis
    if isinstance(tensors, list | tuple) and tensors and host_tensors.all_on_host(tensors) and _alike(tensors):
        first = tensors[0]._meta
        if dim == 0 and first.ndim:
            joined = np.concatenate([t._host for t in tensors]).reshape(len(tensors), *first.shape)
        else:
            joined = np.stack([t._host for t in tensors], axis=dim)
        return host_tensors.from_array(joined, first.dtype, first.device)
    return F["stack"](tensors, dim)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Joins tensors along an existing dimension; on the host while all of them are there."""
    dim = dim if axis is None else axis
    if isinstance(tensors, list | tuple) and tensors and host_tensors.all_on_host(tensors) and _joinable(tensors, dim):
        joined = np.concatenate([t._host for t in tensors], axis=dim)
        return host_tensors.from_array(joined, tensors[0].dtype, tensors[0]._meta.device)
    return F["cat"](tensors, dim)


def _alike(tensors: Sequence[Tensor]) -> bool:
    """Whether these have one shape, dtype and device."""
    return len({t._meta for t in tensors}) == 1 or len({(t._meta.shape, t.dtype, t._meta.device) for t in tensors}) == 1


def _joinable(tensors: Sequence[Tensor], dim: int) -> bool:
    """Whether NumPy would join these as PyTorch does: one dtype, sizes equal but along `dim`."""
    if len({(t.dtype, t._meta.device) for t in tensors}) != 1 or not all(-t.ndim <= dim < t.ndim for t in tensors):
        return False
    return len({_without(t._meta.shape, dim) for t in tensors}) == 1


def _without(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    kept = list(shape)
    del kept[dim]
    return tuple(kept)


concat = concatenate = cat


def split(tensor: Tensor, split_size_or_sections: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of a size, or of these sizes, along a dimension."""
    return F["split"](tensor, split_size_or_sections, dim)


def _split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of a size, or of these sizes, along a dimension."""
    return F["split"](self, split_size, dim)


def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid."""
    listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    return F["meshgrid"](listed, indexing=indexing)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with these matrices on its diagonal."""
    return F["_block_diagonal"](tensors)


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "split": _split,
}
