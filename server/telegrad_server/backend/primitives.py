"""The interface of `xp`: the primitives that kernels are written in.

A primitive has one name, one signature and one meaning in every backend, and kernels use nothing else. `Primitives` lists
them by family; a backend that lacks one cannot be made. Beside these, every function of each element that NumPy has as a
ufunc is a primitive by its NumPy name (`add`, `exp`, `less`, ...), with NumPy's meaning.

Nothing waits for the device unless its description says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import TelegradError

from .device import Array, Device, abstract

Arrays = list[Any]
Sizes = tuple[int, ...]


@abstract
class Primitives(Device):
    """The primitives. Axes may be negative; `keepdims` keeps reduced axes with size 1."""

    # Creation ------------------------------------------------------------------------------------------------------

    def zeros(self, shape: Sizes, dtype: DType) -> Array: ...

    def ones(self, shape: Sizes, dtype: DType) -> Array: ...

    def full(self, shape: Sizes, value: Any, dtype: DType) -> Array:
        """An array of one value."""

    def eye(self, n: int, m: int, dtype: DType) -> Array:
        """A matrix `(n, m)` with ones on its diagonal."""

    def arange(self, start: Any, step: Any, count: int, dtype: DType) -> Array:
        """`count` numbers from `start` at distances of `step`, computed without rounding on the way."""

    def linspace(self, start: Any, end: Any, count: int, dtype: DType) -> Array:
        """`count` numbers from `start` to `end`, both included."""

    def full_like(self, like: Array, value: Any) -> Array:
        """An array of one value, in the shape and dtype of `like`."""

    def broadcast_copy(self, source: Any, like: Array) -> Array:
        """The values of `source`, broadcast and cast to the shape and dtype of `like`."""

    # Arithmetic ----------------------------------------------------------------------------------------------------

    def sign(self, array: Array) -> Array:
        """-1, 0 or 1; 0 for nan, as in PyTorch."""

    def floor(self, array: Array) -> Array:
        """The next integer below; integers as they are."""

    def ceil(self, array: Array) -> Array:
        """The next integer above; integers as they are."""

    def trunc(self, array: Array) -> Array:
        """The integer part; integers as they are."""

    def round(self, array: Array, decimals: int) -> Array:
        """Rounded to so many decimals, halves to even."""

    def rsqrt(self, array: Array) -> Array:
        """1 / √x."""

    def power(self, base: Any, exponent: Any) -> Array:
        """`base ** exponent`; an integer to a negative power is 0, or ±1 for ±1, as in PyTorch."""

    def floor_divide(self, a: Any, b: Any) -> Array:
        """The quotient rounded down; for floats by PyTorch's rule, which gives infinities where NumPy gives nan."""

    def trunc_divide(self, a: Any, b: Any) -> Array:
        """The quotient rounded towards zero."""

    def add_into(self, total: Any, value: Any) -> Array:
        """`total + value`, in the memory of `total` where it is an array."""

    def multiply_into(self, array: Array, number: float) -> None:
        """`array * number`, in the memory of `array`; allocates nothing."""

    # Comparison ----------------------------------------------------------------------------------------------------

    def nan_to_num(self, array: Array, nan: Any, posinf: Any, neginf: Any) -> Array:
        """Numbers for `nan` and the infinities, by default 0 and the dtype's largest."""

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        """`a` where the condition is true, else `b`; of two Python numbers, in float32."""

    # Transcendental ------------------------------------------------------------------------------------------------

    def erf(self, array: Array) -> Array:
        """The error function."""

    # Activation ----------------------------------------------------------------------------------------------------

    def sigmoid(self, array: Array) -> Array:
        """1 / (1 + e⁻ˣ)."""

    def gelu(self, array: Array, approximate: str) -> Array:
        """x Φ(x), or its approximation where `approximate` is "tanh"."""

    def gelu_backward(self, grad: Array, array: Array, approximate: str) -> Array:
        """The gradient for the input of `gelu`."""

    # Reduction -----------------------------------------------------------------------------------------------------

    def sum(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """The sum; integers and booleans add up as int64."""

    def mean(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """The mean of a floating array."""

    def prod(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """The product; integers and booleans multiply as int64."""

    def max(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """The largest element; `nan` where one is."""

    def min(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """The smallest element; `nan` where one is."""

    def argmax(self, array: Array, axis: int | None) -> Array:
        """The index of the first largest element along an axis, or in the flat array."""

    def argmin(self, array: Array, axis: int | None) -> Array:
        """The index of the first smallest element along an axis, or in the flat array."""

    def all(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """Whether all elements are true: a bool, or for uint8 a uint8."""

    def any(self, array: Array, axes: Sizes, keepdims: bool = False) -> Array:
        """Whether an element is true: a bool, or for uint8 a uint8."""

    def sum_to(self, array: Array, shape: Sizes) -> Array:
        """The sum over the axes that broadcasting from `shape` added or stretched."""

    # Scan ----------------------------------------------------------------------------------------------------------

    def cumsum(self, array: Array, axis: int) -> Array:
        """Running sums; integers and booleans add up as int64."""

    def cumprod(self, array: Array, axis: int) -> Array:
        """Running products; integers and booleans multiply as int64."""

    def recurrence(self, array: Array, factor: Array, axis: int, reverse: bool) -> Array:
        """`out[k] = array[k] + factor[k] * out[k - 1]` along an axis, or of `out[k + 1]` in reverse."""

    def running_extremum(self, array: Array, axis: int, largest: bool) -> tuple[Any, Any]:
        """The largest, or smallest, element so far along an axis, and its last index; `nan` stays."""

    def logcumsumexp(self, array: Array, axis: int) -> Array:
        """The logarithm of the running sum of exponentials."""

    # Sorting -------------------------------------------------------------------------------------------------------

    def argsort(self, rows: Array, descending: bool) -> Array:
        """The order of each row; equal elements keep their order."""

    def argtop(self, rows: Array, k: int, largest: bool) -> Array:
        """The indices of the `k` largest, or smallest, elements of each row, in order."""

    def argmedian(self, rows: Array, skip_nan: bool) -> Array:
        """The index of the middle of each row, the lower of two: of the first `nan`, or among the numbers with `skip_nan`."""

    def argmode(self, rows: Array) -> Array:
        """The last index of the most frequent value of each row, the smallest value of several."""

    # Counting ------------------------------------------------------------------------------------------------------

    def bincount(self, array: Array, weights: Any, least: int) -> Array:
        """How often each of 0, 1, ... occurs, or the sums of weights; `least` of them or more. Waits for the device."""

    def histogram(self, array: Array, bins: int, low: float, high: float) -> Array:
        """Counts of `bins` equal intervals of [low, high], or of the elements' own range where the two are equal.

        Waits for the device where it has to find that range.
        """

    def largest(self, array: Array) -> int:
        """The largest element as a Python number. Waits for the device."""

    def searchsorted(self, rows: Array, values: Any, right: bool) -> Array:
        """The indices at which values fit into sorted rows `(..., n)`: one vector for all, or a row per row of values."""

    def isin(self, elements: Array, among: Array, invert: bool) -> Array:
        """Whether each element is one of `among`, or is none with `invert`."""

    def unique(self, array: Array, axis: int | None) -> tuple[Any, Any, Any]:
        """The distinct values in order, the index of each element's value, and the counts; every nan is a value of its own.

        Waits for the device.
        """

    def unique_consecutive(self, array: Array, axis: int | None) -> tuple[Any, Any, Any]:
        """The first of each run of equal values, each element's run, and the runs' lengths. Waits for the device."""

    def one_hot(self, index: Array, classes: int) -> Array:
        """Rows of `classes` zeros, each with a one at its index."""

    # Joining -------------------------------------------------------------------------------------------------------

    def concatenate(self, arrays: Sequence[Array], axis: int = 0) -> Array: ...

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array: ...

    def tile(self, array: Array, reps: Sizes) -> Array: ...

    def repeated_index(self, repeats: Any, count: int) -> Array:
        """Each of 0 ... `count` - 1, as often as `repeats` says: one number for all, or one each. Waits for the device."""

    # Padding -------------------------------------------------------------------------------------------------------

    def pad(self, array: Array, pad: Sizes, value: Any) -> Array:
        """A border of `value`: two widths per axis, from the last axis on backwards; negative ones cut off."""

    # Layout --------------------------------------------------------------------------------------------------------

    def transpose(self, array: Array, axes: Sizes | None = None) -> Array: ...

    def swapaxes(self, array: Array, axis1: int, axis2: int) -> Array: ...

    def reshape(self, array: Array, shape: Sizes) -> Array: ...

    def broadcast_to(self, array: Array, shape: Sizes) -> Array:
        """A view of that shape. Its strides, not NumPy's flag, tell whether it may be written to."""

    def expand_dims(self, array: Array, axis: int | Sizes) -> Array: ...

    def squeeze(self, array: Array, axis: int | Sizes | None = None) -> Array: ...

    def flip(self, array: Array, axis: int | Sizes) -> Array: ...

    def roll(self, array: Array, shift: int | Sizes, axis: int | Sizes | None = None) -> Array: ...

    def as_strided(self, array: Array, size: Sizes, stride: Sizes, offset: int) -> Array:
        """A view of a contiguous array by size, stride and offset in elements. The caller checks the bounds."""

    def add_strided(
        self,
        values: Array,
        shape: Sizes,
        size: Sizes,
        stride: Sizes,
        offset: int,
    ) -> Array:
        """Zeros of `shape` with `values` added at the elements that `as_strided` shows, repeatedly where they overlap."""

    # Slicing -------------------------------------------------------------------------------------------------------

    def tril(self, array: Array, k: int = 0) -> Array:
        """The lower triangle, zeros above diagonal `k`."""

    def triu(self, array: Array, k: int = 0) -> Array:
        """The upper triangle, zeros below diagonal `k`."""

    def diagonal(self, array: Array, offset: int, axis1: int, axis2: int) -> Array:
        """A view of the diagonal of two axes, as a new last axis; writable where the array is."""

    def windows(self, array: Array, axis: int, size: int, step: int) -> Array:
        """A view of windows of `size` elements of an axis, `step` apart, as a new last axis."""

    # Gather --------------------------------------------------------------------------------------------------------

    def check_index(
        self, index: Array, low: int, high: int, error: Callable[..., TelegradError], *details: Any
    ) -> Array:
        """The index, checked: a kernel may follow it.

        An index outside [low, high) is an error, `error(index, *details)`: raised here, or at the next `raise_faults`, and
        then the result has 0 in its place.
        """

    def true_places(self, mask: Array) -> tuple[Any, ...]:
        """The indices of true elements, an array per axis; of a 0-d mask, along a new axis. Waits for the device."""

    def count_of(self, places: tuple[Any, ...]) -> int:
        """The number of elements that `true_places` found."""

    def nonzero(self, array: Array) -> Array:
        """The indices of nonzero elements, a row each. Waits for the device."""

    def put(self, out: Any, places: tuple[Any, ...], values: Any) -> Array:
        """`out` with `values` written at the indices. Raises ShapeError where they do not broadcast."""

    def add_at(self, out: Any, places: tuple[Any, ...], values: Any) -> Array:
        """`out` with `values` added at the indices, once per occurrence of an index, in their order."""

    def take(self, array: Array, index: Array, axis: int) -> Array:
        """The parts of an array along an axis that `index` names."""

    def take_along_axis(self, array: Array, index: Array, axis: int) -> Array:
        """The elements along an axis at the index, which has the size of the array along the others."""

    def take_along(self, array: Array, index: Array, axis: int) -> Array:
        """As `take_along_axis`, where the index may be smaller than the array along the other axes."""

    def scatter_along(self, out: Any, index: Array, values: Any, axis: int, how: str) -> Array:
        """`out` with values written ("set"), added ("add"), ... (`how`) along an axis where the index says.

        The index may be smaller than the array along the other axes.
        """

    # Matmul --------------------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Array:
        """The product of vectors, matrices or batches of matrices; half precision adds up in float32."""

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """`x @ weight.T + bias`."""

    # Linalg --------------------------------------------------------------------------------------------------------

    def inv(self, a: Array) -> Array: ...

    def det(self, a: Array) -> Array: ...

    def solve(self, a: Array, b: Array) -> Array:
        """`x` with `a @ x = b`, of batches that broadcast."""

    def cholesky(self, a: Array) -> Array: ...

    def slogdet(self, a: Array) -> tuple[Array, Array]:
        """The signs of determinants, and the logarithms of their absolute values."""

    def eigh(self, a: Array, triangle: str) -> tuple[Array, Array]:
        """Eigenvalues in ascending order and eigenvectors as columns, read from the triangle "L" or "U"."""

    # Normalization -------------------------------------------------------------------------------------------------

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        """Softmax along an axis, or its logarithm."""

    def softmax_backward(self, g: Array, out: Array, axis: int, log: bool) -> Array:
        """The gradient for the input of `softmax`, from its result."""

    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Layer norm of each row of `x (rows, n)`: the result, the rows' means and reciprocal deviations."""

    def layer_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `layer_norm`."""

    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """Layer norm of each group of channels of `x (N, C, L)`, and its means and reciprocal deviations."""

    def group_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `group_norm`."""

    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Batch norm of `x (N, C, L)`: the result, the channels' means and biased variances."""

    def batch_norm_backward(
        self, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `batch_norm`."""

    # Loss ----------------------------------------------------------------------------------------------------------

    def cross_entropy(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float
    ) -> tuple[Array, Array]:
        """The cross entropy of each row with its class, and the state for its gradient. Checks as in `check_index`."""

    def cross_entropy_backward(
        self,
        g: Array,
        logits: Array,
        saved: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        smoothing: float,
    ) -> Array:
        """The gradient for the logits of `cross_entropy`."""

    def checked_targets(self, target: Array, classes: int, ignore_index: int) -> Array:
        """The classes, 0 where one is ignored. A class that does not exist is an error, as in `check_index`."""

    def class_norm(self, target: Array, weight: Array | None, ignore_index: int, dtype: DType) -> Array:
        """The number of classes that are not ignored, or the sum of their weights, in `dtype`."""

    # Attention -----------------------------------------------------------------------------------------------------

    def masked_scores(self, scores: Array, scale: float, mask: Array) -> Array:
        """`scale * scores` plus the mask, or -inf where a mask of booleans is False."""

    def attention_weights(self, scores: Array, scale: float, causal: bool) -> Array:
        """The softmax of `scale * scores (..., queries, keys)`, in the memory of `scores` where possible."""

    def attention_weights_backward(self, g: Array, weights: Array, scale: float, causal: bool) -> Array:
        """The gradient for the scores of `attention_weights`, in the memory of `g` where possible."""

    # Embedding -----------------------------------------------------------------------------------------------------

    def embedding(self, table: Array, index: Array, skipped: int | None = None) -> Array:
        """The rows of `table` that `index` names, zeros for `skipped`. Checks as in `check_index`."""

    def counts(self, index: Array, count: int) -> Array:
        """How often each of 0..count is in `index`."""

    def embedding_backward(self, g: Array, index: Array, count: int, skipped: int | None) -> Array:
        """The gradient of a table of `count` rows, from that of its rows `index`; `skipped` gets none."""

    # Convolution ---------------------------------------------------------------------------------------------------

    def conv(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        groups: int,
    ) -> Array:
        """Convolution of `x (N, C, ...)` with `weight (O, C / groups, ...)`, plus `bias (O,)`."""

    def conv_input_grad(
        self, g: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        """The gradient for the input of `conv`, whose shape is `size`."""

    def conv_weight_grad(
        self, g: Array, x: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
    ) -> Array:
        """The gradient for the weight of `conv`, whose shape is `size`."""

    def im2col(self, x: Array, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        """The patches of `x (N, C, H, W)` as columns: `(N, C * kh * kw, positions)`."""

    def col2im(self, cols: Array, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Array:
        """Columns added up where the patches lay: `(N, C, *size)`."""

    # Pooling -------------------------------------------------------------------------------------------------------

    def max_pool2d(self, x: Array, *windows: Any) -> tuple[Array, Array]:
        """The maximum of each window of `x (..., H, W)`, and its index in the plane.

        `windows`: kernel, stride, padding, dilation, two numbers each, and whether the size is rounded up.
        """

    def adaptive_max_pool2d(self, x: Array, size: Sizes) -> tuple[Array, Array]:
        """The maximum of each of `size` windows that cover `x (..., H, W)`, and its index in the plane."""

    def max_pool2d_backward(self, g: Array, indices: Array, shape: Sizes) -> Array:
        """The gradient for the input of `max_pool2d`, from its indices."""

    def take_from_planes(self, x: Array, indices: Array) -> Array:
        """The elements of each plane of `x (..., H, W)` at `indices (..., OH, OW)`, counted row by row."""

    def avg_pool2d(self, x: Array, *windows: Any) -> Array:
        """The average of each window of `x (..., H, W)`.

        `windows`: kernel, stride, padding, two numbers each; whether the size is rounded up, whether padding counts, and
        the divisor or None.
        """

    def avg_pool2d_backward(self, g: Array, shape: Sizes, *windows: Any) -> Array:
        """The gradient for the input of `avg_pool2d`."""

    def adaptive_avg_pool2d(self, x: Array, size: Sizes) -> Array:
        """The average of each of `size` windows that cover `x (..., H, W)`."""

    def adaptive_avg_pool2d_backward(self, g: Array, shape: Sizes) -> Array:
        """The gradient for the input of `adaptive_avg_pool2d`."""

    # Random: `like` gives shape and dtype. Arguments that are refused consume nothing of the generator.

    def new_generator(self, seed: int) -> Any:
        """A generator for the draws of this backend."""

    def rand(self, generator: Any, size: Sizes, dtype: DType) -> Array:
        """Uniform over [0, 1)."""

    def randn(self, generator: Any, size: Sizes, dtype: DType) -> Array:
        """Normal with mean 0 and deviation 1."""

    def randint(self, generator: Any, low: int, high: int, size: Sizes, dtype: DType) -> Array:
        """Integers from [low, high)."""

    def randperm(self, generator: Any, n: int, dtype: DType) -> Array:
        """The integers below `n` in random order."""

    def uniform(self, generator: Any, like: Array, low: float, high: float) -> Array:
        """Uniform over [low, high)."""

    def normal(self, generator: Any, like: Array, mean: float, std: float) -> Array: ...

    def random_integers(self, generator: Any, like: Array, low: int | None, high: int | None) -> Array:
        """Integers from [low, high); without `low`, all that the dtype holds from 0 on."""

    def exponential(self, generator: Any, like: Array, lambd: float) -> Array:
        """Exponential with rate `lambd`."""

    def bernoulli(self, generator: Any, p: Any, like: Array) -> Array:
        """1 with probability `p`, a number or an array, else 0."""

    def multinomial(self, generator: Any, weights: Any, count: int, replacement: bool) -> Array:
        """`count` indices for each row of weights, with or without replacement."""

    def keep_mask(self, generator: Any, keep: float, shape: Sizes, like: Array) -> Array:
        """0, or 1 / keep with probability `keep`."""

    # Optimizers: lists have an entry per parameter; a state has the dtype of its parameter. In place.

    def sgd_update(
        self,
        params: Arrays,
        grads: Arrays,
        buffers: Arrays | None,
        fresh: list[bool],
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        """`p -= lr * (g + weight_decay * p)`, with momentum in a buffer, which is set where it is `fresh`."""

    def adam_update(
        self,
        params: Arrays,
        grads: Arrays,
        counts: Arrays,
        firsts: Arrays,
        seconds: Arrays,
        largest: Arrays | None,
        lr: float,
        b1: float,
        b2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Adam's next step, and AMSGrad's with `largest`. Adds 1 to each of `counts`, float32 numbers."""
