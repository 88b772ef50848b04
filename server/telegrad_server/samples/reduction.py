"""Samples of reductions over dimensions."""

from __future__ import annotations

from .base import T, sample

for reduction in ("sum", "mean"):
    sample(reduction, T(3, 4))
    sample(reduction, T(3, 4), 1)
    sample(reduction, T(3, 4, 2), (0, -1), keepdim=True)
    sample(reduction, T())
    sample(reduction, T(3, 4), dtype="float64")
sample("sum", T(0, 3), 0)
sample("sum", T(3, 4, dtype="int32", low=-5, high=5), 0)
sample("sum", T(3, 4, dtype="bool"))
sample("prod", T(3, 4))
sample("prod", T(3, 4), 1, keepdim=True)
sample("prod", T(4, values=[2.0, 0.0, 3.0, 4.0]))
sample("prod", T(5, dtype="int32", low=1, high=3))
for extremum in ("amax", "amin"):
    sample(extremum, T(3, 4, distinct=True))
    sample(extremum, T(3, 4, distinct=True), 0)
    sample(extremum, T(3, 4, distinct=True), 1)
    sample(extremum, T(3, 4, 2, distinct=True), (0, 2), True)
    sample(extremum, T(4, values=[1.0, 2.0, 2.0, 1.0]), smooth=False)
for along in ("_max_dim", "_min_dim"):
    sample(along, T(3, 4, distinct=True), 1, oracle=False)
    sample(along, T(3, 4, distinct=True), 0, True, oracle=False)
for position in ("argmax", "argmin"):
    sample(position, T(3, 4, distinct=True))
    sample(position, T(3, 4, distinct=True), 1)
    sample(position, T(3, 4, distinct=True), -2, True)
for truth in ("all", "any"):
    sample(truth, T(3, 4, dtype="bool"))
    sample(truth, T(3, 4, dtype="int64", low=0, high=1), 1, True)
for measure in ("var", "std"):
    sample(measure, T(3, 4))
    sample(measure, T(3, 4), 1, correction=0)
    sample(measure, T(3, 4, 2), (0, 1), keepdim=True)
sample("logsumexp", T(3, dtype="int64", low=0, high=5), 0)
sample("logsumexp", T(2, 0), 1, smooth=False)
sample("logsumexp", T(3, 4), 1)
sample("logsumexp", T(3, 4), (0, 1), True)
sample("vector_norm", T(3, 4))
sample("vector_norm", T(3, 4), 2, 1, True)
sample("vector_norm", T(3, 4), 1, 0)
sample("vector_norm", T(3, 4, low=0.3), 3.0)
sample("vector_norm", T(3, 4, distinct=True), float("inf"))
sample("vector_norm", T(3, 4), 0, smooth=False)
for ord in (1.5, 0.5, -1.0, float("-inf")):
    sample("vector_norm", T(3, 4, low=0.3, distinct=True), ord, 1)
sample("count_nonzero", T(3, 4, dtype="int64", low=0, high=1))
sample("count_nonzero", T(3, 4, dtype="int64", low=0, high=1), 1)
