"""The calls that real CuPy takes: the committed snapshot, and by hand what CuPy cannot tell of itself.

A signature is written as in Python, `=` standing for any default: `a, axis=, *, dtype=`.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

SNAPSHOT: Final = Path(__file__).parent / "cupy_snapshot.json"

BY_HAND: Final = {
    "ElementwiseKernel": "in_params, out_params, operation, name=, reduce_dims=, preamble=, no_return=, return_tuple=, "
    "**options",
    "ReductionKernel": "in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name=, reduce_type=, "
    "reduce_dims=, preamble=, options=",
    "clear_memo": "",
    "cuda.Device": "device=",
    "cuda.Event": "block=, disable_timing=, interprocess=",
    "cuda.Stream": "null=, non_blocking=, ptds=, priority=",
    "fromDlpack": "dltensor",
    "from_dlpack": "array, *, device=, copy=",
    "fuse": "*args, **kwargs",
    "make_aligned_dtype": "dtype",
    "memoize": "for_each_device=",
    "min_scalar_type": "a",
    "ndarray": "shape, dtype=, memptr=, strides=, order=",
    "ndarray.__array_function__": "func, types, args, kwargs",
    "ndarray.__array_ufunc__": "ufunc, method, *inputs, **kwargs",
    "promote_types": "type1, type2",
    "size": "a, axis=",
    "ufunc.__call__": "*args, out=, dtype=, casting=",
    "ufunc.accumulate": "array, axis=, dtype=, out=",
    "ufunc.at": "a, indices, b=",
    "ufunc.outer": "A, B, **kwargs",
    "ufunc.reduce": "array, axis=, dtype=, out=, keepdims=",
    "ufunc.reduceat": "array, indices, axis=, dtype=, out=",
}
"""Calls whose signature neither `inspect` nor the first line of a docstring gives."""


@cache
def snapshot() -> dict[str, Any]:
    """What `gpu.snapshot` wrote down of real CuPy."""
    found: dict[str, Any] = json.loads(SNAPSHOT.read_text())
    return found


@cache
def signature(name: str) -> inspect.Signature | None:
    """The signature of a name of the snapshot, `ndarray.sum` or `linalg.inv`; None if it is not a function there."""
    text = BY_HAND.get(name)
    if text is None:
        text = snapshot()["functions"].get(name)
    return None if text is None else parse(text)


def parse(text: str) -> inspect.Signature:
    """The signature that a text describes.

    >>> str(parse("a, axis=, *, dtype="))
    '(a, axis=None, *, dtype=None)'
    """
    parameters: list[inspect.Parameter] = []
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for word in filter(None, text.split(", ")):
        if word == "/":
            parameters = [p.replace(kind=inspect.Parameter.POSITIONAL_ONLY) for p in parameters]
        elif word == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
        elif word.startswith("**"):
            parameters.append(inspect.Parameter(word[2:], inspect.Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            parameters.append(inspect.Parameter(word[1:], inspect.Parameter.VAR_POSITIONAL))
            kind = inspect.Parameter.KEYWORD_ONLY
        else:
            default = None if word.endswith("=") else inspect.Parameter.empty
            parameters.append(inspect.Parameter(word.rstrip("="), kind, default=default))
    return inspect.Signature(parameters)


def describe(signature: inspect.Signature) -> str:
    """The text of a signature, the inverse of `parse`."""
    words: list[str] = []
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    before = None
    for parameter in signature.parameters.values():
        if before is inspect.Parameter.POSITIONAL_ONLY is not parameter.kind:
            words.append("/")
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and before not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.KEYWORD_ONLY,
        ):
            words.append("*")
        optional = parameter.default is not inspect.Parameter.empty
        words.append(stars.get(parameter.kind, "") + parameter.name + "=" * optional)
        before = parameter.kind
    return ", ".join(words + ["/"] * (before is inspect.Parameter.POSITIONAL_ONLY))
