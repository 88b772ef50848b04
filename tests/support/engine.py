"""Samples run on the engine in this process (the server's own code for it), and the same call in PyTorch."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.dtypes import DType
from telegrad_protocol.spec import OPS
from telegrad_server.checks.run import GENERATOR_OPS, Run, fill, new_engine, seeded, weights
from telegrad_server.samples import Sample

__all__ = ["GENERATOR_OPS", "Run", "fill", "new_engine", "seeded", "torch_call", "torch_function", "weights"]


def torch_call(sample: Sample, values: list[Any], method: str = "") -> tuple[Any, ...]:
    """The same call in PyTorch, on torch tensors; as that method of the first, if one is named."""

    spec = OPS[sample.op]
    args = [_to_torch(value) for value in fill(sample, values)]
    named = {p.name: v for p, v in zip(spec.params, args, strict=True) if p.name != "generator"}
    function, is_method = (method, True) if method else torch_function(sample.op)
    if is_method:
        first, *_ = spec.names
        receiver = named.pop(first)
        result = _call(getattr(receiver, function), spec, named)
    else:
        result = _call(function, spec, named)
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _call(function: Any, spec: Any, named: dict[str, Any]) -> Any:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    by_name = False
    for param in spec.params:
        value = named.get(param.name)
        if value is None:
            by_name = by_name or param.name in named  # PyTorch refuses some explicit Nones
        elif not (param.keyword_only or by_name):
            positional.append(value)
        elif value is not param.default:
            keywords[param.name] = value
    return function(*positional, **keywords)


def _to_torch(value: Any) -> Any:
    import torch

    if isinstance(value, DType):
        return getattr(torch, value.name)
    if isinstance(value, str) and hasattr(torch, value) and isinstance(getattr(torch, value), torch.dtype):
        return getattr(torch, value)
    return value


def torch_function(name: str) -> tuple[Any, bool]:
    """PyTorch's function of that name, or its method's name and True."""
    import torch

    spec = OPS[name]
    homes = {"torch": torch, "functional": torch.nn.functional, "linalg": torch.linalg, "special": torch.special}
    for home in spec.on:
        if home in homes and hasattr(homes[home], name):
            return getattr(homes[home], name), False
    return name, True
