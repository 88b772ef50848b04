"""Samples of random numbers. Both sides start from the same seed."""

from __future__ import annotations

from .base import T, sample

for draw in ("rand", "randn"):
    sample(draw, (3, 5))
    sample(draw, (40,), dtype="float64")
sample("randint", 0, 10, (3, 4))
sample("randint", -5, 5, (7,), dtype="int32")
sample("randperm", 10)
sample("bernoulli", T(4, 5, low=0.0, high=1.0, grad=False))
sample("multinomial", T(3, 5, low=0.1, high=1.0, grad=False), 2)
sample("multinomial", T(6, low=0.1, high=1.0, grad=False), 20, True)
for fill in ("_uniform", "_normal", "_exponential"):
    sample(fill, T(4, 5, grad=False), oracle=False)
sample("_random", T(4, 5, dtype="int64"), 0, 9, oracle=False)
sample("_random", T(4, 5, dtype="int64"), oracle=False)
sample("_bernoulli", T(4, 5, grad=False), 0.3, oracle=False)
sample("dropout", T(4, 5), 0.4)
sample("dropout", T(4, 5), 0.4, False)
for whole in ("dropout1d", "dropout2d", "dropout3d"):
    sample(whole, T(2, 3, *(2,) * int(whole[7])), 0.4)
