"""Samples of losses."""

from __future__ import annotations

from .base import T, sample

CLASSES = T(values=[2, 0, 3, 2], dtype="int64")
PIXELS = T(values=[[2, 0, 1], [1, 1, 0]], dtype="int64")
SIGNS = T(values=[1.0, -1.0, 1.0, -1.0], grad=False)
WEIGHT = T(5, low=0.2, high=2.0, grad=False)
CHANNEL_WEIGHT = T(3, low=0.2, high=2.0, grad=False)

for reduction in ("mean", "sum", "none"):
    sample("cross_entropy", T(4, 5), CLASSES, reduction=reduction)
    sample("cross_entropy", T(4, 5), CLASSES, WEIGHT, reduction=reduction, ignore_index=2, label_smoothing=0.2)
    sample("cross_entropy", T(2, 3, 3), PIXELS, CHANNEL_WEIGHT, reduction=reduction)
    sample("cross_entropy", T(4, 5), T(4, 5, low=0.0, high=1.0), WEIGHT, reduction=reduction)
    sample("nll_loss", T(4, 5), CLASSES, WEIGHT, reduction=reduction)
    for two in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        sample(two, T(3, 4), T(3, 4), reduction=reduction)
sample("cross_entropy", T(5), T(values=2, dtype="int64"))
sample("cross_entropy", T(5), T(5, low=0.0, high=1.0), label_smoothing=0.1)
sample("cross_entropy", T(2, 3, 3), T(2, 3, 3, low=0.0, high=1.0))
sample("cross_entropy", T(4, 5, dtype="bfloat16"), CLASSES)
sample("nll_loss", T(5), T(values=2, dtype="int64"))
sample("nll_loss", T(2, 3, 3), PIXELS, ignore_index=1)
for smoothing in (0.0, 0.3):
    sample("_cross_entropy_rows", T(4, 5), CLASSES, WEIGHT, 2, "mean", smoothing, oracle=False)
    sample("_cross_entropy_rows", T(4, 5), CLASSES, None, -100, "none", smoothing, oracle=False)
sample("_checked_targets", CLASSES, 5, 2, oracle=False)
sample("mse_loss", T(3), T(3, dtype="float64"))
sample("smooth_l1_loss", T(3, 4), T(3, 4), beta=0.5)
sample("smooth_l1_loss", T(3, 4), T(3, 4), beta=0.0)
sample("huber_loss", T(3, 4), T(3, 4), delta=0.5)
PROBABILITY = T(3, 4, low=0.1, high=0.9)
sample("binary_cross_entropy", PROBABILITY, PROBABILITY, second=False)
sample("binary_cross_entropy", PROBABILITY, PROBABILITY, T(4, low=0.1, high=1.0, grad=False), reduction="sum")
bce = "binary_cross_entropy_with_logits"
sample(bce, T(3, 4), PROBABILITY)
sample(bce, T(3, 4), T(3, 4, low=0.1, high=0.9), T(4, grad=False), pos_weight=T(4, low=0.1, high=2.0, grad=False))
sample("kl_div", T(3, 4), PROBABILITY, reduction="batchmean")
sample("kl_div", T(3, 4), T(3, 4), reduction="sum", log_target=True)
sample("kl_div", T(2), T(values=[0.0, 1.0], grad=False), reduction="none")
sample("cosine_embedding_loss", T(4, 3), T(4, 3), SIGNS, 0.1)
sample("cosine_embedding_loss", T(3), T(3), T(values=-1.0, grad=False), reduction="none")
sample("margin_ranking_loss", T(4), T(4), SIGNS, 0.3)
sample("hinge_embedding_loss", T(4), SIGNS)
sample("triplet_margin_loss", T(4, 3), T(4, 3), T(4, 3))
sample("triplet_margin_loss", T(4, 3), T(4, 3), T(4, 3), swap=True, reduction="none")
sample("soft_margin_loss", T(4), SIGNS)
sample("multi_margin_loss", T(4, 5), CLASSES, second=False)
sample("multi_margin_loss", T(4, 5), CLASSES, 2, 0.5, WEIGHT, reduction="sum", second=False)
COUNTS = T(values=[0.0, 1.0, 3.0, 7.0], grad=False)
sample("poisson_nll_loss", T(4), COUNTS)
sample("poisson_nll_loss", T(4, low=0.5, high=2.0), COUNTS, False, True)
sample("gaussian_nll_loss", T(3, 4), T(3, 4), T(3, 4, low=0.5, high=2.0))
sample("gaussian_nll_loss", T(3, 4), T(3, 4), T(3, low=0.5, high=2.0), full=True)
sample("_within", T(3, 4, low=0.0, high=1.0), 0.0, 1.0, "input", oracle=False)
