"""The primitives of neural networks on a CUDA device: rows, losses, attention, tables, factors.

Half precision is computed in float32 inside the kernels. Nothing here waits for the device: an index that does not
exist is reported by the kernel that meets it, which goes on with 0, and raised at the next read.
"""

from __future__ import annotations

from math import nan, prod
from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError

from .device import THREADS
from .matmul import ProductPrimitives

Array = Any
# Rows of layer norm whose part of a weight's gradient one thread adds up, as `norm.cu` has it.
PART = 64
NULL = np.int64(0)
# `Mask` of attention.cu.
_MASK = np.dtype([("sizes", np.int64, 4), ("steps", np.int64, 4)])


def threads_for(count: int) -> int:
    """How many threads share a row: a power of two, as the reductions of `blocks.cuh` need it."""
    return min(THREADS, max(32, 1 << (count - 1).bit_length()))


def or_null(array: Array | None) -> Array:
    """The array, or the null pointer where there is none."""
    return NULL if array is None else array


def wide_dtype(dtype: Any) -> np.dtype[Any]:
    """What kernels compute in for floating arrays of this dtype."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


class NetworkPrimitives(ProductPrimitives):
    """A part of `CupyBackend`."""

    # Factors ----------------------------------------------------------------------------------------------
    # cuSOLVER's own check would wait for the device: a singular matrix gives infinities and nan instead.

    def inv(self, a: Array) -> Array:
        return self.cp.linalg.inv(a)

    def det(self, a: Array) -> Array:
        return self.cp.linalg.det(a)

    def solve(self, a: Array, b: Array) -> Array:
        """`x` with `a @ x = b`, of batches that broadcast."""
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (self.cp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
        return self.cp.linalg.solve(a, b)

    def cholesky(self, a: Array) -> Array:
        return self.cp.linalg.cholesky(a)

    def slogdet(self, a: Array) -> tuple[Array, Array]:
        """The signs of determinants, and the logarithms of their absolute values."""
        sign, logarithm = self.cp.linalg.slogdet(a)
        return sign, logarithm

    def eigh(self, a: Array, triangle: str) -> tuple[Array, Array]:
        """Eigenvalues in ascending order and eigenvectors as columns, read from the triangle "L" or "U"."""
        values, vectors = self.cp.linalg.eigh(a, triangle)
        return values, vectors

    # Rows -------------------------------------------------------------------------------------------------

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        """Softmax along an axis, or its logarithm."""
        return self._along("softmax", axis, log, x)

    def softmax_backward(self, g: Array, out: Array, axis: int, log: bool) -> Array:
        """The gradient for the input of `softmax`, from its result."""
        return self._along("softmax_backward", axis, log, g, out)

    def _along(self, name: str, axis: int, log: bool, *arrays: Array) -> Array:
        """Run a kernel of rows along any axis of arrays of one shape, where they lie."""
        arrays = tuple([self.contiguous(x) for x in arrays])
        shape, out = arrays[0].shape or (1,), self.cp.empty(arrays[0].shape, arrays[0].dtype)
        axis %= len(shape)
        n, inner = shape[axis], prod(shape[axis + 1 :])
        if out.size:
            args = (*arrays, out, out.size // n, n, inner)
            self.device.launch_rows("softmax", name, (out.dtype, log), out.size // n, *args, threads=threads_for(n))
        return out

    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Layer norm of each row of `x (rows, n)`: the result, the rows' means and reciprocal deviations."""
        return self._normed(self.contiguous(x), len(x), 1, weight, bias, eps)

    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """Layer norm of each group of channels of `x (N, C, L)`, and its means and reciprocal deviations."""
        return self._normed(self.contiguous(x), len(x) * groups, groups, weight, bias, eps)

    def _normed(
        self, x: Array, rows: int, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        cp, out, width = self.cp, self.cp.empty(x.shape, x.dtype), x.size // max(rows, 1)
        mean, rstd = (cp.empty(rows, wide_dtype(x.dtype)) for _ in range(2))
        weight, bias = (None if p is None else self.contiguous(p) for p in (weight, bias))
        args = (x, or_null(weight), or_null(bias), out, mean, rstd, rows, width, float(eps), *_channels(x, groups))
        types = (x.dtype, x.ndim == 3)
        if x.size:
            self.device.launch_rows("normalization", "layer_norm", types, rows, *args, threads=threads_for(width))
        return out, mean, rstd

    def layer_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `layer_norm`."""
        g, x = self.contiguous(g), self.contiguous(x)
        gx, (rows, n) = self._normed_backward(g, x, mean, rstd, 1, weight), x.shape
        parts = -(-rows // PART)
        sums, out = self.cp.empty((2, parts, n), mean.dtype), self.cp.empty((2, n), x.dtype)
        launch, types = self.device.launch, (x.dtype,)
        launch("normalization", "layer_norm_parts", types, parts * n, g, x, mean, rstd, sums, rows, n, parts)
        launch("normalization", "sum_parts", types, 2 * n, sums, out, parts, n)
        return gx, out[0], out[1]

    def group_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `group_norm`."""
        if not x.size:
            gw = self.cp.full(x.shape[1], nan if len(x) else 0, x.dtype)  # a mean of nothing is no number
            return self.cp.zeros(x.shape, x.dtype), gw, self.cp.zeros(x.shape[1], x.dtype)
        g, x = self.contiguous(g), self.contiguous(x)
        images, channels, length = x.shape
        groups = len(mean) // max(images, 1)
        gx = self._normed_backward(g, x, mean, rstd, groups, weight)
        gw, gb = (self.cp.empty(channels, x.dtype) for _ in range(2))
        args = (g, x, mean, rstd, gw, gb, images, channels, length, groups)
        self.device.launch_rows("normalization", "group_norm_channels", (x.dtype,), channels, *args)
        return gx, gw, gb

    def _normed_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, groups: int, weight: Array | None
    ) -> Array:
        gx, rows = self.cp.empty(x.shape, x.dtype), len(mean)
        width = x.size // max(rows, 1)
        weight = None if weight is None else self.contiguous(weight)
        args = (g, x, mean, rstd, or_null(weight), gx, rows, width, *_channels(x, groups))
        types = (x.dtype, x.ndim == 3)
        if x.size:
            self.device.launch_rows(
                "normalization", "layer_norm_backward", types, rows, *args, threads=threads_for(width)
            )
        return gx

    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Batch norm of `x (N, C, L)`: the result, the channels' means and biased variances."""
        x, out = self.contiguous(x), self.cp.empty(x.shape, x.dtype)
        mean, var = (self.cp.zeros(x.shape[1], x.dtype) for _ in range(2))
        if not x.size:
            return out, mean, var
        weight, bias = (None if p is None else self.contiguous(p) for p in (weight, bias))
        args = (x, or_null(weight), or_null(bias), out, mean, var, *x.shape, float(eps))
        self.device.launch_rows("normalization", "batch_norm", (x.dtype,), x.shape[1], *args)
        return out, mean, var

    def batch_norm_backward(
        self, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `batch_norm`."""
        g, x = self.contiguous(g), self.contiguous(x)
        gx, gw, gb = (self.cp.empty(shape, x.dtype) for shape in (x.shape, x.shape[1], x.shape[1]))
        weight = None if weight is None else self.contiguous(weight)
        args = (g, x, mean, var, or_null(weight), gx, gw, gb, *x.shape, float(eps))
        self.device.launch_rows("normalization", "batch_norm_backward", (x.dtype,), x.shape[1], *args)
        return gx, gw, gb

    # Losses -----------------------------------------------------------------------------------------------

    def cross_entropy(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float
    ) -> tuple[Array, Array]:
        """The cross entropy of each row with its class, and what the gradient needs."""
        logits, (rows, n) = self.contiguous(logits), logits.shape
        loss, saved = self.cp.empty(rows, logits.dtype), self.cp.empty((2, rows), wide_dtype(logits.dtype))
        classes = (self._classes(target), or_null(None if weight is None else self.contiguous(weight)))
        args = (logits, *classes, loss, saved, rows, n, ignore_index, float(smoothing), *self._target_check(n))
        self.device.launch_rows("loss", "cross_entropy", (logits.dtype,), rows, *args, threads=threads_for(n))
        return loss, saved

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
        logits, (rows, n) = self.contiguous(logits), logits.shape
        gx = self.cp.empty(logits.shape, logits.dtype)
        classes = (self._classes(target), or_null(None if weight is None else self.contiguous(weight)))
        options = (rows, n, ignore_index, float(smoothing), *self._target_check(n))
        # One gradient that all rows share is read again for each of them.
        args = (g, g.strides[0] // g.itemsize, logits, saved, *classes, gx, *options)
        self.device.launch_rows("loss", "cross_entropy_backward", (logits.dtype,), rows, *args, threads=threads_for(n))
        return gx

    def checked_targets(self, target: Array, classes: int, ignore_index: int) -> Array:
        """The classes, 0 where one is ignored or, which is reported, does not exist."""
        target, out = self.contiguous(target), self.cp.empty(target.shape, np.int64)
        args = (target, out, out.size, classes, ignore_index, *self._target_check(classes))
        self.device.launch("loss", "checked_targets", (target.dtype,), out.size, *args)
        return out

    def class_norm(self, target: Array, weight: Array | None, ignore_index: int, dtype: DType) -> Array:
        """How many classes count, or what their weights add up to, as a number of `dtype`."""
        target, out = self.contiguous(target), self.cp.empty((), self.dtype(dtype))
        classes = 0 if weight is None else len(weight)
        weights = NULL if weight is None else self.contiguous(weight)
        args = (target, weights, out, target.size, classes, ignore_index)
        self.device.launch_rows("loss", "class_norm", (out.dtype, target.dtype), 1, *args)
        return out

    def _classes(self, target: Array) -> Array:
        return self.contiguous(target.astype(np.int64, copy=False))

    def _target_check(self, classes: int) -> tuple[Array, np.int64]:
        return self.device.fault, self.device.check_with(_no_class, classes)

    # Attention --------------------------------------------------------------------------------------------

    def masked_scores(self, scores: Array, scale: float, mask: Array) -> Array:
        """`scale * scores` plus the mask, or -inf where a mask of booleans says no."""
        scores, out = self.contiguous(scores), self.cp.empty(scores.shape, scores.dtype)
        shape = (1, 1, *scores.shape)[-max(4, scores.ndim) :]
        shape = (prod(shape[:-3]), *shape[-3:])
        seen = self.cp.broadcast_to(mask, scores.shape).reshape(shape)
        steps = [stride // seen.itemsize for stride in seen.strides]
        places = np.array((shape, steps), _MASK)[()]
        types = (scores.dtype, seen.dtype)
        self.device.launch(
            "attention", "masked_scores", types, out.size, scores, float(scale), seen, out, out.size, places
        )
        return out

    def attention_weights(self, scores: Array, scale: float, causal: bool) -> Array:
        """Softmax of `scale * scores (..., queries, keys)`, in their memory where it can be."""
        return self._attend("attention_weights", self.contiguous(scores), (), scale, causal)

    def attention_weights_backward(self, g: Array, weights: Array, scale: float, causal: bool) -> Array:
        """The gradient for the scores of `attention_weights`, in the memory of `g` where it can be."""
        return self._attend(
            "attention_weights_backward", self.contiguous(g), (self.contiguous(weights),), scale, causal
        )

    def _attend(self, name: str, target: Array, others: tuple[Array, ...], scale: float, causal: bool) -> Array:
        *lead, queries, keys = target.shape
        rows = prod(lead) * queries
        args = (target, *others, rows, keys, float(scale), queries, causal)
        if keys:
            self.device.launch_rows("attention", name, (target.dtype,), rows, *args, threads=threads_for(keys))
        return target

    # Tables -----------------------------------------------------------------------------------------------

    def embedding(self, table: Array, index: Array, skipped: int | None = None) -> Array:
        """The rows of `table` that `index` names, zeros for `skipped`; the first row where there is none."""
        table, width = self.contiguous(table), prod(table.shape[1:])
        out = self.cp.empty((*index.shape, *table.shape[1:]), table.dtype)
        sizes = (index.size, width, len(table), -1 if skipped is None else skipped)
        args = (table, self._classes(index), out, *sizes, *self._index_check(len(table)))
        if out.size:
            self.device.launch_rows(
                "embedding", "embedding", (out.dtype,), index.size, *args, threads=threads_for(width)
            )
        return out

    def counts(self, index: Array, count: int) -> Array:
        """How often each of 0..count is in `index`."""
        out = self.cp.zeros(count, np.int64)
        self.device.launch("embedding", "counts", (), index.size, self._classes(index), out, index.size, count)
        return out

    def embedding_backward(self, g: Array, index: Array, count: int, skipped: int | None) -> Array:
        """The gradient of a table of `count` rows, from that of its rows `index`; `skipped` gets none."""
        g, places, width = self.contiguous(g), self._classes(index), g.shape[-1]
        rows, threads, none = index.size, threads_for(width), -1 if skipped is None else skipped
        out, first = self.cp.zeros((count, width), g.dtype), self.cp.full(count, rows, np.int64)
        args = (places, first, rows, count, *self._index_check(count))
        self.device.launch("embedding", "first_places", (), rows, *args)
        tiles = -(-width // threads)
        args = (g, places, first, out, rows, width, count, none, tiles)
        self.device.launch_rows("embedding", "embedding_backward", (g.dtype,), rows * tiles, *args, threads=threads)
        return out

    def _index_check(self, count: int) -> tuple[Array, np.int64]:
        return self.device.fault, self.device.check_with(_no_row, count)


def _no_class(index: int, classes: int) -> OpIndexError:
    message, op = f"Target {index} is out of bounds.", "cross_entropy"
    return OpIndexError(message, op=op, argument="target", expected=f"[0, {classes})", got=index)


def _no_row(index: int, count: int) -> OpIndexError:
    message, op = "index out of range in self", "embedding"
    return OpIndexError(message, op=op, argument="input", expected=f"[0, {count})", got=index)


def _channels(x: Array, groups: int) -> tuple[int, int, int]:
    """How a row's elements are channels: groups, channels in each, elements in each; not so in layer norm."""
    return (groups, x.shape[1] // groups, x.shape[2]) if x.ndim == 3 else (1, 1, 1)
