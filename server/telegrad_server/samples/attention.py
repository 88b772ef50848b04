"""Samples of scaled dot-product attention."""

from __future__ import annotations

from .base import T, sample

Q, K, V = T(2, 3, 4, 5), T(2, 3, 6, 5), T(2, 3, 6, 7)
attend = "scaled_dot_product_attention"

sample(attend, Q, K, V)
sample(attend, Q, K, V, is_causal=True)
sample(attend, Q, K, V, T(4, 6, dtype="bool", values=[[1, 0, 1, 1, 0, 1]] * 4))
sample(attend, Q, K, V, T(3, 4, 6), scale=0.3)
sample(attend, T(4, 5), T(6, 5), T(6, 2))
sample(attend, T(2, 4, 3, 5), T(2, 2, 6, 5), T(2, 2, 6, 5), enable_gqa=True, second=False)
sample(attend, Q, K, V, dropout_p=0.5, oracle=False, smooth=False)
sample("_attention", Q, K, V, None, True, 0.5, oracle=False)
sample("_attention", Q, K, V, T(4, 6), False, 0.5, oracle=False)
sample("_attention", T(2, 4, 5), T(1, 4, 5), T(2, 4, 3), None, True, 1.0, oracle=False)
