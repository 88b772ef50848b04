"""Samples of maxima and averages of windows."""

from __future__ import annotations

from .base import T, sample

PLANES = T(2, 3, 6, 7, distinct=True)
VOLUMES = T(2, 2, 5, 4, 6, distinct=True)

sample("max_pool1d", T(2, 3, 9, distinct=True), 3)
sample("max_pool1d", T(3, 9, distinct=True), 3, 2, 1, 2, True)
sample("max_pool2d", PLANES, 2)
sample("max_pool2d", PLANES, (3, 2), (2, 1), (1, 0), (1, 2), True)
sample("max_pool2d", T(3, 6, 7, distinct=True), 3, 1, 1)
sample("max_pool2d", T(1, 1, 2, 2, values=[[[[1.0, float("nan")], [2.0, 3.0]]]], grad=False), 2)
sample("max_pool3d", VOLUMES, 2)
sample("max_pool3d", VOLUMES, (2, 3, 2), (1, 2, 2), (1, 1, 0), 1, True)
for dims, shape in ((1, (2, 3, 9)), (2, (2, 3, 6, 7)), (3, (2, 2, 5, 4, 6))):
    sample(f"_max_pool{dims}d_with_indices", T(*shape, distinct=True), 3, 2, 1, 1, False, oracle=False)
INDICES = T(2, 2, 2, dtype="int64", values=[[[0, 3], [9, 11]], [[1, 1], [8, 6]]])
sample("_max_pool2d_backward", T(2, 2, 2), INDICES, (2, 3, 4), oracle=False)
sample("_take_from_planes", T(2, 3, 4), INDICES, oracle=False)
sample("avg_pool1d", T(2, 3, 9), 3)
sample("avg_pool1d", T(3, 9), 3, 2, 1, True, False)
sample("avg_pool2d", T(2, 3, 6, 7), 2)
sample("avg_pool2d", T(2, 3, 6, 7), (3, 2), (2, 3), (1, 1), True, False)
sample("avg_pool2d", T(3, 6, 7), 3, 2, 1, True, True)
sample("avg_pool2d", T(3, 6, 7), 2, divisor_override=3)
sample("avg_pool3d", T(2, 2, 5, 4, 6), 2)
sample("avg_pool3d", T(2, 5, 4, 6), (3, 2, 2), 2, (1, 0, 1), True, False)
sample("avg_pool3d", T(2, 5, 4, 6), 2, divisor_override=3)
options = ((2, 2), (2, 2), (0, 0), False, True, None)
sample("_avg_pool2d_backward", T(2, 3, 3), (2, 6, 7), *options, oracle=False)
sample("adaptive_avg_pool1d", T(2, 3, 7), 3)
sample("adaptive_avg_pool2d", T(2, 3, 6, 7), (4, 3))
sample("adaptive_avg_pool2d", T(3, 6, 7), 1)
sample("adaptive_avg_pool2d", T(2, 3, 6, 7), (4, None))
sample("adaptive_avg_pool3d", T(2, 2, 5, 4, 6), (2, 3, 4))
sample("_adaptive_avg_pool2d_backward", T(2, 3, 3), (2, 6, 7), oracle=False)
sample("adaptive_max_pool1d", T(2, 3, 7, distinct=True), 3)
sample("adaptive_max_pool2d", PLANES, (4, 3))
sample("adaptive_max_pool2d", PLANES, (None, 3))
sample("_adaptive_max_pool2d_with_indices", PLANES, (4, 3), oracle=False)
