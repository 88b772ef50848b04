"""Tracebacks that end at the user's line: telegrad's own frames are removed where an error leaves it.

Every public function has a handler that calls `hide_frames` and raises again with a bare `raise`, which adds no entry
for its own frame. Generated functions carry it in their source, everything else gets it from `guard`. With
TELEGRAD_FULL_TRACEBACK=1 every frame stays.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType, TracebackType
from typing import Any, Final

import telegrad_protocol

_OURS: Final = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.dirname(os.path.abspath(telegrad_protocol.__file__)) + os.sep,
    "<telegrad ",
)
_STANDARD: Final = (os.path.realpath(sysconfig.get_path("stdlib")) + os.sep, os.path.dirname(os.__file__) + os.sep)
_INSTALLED: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_DEPENDENCIES: Final = ("numpy", "httpx", "httpcore", "h11", "anyio", "msgpack")

_PLAIN: Final = frozenset(
    "__del__ __new__ __hash__ __eq__ __dir__ __enter__ __exit__ __getattribute__ __init_subclass__ __class_getitem__ "
    "__copy__ forward dim numel nelement element_size is_contiguous is_floating_point is_complex storage_offset "
    "dtype device ndim is_cuda itemsize nbytes requires_grad is_leaf is_leaf_with_grad "
    "device_bits base root counter add_alias".split()
)
"""Methods and properties without a handler: they raise nothing of their own, or are called by one that has it."""


def hide_frames(error: BaseException) -> None:
    """Remove telegrad's frames from an error that is about to leave it, and the errors inside telegrad that led to it."""
    if os.environ.get("TELEGRAD_FULL_TRACEBACK") == "1":
        return
    error.__traceback__ = _users_entries(error.__traceback__)
    cause = error.__cause__
    if cause is not None and _stayed_inside(cause):
        error.__cause__ = None
        error.__suppress_context__ = False
    context = error.__context__
    while context is not None and _stayed_inside(context):
        context = context.__cause__ or context.__context__
    error.__context__ = context


def _stayed_inside(error: BaseException) -> bool:
    """Whether an error was raised and caught within telegrad."""
    return error.__traceback__ is not None and _users_entries(error.__traceback__) is None


def _users_entries(entry: TracebackType | None) -> TracebackType | None:
    """A traceback without telegrad's own entries and those of libraries below them; what they called back stays."""
    kept: list[TracebackType] = []
    inside = False
    while entry is not None:
        file = entry.tb_frame.f_code.co_filename
        inside = file.startswith(_OURS) or (inside and is_library(file))
        if not inside:
            kept.append(entry)
        entry = entry.tb_next
    for position, last in enumerate(kept, 1):
        last.tb_next = kept[position] if position < len(kept) else None
    return kept[0] if kept else None


def is_telegrads(file: str) -> bool:
    """Whether a file, or generated code, is telegrad's own."""
    return file.startswith(_OURS)


def is_library(file: str) -> bool:
    """Whether a file belongs to Python or to a dependency: what telegrad's own code calls."""
    for folder in _INSTALLED:
        _, found, path = file.rpartition(folder)
        if found:
            return path.partition(os.sep)[0] in _DEPENDENCIES
    return file.startswith((*_STANDARD, "<frozen ", "<__array_function__"))


# Handlers for what is written by hand ---------------------------------------------------------------------------


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with the handler around it."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            hide_frames(error)
            raise

    return call


def iterated(items: Iterator[Any]) -> Iterator[Any]:
    """An iterator with the handler around each step."""
    try:
        yield from items
    except BaseException as error:
        hide_frames(error)
        raise


def guard() -> None:
    """Give every public function, and every method of a public class, the handler."""
    made: dict[FunctionType, Callable[..., Any]] = {}
    classes: set[type] = set()
    for module in [m for name, m in sys.modules.items() if _is_telegrads(name) and "._" not in name]:
        for name in _faces(module):
            value = getattr(module, name)
            if isinstance(value, type):
                classes.update(cls for cls in (*value.__mro__, type(value)) if _is_telegrads(cls.__module__))
            elif _needs_handler(value):
                if value not in made:
                    made[value] = guarded(value)
                    if value.__module__ != module.__name__ and value.__name__ == name:
                        made[value].__module__ = module.__name__  # where pickle finds this very object
                setattr(module, name, made[value])
    for cls in classes:
        if not issubclass(cls, BaseException):
            _guard_class(cls, made)


def _is_telegrads(module: str) -> bool:
    return module.partition(".")[0] == "telegrad"


def _faces(module: ModuleType) -> list[str]:
    """The names that a public module shows."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def _needs_handler(value: Any) -> bool:
    """Whether this is a function of telegrad's own without a handler."""
    if not isinstance(value, FunctionType) or not value.__code__.co_filename.startswith(_OURS):
        return False
    return not inspect.isgeneratorfunction(value) and "hide_frames" not in value.__code__.co_names


def _guard_class(cls: type, made: dict[FunctionType, Callable[..., Any]]) -> None:
    for name, value in list(vars(cls).items()):
        if name.startswith("_") and not name.startswith("__"):
            continue
        if name in _PLAIN and not isinstance(value, property):
            continue
        if _needs_handler(value):
            setattr(cls, name, made.setdefault(value, guarded(value)))
        elif isinstance(value, property):
            plain = value.fget if name in _PLAIN else None
            parts: list[Any] = [value.fget, value.fset]
            getter, setter = [guarded(p) if p is not plain and _needs_handler(p) else p for p in parts]
            renewed: Any = property(getter, setter, value.fdel, value.__doc__)
            renewed.__set_name__(cls, name)  # what Python's errors call it
            setattr(cls, name, renewed)
        elif isinstance(value, classmethod | staticmethod) and _needs_handler(value.__func__):
            setattr(cls, name, type(value)(guarded(value.__func__)))
