"""Writes down the names and signatures of an installed CuPy: `python -m gpu.snapshot`, with tests/ on the path.

CuPy can be imported and asked without a GPU. The strict module knows no other CuPy than what this finds.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from gpu.strict.signatures import BY_HAND, SNAPSHOT, describe, parse

MODULES = ("", "linalg", "cuda", "cuda.memory", "cuda.runtime", "lib", "lib.stride_tricks")
CLASSES = (
    "ndarray",
    "ufunc",
    "RawModule",
    "RawKernel",
    "cuda.Device",
    "cuda.Event",
    "cuda.Function",
    "cuda.MemoryPointer",
    "cuda.MemoryPool",
    "cuda.PinnedMemoryPointer",
    "cuda.PinnedMemoryPool",
    "cuda.Stream",
    "cuda.UnownedMemory",
)
NOISE = re.compile(
    r"__pyx_|__dict__|__weakref__|__module__|__slots__|runtime\.(cuda[A-Z]|stream[CDLNP]|event[BDI]|hostAlloc|memoryType)"
)
HEADER = re.compile(r"^[\w.]+\((?P<params>.*)\)")


def take(cupy: Any) -> dict[str, Any]:
    """Everything that the strict module needs to know of a CuPy."""
    named = {name: value for name, value in _names(cupy) if not NOISE.search(name)}
    functions = {name: text for name, value in named.items() if (text := _signature(name, value)) is not None}
    return {
        "cupy": cupy.__version__,
        "names": sorted(named),
        "functions": dict(sorted(functions.items())),
        "ufuncs": dict(sorted(_ufuncs(cupy).items())),
    }


def _names(cupy: Any) -> Any:
    for prefix in MODULES:
        home = _find(cupy, prefix)
        yield from ((f"{prefix}.{name}".lstrip("."), getattr(home, name)) for name in dir(home) if name[0] != "_")
    for prefix in CLASSES:
        home = _find(cupy, prefix)
        own = [name for name in dir(home) if name[0] != "_" or (name[:2] == "__" and name not in dir(object))]
        yield from ((f"{prefix}.{name}", getattr(home, name)) for name in own)


def _find(cupy: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        cupy = getattr(cupy, part)
    return cupy


def _ufuncs(cupy: Any) -> dict[str, list[str]]:
    """The loops of each ufunc, in the order in which CuPy tries them."""
    from cupy._sorting.search import _where_ufunc

    found = {name: value.types for name in dir(cupy) if isinstance(value := getattr(cupy, name), cupy.ufunc)}
    return {**found, "where": _where_ufunc.types}


def _signature(name: str, value: Any) -> str | None:
    """How a function is called: from Python, or from the line that Cython puts before its docstring."""
    if name in BY_HAND or not callable(value):
        return None
    try:
        return _method(name, describe(inspect.signature(value)))
    except (TypeError, ValueError):
        header = HEADER.match((value.__doc__ or "").split("\n")[0])
        return None if header is None or isinstance(value, _ufunc()) else _from_docstring(name, header["params"])


def _ufunc() -> Any:
    import cupy

    return cupy.ufunc


def _from_docstring(name: str, params: str) -> str:
    words = []
    for param in re.split(r", (?![^(]*\))", params) if params else []:
        left, equals, _ = param.partition("=")
        words.append(left.split()[-1] + equals)
    return _method(name, describe(parse(", ".join(words))))


def _method(name: str, text: str) -> str:
    """A method's signature without its receiver."""
    return text.removeprefix("self, ").removeprefix("cls, ") if text not in ("self", "cls") else ""


def render(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1) + "\n"


def main() -> None:
    import cupy

    SNAPSHOT.write_text(render(take(cupy)))


if __name__ == "__main__":
    main()
