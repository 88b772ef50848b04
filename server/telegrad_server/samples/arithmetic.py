"""Samples of the element-by-element ops."""

from __future__ import annotations

from .base import T, sample

sample("neg", T(3, 4))
sample("neg", T())
sample("neg", T(0, 2))

sample("exp", T(3, 4))
sample("exp", T())
sample("exp", T(0, 2))

sample("exp2", T(3, 4))
sample("exp2", T())
sample("exp2", T(0, 2))

sample("expm1", T(3, 4))
sample("expm1", T())
sample("expm1", T(0, 2))

sample("log", T(3, 4, low=0.2, high=3.0))
sample("log", T(low=0.2, high=3.0))
sample("log", T(0, 2))

sample("log2", T(3, 4, low=0.2, high=3.0))
sample("log2", T(low=0.2, high=3.0))
sample("log2", T(0, 2))

sample("log10", T(3, 4, low=0.2, high=3.0))
sample("log10", T(low=0.2, high=3.0))
sample("log10", T(0, 2))

sample("log1p", T(3, 4, low=-0.5, high=3.0))
sample("log1p", T(low=-0.5, high=3.0))
sample("log1p", T(0, 2))

sample("sqrt", T(3, 4, low=0.2, high=3.0))
sample("sqrt", T(low=0.2, high=3.0))
sample("sqrt", T(0, 2))

sample("rsqrt", T(3, 4, low=0.2, high=3.0))
sample("rsqrt", T(low=0.2, high=3.0))
sample("rsqrt", T(0, 2))

sample("square", T(3, 4))
sample("square", T())
sample("square", T(0, 2))

sample("reciprocal", T(3, 4, low=0.2, high=3.0))
sample("reciprocal", T(low=0.2, high=3.0))
sample("reciprocal", T(0, 2))

sample("abs", T(3, 4, low=0.2))
sample("abs", T(low=0.2))
sample("abs", T(0, 2))

sample("sin", T(3, 4))
sample("sin", T())
sample("sin", T(0, 2))

sample("cos", T(3, 4))
sample("cos", T())
sample("cos", T(0, 2))

sample("tan", T(3, 4, low=-1.0, high=1.0))
sample("tan", T(low=-1.0, high=1.0))
sample("tan", T(0, 2))

sample("asin", T(3, 4, low=-0.8, high=0.8))
sample("asin", T(low=-0.8, high=0.8))
sample("asin", T(0, 2))

sample("acos", T(3, 4, low=-0.8, high=0.8))
sample("acos", T(low=-0.8, high=0.8))
sample("acos", T(0, 2))

sample("atan", T(3, 4))
sample("atan", T())
sample("atan", T(0, 2))

sample("sinh", T(3, 4))
sample("sinh", T())
sample("sinh", T(0, 2))

sample("cosh", T(3, 4))
sample("cosh", T())
sample("cosh", T(0, 2))

sample("floor", T(3, 4, low=0.2, high=0.8))
sample("floor", T(low=0.2, high=0.8))
sample("floor", T(0, 2))

sample("ceil", T(3, 4, low=0.2, high=0.8))

sample("trunc", T(3, 4, low=0.2, high=0.8))

sample("sign", T(3, 4, low=0.2, high=0.8))

sample("round", T(3, 4, low=0.1, high=0.4))
sample("round", T(3, low=-9.0, high=9.0), decimals=2, smooth=False)

sample("tanh", T(3, 4))
sample("tanh", T(2, dtype="int64"))

sample("sigmoid", T(3, 4))
sample("sigmoid", T(2, dtype="int64"))

sample("erf", T(3, 4))

