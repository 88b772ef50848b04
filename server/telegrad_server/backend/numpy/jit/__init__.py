"""Raw CPU kernels, in numba and BLAS, that override a decomposition where they are faster.

Pure functions of C-contiguous NumPy arrays in float32 or float64, a module per family, forward and backward side by
side. Each result is the same in every run and for every number of threads that share a kernel.
"""

from __future__ import annotations

import numpy as np

from . import activation, batch_norm, convolution, gather, normalization, optim, pooling
from ._jit import begin_threads, set_threads, threads

__all__ = [
    "activation",
    "batch_norm",
    "begin_threads",
    "convolution",
    "gather",
    "normalization",
    "optim",
    "pooling",
    "set_threads",
    "threads",
    "warm_up",
]


def warm_up() -> None:
    """Compile the float32 kernels that training uses most, or load them from numba's cache on disk.

    The first call on a machine takes seconds. Where the package's folder cannot be written, numba keeps the
    compiled code in the user's cache folder.
    """
    x, channel = np.ones((2, 4), np.float32), np.ones(4, np.float32)
    for log in (False, True):
        normalization.softmax_backward(x, normalization.softmax_forward(x, log), log)
    _, mean, rstd = normalization.layer_norm_forward(x, channel, channel, 1e-5)
    normalization.layer_norm_backward(x, x, mean, rstd, channel)
    target = np.zeros(2, np.int64)
    losses, lse = normalization.cross_entropy_forward(x, target, None, -100, 0.0)
    normalization.cross_entropy_backward(losses, x, lse, target, None, -100, 0.0)
    for approximate in ("none", "tanh"):
        activation.gelu_backward(x, activation.gelu_forward(x, approximate), approximate)
    activation.silu_backward(x, activation.silu_forward(x))
    activation.sigmoid_backward(x, activation.sigmoid_forward(x))
    activation.tanh_backward(x, activation.tanh_forward(x))
    optim.sgd_update(x, x, x, 0.1, 0.9, 0.0, 0.0, False, False, True)
    optim.adam_update(x, x, x, x, None, 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False)
    gather.embedding_backward(x, target, 3, None)
    _warm_up_images(np.ones((2, 4, 4, 4), np.float32), channel)


def _warm_up_images(x: np.ndarray, channel: np.ndarray) -> None:
    flat = x.reshape(2, 4, 16)
    _, mean, var = batch_norm.batch_norm_forward(flat, channel, channel, 1e-5)
    batch_norm.batch_norm_backward(flat, flat, mean, var, channel, 1e-5, True)
    w = np.ones((4, 4, 3, 3), np.float32)
    same = ((1, 1), (1, 1))
    g = convolution.conv2d_forward(x, w, channel, *same)
    convolution.conv2d_input_grad(g, w, x.shape, *same)
    largest, indices = pooling.max_pool2d_forward(x, (2, 2), (2, 2))
    pooling.max_pool2d_backward(largest, indices, x.shape)
    pooling.avg_pool2d_backward(pooling.avg_pool2d_forward(x, (2, 2), (2, 2)), x.shape, (2, 2), (2, 2))
