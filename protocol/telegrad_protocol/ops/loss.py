"""Loss functions."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpIndexError, OpValueError, ShapeError
from telegrad_protocol.rules import NO_MEAN, common_dtype, elementwise, need_floating, not_implemented
from telegrad_protocol.shapes import Meta, broadcast, like
from telegrad_protocol.spec import Checked, Inferred, Tensor, op


def _reduced(input: Meta, shape: tuple[int, ...], reduction: str, *others: Meta) -> Meta:
    if reduction not in ("none", "mean", "sum"):
        raise OpValueError(f"{reduction} is not a valid value for reduction", argument="reduction")
    return like(input, shape=shape if reduction == "none" else (), dtype=common_dtype((input, *others)))


def _elementwise(input: Meta, target: Meta, reduction: str, *others: Meta | None) -> Meta:
    given = [meta for meta in others if meta is not None]
    shape = broadcast(meta.shape for meta in (input, target, *given))
    return _reduced(input, shape, reduction, target, *given)


def _check_classes(
    input: Meta, target: Meta, weight: Meta | None, kernel: str = "log_softmax_lastdim_kernel_impl"
) -> None:
    """Raise unless `target` holds a class per row of `input (N, C, ...)` or `(C,)`."""
    _need_floating(input, kernel)
    if not input.ndim >= 1:
        raise ShapeError(f"Expected input with 1 or more dimensions, got {input.ndim}", argument="input")
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise ShapeError(
            f"expected target dtype to be Long or Byte, but got {dtypes.TYPE_NAMES[target.dtype]}",
            argument="target",
            expected="int64",
            got=target.dtype.name,
        )
    if input.ndim > 1 and (not target.ndim or target.shape[0] != input.shape[0]):
        size = target.shape[0] if target.ndim else 1
        raise OpValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({size}).",
            argument="target",
        )
    expected = () if input.ndim == 1 else (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        words = "0D or 1D target tensor expected, multi-target not supported"
        if input.ndim > 2:
            words = f"Expected target size {list(expected)}, got {list(target.shape)}"
        raise ShapeError(words, argument="target", expected=list(expected), got=list(target.shape))
    _check_class_weight(input, weight)


def _need_floating(input: Meta, kernel: str) -> None:
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented(kernel, input.dtype)


def _check_class_weight(input: Meta, weight: Meta | None) -> None:
    classes = input.shape[1] if input.ndim > 1 else input.shape[0]
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
            f"of shape: {list(weight.shape)}",
            argument="weight",
            expected=[classes],
            got=list(weight.shape),
        )
    if weight is not None and weight.dtype is not input.dtype:
        own, other = dtypes.TYPE_NAMES[input.dtype], dtypes.TYPE_NAMES[weight.dtype]
        raise ShapeError(f"expected scalar type {own} but found {other}", argument="weight")


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ShapeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}",
            argument="label_smoothing",
            got=label_smoothing,
        )


def _cross_entropy(
    input: Meta, target: Meta, weight: Meta | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Meta:
    _check_smoothing(label_smoothing)
    if target.shape == input.shape and target.dtype.category == dtypes.FLOAT:
        _check_class_weight(input, weight)
        if ignore_index >= 0:
            raise ShapeError("ignore_index is not supported for floating point target", argument="ignore_index")
    elif target.shape == input.shape and input.ndim:
        raise ShapeError(
            f"Expected floating point type for target with class probabilities, got {dtypes.TYPE_NAMES[target.dtype]}",
            argument="target",
            expected=input.dtype.name,
            got=target.dtype.name,
        )
    else:
        _check_classes(input, target, weight)
    rows = () if input.ndim == 1 else (input.shape[0], *input.shape[2:])
    return _reduced(input, rows, reduction)


@op(_cross_entropy, on="functional", autocast="float32")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: Checked = 0.0,
) -> Tensor:
    """The cross entropy of logits `(N, C)`, `(C,)` or `(N, C, ...)` with classes or class probabilities.

    Classes are int64, `(N, ...)`; probabilities are like `input`. With reduction "mean" the rows count as their
    classes' `weight (C,)` says. A class out of range raises IndexError, unless it is `ignore_index`.

    >>> import torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """


def _row_losses(
    input: Meta, target: Meta, weight: Meta | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Meta:
    if input.ndim != 2:
        raise ShapeError(f"expected rows of logits, (N, C), got {list(input.shape)}", argument="input")
    _check_smoothing(label_smoothing)
    _check_classes(input, target, weight)
    return _reduced(input, target.shape, reduction)


@op(_row_losses, on="", inner=True)
def _cross_entropy_rows(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: Checked,
) -> Tensor:
    """`cross_entropy` of logits `(N, C)` with classes `(N,)`."""


def _safe_classes(target: Meta, classes: int, ignore_index: int) -> Meta:
    if target.dtype.category != dtypes.INT:
        raise ShapeError(f"expected classes of an integer dtype, got {target.dtype.name}", argument="target")
    if classes < 0:
        raise ShapeError(f"a number of classes is not negative, got {classes}", argument="classes", got=classes)
    return like(target, dtype=dtypes.int64)


@op(_safe_classes, on="", inner=True, differentiable=False)
def _checked_targets(target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """The classes, with 0 for `ignore_index`; a class out of range raises IndexError."""


def _nll(input: Meta, target: Meta, weight: Meta | None, ignore_index: int, reduction: str) -> Meta:
    _check_classes(input, target, weight, "nll_loss_out_frame")
    return _reduced(input, target.shape, reduction)


@op(_nll, on="functional", autocast="float32")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of classes `(N, ...)` under log-probabilities `(N, C, ...)` or `(C,)`."""


