"""The values of many tensors at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from telegrad._tracing.proxy import TensorBase

if TYPE_CHECKING:
    from telegrad._stream.reads import Future
    from telegrad._tensor import Tensor

K = TypeVar("K")


# A mapping is an iterable of its keys; no tensor is one.
@overload
def read_all(tensors: Mapping[K, Tensor]) -> dict[K, np.ndarray]: ...  # type: ignore[overload-overlap]
@overload
def read_all(tensors: Iterable[Tensor]) -> list[np.ndarray]: ...
def read_all(tensors: Any) -> Any:
    """The values of many tensors as NumPy arrays of their own: one wait in all, however many there are.

    A mapping, as a state dict, gives a dict with its keys, anything else a list. Tensors that require grad may be among
    them. Raises TypeError for what is no tensor, and the error of a call that a tensor could not be computed by.

    >>> import telegrad as tg
    >>> tg.read_all([tg.ones(2), tg.arange(3)])
    [array([1., 1.], dtype=float32), array([0, 1, 2])]
    >>> sorted(tg.read_all(tg.nn.Linear(2, 1).state_dict()))
    ['bias', 'weight']
    """
    if isinstance(tensors, Mapping):
        return dict(zip(tensors, _values(tensors.values()), strict=True))
    return _values(tensors)


def _values(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    listed = list(tensors)
    for position, tensor in enumerate(listed):
        if not isinstance(tensor, TensorBase):
            raise TypeError(f"read_all(): item {position} must be Tensor, not {type(tensor).__name__}")
    futures: list[Future] = [tensor.read() for tensor in listed]
    return [future.result() for future in futures]
