"""The primitives of neural networks on the CPU: products, rows, losses, attention, tables.

The fused kernels know float32 and float64; half precision is computed in float32 around them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import numpy as np

from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import OpIndexError

from .jit import attention, batch_norm, gather
from .jit import normalization as rows
from .jit.matmul import for_blas, product, products

Array = np.ndarray


def is_half(array: Any) -> bool:
    return isinstance(array, Array) and array.dtype.itemsize == 2 and array.dtype.kind in "fV"


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a primitive C-contiguous arrays, in float32 instead of half precision, whose results go back to half."""

    @wraps(function)
    def primitive(self: Any, first: Array, *args: Any) -> Any:
        values = [np.ascontiguousarray(x) if type(x) is Array and x.ndim else x for x in (first, *args)]
        if not is_half(first):
            return function(self, *values)
        result = function(self, *[x.astype(np.float32) if is_half(x) else x for x in values])
        if type(result) is tuple:
            return tuple([_narrow(part, first.dtype) for part in result])
        return _narrow(result, first.dtype)

    return primitive


def _narrow(result: Any, dtype: Any) -> Any:
    return result.astype(dtype) if isinstance(result, Array) and result.dtype == np.float32 else result


def _matrix_bytes(a: Array) -> int:
    """Of one matrix of a batch."""
    return math.prod(a.shape[-2:]) * a.itemsize


