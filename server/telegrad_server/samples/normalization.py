"""Samples of softmax and normalization."""

from __future__ import annotations

from .base import T, sample

for row in ("softmax", "log_softmax"):
    sample(row, T(3, 4), 1)
    sample(row, T(3, 4), 0)
    sample(row, T(2, 3, 4), -2)
    sample(row, T(), 0)
    sample(row, T(0, 3), 1)
    sample(row, T(3, 4), 1, dtype="float64")
    sample(row, T(3, 4, dtype="bfloat16"), 1)
    sample(row, T(2, 3, dtype="int64", low=-3, high=3), 1, dtype="float32")
sample("softmin", T(3, 4), 1)
for log in (False, True):
    sample("_softmax_backward", T(3, 4), T(3, 4, low=-2.0, high=-0.1), 1, log, oracle=False)
sample("layer_norm", T(3, 4), (4,))
sample("layer_norm", T(3, 4), (4,), T(4), T(4))
sample("layer_norm", T(2, 3, 4), (3, 4), T(3, 4), T(3, 4), 1e-3)
sample("layer_norm", T(3, 4), (4,), T(4))
sample("layer_norm", T(3, 4, dtype="bfloat16"), (4,), T(4, dtype="bfloat16"), T(4, dtype="bfloat16"))
sample("layer_norm", T(0, 4), (4,), T(4), T(4))
sample("rms_norm", T(3, 4), (4,))
sample("rms_norm", T(2, 3, 4), (3, 4), T(3, 4), 1e-3)
sample("group_norm", T(2, 6, 3), 2)
sample("group_norm", T(2, 6, 3, 2), 3, T(6), T(6))
sample("group_norm", T(4, 6), 2, T(6), T(6))
sample("_batch_norm_train", T(5, 3), T(3), T(3), 1e-5, oracle=False)
sample("_batch_norm_train", T(4, 3, 2, 5), T(3), T(3), 1e-5, oracle=False)
sample("_batch_norm_train", T(4, 3, 5), None, None, 1e-3, oracle=False)
sample("_batch_norm_eval", T(4, 3, 5), T(3), T(3, low=0.5, high=2.0), T(3), T(3), 1e-5, oracle=False)
sample("_batch_norm_eval", T(4, 3), T(3), T(3, low=0.5, high=2.0), None, None, 1e-5, oracle=False)
sample("normalize", T(3, 4))
sample("normalize", T(3, 4), p=1.0, dim=0)
sample("local_response_norm", T(2, 5, 3, 2), 3, alpha=0.1)
sample("local_response_norm", T(2, 4, 3), 2, alpha=0.1, beta=0.5, k=2.0)
