"""Samples, element by element: comparison, logic, bits, limits, and `where`."""

from __future__ import annotations

from .base import T, sample

for relation in ("eq", "ne", "lt", "le", "gt", "ge"):
    sample(relation, T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
    sample(relation, T(3, values=[1.0, 2.0, float("nan")]), 2)
for connective in ("logical_and", "logical_or", "logical_xor"):
    sample(connective, T(6, dtype="int64", low=0, high=1), T(6, dtype="bool"))
sample("logical_not", T(6, dtype="int64", low=0, high=1))
for bitwise in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"):
    sample(bitwise, T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))
    sample(bitwise, 6, T(6, dtype="int64", low=0, high=5))
sample("bitwise_not", T(6, dtype="int64", low=0, high=9))
sample("bitwise_not", T(6, dtype="bool"))
for kind_of_number in ("isnan", "isinf", "isfinite"):
    sample(kind_of_number, T(3, values=[1.0, float("inf"), float("nan")]))
    sample(kind_of_number, T(3, dtype="int64"))
for pair in ("maximum", "minimum"):
    sample(pair, T(3, 4), T(4))
    sample(pair, T(3, values=[1.0, 2.0, 3.0]), T(3, values=[1.0, 5.0, 0.0]), smooth=False)
sample("clamp", T(3, 4), -0.5, 0.7)
sample("clamp", T(3, 4), None, 0.7)
sample("clamp", T(3, 4), T(4, low=-1.0, high=0.0), T(4, low=0.2, high=1.0))
sample("clamp", T(5, dtype="int64", low=-9, high=9), 0, 4)
sample("clamp_min", T(3, 4), 0.3)
sample("clamp_max", T(3, 4), 0.3)
sample("where", T(3, 4, dtype="bool"), T(3, 4), T(4))
sample("where", T(3, dtype="bool"), T(3), 0.5)
sample("where", T(3, dtype="bool"), 1, 2.0)
sample("isclose", T(3, values=[1.0, 2.0, float("nan")]), T(3, values=[1.0, 2.1, float("nan")]))
sample("isclose", T(1, values=[float("nan")]), T(1, values=[float("nan")]), equal_nan=True)
sample("nan_to_num", T(4, values=[1.0, float("nan"), float("inf"), float("-inf")]), 0.5, smooth=False)