def _two(input: Meta, target: Meta, reduction: str) -> Meta:
    return _elementwise(input, target, reduction)


def _alike(input: Meta, target: Meta, reduction: str, kernel: str = "") -> Inferred:
    """As `_two`, for losses that warn when they broadcast; `kernel` is PyTorch's name in the error for other dtypes."""
    found = _elementwise(input, target, reduction)
    if kernel:
        _need_floating(like(input, dtype=common_dtype((input, target))), kernel)
    elif reduction == "mean":
        need_floating(found, words=NO_MEAN)
    if input.shape == target.shape:
        return Inferred((found,))
    words = (
        f"Using a target size (torch.Size({list(target.shape)})) that is different to the input size "
        f"(torch.Size({list(input.shape)})). This will likely lead to incorrect results due to broadcasting. Please "
        "ensure they have the same size."
    )
    return Inferred((found,), warning=words)


@op(lambda input, target, reduction: _alike(input, target, reduction, "mse_cpu"), on="functional", autocast="float32")
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared difference."""


@op(_alike, on="functional", autocast="float32")
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute difference."""


def _smooth_l1(input: Meta, target: Meta, reduction: str, beta: float) -> Inferred:
    if beta < 0:
        raise ShapeError("smooth_l1_loss does not support negative values for beta.", argument="beta", got=beta)
    return _alike(input, target, reduction, "smooth_l1_cpu")


@op(_smooth_l1, on="functional", autocast="float32")
def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: Checked = 1.0) -> Tensor:
    """Half the squared difference over `beta` where the difference is below `beta`, else linear."""


def _huber_loss(input: Meta, target: Meta, reduction: str, delta: float) -> Inferred:
    if delta <= 0:
        raise ShapeError("huber_loss does not support non-positive values for delta.", argument="delta", got=delta)
    return _alike(input, target, reduction, "huber_cpu")


@op(_huber_loss, on="functional", autocast="float32")
def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: Checked = 1.0) -> Tensor:
    """Half the squared difference where the difference is below `delta`, else linear with slope `delta`."""


@op(elementwise("float"), on="", inner=True)
def _huber(input: Tensor, target: Tensor, delta: float) -> Tensor:
    """`huber_loss` element by element."""


def _bce(input: Meta, target: Meta, weight: Meta | None, reduction: str) -> Meta:
    if input.shape != target.shape:
        raise OpValueError(
            f"Using a target size (torch.Size({list(target.shape)})) that is different to the input size "
            f"(torch.Size({list(input.shape)})) "
            "is deprecated. Please ensure they have the same size.",
            argument="target",
            expected=list(input.shape),
            got=list(target.shape),
        )
    _need_floating(input, "binary_cross_entropy")
    if target.dtype is not input.dtype:
        raise ShapeError(
            f"Found dtype {dtypes.TYPE_NAMES[target.dtype]} but expected {dtypes.TYPE_NAMES[input.dtype]}",
            argument="target",
            expected=input.dtype.name,
            got=target.dtype.name,
        )
    return _elementwise(input, target, reduction, weight)


@op(_bce, on="functional", autocast="float32")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The cross entropy of probabilities `input` with `target`; logarithms are bounded by -100."""


@op(elementwise("float"), on="", inner=True)
def _bernoulli_nll(input: Tensor, target: Tensor) -> Tensor:
    """`binary_cross_entropy` element by element."""


_BOUNDED = ("input", "target", "var")


def _known_bound(input: Meta, low: float, high: float, argument: str) -> Meta:
    if argument not in _BOUNDED:
        raise OpValueError(f"expected one of {_BOUNDED}", argument="argument", got=argument)
    return like(input, dtype=dtypes.bool_)


@op(_known_bound, on="", inner=True, differentiable=False)
def _within(input: Tensor, low: float, high: float, argument: str) -> Tensor:
    """True everywhere: a value outside [low, high] is an error that names the loss's argument."""


