"""Samples of cumulative sums, products and extrema; differences; integrals by trapezoids."""

from __future__ import annotations

from .base import T, sample

INF = float("inf")
NAN = float("nan")
for running in ("cumsum", "cumprod"):
    sample(running, T(3, 4), 1)
    sample(running, T(3, 4), -2)
    sample(running, T(4, dtype="int32", low=1, high=3), 0)
    sample(running, T(4, dtype="bool"), 0)
    sample(running, T(3, 2), 0, dtype="float64")
    sample(running, T(), 0)
    sample(running, T(0, 2), 0)
    sample(running, T(6, dtype="bfloat16"), 0)
sample("cumprod", T(4, values=[2.0, 0.0, 3.0, 4.0]), 0)
sample("cumprod", T(2, 4, values=[[0.0, 0.0, 3.0, 4.0], [1.0, 2.0, 0.0, 0.0]]), 1, second=False)
for reverse in (False, True):
    sample("_recurrence", T(3, 4), T(3, 4), 1, reverse, oracle=False)
    sample("_recurrence", T(3, 2), T(3, 2), 0, reverse, oracle=False)
for extremum in ("cummax", "cummin"):
    sample(extremum, T(3, 4, distinct=True), 1)
    sample(extremum, T(4, dtype="int64", values=[1, 2, 2, 1]), 0)
    sample(extremum, T(values=[1.0, NAN, 3.0], grad=False), 0)
    sample(extremum, T(), 0)
sample("logcumsumexp", T(3, 4), 1)
sample("logcumsumexp", T(3, 4, low=-90.0, high=90.0), 0)
sample("logcumsumexp", T(values=[-INF, -INF, 1.0, 2.0], grad=False), 0)
sample("logcumsumexp", T(), 0)
sample("diff", T(3, 4))
sample("diff", T(3, 4), 2, 0)
sample("diff", T(3, 4), 1, -1, T(3, 1), T(3, 2))
sample("diff", T(4, dtype="bool"))
sample("diff", T(3), 5)
sample("trapezoid", T(3, 4))
sample("trapezoid", T(3, 4), dx=0.5, dim=0)
sample("trapezoid", T(3, 4), T(4))
sample("trapezoid", T(3, 4), T(3), dim=0)
sample("trapezoid", T(3, 4), T(3, 4))
sample("trapezoid", T(4, dtype="int64", low=-9, high=9))
sample("cumulative_trapezoid", T(3, 4))
sample("cumulative_trapezoid", T(3, 4), T(3), dim=0)