sample("eq", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("eq", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("ne", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("ne", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("lt", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("lt", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("le", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("le", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("gt", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("gt", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("ge", T(3, 4, dtype="int64", low=0, high=2), T(4, dtype="int64", low=0, high=2))
sample("ge", T(3, values=[1.0, 2.0, float("nan")]), 2)

sample("logical_and", T(6, dtype="int64", low=0, high=1), T(6, dtype="bool"))

sample("logical_or", T(6, dtype="int64", low=0, high=1), T(6, dtype="bool"))

sample("logical_xor", T(6, dtype="int64", low=0, high=1), T(6, dtype="bool"))

sample("logical_not", T(6, dtype="int64", low=0, high=1))

sample("bitwise_and", T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))

sample("bitwise_or", T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))

sample("bitwise_xor", T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))

sample("bitwise_left_shift", T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))

sample("bitwise_right_shift", T(6, dtype="int64", low=0, high=9), T(6, dtype="int64", low=0, high=5))

sample("bitwise_not", T(6, dtype="int64", low=0, high=9))
sample("bitwise_not", T(6, dtype="bool"))

sample("isnan", T(3, values=[1.0, float("inf"), float("nan")]))
sample("isnan", T(3, dtype="int64"))

sample("isinf", T(3, values=[1.0, float("inf"), float("nan")]))
sample("isinf", T(3, dtype="int64"))

sample("isfinite", T(3, values=[1.0, float("inf"), float("nan")]))
sample("isfinite", T(3, dtype="int64"))


for binary in ("add", "sub", "mul", "div"):
    sample(binary, T(3, 4), T(3, 4, low=0.5, high=2.0))
    sample(binary, T(3, 1), T(4, low=0.5, high=2.0))
    sample(binary, T(3), 2.5)
    sample(binary, T(), T(2, 2, low=0.5, high=2.0))
    sample(binary, T(2, 3), T(3, dtype="int64", low=1, high=3))
sample("add", T(3, 4), T(4), alpha=2.5)
sample("sub", T(3, 4), T(4), alpha=2)
sample("add", T(3, dtype="int64", low=0, high=9), 1.5)
sample("sub", 1.0, T(3), oracle=False)
for binary in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"):
    sample(binary, 6, T(6, dtype="int64", low=0, high=5))
sample("div", 1.0, T(3, low=0.5, high=2.0), oracle=False)
sample("div", T(3, dtype="int64", low=1, high=9), 2)
for mode in ("floor", "trunc"):
    sample("div", T(3, 4, low=-9.0, high=9.0), T(4, low=1.5, high=2.0), rounding_mode=mode)
    sample("div", T(5, dtype="int64", low=-9, high=9), 2, rounding_mode=mode)
sample("floor_divide", T(3, 4, low=-9.0, high=9.0), 2.0)
sample("floor_divide", T(5, dtype="int64", low=-9, high=9), 3)
for modulus in ("remainder", "fmod"):
    sample(modulus, T(3, 4, low=-9.0, high=9.0), T(4, low=1.5, high=2.5))
    sample(modulus, T(5, dtype="int64", low=-9, high=9), 3)
sample("pow", T(3, 4, low=0.2, high=2.0), T(4))
sample("pow", T(3, 4), 2)
sample("pow", T(3, 4, low=0.2, high=2.0), -1.5)
sample("pow", 2.0, T(3))
sample("pow", T(3, dtype="int64", low=0, high=4), 3)
for pair in ("maximum", "minimum"):
    sample(pair, T(3, 4), T(4))
    sample(pair, T(3, values=[1.0, 2.0, 3.0]), T(3, values=[1.0, 5.0, 0.0]), smooth=False)
sample("_cast_like", T(3, dtype="bool"), T(2), oracle=False)
sample("clamp", T(3, 4), -0.5, 0.7)
sample("clamp", T(3, 4), None, 0.7)
sample("clamp", T(3, 4), T(4, low=-1.0, high=0.0), T(4, low=0.2, high=1.0))
sample("clamp", T(5, dtype="int64", low=-9, high=9), 0, 4)
sample("clamp_min", T(3, 4), 0.3)
sample("clamp_max", T(3, 4), 0.3)
sample("where", T(3, 4, dtype="bool"), T(3, 4), T(4))
sample("where", T(3, dtype="bool"), T(3), 0.5)
sample("where", T(3, dtype="bool"), 1, 2.0)
sample("masked_fill", T(3, 4), T(4, dtype="bool"), -1.0)
sample("masked_fill", T(3, 4), T(3, 4, dtype="bool"), T())
sample("fill", T(3, 4), 2)
sample("fill", T(3, 4), T())
sample("copy", T(3, 4), T(4), oracle=False)
sample("copy", T(3, dtype="int64"), T(3), oracle=False)
sample("lerp", T(3, 4), T(3, 4), 0.3)
sample("lerp", T(3, 4), T(3, 4), T(3, 4, low=0.0, high=1.0))
sample("addcmul", T(3, 4), T(3, 4), T(4), value=0.5)
sample("addcdiv", T(3, 4), T(3, 4), T(4, low=0.5, high=2.0), value=0.5)
sample("isclose", T(3, values=[1.0, 2.0, float("nan")]), T(3, values=[1.0, 2.1, float("nan")]))
sample("isclose", T(1, values=[float("nan")]), T(1, values=[float("nan")]), equal_nan=True)
sample("nan_to_num", T(4, values=[1.0, float("nan"), float("inf"), float("-inf")]), 0.5, smooth=False)
sample("relu", T(3, 4))
sample("relu", T(0, 2))
sample("_relu_backward", T(3, 4), T(3, 4), oracle=False, smooth=False)
sample("xlogy", T(3, 4), T(4, low=0.2, high=2.0))
sample("xlogy", T(3), 2.0)
sample("xlogy", 2.0, T(3, low=0.2, high=2.0))
sample("xlogy", T(3, values=[0.0, 1.0, 2.0]), T(3, values=[0.5, 2.0, 1.0]))
sample("logaddexp", T(3, 4), T(4))
