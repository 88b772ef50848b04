"""Tensors from data and from nothing, with PyTorch's dtype, device and requires_grad arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from telegrad._runtime.defaults import (
    defaults,
    device_name,
)
from telegrad._tensor import Tensor
from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType

from . import host_tensors
from .functions import FUNCTIONS
from .signatures import DeviceLike, Factory, LikeFactory, NewFactory, Number, Sizes


def finish(made: Any, requires_grad: bool) -> Tensor:
    """What every factory does at its end."""
    if not requires_grad:
        return made  # type: ignore[no-any-return]
    if not made.is_floating_point():
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return made.requires_grad_()  # type: ignore[no-any-return]


def sizes(size: tuple[Any, ...]) -> Any:
    """`(2, 3)` and `((2, 3),)` alike."""
    return size[0] if len(size) == 1 and not isinstance(size[0], int) else size


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested lists, NumPy arrays. It stays on the host until an op needs it.

    Raises ValueError for ragged lists and TypeError for what is not a number.

    >>> import telegrad as tg
    >>> tg.tensor([[1, 2], [3, 4]]).sum().item()
    10
    """
    if pin_memory:
        raise RuntimeError("Cannot access accelerator device when none is available: memory cannot be pinned")
    dtype = dtypes.of_type(dtype)
    array = host_tensors.array_of(data, dtype, defaults.dtype)
    where = device_name(device, data._meta.device if isinstance(data, Tensor) else None)
    made: Tensor = finish(host_tensors.from_array(array, dtype or host_tensors.dtype_of(array), where), requires_grad)
    return made


def as_tensor(data: Any, dtype: DType | None = None, device: DeviceLike = None) -> Tensor:
    """`data` itself if it is a tensor of that dtype on that device, else a tensor with a copy of it."""
    if not isinstance(data, Tensor):
        return tensor(data, dtype=dtype, device=device)
    dtype = dtypes.of_type(dtype)
    moved: Tensor = data.to(data.device if device is None else device, dtype or data.dtype)
    return moved


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor with a copy of a NumPy array; later writes to the array do not reach it."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return tensor(array, device="cpu")


_PLAIN_LAYOUTS = ("torch.strided", "torch.contiguous_format", "torch.preserve_format")


def refuse(name: str, unused: dict[str, Any]) -> None:
    """Layout and pinning have one value that every tensor here has; anything else is refused."""
    for key, value in unused.items():
        if key == "pin_memory" and not value:
            continue
        if key in ("memory_format", "layout") and (value is None or str(value) in _PLAIN_LAYOUTS):
            continue
        raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")


def need_tensor(name: str, value: Any) -> None:
    """Raise TypeError, as a declared op does, unless the first argument is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(value).__name__}")


def _factory(name: str, doc: str) -> Factory:
    function = FUNCTIONS[name]

    def make(
        *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **given: Any
    ) -> Any:
        wanted = given.pop("size") if "size" in given and not size else sizes(size)
        refuse(name, given)
        return finish(function(wanted, dtype=dtype or defaults.dtype, device=device_name(device)), requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


zeros = _factory("zeros", "Zeros of a shape, given as numbers or a tuple.")
ones = _factory("ones", "Ones of a shape, given as numbers or a tuple.")
empty = _factory("empty", "A tensor of a shape whose values mean nothing yet.")


def full(
    size: Sizes,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with one value, whose type decides the dtype if none is given."""
    fill_value = host_tensors.number(fill_value)
    if dtype is None and isinstance(fill_value, float):
        dtype = defaults.dtype
    return finish(FUNCTIONS["full"](size, fill_value, dtype=dtype, device=device_name(device)), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    return finish(FUNCTIONS["eye"](n, m, dtype=dtype or defaults.dtype, device=device_name(device)), requires_grad)


def arange(
    start: Number | Tensor,
    end: Number | Tensor | None = None,
    step: Number | Tensor = 1,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` up to, and without, `end`."""
    if end is None:
        start, end = 0, start
    values = [
        host_tensors.number(value.item() if hasattr(value, "item") else value)
        for value in map(host_tensors.number, (start, end, step))
    ]
    if dtype is None and any(isinstance(value, float) for value in values):
        dtype = defaults.dtype
    return finish(FUNCTIONS["arange"](*values, dtype=dtype, device=device_name(device)), requires_grad)


def linspace(
    start: Number,
    end: Number,
    steps: int,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances, both ends among them."""
    made = FUNCTIONS["linspace"](start, end, steps, dtype=dtype or defaults.dtype, device=device_name(device))
    return finish(made, requires_grad)


def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` powers of `base`, their exponents at equal distances."""
    made = FUNCTIONS["logspace"](start, end, steps, base, dtype=dtype or defaults.dtype, device=device_name(device))
    return finish(made, requires_grad)


def _like(factory: Any) -> LikeFactory:
    name = f"{factory.__name__}_like"

    def make(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **given: Any) -> Any:
        refuse(name, given)
        need_tensor(name, input)
        where = device_name(device, input._meta.device)
        return factory(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"As `{factory.__name__}`, with the shape and dtype of `input`, and where it is."
    return make


zeros_like, ones_like, empty_like = _like(zeros), _like(ones), _like(empty)


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """As `full`, with the shape and dtype of `input`."""
    need_tensor("full_like", input)
    where = device_name(device, input._meta.device)
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def _new(factory: Any) -> NewFactory:
    name = f"new_{factory.__name__}"

    def method(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **given: Any
    ) -> Any:
        wanted = given.pop("size") if "size" in given and not size else sizes(size)
        refuse(name, given)
        where = device_name(device, self._meta.device)
        return factory(wanted, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As `{factory.__name__}`, of this tensor's dtype, and where it is."
    return method  # type: ignore[return-value]  # one function for both forms of the size


def _new_full(
    self: Tensor,
    size: Sizes,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """As `full`, of this tensor's dtype."""
    where = device_name(device, self._meta.device)
    return full(size, fill_value, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)


def _new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: DType | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """As `tensor`, of this tensor's dtype."""
    where = device_name(device, self._meta.device)
    return tensor(data, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)


METHODS: dict[str, Callable[..., Any]] = {
    "new_zeros": _new(zeros),
    "new_ones": _new(ones),
    "new_empty": _new(empty),
    "new_full": _new_full,
    "new_tensor": _new_tensor,
}

FACTORIES = (
    "tensor as_tensor from_numpy zeros ones empty full eye arange linspace logspace zeros_like ones_like empty_like "
    "full_like"
).split()
"""What of this module belongs into the `torch` namespace."""
