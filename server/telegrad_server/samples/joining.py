"""Samples of several tensors joined into one; one tensor repeated."""

from __future__ import annotations

from .base import T, sample

sample("cat", (T(2, 3), T(4, 3)))
sample("cat", (T(2, 3), T(2, 1), T(2, 0)), -1)
sample("cat", (T(0), T(2, 3)), 1)
sample("cat", (T(2), T(3, dtype="float64"), T(2, dtype="int64")))
sample("cat", (T(3, dtype="bool"), T(2, dtype="uint8", low=0, high=9)))
sample("stack", (T(2, 3), T(2, 3)))
sample("stack", (T(2, 3), T(2, 3, dtype="float64")), -1)
sample("stack", (T(), T(), T()))
sample("hstack", (T(2), T(3)))
sample("hstack", (T(2, 1), T(2, 3)))
sample("vstack", (T(3), T(2, 3)))
sample("dstack", (T(2, 3), T(2, 3)))
sample("dstack", (T(3), T(3)))
for least in ("atleast_1d", "atleast_2d", "atleast_3d"):
    for shape in ((), (3,), (2, 3), (2, 1, 2)):
        sample(least, T(*shape))
sample("_block_diagonal", (T(2, 3), T(2), T(), T(1, 2)), oracle=False)
# PyTorch takes the tensors one by one.
sample("meshgrid", (T(3), T(2)), indexing="ij", oracle=False)
sample("meshgrid", (T(3), T(2), T()), indexing="xy", oracle=False)
sample("repeat", T(2, 3), (2, 1, 3))
sample("repeat", T(2), (0,))
sample("repeat", T(), (3,))
sample("tile", T(2, 3), (2,))
sample("tile", T(3), (2, 2))
sample("repeat_interleave", T(2, 3), 2)
sample("repeat_interleave", T(2, 3), 3, 1)
sample("_repeat_interleave_each", T(3, 2), T(3, dtype="int64", values=[2, 0, 1]), 0, oracle=False)
sample("_repeat_interleave_each", T(2, 2), T(1, dtype="int64", values=[2]), oracle=False)
sample("_repeated_index", T(3, dtype="int64", values=[2, 0, 1]), 3, oracle=False)
