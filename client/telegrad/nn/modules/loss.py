"""Losses as modules."""

from __future__ import annotations

from typing import Any

from telegrad import functional as F

from .module import Module


class _Loss(Module):
    """`function(*inputs, **options)`; tensors among the options are buffers."""

    function = ""
    options: dict[str, Any] = {}  # noqa: RUF012  # read only

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = {**dict(zip(self.options, args, strict=False)), **kwargs}
        unknown = given.keys() - self.options.keys()
        if unknown or len(args) > len(self.options):
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(self.options)}; got {sorted(unknown) or len(args)}"
            )
        for name, default in self.options.items():
            value = given.get(name, default)
            if name in ("weight", "pos_weight"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Any) -> Any:
        return getattr(F, self.function)(*inputs, **{name: getattr(self, name) for name in self.options})


def _made(name: str, function: str, **options: Any) -> type[_Loss]:
    doc = f"`nn.functional.{function}` as a module."
    return type(name, (_Loss,), {"function": function, "options": options, "__doc__": doc, "__module__": __name__})


L1Loss = _made("L1Loss", "l1_loss", reduction="mean")
MSELoss = _made("MSELoss", "mse_loss", reduction="mean")
SmoothL1Loss = _made("SmoothL1Loss", "smooth_l1_loss", reduction="mean", beta=1.0)
HuberLoss = _made("HuberLoss", "huber_loss", reduction="mean", delta=1.0)
CrossEntropyLoss = _made(
    "CrossEntropyLoss", "cross_entropy", weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
)
NLLLoss = _made("NLLLoss", "nll_loss", weight=None, ignore_index=-100, reduction="mean")
BCELoss = _made("BCELoss", "binary_cross_entropy", weight=None, reduction="mean")
BCEWithLogitsLoss = _made(
    "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", weight=None, reduction="mean", pos_weight=None
)
KLDivLoss = _made("KLDivLoss", "kl_div", reduction="mean", log_target=False)
CosineEmbeddingLoss = _made("CosineEmbeddingLoss", "cosine_embedding_loss", margin=0.0, reduction="mean")
MarginRankingLoss = _made("MarginRankingLoss", "margin_ranking_loss", margin=0.0, reduction="mean")
HingeEmbeddingLoss = _made("HingeEmbeddingLoss", "hinge_embedding_loss", margin=1.0, reduction="mean")
SoftMarginLoss = _made("SoftMarginLoss", "soft_margin_loss", reduction="mean")
TripletMarginLoss = _made(
    "TripletMarginLoss", "triplet_margin_loss", margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"
)
PoissonNLLLoss = _made("PoissonNLLLoss", "poisson_nll_loss", log_input=True, full=False, eps=1e-8, reduction="mean")
GaussianNLLLoss = _made("GaussianNLLLoss", "gaussian_nll_loss", full=False, eps=1e-6, reduction="mean")
MultiMarginLoss = _made("MultiMarginLoss", "multi_margin_loss", p=1, margin=1.0, weight=None, reduction="mean")
