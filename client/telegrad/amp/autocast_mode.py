"""Autocast: in a block, some ops compute in a low precision and some in float32, whatever the dtypes of their arguments.

While no block is open nothing is looked up and no call gets slower. The first block that opens, in any thread, makes
the generated functions of all ops with the trait `autocast` take their general path, through a cast of their arguments
that asks for the thread's own state; the last block that closes puts back what was there.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from telegrad._api.functions import FUNCTIONS
from telegrad._tracing.binders import SCOPES
from telegrad._tracing.proxy import TensorBase
from telegrad_protocol.dtypes import DType, bfloat16, float16, float32
from telegrad_protocol.spec import OPS, OpSpec

F = TypeVar("F", bound=Callable[..., Any])

_CASTABLE: Final = frozenset((float16, bfloat16, float32))
_DEFAULT: Final = {"cpu": bfloat16, "cuda": float16}


class _State(threading.local):
    """This thread's low precision per device type; nothing is cast on a type without an entry."""

    def __init__(self) -> None:
        self.low: dict[str, DType] = {}


_state: Final = _State()


class autocast:
    """In the block, or in every call of a decorated function, ops on a device choose the precision they compute in.

    Matrix products take `dtype` (by default float16 on CUDA, bfloat16 on the CPU); losses, normalization, sums and
    exponentials take float32, by PyTorch's lists for CUDA, on both devices; batch normalization gives float32 too.
    float64 stays as it is. `enabled=False` switches off an outer block. `cache_enabled` changes nothing: the server
    casts a weight at each use.

    >>> import telegrad as tg
    >>> with tg.autocast("cpu"):
    ...     y = tg.ones(2, 2) @ tg.ones(2, 2)
    ...     z = y.exp()
    >>> y.dtype, z.dtype
    (torch.bfloat16, torch.float32)
    """

    def __init__(
        self, device_type: str, dtype: DType | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if device_type not in _DEFAULT:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device_type = device_type
        self.dtype = dtype or _DEFAULT[device_type]
        if enabled and self.dtype not in (float16, bfloat16):
            warnings.warn(f"autocast to {self.dtype} is not supported, and is disabled", stacklevel=2)
            enabled = False
        self.enabled = bool(enabled)
        self._outer: list[dict[str, DType]] = []

    def __enter__(self) -> autocast:
        outer = _state.low
        others = {kind: dtype for kind, dtype in outer.items() if kind != self.device_type}
        self._outer.append(outer)
        _casts.open()
        _state.low = {**others, self.device_type: self.dtype} if self.enabled else others
        return self

    def __exit__(self, *exception: object) -> None:
        _state.low = self._outer.pop()
        _casts.close()

    def __call__(self, function: F) -> F:
        """Decorate a function."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast("F", inside)


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a device type at this point of this thread."""
    return device_type in _state.low


def get_autocast_dtype(device_type: str) -> DType:
    """The low precision that autocast uses, or would use, on a device type."""
    return _state.low.get(device_type, _DEFAULT[device_type])


# Casts ----------------------------------------------------------------------------------------------------------


def _low(tensors: list[Any]) -> list[DType]:
    return [_state.low[tensor.device.type] for tensor in tensors]


def _float32(tensors: list[Any]) -> list[DType]:
    return [float32] * len(tensors)


def _widest(tensors: list[Any]) -> list[DType]:
    dtypes = [tensor.dtype for tensor in tensors]
    return dtypes if len(set(dtypes)) == 1 else [float32] * len(dtypes)


def _cast(spec: OpSpec, args: tuple[Any, ...], policy: Callable[[list[Any]], list[DType]]) -> tuple[Any, ...]:
    """The arguments cast to the dtypes of the policy; unchanged where the call gives a `dtype` for its result."""
    if not _state.low or ("dtype" in spec.names and args[spec.names.index("dtype")] is not None):
        return args
    found = [tensor for slot in spec.tensor_slots for tensor in _tensors(args[slot])]
    cast = {
        id(tensor): FUNCTIONS["_to_dtype"](tensor, dtype)
        for tensor, dtype in zip(found, policy(found), strict=True)
        if tensor.dtype is not dtype
    }
    return tuple([_replaced(value, cast) if slot in spec.tensor_slots else value for slot, value in enumerate(args)])


def _tensors(value: Any) -> list[Any]:
    """The tensors of an argument that autocast may cast."""
    items = value if isinstance(value, list | tuple) else (value,)
    return [t for t in items if isinstance(t, TensorBase) and t.dtype in _CASTABLE and t.device.type in _state.low]


def _replaced(value: Any, cast: dict[int, Any]) -> Any:
    if isinstance(value, list | tuple):
        return [cast.get(id(item), item) for item in value]
    return cast.get(id(value), value)


_POLICIES: Final = {"low": _low, "float32": _float32, "widest": _widest}
"""By the trait `autocast` of a declaration."""


class _Casts:
    """Puts the casts into the generated functions of these ops while a block is open somewhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._before: list[tuple[dict[str, Any], Any, Any]] = []

    def open(self) -> None:
        with self._lock:
            self._blocks += 1
            if self._blocks == 1:
                self._put_in()

    def close(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._take_out()

    def _put_in(self) -> None:
        for spec in OPS.values():
            for scope in SCOPES[spec.name] if spec.autocast else ():
                self._before.append((scope, scope["known"], scope["slow"]))
                scope["slow"] = _casting(scope["slow"], _POLICIES[spec.autocast])
                scope["known"] = {}  # knows no call: all take the general path

    def _take_out(self) -> None:
        for scope, known, slow in self._before:
            scope["known"], scope["slow"] = known, slow
        self._before.clear()


_casts: Final = _Casts()


def _casting(slow: Callable[..., Any], policy: Callable[[list[Any]], list[DType]]) -> Callable[..., Any]:
    def record_cast(spec: OpSpec, args: tuple[Any, ...]) -> Any:
        return slow(spec, _cast(spec, args, policy))

    return record_cast
