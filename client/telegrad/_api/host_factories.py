"""Small tensors that a factory makes on the CPU: host tensors, which the server makes itself once an op needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from telegrad._tracing.record import ON_HOST
from telegrad_protocol import dtypes
from telegrad_protocol.limits import INLINE_BYTES
from telegrad_protocol.shapes import Meta
from telegrad_protocol.spec import OpSpec

from . import host_tensors
from .uploading import Recipe


def _full(made: Meta, size: Any, value: Any, *_: Any) -> np.ndarray:
    return np.full(made.shape, value, host_tensors.NUMPY[made.dtype])


def _eye(made: Meta, *_: Any) -> np.ndarray:
    return np.eye(*made.shape, dtype=host_tensors.NUMPY[made.dtype])


def _arange(made: Meta, start: Any, end: Any, step: Any, *_: Any) -> np.ndarray:
    exact = np.arange(made.shape[0], dtype=np.int64 if type(start) is type(step) is int else np.float64)
    values: np.ndarray = (exact * step + start).astype(host_tensors.NUMPY[made.dtype])
    return values


def _linspace(made: Meta, start: Any, end: Any, steps: int, *_: Any) -> np.ndarray:
    return np.linspace(start, end, steps).astype(host_tensors.NUMPY[made.dtype])


_VALUES: Final[dict[str, Callable[..., np.ndarray]]] = {
    "zeros": lambda made, *_: np.zeros(made.shape, host_tensors.NUMPY[made.dtype]),
    "ones": lambda made, *_: np.ones(made.shape, host_tensors.NUMPY[made.dtype]),
    "full": _full,
    "eye": _eye,
    "arange": _arange,
    "linspace": _linspace,
}
"""The values that the server makes, by the op's name."""


def _made(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """The result of a factory on the host; None for a large one, and for one that the server may refuse."""
    found = spec.infer(args).meta
    if found.device != "cpu" or found.nbytes > INLINE_BYTES or found.dtype is dtypes.bfloat16:
        return None
    try:
        with np.errstate(all="ignore"):
            array = _VALUES[spec.name](found, *args)
    except (ValueError, OverflowError, TypeError):
        return None
    made = host_tensors.from_array(array, found.dtype, found.device)
    made._source = Recipe(spec.name, args)
    return made


for _name in _VALUES:
    ON_HOST[_name] = _made
