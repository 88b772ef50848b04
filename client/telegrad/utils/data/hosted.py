"""Fetches the tensors that a data set holds, before its workers are forked: workers have no server to read from."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from telegrad._api import host_tensors
from telegrad._tensor import Tensor

_ATOMS = (int, float, complex, bool, str, bytes, type(None), np.ndarray, np.generic, type, types.ModuleType)


class Hosted:
    """Host copies of tensors for forked workers; fetches a tensor again only if it was written to."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Tensor, int, np.ndarray]] = {}

    def fetch(self, *roots: Any) -> None:
        """Read all tensors reachable from these objects that are not known yet; waits once."""
        held = [tensor for tensor in reachable(roots) if tensor._id]
        old, self._known = self._known, {}
        asked = []
        for tensor in held:
            before = old.get(id(tensor))
            if before is not None and before[0] is tensor and before[1] == tensor._version_now:
                self._known[id(tensor)] = before
            else:
                asked.append((tensor, tensor._version_now, tensor.read()))
        for tensor, version, future in asked:
            self._known[id(tensor)] = (tensor, version, host_tensors.narrowed(future.result(), tensor.dtype.name))

    def to_host(self) -> None:
        """In a forked worker: turn these tensors into host tensors."""
        for tensor, _, values in self._known.values():
            tensor._id, tensor._host, tensor._base, tensor._offset = 0, values, None, 0
            tensor._meta = host_tensors.from_array(values, tensor.dtype, tensor._meta.device)._meta


def reachable(roots: tuple[Any, ...]) -> Iterator[Tensor]:
    """The tensors that objects hold: in attributes, containers, closures, and globals that their functions name."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if isinstance(item, _ATOMS) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            yield item
        else:
            waiting += _parts(item)


def _parts(item: Any) -> Iterator[Any]:
    """The objects that an object holds directly."""
    if isinstance(item, dict):  # other mappings may compute their values
        return iter(item.values())
    if isinstance(item, list | tuple | set | frozenset):
        return iter(item)
    if isinstance(item, types.FunctionType):
        return _of_function(item)
    if isinstance(item, types.MethodType):
        return iter((item.__self__, item.__func__))
    if isinstance(item, functools.partial):
        return iter((item.func, *item.args, *item.keywords.values()))
    return _of_object(item)


def _is_users(module: str | None) -> bool:
    """Whether a module may hold a user's tensors: it is not Python's, NumPy's or telegrad's."""
    root = (module or "").partition(".")[0]
    return root == "__main__" or (root not in sys.stdlib_module_names and root not in ("telegrad", "numpy"))


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    if not _is_users(function.__module__):
        return
    yield from function.__defaults__ or ()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet filled
            continue
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _of_object(item: Any) -> Iterator[Any]:
    """The attributes of an instance, and the objects that its methods reach."""
    yield from getattr(item, "__dict__", {}).values()
    for kind in type(item).__mro__:
        if not _is_users(kind.__module__):
            continue
        for value in vars(kind).values():
            if isinstance(value, types.FunctionType | Tensor | list | tuple | dict):
                yield value
