"""Losses as modules."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from telegrad import functional as F
from telegrad._tracing.call_sites import warn

from ._options import options_given
from .module import Module

_LEGACY: Final = ("size_average", "reduce")


class _Loss(Module):
    """`function(*inputs, **options)`; tensors among the options are buffers.

    `size_average` and `reduce` are PyTorch's deprecated forms of `reduction`, at the positions PyTorch has them.
    """

    function = ""
    options: dict[str, Any] = {}  # noqa: RUF012  # read only

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = options_given(type(self), self.options, args, kwargs)
        size_average, reduce = (given.pop(name, None) for name in _LEGACY)
        if size_average is not None or reduce is not None:
            given["reduction"] = _legacy_reduction(size_average, reduce)
        for name, value in given.items():
            if name in ("weight", "pos_weight"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def _of(self, *inputs: Any) -> Any:
        given = {name: getattr(self, name) for name in self.options if name not in _LEGACY}
        return getattr(F, self.function)(*inputs, **given)


def _legacy_reduction(size_average: Any, reduce: Any) -> str:
    averaged = size_average is None or bool(size_average)
    found = "none" if not (reduce is None or reduce) else "mean" if averaged else "sum"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.")
    return found


def _of_two(self: Any, input: Any, target: Any) -> Any:
    return self._of(input, target)


def _of_pair(self: Any, input1: Any, input2: Any, target: Any) -> Any:
    return self._of(input1, input2, target)


def _of_triplet(self: Any, anchor: Any, positive: Any, negative: Any) -> Any:
    return self._of(anchor, positive, negative)


def _of_spread(self: Any, input: Any, target: Any, var: Any) -> Any:
    return self._of(input, target, var)


def _made(name: str, function: str, forward: Any = _of_two, **options: Any) -> type[_Loss]:
    """Make a loss class. Its `forward` has the class's name, which Python shows in errors."""
    own = FunctionType(forward.__code__, forward.__globals__, "forward")
    own.__qualname__ = f"{name}.forward"
    doc = f"`nn.functional.{function}` as a module."
    traits = {"function": function, "options": options, "forward": own, "__doc__": doc, "__module__": __name__}
    return type(name, (_Loss,), traits)


_OLD: Final = dict.fromkeys(_LEGACY)

L1Loss = _made("L1Loss", "l1_loss", **_OLD, reduction="mean")
MSELoss = _made("MSELoss", "mse_loss", **_OLD, reduction="mean")
SmoothL1Loss = _made("SmoothL1Loss", "smooth_l1_loss", **_OLD, reduction="mean", beta=1.0)
HuberLoss = _made("HuberLoss", "huber_loss", reduction="mean", delta=1.0)
CrossEntropyLoss = _made(
    "CrossEntropyLoss",
    "cross_entropy",
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
)
NLLLoss = _made("NLLLoss", "nll_loss", weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean")
BCELoss = _made("BCELoss", "binary_cross_entropy", weight=None, **_OLD, reduction="mean")
BCEWithLogitsLoss = _made(
    "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", weight=None, **_OLD, reduction="mean", pos_weight=None
)
KLDivLoss = _made("KLDivLoss", "kl_div", **_OLD, reduction="mean", log_target=False)
CosineEmbeddingLoss = _made(
    "CosineEmbeddingLoss", "cosine_embedding_loss", _of_pair, margin=0.0, **_OLD, reduction="mean"
)
MarginRankingLoss = _made("MarginRankingLoss", "margin_ranking_loss", _of_pair, margin=0.0, **_OLD, reduction="mean")
HingeEmbeddingLoss = _made("HingeEmbeddingLoss", "hinge_embedding_loss", margin=1.0, **_OLD, reduction="mean")
SoftMarginLoss = _made("SoftMarginLoss", "soft_margin_loss", **_OLD, reduction="mean")
TripletMarginLoss = _made(
    "TripletMarginLoss",
    "triplet_margin_loss",
    _of_triplet,
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
    **_OLD,
    reduction="mean",
)
PoissonNLLLoss = _made(
    "PoissonNLLLoss",
    "poisson_nll_loss",
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
)
GaussianNLLLoss = _made("GaussianNLLLoss", "gaussian_nll_loss", _of_spread, full=False, eps=1e-6, reduction="mean")
MultiMarginLoss = _made("MultiMarginLoss", "multi_margin_loss", p=1, margin=1.0, weight=None, **_OLD, reduction="mean")
