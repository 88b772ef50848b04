"""What is known of a tensor or dtype without its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telegrad._api import host_tensors
from telegrad._api.signatures import Number
from telegrad._tensor import Tensor
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType
from telegrad_protocol.rules import common_dtype


def is_tensor(obj: object) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, TensorBase)


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_inference(input: Tensor) -> bool:
    """Whether a tensor's memory was made in inference mode."""
    return input.is_inference()


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def result_type(*operands: Tensor | Number) -> DType:
    """The dtype that an arithmetic op on these gives."""
    return common_dtype(tuple(o._meta if isinstance(o, TensorBase) else host_tensors.number(o) for o in operands))


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that both convert to."""
    return dtypes.promote(type1, type2)


def can_cast(from_: DType, to: DType) -> bool:
    """Whether an in-place result of one dtype may be written into another."""
    return dtypes.can_cast(from_, to)


def _is_same_size(self: Tensor, other: Tensor) -> bool:
    return self.shape == other.shape


def _get_device(self: Tensor) -> int:
    """The GPU's index, -1 on the CPU."""
    return -1 if not self.is_cuda else self.device.index or 0


def _share_memory_(self: Tensor) -> Tensor:
    """Tensors of forked workers stay on the host, where they are shared anyway."""
    return self


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "share_memory_": _share_memory_,
    "is_same_size": _is_same_size,
    "get_device": _get_device,
}
