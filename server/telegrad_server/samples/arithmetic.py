"""Samples of the element-by-element ops."""

from __future__ import annotations

from .base import T, sample

sample("neg", T(3, 4))
sample("neg", T())
sample("neg", T(0, 2))


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


sample("floor", T(3, 4, low=0.2, high=0.8))
sample("floor", T(low=0.2, high=0.8))
sample("floor", T(0, 2))

sample("ceil", T(3, 4, low=0.2, high=0.8))

sample("trunc", T(3, 4, low=0.2, high=0.8))

sample("sign", T(3, 4, low=0.2, high=0.8))

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
