"""Functions of one tensor, element by element: each is a row of its family's table."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.rules import elementwise
from telegrad_protocol.spec import OpSpec, Rule, Tensor, op


def declare_unary(module: str, name: str, doc: str, rule: Rule | None = None, **traits: Any) -> OpSpec:
    """Declare the op `name(input: Tensor) -> Tensor` of the family `module`.

    By default it computes in floating point and has an in-place variant. A family writes its rows so:

        unary = partial(declare_unary, __name__)

        unary("exp", "e to the power of `input`.")
    """

    def function(input: Tensor) -> Tensor: ...

    function.__module__, function.__name__, function.__doc__ = module, name, doc
    return op(rule or elementwise("float"), **{"inplace": True, **traits})(function)
