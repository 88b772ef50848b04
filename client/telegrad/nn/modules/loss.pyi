"""Losses as modules.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from typing import Any

from telegrad._tensor import Tensor
from telegrad.nn.modules.module import Module

class _Loss(Module):
    """`function(*inputs, **options)`; tensors among the options are buffers.

    `size_average` and `reduce` are PyTorch's deprecated forms of `reduction`, at the positions PyTorch has them.
    """

    options: dict[str, Any]
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class L1Loss(_Loss):
    """`nn.functional.l1_loss` as a module."""

    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class MSELoss(_Loss):
    """`nn.functional.mse_loss` as a module."""

    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class SmoothL1Loss(_Loss):
    """`nn.functional.smooth_l1_loss` as a module."""

    size_average: bool | None
    reduce: bool | None
    reduction: str
    beta: float
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class HuberLoss(_Loss):
    """`nn.functional.huber_loss` as a module."""

    reduction: str
    delta: float
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class CrossEntropyLoss(_Loss):
    """`nn.functional.cross_entropy` as a module."""

    weight: Tensor | None
    size_average: bool | None
    ignore_index: int
    reduce: bool | None
    reduction: str
    label_smoothing: float
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class NLLLoss(_Loss):
    """`nn.functional.nll_loss` as a module."""

    weight: Tensor | None
    size_average: bool | None
    ignore_index: int
    reduce: bool | None
    reduction: str
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class BCELoss(_Loss):
    """`nn.functional.binary_cross_entropy` as a module."""

    weight: Tensor | None
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class BCEWithLogitsLoss(_Loss):
    """`nn.functional.binary_cross_entropy_with_logits` as a module."""

    weight: Tensor | None
    size_average: bool | None
    reduce: bool | None
    reduction: str
    pos_weight: Tensor | None
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class KLDivLoss(_Loss):
    """`nn.functional.kl_div` as a module."""

    size_average: bool | None
    reduce: bool | None
    reduction: str
    log_target: bool
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class CosineEmbeddingLoss(_Loss):
    """`nn.functional.cosine_embedding_loss` as a module."""

    margin: float
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor: ...

class MarginRankingLoss(_Loss):
    """`nn.functional.margin_ranking_loss` as a module."""

    margin: float
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor: ...

class HingeEmbeddingLoss(_Loss):
    """`nn.functional.hinge_embedding_loss` as a module."""

    margin: float
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class SoftMarginLoss(_Loss):
    """`nn.functional.soft_margin_loss` as a module."""

    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class TripletMarginLoss(_Loss):
    """`nn.functional.triplet_margin_loss` as a module."""

    margin: float
    p: float
    eps: float
    swap: bool
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-06,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None: ...
    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor: ...

class PoissonNLLLoss(_Loss):
    """`nn.functional.poisson_nll_loss` as a module."""

    log_input: bool
    full: bool
    size_average: bool | None
    eps: float
    reduce: bool | None
    reduction: str
    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-08,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...

class GaussianNLLLoss(_Loss):
    """`nn.functional.gaussian_nll_loss` as a module."""

    full: bool
    eps: float
    reduction: str
    def __init__(self, full: bool = False, eps: float = 1e-06, reduction: str = "mean") -> None: ...
    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor: ...

class MultiMarginLoss(_Loss):
    """`nn.functional.multi_margin_loss` as a module."""

    p: int
    margin: float
    weight: Tensor | None
    size_average: bool | None
    reduce: bool | None
    reduction: str
    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None: ...
    def forward(self, input: Tensor, target: Tensor) -> Tensor: ...