def _bce_logits(input: Meta, target: Meta, weight: Meta | None, reduction: str, pos_weight: Meta | None) -> Meta:
    if input.shape != target.shape:
        raise OpValueError(
            f"Target size (torch.Size({list(target.shape)})) must be the same as input size "
            f"(torch.Size({list(input.shape)}))",
            argument="target",
            expected=list(input.shape),
            got=list(target.shape),
        )
    _need_floating(input, "log_sigmoid_cpu")
    need_floating(
        target, "target", f"result type {dtypes.TYPE_NAMES[input.dtype]} can't be cast to the desired output type {{}}"
    )
    return _elementwise(input, target, reduction, weight, pos_weight)


@op(_bce_logits, on="functional", autocast="float32")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, computed without overflow; `pos_weight` weighs the positives."""


def _kl(input: Meta, target: Meta, reduction: str, log_target: bool) -> Inferred:
    need_floating(input, words="kl_div: Integral inputs not supported.")
    need_floating(target, "target", "kl_div: Integral inputs not supported.")
    if reduction == "batchmean" and not input.ndim:
        raise OpIndexError("Dimension specified as 0 but tensor has no dimensions", argument="input")
    found = _elementwise(input, target, "mean" if reduction == "batchmean" else reduction)
    words = (
        "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
        "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the same "
        "as 'batchmean' in the next major release."
    )
    return Inferred((found,), warning=words if reduction == "mean" else None)


@op(_kl, on="functional", autocast="float32")
def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback-Leibler divergence of log-probabilities `input` from `target`; "batchmean" divides by N."""


def _cosine(input1: Meta, input2: Meta, target: Meta, margin: float, reduction: str) -> Meta:
    if target.ndim > 1:
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported", argument="target")
    if input1.ndim != target.ndim + 1:
        raise ShapeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    shape = broadcast((broadcast((input1.shape, input2.shape))[:-1], target.shape))
    return _reduced(input1, shape, reduction, input2)


@op(_cosine, on="functional", autocast="float32")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 - cos where `target` is 1, max(0, cos - margin) where it is -1; inputs `(N, d)` or `(d,)`."""


def _ranking(input1: Meta, input2: Meta, target: Meta, margin: float, reduction: str) -> Meta:
    return _elementwise(input1, input2, reduction, target)


@op(_ranking, on="functional", autocast="float32")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin)."""


def _hinge(input: Meta, target: Meta, margin: float, reduction: str) -> Meta:
    return _elementwise(input, target, reduction)


@op(_hinge, on="functional", autocast="float32")
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """`input` where `target` is 1, max(0, margin - input) where it is -1."""


def _triplet(
    anchor: Meta, positive: Meta, negative: Meta, margin: float, p: float, eps: float, swap: bool, reduction: str
) -> Meta:
    if margin <= 0:
        raise OpValueError(f"margin must be greater than 0, got {margin}", argument="margin", got=margin)
    shape = broadcast((anchor.shape, positive.shape, negative.shape))
    return _reduced(anchor, shape[:-1], reduction, positive, negative)


@op(_triplet, on="functional", autocast="float32")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: Checked = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, distance to positive - distance to negative + margin), with p-norms over the last dimension.

    With `swap`, the negative's distance is the smaller of those to the anchor and to the positive.
    """


@op(_two, on="functional", autocast="float32")
def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input))."""


def _multi_margin(input: Meta, target: Meta, p: int, margin: float, weight: Meta | None, reduction: str) -> Meta:
    _check_classes(input, target, weight)
    if p not in (1, 2):
        raise OpValueError("only p == 1 and p == 2 supported", argument="p", got=p)
    return _reduced(input, target.shape, reduction)


@op(_multi_margin, on="functional", autocast="float32")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the other classes of max(0, margin - input[target] + input[other])**p."""


def _poisson(input: Meta, target: Meta, log_input: bool, full: bool, eps: float, reduction: str) -> Meta:
    return _elementwise(input, target, reduction)


@op(_poisson, on="functional", autocast="float32")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts under Poisson's law; `full` adds Stirling's approximation."""


def _gaussian(input: Meta, target: Meta, var: Meta, full: bool, eps: float, reduction: str) -> Meta:
    fits = var.ndim == 0 or var.shape in (input.shape, input.shape[:-1], (*input.shape[:-1], 1))
    if not fits:
        raise OpValueError("var is of incorrect size", argument="var", got=list(var.shape))
    return _elementwise(input, target, reduction, var if var.ndim == input.ndim else None)


@op(_gaussian, on="functional", autocast="float32")
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood under normal laws with means `input` and variances `var`, at least `eps`."""