class NetworkPrimitives:
    """A part of `NumpyBackend`."""

    def _beside(self, nbytes: int) -> AbstractContextManager[None]:
        raise NotImplementedError

    # Products ---------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Any:
        """The product of vectors, matrices or batches of matrices; half precision adds up in float32."""
        if is_half(a):
            return np.asarray(self.matmul(a.astype(np.float32), b.astype(np.float32))).astype(a.dtype)
        if b.ndim == 2 and a.ndim > 1 and a.dtype.kind == "f":
            # One product over all rows instead of one per matrix.
            flat = product(_rows_of(a), b)
            return flat.reshape(*a.shape[:-1], b.shape[-1])
        if a.ndim > 2 and a.shape[:-2] == b.shape[:-2] and a.dtype.kind == "f":
            return products(a, b)
        return np.matmul(for_blas(a), for_blas(b))

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Any:
        """`x @ weight.T + bias`."""
        plain = x.ndim > 1 and weight.ndim == 2 and x.dtype.kind == "f" and not is_half(x)
        if plain and (bias is None or bias.shape == weight.shape[:1]):
            return product(_rows_of(x), weight.T, bias).reshape(*x.shape[:-1], len(weight))
        out = self.matmul(x, weight.T)
        return out if bias is None else out + bias

    # Factors ----------------------------------------------------------------------------------------------

    # LAPACK works on copies of one matrix at a time, which NumPy takes by itself.

    def inv(self, a: Array) -> Array:
        with self._beside(2 * _matrix_bytes(a)):
            return np.linalg.inv(a)

    def det(self, a: Array) -> Array:
        with self._beside(_matrix_bytes(a)):
            return np.linalg.det(a)

    def solve(self, a: Array, b: Array) -> Array:
        with self._beside(_matrix_bytes(a) + (_matrix_bytes(b) if b.ndim > 1 else b.nbytes)):
            return np.linalg.solve(a, b)

    def cholesky(self, a: Array) -> Array:
        with self._beside(_matrix_bytes(a)):
            return np.linalg.cholesky(a)

    def slogdet(self, a: Array) -> tuple[Array, Array]:
        """The signs of determinants, and the logarithms of their absolute values."""
        with self._beside(_matrix_bytes(a)):
            sign, logarithm = np.linalg.slogdet(a)
        return sign, logarithm

    def eigh(self, a: Array, triangle: str) -> tuple[Array, Array]:
        """Eigenvalues in ascending order and eigenvectors as columns, read from the triangle "L" or "U"."""
        with self._beside(4 * _matrix_bytes(a)):
            values, vectors = np.linalg.eigh(a, triangle)
        return values, vectors

    # Rows -------------------------------------------------------------------------------------------------

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        """Softmax along an axis, or its logarithm."""
        return _along(rows.softmax_forward, axis, log, x)

    def softmax_backward(self, g: Array, out: Array, axis: int, log: bool) -> Array:
        """The gradient for the input of `softmax`, from its result."""
        return _along(rows.softmax_backward, axis, log, g, out)

    @widened
    def layer_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Layer norm of each row of `x (rows, n)`: the result, the rows' means and reciprocal deviations."""
        return rows.layer_norm_forward(x, weight, bias, eps)

    @widened
    def layer_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `layer_norm`."""
        return rows.layer_norm_backward(g, x, mean, rstd, weight)

    @widened
    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """Layer norm of each group of channels of `x (N, C, L)`, and its means and reciprocal deviations."""
        width = x.shape[1] // groups * x.shape[2]
        out, mean, rstd = rows.layer_norm_forward(x.reshape(len(x) * groups, width), None, None, eps)
        out = out.reshape(x.shape)
        if weight is not None:
            out *= weight[:, None]
        if bias is not None:
            out += bias[:, None]
        return out, mean, rstd

    @widened
    def group_norm_backward(
        self, g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `group_norm`."""
        if not len(x):
            return np.zeros_like(x), *np.zeros((2, x.shape[1]), x.dtype)
        scaled = g if weight is None else g * weight[:, None]
        groups = len(mean) // len(x)
        grouped = (len(mean), x.shape[1] // groups * x.shape[2])
        gx, _, _ = rows.layer_norm_backward(scaled.reshape(grouped), x.reshape(grouped), mean, rstd, None)
        total = np.add.reduce(g, axis=2)
        m, r = (np.repeat(v.reshape(len(x), groups), x.shape[1] // groups, 1) for v in (mean, rstd))
        along = (np.einsum("ncl,ncl->nc", g, x) - m * total) * r
        return gx.reshape(x.shape), along.sum(0), total.sum(0)

    @widened
    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
        """Batch norm of `x (N, C, L)`: the result, the channels' means and biased variances."""
        return batch_norm.batch_norm_forward(x, weight, bias, eps)

    @widened
    def batch_norm_backward(
        self, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """The gradients for the input, the weight and the bias of `batch_norm`."""
        return batch_norm.batch_norm_backward(g, x, mean, var, weight, eps, True)

    # Losses -----------------------------------------------------------------------------------------------

    @widened
    def cross_entropy(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, smoothing: float
    ) -> tuple[Array, Array]:
        """The cross entropy of each row with its class, and what the gradient needs."""
        target = target.astype(np.int64, copy=False)
        try:
            return rows.cross_entropy_forward(logits, target, weight, ignore_index, smoothing)
        except IndexError as error:
            raise OpIndexError(str(error), argument="target", expected=f"[0, {logits.shape[1]})") from None

    @widened
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
        target = target.astype(np.int64, copy=False)
        return rows.cross_entropy_backward(g, logits, saved, target, weight, ignore_index, smoothing)

    def checked_targets(self, target: Array, classes: int, ignore_index: int) -> Array:
        """The classes, 0 where one is ignored. Raises OpIndexError for one that does not exist."""
        ignored = target == ignore_index
        bad = ((target < 0) | (target >= classes)) & ~ignored
        if bad.any():
            first = target.reshape(-1)[bad.reshape(-1).argmax()]
            raise OpIndexError(f"Target {first} is out of bounds.", argument="target", expected=f"[0, {classes})")
        return np.where(ignored, 0, target).astype(np.int64)

    def class_norm(self, target: Array, weight: Array | None, ignore_index: int, dtype: DType) -> Any:
        """How many classes count, or what their weights add up to, as a number of `dtype`."""
        used = target != ignore_index
        total = used.sum() if weight is None else np.where(used, weight[np.where(used, target, 0)], 0).sum()
        return np.asarray(total, dtype=self.dtype(dtype))

    # Attention --------------------------------------------------------------------------------------------

    def masked_scores(self, scores: Array, scale: float, mask: Array) -> Array:
        """`scale * scores` plus the mask, or -inf where a mask of booleans says no."""
        if mask.dtype == bool:
            return np.where(mask, np.multiply(scores, scale), scores.dtype.type(-np.inf))
        return np.add(np.multiply(scores, scale), mask)

    @widened
    def attention_weights(self, scores: Array, scale: float, causal: bool) -> Array:
        """Softmax of `scale * scores (..., queries, keys)`, in their memory where it can be."""
        attention.attention_weights(_rows_of(scores), scale, scores.shape[-2], causal)
        return scores

    @widened
    def attention_weights_backward(self, g: Array, weights: Array, scale: float, causal: bool) -> Array:
        """The gradient for the scores of `attention_weights`, in the memory of `g` where it can be."""
        attention.attention_weights_backward(_rows_of(g), _rows_of(weights), scale, g.shape[-2], causal)
        return g

    # Tables -----------------------------------------------------------------------------------------------

    def embedding(self, table: Array, index: Array, skipped: int | None = None) -> Array:
        """The rows of `table` that `index` names, zeros for `skipped`. OpIndexError where there is none."""
        if index.size and not 0 <= index.min() <= index.max() < len(table):
            raise OpIndexError("index out of range in self", argument="input", expected=f"[0, {len(table)})")
        rows = np.take(table, index, axis=0)
        if skipped is not None:
            rows[index == skipped] = 0
        return rows

    def counts(self, index: Array, count: int) -> Array:
        """How often each of 0..count is in `index`."""
        return np.bincount(index.reshape(-1), minlength=count)

    @widened
    def embedding_backward(self, g: Array, index: Array, count: int, skipped: int | None) -> Array:
        """The gradient of a table of `count` rows, from that of its rows `index`; `skipped` gets none."""
        width = g.shape[-1]
        wanted = index.reshape(-1).astype(np.int64)
        try:
            return gather.embedding_backward(g.reshape(wanted.size, width), wanted, count, skipped)
        except IndexError as error:
            raise OpIndexError(str(error), argument="input", expected=f"[0, {count})") from None


def _rows_of(array: Array) -> Array:
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _along(function: Callable[..., Array], axis: int, log: bool, *arrays: Array) -> Array:
    """Run a function of rows along any axis of arrays of one shape, half precision in float32."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    if not arrays[0].size:
        return np.empty(shape, dtype)
    last = axis % max(1, len(shape)) == max(1, len(shape)) - 1
    wide = [x.astype(np.float32) if is_half(x) else x for x in arrays]
    moved = [np.ascontiguousarray(x if last else np.moveaxis(x, axis, -1)) for x in wide]
    out = function(*[x.reshape(-1, x.shape[-1] if shape else 1) for x in moved], log).reshape(moved[0].shape)
    return (out if last else np.moveaxis(out, -1, axis)).reshape(shape).astype(dtype, copy=False)
