"""`torch.nn.functional`: the declared ops of that namespace, and overloads of them.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from typing import Any, Literal, overload

from telegrad._api.signatures import Number, Sizes
from telegrad._tensor import Tensor
from telegrad.random import Generator
from telegrad_protocol.dtypes import DType

def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The averages of `output_size` windows that cover the last dimension evenly."""

def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """The averages of `output_size` windows that cover the last two dimensions evenly; None keeps a size."""

def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """The averages of `output_size` windows that cover the last three dimensions evenly; None keeps a size."""

def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that cover the last dimension evenly; with `return_indices`, also their indices."""

def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that cover the last two dimensions evenly; with `return_indices`, also their indices."""

def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The average of each window of `input (N, C, L)` or `(C, L)`."""

def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of `input (N, C, H, W)` or `(C, H, W)`; padding counts by default."""

def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of `input (N, C, D, H, W)` or `(C, D, H, W)`."""

def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Normalizes each channel over the batch; in training, the running statistics follow the batch's.

    Formula: (input - mean) / sqrt(var + eps) * weight + bias, with the biased variance; the running variance takes
    the unbiased one (Ioffe and Szegedy, 2015).
    """

def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1ᵀ weight[o] input2 + bias[o]` for each `o`: `(..., a)`, `(..., b)`, weight `(out, a, b)`."""

def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The cross entropy of probabilities `input` with `target`; logarithms are bounded by -100."""

def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, computed without overflow; `pos_weight` weighs the positives."""

def celu(input: Tensor, alpha: float = 1.0, *, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, L)`, or `(C, L)`, with `weight (O, C / groups, k)`, plus `bias (O,)`."""

def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, H, W)`, or `(C, H, W)`, with `weight (O, C / groups, kh, kw)`, plus `bias (O,)`.

    >>> import torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5), torch.ones(2, 1, 3, 3), padding=1).shape
    torch.Size([1, 2, 5, 5])
    """

def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of `input (N, C, D, H, W)`, or `(C, D, H, W)`, with `weight (O, C / groups, kd, kh, kw)`."""

def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv1d`: `input (N, C, L)`, weight `(C, O / groups, k)`, bias `(O,)`."""

def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv2d`: `input (N, C, H, W)`, weight `(C, O / groups, kh, kw)`, bias `(O,)`."""

def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv3d`: `input (N, C, D, H, W)`, weight `(C, O / groups, kd, kh, kw)`, bias `(O,)`."""

def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 - cos where `target` is 1, max(0, cos - margin) where it is -1; inputs `(N, d)` or `(d,)`."""

def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms below `eps` count as `eps`."""

def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross entropy of logits `(N, C)`, `(C,)` or `(N, C, ...)` with classes or class probabilities.

    Classes are int64, `(N, ...)`; probabilities are like `input`. With reduction "mean" the rows count as their
    classes' `weight (C,)` says. A class out of range raises IndexError, unless it is `ignore_index`.

    >>> import torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """

def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None, *, inplace: bool = False
) -> Tensor:
    """Zeroes elements with probability `p` and scales the others by 1 / (1 - p), in training only."""

def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None, *, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of (N, C, L)."""

def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None, *, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of (N, C, H, W)."""

def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None, *, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of (N, C, D, H, W)."""

def elu(input: Tensor, alpha: float = 1.0, *, inplace: bool = False) -> Tensor:
    """x where it is positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015)."""

def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight (n, d)` at the indices `input`: `(*input.shape, d)`.

    Row `padding_idx` gets no gradient; `scale_grad_by_freq` divides a row's gradient by how often it is used.
    `max_norm` and `sparse` are refused. An index out of range raises IndexError.
    """

