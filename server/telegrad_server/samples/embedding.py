"""Samples of rows of a table, selected by indices."""

from __future__ import annotations

from .base import T, sample

INDEX = T(values=[[1, 3, 1], [0, 4, 1]], dtype="int64")

sample("embedding", INDEX, T(5, 3))
sample("embedding", INDEX, T(5, 3), padding_idx=1, smooth=False)
sample("embedding", INDEX, T(5, 3), padding_idx=-1, smooth=False)
sample("embedding", INDEX, T(5, 3), scale_grad_by_freq=True, smooth=False, second=False)
sample("embedding", T(0, dtype="int64"), T(5, 3))
sample("embedding", T(values=2, dtype="int32"), T(5, 3, dtype="bfloat16"))
for padding, scaled in ((None, False), (1, False), (1, True)):
    sample("_embedding_backward", T(2, 3, 4), INDEX, (5, 4), padding, scaled, oracle=False)
    sample("_embedding_rows", T(5, 4), INDEX, padding, scaled, oracle=False)
