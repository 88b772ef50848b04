"""Samples, element by element: sums, products, quotients, powers, roots, rounding."""

from __future__ import annotations

from .base import T, sample, sample_unary

sample_unary("neg")
sample_unary("sqrt", low=0.2, high=3.0)
sample_unary("rsqrt", low=0.2, high=3.0)
sample_unary("square")
sample_unary("reciprocal", low=0.2, high=3.0)
sample_unary("abs", low=0.2)
sample_unary("floor", low=0.2, high=0.8)
sample_unary("ceil", low=0.2, high=0.8)
sample_unary("trunc", low=0.2, high=0.8)
sample_unary("sign", low=0.2, high=0.8)
sample("round", T(3, 4, low=0.1, high=0.4))
sample("round", T(3, low=-9.0, high=9.0), decimals=2, smooth=False)
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
sample("lerp", T(3, 4), T(3, 4), 0.3)
sample("lerp", T(3, 4), T(3, 4), T(3, 4, low=0.0, high=1.0))
sample("addcmul", T(3, 4), T(3, 4), T(4), value=0.5)
sample("addcdiv", T(3, 4), T(3, 4), T(4, low=0.5, high=2.0), value=0.5)
