"""Loss scaling: multiplies the loss so that half-precision gradients do not underflow, and divides them afterwards."""

from __future__ import annotations

import math
import warnings
from typing import Any, TypeVar, overload

from telegrad._api.creation import tensor
from telegrad._api.functions import FUNCTIONS
from telegrad._runtime.process import stream
from telegrad._stream.reads import Future
from telegrad._tensor import Tensor
from telegrad._tracing.arguments import by_device
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.contents import since
from telegrad.optim.optimizer import with_gradients
from telegrad_protocol.dtypes import float16, float32

T = TypeVar("T")


class _Checks:
    """Since the last `update`: whether an optimizer's gradients were finite, per device, and whether it has stepped."""

    def __init__(self, finite: list[Future]) -> None:
        self._finite = finite
        self.stepped = False

    def all_finite(self) -> bool:
        """Waits until the gradients are known."""
        return all(finite.result() for finite in self._finite)


class GradScaler:
    """Scales a loss before `backward`, and skips the steps whose gradients were not finite (Micikevicius et al., 2018).

    The client keeps the scale. Unscaling is one row per device, whose reply says whether all gradients were finite;
    `step` waits for that reply, so a step costs one read.

    >>> import telegrad as tg
    >>> w = tg.ones(1, requires_grad=True)
    >>> optimizer, scaler = tg.optim.SGD([w], lr=0.5), tg.amp.GradScaler("cpu")
    >>> scaler.scale((w * 2).sum()).backward()
    >>> scaler.step(optimizer); scaler.update()
    >>> w.item()
    0.0
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if device not in ("cpu", "cuda"):
            raise RuntimeError(f"GradScaler does not support the device '{device}'")
        if enabled and device == "cuda" and len(stream.devices()) == 1:  # the CPU
            warnings.warn("GradScaler is enabled, but the server uses no CUDA device. Disabling.", stacklevel=2)
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise ValueError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise ValueError("The backoff factor must be < 1.0.")
        self._enabled = enabled
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._checks: dict[int, _Checks] = {}

    def is_enabled(self) -> bool:
        """Whether the scaler scales; a disabled one passes everything on."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1 if it is disabled."""
        return self._scale if self._enabled else 1.0

    @overload
    def scale(self, outputs: Tensor) -> Tensor: ...
    @overload
    def scale(self, outputs: T) -> T: ...
    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or each tensor of a list or tuple, by the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            factor = tensor(self._scale, dtype=float32, device=outputs.device)
            return FUNCTIONS["mul"](outputs, factor)
        if isinstance(outputs, list | tuple):
            return type(outputs)([self.scale(output) for output in outputs])
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide an optimizer's gradients by the scale, once before each step; for clipping them before `step`."""
        if not self._enabled:
            return
        checks = self._checks.get(id(optimizer))
        if checks is not None:
            last = (
                "step() has been called" if checks.stepped else "unscale_() has already been called on this optimizer"
            )
            raise RuntimeError(f"{last} since the last update().")
        self._checks[id(optimizer)] = _Checks(self._unscaled(_with_gradients(optimizer)))

    def _unscaled(self, params: list[Any]) -> list[Future]:
        if any(p.dtype is float16 for p in params):
            raise ValueError("Attempting to unscale FP16 gradients.")
        for p in params:
            if p._leaf.grad is not None:
                p._leaf.grad.counter._version += 1
        found = []
        for there in by_device(params):
            args = tuple([p._server_id() for p in there]), 1.0 / self._scale
            since.bulk_write()
            found.append(stream.ask("unscale_grads", args, there[0].device_bits, call_site(), _truth))
            since.bulk_write()
        return found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale unless `unscale_` did, and step the optimizer if all gradients were finite. Waits to know."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) not in self._checks:
            self.unscale_(optimizer)
        checks = self._checks[id(optimizer)]
        if checks.stepped:
            raise RuntimeError("step() has already been called since the last update().")
        checks.stepped = True
        return optimizer.step(*args, **kwargs) if checks.all_finite() else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Lower the scale if a gradient was not finite, raise it after `growth_interval` good steps, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._checks:
                raise RuntimeError("No inf checks were recorded prior to update.")
            self._follow(all(checks.all_finite() for checks in self._checks.values()))
        self._checks.clear()

    def _follow(self, finite: bool) -> None:
        if not finite:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = self._scale * self._growth_factor
            self._scale = grown if math.isfinite(grown) else self._scale
            self._growth_tracker = 0

    def state_dict(self) -> dict[str, Any]:
        """The scale, its factors and its counter, in PyTorch's layout; empty if the scaler is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that `state_dict` gave. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly from a disabled instance of GradScaler.")
        self._scale = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


def _with_gradients(optimizer: Any) -> list[Any]:
    params = with_gradients(p for group in optimizer.param_groups for p in group["params"])
    if not params:
        raise RuntimeError("No inf checks were recorded for this optimizer: none of its parameters has a gradient.")
    return params


def _truth(result: Any) -> bool:
    return bool(result.data[0])
