"""Convolution over `(N, C, H, W)`: forward, input gradient and weight gradient, by columns and matrix products.

Each output position's patch becomes a column of a matrix (`im2col`), a few images at a time so that the columns
stay in cache, and BLAS does the rest: threads take blocks of images each, with one thread of BLAS at their side.
One dimension is two with H = 1. Arrays are C-contiguous, all float32 or all float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._blas import one_blas_thread
from ._jit import flat, kernel, share, threads

# Columns and results of one block of images, in bytes: about a core's second cache.
BLOCK_BYTES = 1 << 20
# Images with fewer output positions than this share one matrix product, which costs a transposition.
FEW_POSITIONS = 64
# Blocks of such images are larger: each reads all of the weights.
MERGED_BYTES = 4 << 20
# The gradient of the weights is added up in this many parts, or fewer where the parts would take more bytes.
PARTS, PARTS_BYTES = 8, 4 << 20

Pair = tuple[int, int]


@intrinsic
def _copy(typingctx, target, at, source, begin, count):
    """`target[at:at + count] = source[begin:begin + count]` of flat arrays, as one memcpy."""

    def generate(context, builder, signature, args):
        def pointer(kind, array, index):
            return builder.gep(context.make_array(kind)(context, builder, array).data, [index])

        to, origin = pointer(target, args[0], args[1]), pointer(source, args[2], args[3])
        itemsize = context.get_abi_sizeof(context.get_data_type(target.dtype))
        cgutils.raw_memcpy(builder, to, origin, args[4], itemsize)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp, types.intp), generate


@kernel
def _im2col(lo, hi, x, cols, framed, strides, channels, size, window, stride, padding, dilation, positions):
    (height, width), (kh, kw), (oh, ow) = size, window, positions
    wide = width + 2 * padding[1]
    for r in range(lo, hi):
        for y in range(height):
            _copy(framed, (y + padding[0]) * wide + padding[1], x, (r * height + y) * width, width)
        for k in range(kh * kw):
            i, j = k // kw, k % kw
            at = (r // channels) * strides[0] + ((r % channels) * kh * kw + k) * strides[1]
            begin = i * dilation[0] * wide + j * dilation[1]
            for y in range(oh):
                if stride[1] == 1:
                    _copy(cols, at + y * ow, framed, begin + y * stride[0] * wide, ow)
                else:
                    row, patch = cols[at + y * ow : at + y * ow + ow], framed[begin + y * stride[0] * wide :]
                    for q in range(ow):
                        row[q] = patch[q * stride[1]]


@kernel
def _col2im(lo, hi, cols, gx, framed, strides, channels, size, window, stride, padding, dilation, positions):
    (height, width), (kh, kw), (oh, ow) = size, window, positions
    wide = width + 2 * padding[1]
    for r in range(lo, hi):
        framed[:] = 0
        for k in range(kh * kw):
            i, j = k // kw, k % kw
            at = (r // channels) * strides[0] + ((r % channels) * kh * kw + k) * strides[1]
            begin = i * dilation[0] * wide + j * dilation[1]
            for y in range(oh):
                row, patch = cols[at + y * ow : at + y * ow + ow], framed[begin + y * stride[0] * wide :]
                if stride[1] == 1:
                    for q in range(ow):
                        patch[q] += row[q]
                else:
                    for q in range(ow):
                        patch[q * stride[1]] += row[q]
        for y in range(height):
            _copy(gx, (r * height + y) * width, framed, (y + padding[0]) * wide + padding[1], width)


@dataclass(frozen=True, slots=True)
class _Geometry:
    """The sizes of one convolution, and the shapes its blocks of images take."""

    images: int
    channels: int
    size: Pair
    out_channels: int
    window: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @classmethod
    def of(cls, x_shape, w_shape, stride, padding, dilation, groups) -> _Geometry:
        n, c, *size = map(int, x_shape)
        o, _, *window = map(int, w_shape)
        pairs = (tuple(map(int, pair)) for pair in (size, window, stride, padding, dilation))
        size, window, stride, padding, dilation = pairs
        return cls(n, c, size, o, window, stride, padding, dilation, groups)

    @property
    def out_size(self) -> Pair:
        axes = zip(self.size, self.window, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

    @property
    def positions(self) -> int:
        return self.out_size[0] * self.out_size[1]

    @property
    def depth(self) -> int:
        """The length of a column: a whole patch, all groups."""
        return self.channels * self.window[0] * self.window[1]

    @property
    def per_image(self) -> int:
        """The elements of an image's columns and of its result."""
        return (self.depth + self.out_channels) * self.positions

    @property
    def merged(self) -> bool:
        return self.positions < FEW_POSITIONS

    @property
    def is_pointwise(self) -> bool:
        """Whether the image is its own matrix of columns."""
        return self.window == (1, 1) == self.stride and self.padding == (0, 0) and not self.merged

    def block_images(self, itemsize: int) -> int:
        """How many images make a block."""
        limit = MERGED_BYTES if self.merged else BLOCK_BYTES
        return max(1, min(self.images, limit // max(1, self.per_image * itemsize)))

    def block_count(self, itemsize: int) -> int:
        return -(-self.images // self.block_images(itemsize))

    def blocks(self, lo: int, hi: int, dtype: np.dtype) -> Iterator[tuple[slice, np.ndarray]]:
        """The images of some blocks, with memory for their columns, always the same: fresh pages are slow."""
        step, columns = self.block_images(dtype.itemsize), self.depth * self.positions
        scratch = np.empty(0 if self.is_pointwise else step * columns, dtype)
        for at in range(lo * step, min(hi * step, self.images), step):
            images = min(step, self.images - at)
            yield slice(at, at + images), scratch[: images * columns]

    def share(self, run: Callable[[int, int], None], items: int) -> None:
        """`run(lo, hi)` over 0..items, between threads if there is work for each, else between those of BLAS."""
        if items < threads():
            run(0, items)
            return
        with one_blas_thread():
            share(run, items, self.images * self.per_image)

    def matrices(self, images: int, rows: int) -> tuple[int, int, int, int]:
        """The shape of a block of column-wise matrices: one per image and group, or one per group."""
        shape = (1, images * self.positions) if self.merged else (images, self.positions)
        return shape[0], self.groups, rows // self.groups, shape[1]

    def as_matrices(self, block: np.ndarray) -> np.ndarray:
        """Images `(b, rows, H, W)` as matrices of columns."""
        images, rows = block.shape[:2]
        if self.merged:
            block = block.reshape(images, rows, -1).swapaxes(0, 1)
        return block.reshape(self.matrices(images, rows))

    def as_images(self, matrices: np.ndarray, images: int) -> np.ndarray:
        """The inverse of `as_matrices` for results: `(b, out_channels, H, W)`."""
        if self.merged:
            matrices = matrices.reshape(self.out_channels, images, -1).swapaxes(0, 1)
        return matrices.reshape(images, self.out_channels, *self.out_size)

    def move(self, kernel, source: np.ndarray, target: np.ndarray, images: int) -> None:
        """Run `_im2col` or `_col2im` on a block of images."""
        count = images * self.positions
        strides = (self.positions, count) if self.merged else (self.depth * self.positions, self.positions)
        taps = (self.window, self.stride, self.padding, self.dilation, self.out_size)
        ends = (0, images * self.channels)
        # An image with its border is made here, where memory is counted: the border may be larger than all else.
        framed = np.zeros(math.prod(n + 2 * p for n, p in zip(self.size, self.padding, strict=True)), source.dtype)
        kernel(*ends, flat(source), flat(target), framed, strides, self.channels, self.size, *taps)

    def columns(self, block: np.ndarray, scratch: np.ndarray) -> np.ndarray:
        """The patches of a block of images, as matrices of columns."""
        if self.is_pointwise:
            return block.reshape(self.matrices(len(block), self.depth))
        self.move(_im2col, block, scratch, len(block))
        return scratch.reshape(self.matrices(len(block), self.depth))

    def weights(self, w: np.ndarray) -> np.ndarray:
        return w.reshape(self.groups, self.out_channels // self.groups, self.depth // self.groups)


def conv2d_forward(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """The convolution of `x (N, C, H, W)` with `w (O, C / groups, kh, kw)`, plus `bias (O,)`: `(N, O, OH, OW)`."""
    plan = _Geometry.of(x.shape, w.shape, stride, padding, dilation, groups)
    out = np.empty((len(x), plan.out_channels, *plan.out_size), x.dtype)

    def run(lo: int, hi: int) -> None:
        for block, scratch in plan.blocks(lo, hi, x.dtype):
            target, cols = out[block], plan.columns(x[block], scratch)
            if plan.merged:
                target[:] = plan.as_images(np.matmul(plan.weights(w), cols), len(target))
            else:
                np.matmul(plan.weights(w), cols, out=plan.as_matrices(target))
            if bias is not None:
                target += bias[:, None, None]

    plan.share(run, plan.block_count(x.itemsize))
    return out


def conv2d_input_grad(
    g: np.ndarray,
    w: np.ndarray,
    x_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """The gradient for the input of `conv2d_forward`, from that of its result `g (N, O, OH, OW)`."""
    plan = _Geometry.of(x_shape, w.shape, stride, padding, dilation, groups)
    gx = np.empty(x_shape, g.dtype)
    upward = np.ascontiguousarray(plan.weights(w).swapaxes(1, 2))
    # One output channel per group makes an outer product, which BLAS is slow at.
    product = np.multiply if plan.out_channels == groups else np.matmul

    def run(lo: int, hi: int) -> None:
        for block, scratch in plan.blocks(lo, hi, g.dtype):
            target, matrices = gx[block], plan.as_matrices(g[block])
            cols = (target if plan.is_pointwise else scratch).reshape(plan.matrices(len(target), plan.depth))
            product(upward, matrices, out=cols)
            if not plan.is_pointwise:
                plan.move(_col2im, cols, target, len(target))

    plan.share(run, plan.block_count(g.itemsize))
    return gx


def conv2d_weight_grad(
    g: np.ndarray,
    x: np.ndarray,
    w_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """The gradient for the weight of `conv2d_forward`, from that of its result `g (N, O, OH, OW)`."""
    plan = _Geometry.of(x.shape, w_shape, stride, padding, dilation, groups)
    blocks = plan.block_count(x.itemsize)
    parts = max(1, min(PARTS, blocks, PARTS_BYTES // max(1, math.prod(w_shape) * x.itemsize)))
    # Columns by gradients: a fifth faster than its transpose, which would need no swap at the end.
    totals = np.zeros((parts, groups, plan.depth // groups, plan.out_channels // groups), x.dtype)

    def run(lo: int, hi: int) -> None:
        for part in range(lo, hi):
            ends = blocks * part // parts, blocks * (part + 1) // parts
            for block, scratch in plan.blocks(*ends, x.dtype):
                product = np.matmul(plan.columns(x[block], scratch), plan.as_matrices(g[block]).swapaxes(2, 3))
                for of_image in product:
                    totals[part] += of_image

    plan.share(run, parts)
    return np.ascontiguousarray(totals.sum(0).swapaxes(1, 2)).reshape(w_shape)