def fold(
    input: Tensor, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Columns `(N, C * kh * kw, patches)` added up where their patches lie: `(N, C, *output_size)`."""

def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor, full: bool = False, eps: float = 1e-06, *, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood under normal laws with means `input` and variances `var`, at least `eps`."""

def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x Φ(x), with the normal distribution's Φ, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""

def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the halves a and b of a dimension."""

def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05
) -> Tensor:
    """Layer norm of each group of channels of `input (N, C, ...)`; weight and bias `(C,)`."""

def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, but 0 within [-lambd, lambd]."""

def hardsigmoid(input: Tensor, *, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6."""

def hardswish(input: Tensor, *, inplace: bool = False) -> Tensor:
    """x relu6(x + 3) / 6."""

def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, *, inplace: bool = False) -> Tensor:
    """x limited to [min_val, max_val]; no gradient at the limits."""

def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """`input` where `target` is 1, max(0, margin - input) where it is -1."""

def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared difference where the difference is below `delta`, else linear with slope `delta`."""

def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: float | list[float] | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes to a size, or by a factor. Raises NotImplementedError for `antialias` and `recompute_scale_factor`."""

def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback-Leibler divergence of log-probabilities `input` from `target`; "batchmean" divides by N."""

def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute difference."""

def layer_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05
) -> Tensor:
    """Shifts and scales the last dimensions to mean 0 and variance 1, then applies `weight` and `bias`."""

def leaky_relu(input: Tensor, negative_slope: float = 0.01, *, inplace: bool = False) -> Tensor:
    """x where it is positive, a small multiple of it elsewhere."""

def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias`: input `(..., in)`, weight `(out, in)` or `(in,)`, bias `(out,)`."""

def local_response_norm(input: Tensor, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divides by `(k + alpha * mean)**beta`, the mean being that of squares over `size` neighbouring channels."""

def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, computed without leaving the range of the dtype."""

def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without underflow."""

def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin)."""

def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of `input (N, C, L)` or `(C, L)`."""

@overload
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor:
    """The maximum of each window; with `return_indices`, also its index."""

@overload
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Tensor]: ...
def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of `input (N, C, D, H, W)` or `(C, D, H, W)`."""

def mish(input: Tensor, *, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra, 2019)."""

def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared difference."""

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

def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of classes `(N, ...)` under log-probabilities `(N, C, ...)` or `(C,)`."""

def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divides vectors along `dim` by their p-norm, or by `eps` where that is larger."""

def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A row of zeros with a one at the class; as many classes as the largest index needs if none are given."""

def pad(input: Tensor, pad: Sizes, mode: str = "constant", value: Number | None = None) -> Tensor:
    """Adds `pad` elements (before, after) to the last dimension, to the one before it, and so on.

    `mode` chooses their values: `value`; "reflect": the inside mirrored at the edge; "replicate": the edge;
    "circular": the other end. Negative numbers cut off.
    """

def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> Tensor:
    """The p-norm of `x1 - x2 + eps` over the last dimension."""

def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels `(..., C * r * r, H, W)` as finer pixels `(..., C, H * r, W * r)`."""

def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""

def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-08,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts under Poisson's law; `full` adds Stirling's approximation."""

def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, a learned multiple of it elsewhere, per channel."""

def relu(input: Tensor, *, inplace: bool = False) -> Tensor:
    """The positive part of `input`: max(0, input)."""

def relu6(input: Tensor, *, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6)."""

def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divides by the root of the mean square over the last dimensions; `eps` None is the dtype's own."""

def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(query @ keyᵀ * scale + mask) @ value.

    Query `(..., L, E)`, key `(..., S, E)`, value `(..., S, V)` give `(..., L, V)`. `attn_mask` broadcasts to
    `(..., L, S)`: True where a query attends, or numbers to add. With `is_causal`, query i attends to keys 0..i.
    `scale` is 1/√E by default; `enable_gqa` lets several heads of queries share a head of keys and values.
    """

def selu(input: Tensor, *, inplace: bool = False) -> Tensor:
    """`elu`, scaled so that activations normalise themselves (Klambauer et al., 2017)."""

def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""

def silu(input: Tensor, *, inplace: bool = False) -> Tensor:
    """x sigmoid(x)."""

def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Half the squared difference over `beta` where the difference is below `beta`, else linear."""

def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input))."""

def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Exponentials along `dim`, scaled to add up to 1; `dtype` casts the input first.

    >>> import torch
    >>> torch.softmax(torch.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """

def softmin(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """`softmax` of `-input`."""

def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""

def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x drawn towards 0 by lambd, and 0 within it."""

def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""

def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""

def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""

def threshold(input: Tensor, threshold: Number, value: Number, *, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else the value."""

def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, distance to positive - distance to negative + margin), with p-norms over the last dimension.

    With `swap`, the negative's distance is the smaller of those to the anchor and to the positive.
    """

def unfold(input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Tensor:
    """The patches of `input (N, C, H, W)` as columns: `(N, C * kh * kw, patches)`."""
