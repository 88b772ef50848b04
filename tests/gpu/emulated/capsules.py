"""CuPy's two modules that call CUDA, pointed at the emulation: in their capsules, for CuPy's compiled code, and in
their attributes, for Python code.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

# Functions that need no device.
KEPT: Final = {"check_status", "get_build_version", "_getCUDAMajorVersion", "_getLocalRuntimeVersion", "_export_enum"}

_CTYPES: Final = {
    "int": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "intptr_t": ctypes.c_ssize_t,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "PyObject *": ctypes.py_object,
}
_SIGNATURE: Final = re.compile(r"(?P<result>.+?) ?\((?P<arguments>.*)\)")

_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def replace_all(emulated: ModuleType, module: ModuleType, kind: str) -> None:
    """Emulate or refuse every function of `module`; `kind` is "runtime" or "driver".

    Raises ImportError where a signature is not what the emulator was written for.
    """
    capsules = module.__pyx_capi__
    missing = sorted(set(emulated.names(kind)) - capsules.keys())
    if missing:
        raise ImportError(f"{module.__name__} has no {', '.join(missing)}: this is another CuPy")
    for name, capsule in capsules.items():
        if name not in KEPT and _is_replaceable(signature(capsule)) and emulated.replace(kind, name, capsule):
            setattr(module, name, python_function(capsule))
    emulations = set(emulated.names(kind))
    for name, value in list(vars(module).items()):
        if callable(value) and not isinstance(value, type) and name not in KEPT | emulations and name[:2] != "__":
            setattr(module, name, refusal(f"{module.__name__}.{name}"))


def signature(capsule: Any) -> str:
    """The C signature that a capsule is named by."""
    return _capsule_name(capsule).decode()


def _is_replaceable(text: str) -> bool:
    """Whether a signature is that of a function that may call CUDA: not a variable, nor a maker of CUDA's structs."""
    return "(" in text and not text.startswith("cuda")


def python_function(capsule: Any) -> Callable[..., Any]:
    """The function behind a capsule, for Python: positional arguments, those that CuPy's compiler adds left out."""
    text = signature(capsule)
    match = _SIGNATURE.fullmatch(text)
    assert match is not None, text
    words = [word for word in match["arguments"].split(", ") if word != "void"]
    given = [word for word in words if "__pyx" not in word]
    prototype = ctypes.PYFUNCTYPE(_ctype(match["result"]), *(_ctype(word) for word in words))
    function = prototype(_capsule_pointer(capsule, text.encode()))
    added = (0,) * (len(words) - len(given))
    return lambda *arguments: function(*arguments, *added)


def _ctype(word: str) -> Any:
    if "__pyx_optional_args" in word:
        return ctypes.c_void_p
    if word.startswith("struct"):
        return ctypes.py_object
    return _CTYPES[word.replace(" __pyx_skip_dispatch", "")]


def refusal(name: str) -> Callable[..., Any]:
    """A function that says that it is not emulated."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{name} is not emulated")

    return refuse
