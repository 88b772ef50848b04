"""Every declared op as a method of `Tensor`, where PyTorch has it as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from telegrad._tensor import Tensor
from telegrad._tracing.binders import record_inplace
from telegrad._tracing.frames import hide_frames
from telegrad_protocol.kinds import Role
from telegrad_protocol.spec import OPS, OpSpec

from .functions import FUNCTIONS


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose sizes may be given one by one: `x.view(2, 3)` as `x.view((2, 3))`."""

    def method(self: Any, *sizes: Any, **keywords: Any) -> Any:
        try:
            if not sizes:
                return function(self, **keywords)
            return function(self, sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes, **keywords)
        except BaseException as problem:
            hide_frames(problem)
            raise

    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method


def takes_sizes(spec: OpSpec) -> bool:
    """Whether the method takes its sizes one by one too."""
    kind = spec.params[-1].kind
    return len(spec.params) == 2 and kind.role is Role.SIZE and not kind.optional


def _method(spec: OpSpec) -> Callable[..., Any]:
    return _spread(FUNCTIONS[spec.name]) if takes_sizes(spec) else FUNCTIONS[spec.name]


def attach() -> None:
    """Give `Tensor` its methods."""
    for name, spec in OPS.items():
        if "tensor" in spec.on:
            if not hasattr(Tensor, name) or name in ("detach",):
                setattr(Tensor, name, _method(spec))
            if spec.inplace:
                setattr(Tensor, f"{name}_", record_inplace(spec))
