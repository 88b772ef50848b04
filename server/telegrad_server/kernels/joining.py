"""Several tensors joined into one; one tensor repeated."""

from __future__ import annotations

import math

from telegrad_protocol.ops.joining import at_least, joined_ones

from .registry import decomposition, direct_kernel, kernel, vjp
from .slicing import WHOLE

# Joining ---------------------------------------------------------------------------------------------------------------


@kernel
def cat(xp, tensors, dim):
    return xp.concatenate([tensors[index] for index in joined_ones([x.shape for x in tensors])], dim)


def _cat_tensors(f, g, tensors_meta, dim):
    joined, pieces, at = joined_ones([meta.shape for meta in tensors_meta]), [], 0
    for index, meta in enumerate(tensors_meta):
        if index not in joined:
            pieces.append(f.zeros((0,), dtype=meta.dtype))
            continue
        pieces.append(f.narrow(g, dim, at, meta.shape[dim]))
        at += meta.shape[dim]
    return pieces


vjp(cat, tensors=_cat_tensors)


direct_kernel("stack", tensors=lambda f, g, dim: f.unbind(g, dim))


def _lifted(f, tensors, ndim):
    return tuple([f.reshape(x, at_least(tuple(x.shape), ndim)) for x in tensors])


@decomposition
def hstack(f, tensors):
    lifted = _lifted(f, tensors, 1)
    return f.cat(lifted, 0 if lifted[0].ndim == 1 else 1)


@decomposition
def vstack(f, tensors):
    return f.cat(_lifted(f, tensors, 2), 0)


@decomposition
def dstack(f, tensors):
    return f.cat(_lifted(f, tensors, 3), 2)


@decomposition
def atleast_1d(f, input):
    return f._slice(input, (None,) if input.ndim == 0 else ())


@decomposition
def atleast_2d(f, input):
    return f._slice(input, (None,) * max(2 - input.ndim, 0))


@decomposition
def atleast_3d(f, input):
    index = {0: (None,) * 3, 1: (None, WHOLE, None), 2: (WHOLE, WHOLE, None)}
    return f._slice(input, index.get(input.ndim, ()))


@decomposition
def _block_diagonal(f, tensors):
    blocks, rows, at = _lifted(f, tensors, 2), [], 0
    width = sum(block.shape[1] for block in blocks)
    for block in blocks:
        rows.append(f._pad_constant(block, (at, width - at - block.shape[1]), 0))
        at += block.shape[1]
    return f.cat(tuple(rows), 0)


@decomposition
def meshgrid(f, tensors, indexing):
    sizes = [math.prod(x.shape) for x in tensors]
    axes = list(range(len(sizes)))
    if indexing == "xy" and len(sizes) > 1:
        axes[:2], sizes[:2] = (1, 0), (sizes[1], sizes[0])
    lines = [
        f.reshape(x, (1,) * axis + (-1,) + (1,) * (len(axes) - axis - 1)) for x, axis in zip(tensors, axes, strict=True)
    ]
    return tuple([f.clone(f.expand(line, tuple(sizes))) for line in lines])


# Repeating -------------------------------------------------------------------------------------------------------------


def _repeat_input(f, g, input_meta, repeats):
    shape = (1,) * (len(repeats) - input_meta.ndim) + input_meta.shape
    parts = f.reshape(g, tuple([n for pair in zip(repeats, shape, strict=True) for n in pair]))
    return f.reshape(f.sum(parts, tuple(range(0, 2 * len(shape), 2))) if shape else parts, input_meta.shape)


direct_kernel("repeat", "tile", input=_repeat_input)


@decomposition
def tile(f, input, dims):
    return f.repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


def _along(f, input, dim):
    """The tensor and its axis; flattened without a dimension."""
    if dim is None or input.ndim == 0:
        return f.reshape(input, (math.prod(input.shape),)), 0
    return input, dim % input.ndim


@decomposition
def repeat_interleave(f, input, repeats, dim):
    x, axis = _along(f, input, dim)
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = f.expand(f.reshape(x, (*before, size, 1, *after)), (*before, size, repeats, *after))
    return f.reshape(wide, (*before, size * repeats, *after))


@decomposition
def _repeat_interleave_each(f, input, repeats, dim):
    x, axis = _along(f, input, dim)
    return f.index_select(x, axis, f._repeated_index(repeats, x.shape[axis]))


direct_kernel("_repeated_index")
