"""The same call in telegrad and in PyTorch: values, dtypes, errors and warnings, brought to one form."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[Any], Any]

BUILTIN = (TypeError, ValueError, IndexError, KeyError, NotImplementedError, RuntimeError, AssertionError, Exception)


def outcome(lib: Any, call: Call, words: int = 40) -> Any:
    """What a call comes to, values read: a plain description, or the error's built-in type and first letters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = plain(call(lib))
        except Exception as error:
            kind = next(kind for kind in BUILTIN if isinstance(error, kind))
            found = f"{kind.__name__}: {str(error)[:words]}" if words else kind.__name__
    told = [(w.category.__name__, str(w.message)[:words]) for w in caught if w.category is not DeprecationWarning]
    return (found, told) if told else found


def plain(value: Any) -> Any:
    """A value without a library's types."""
    if hasattr(value, "detach"):
        return tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        return f"{type(value).__name__} {value.dtype}{list(value.shape)} {value.tolist()!r}"
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return re.sub(r"\b(telegrad|torch)\.", "", repr(value)) if not isinstance(value, str) else value


def tensor(value: Any) -> str:
    """Dtype, shape, values to five digits, and whether gradients flow."""
    values = value.detach().tolist()
    dtype = re.sub(r".*\.", "", str(value.dtype))
    return f"{dtype}{list(value.shape)} {rounded(values)}" + " grad" * bool(value.requires_grad)


def rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [rounded(item) for item in values]
    return float(f"{values:.5g}") if isinstance(values, float) else values


def calls(text: str) -> list[str]:
    """One expression a line; comments and empty lines are passed over."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def evaluate(lib: Any, line: str) -> Any:
    """A line of Python in which `t` is the library, `T` its `tensor`, `nn` and `F` what they are called everywhere.

    What stands before a last `;;` is carried out first.
    """
    names: dict[str, Any] = {"t": lib, "T": lib.tensor, "nn": lib.nn, "F": lib.nn.functional, "np": np, "math": math}
    before, _, last = line.rpartition(";;")
    exec(before.replace(";;", "\n").strip(), names)
    return eval(last, names)
