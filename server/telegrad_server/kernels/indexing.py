"""Gathering and scattering by index tensors. Every index is checked before memory is touched."""

from __future__ import annotations

from telegrad_protocol.shapes import broadcast, wrap_dim

from .registry import composite, kernel, vjp


def _checked(xp, shape, indices):
    """NumPy's form of an index: each tensor counted from the front, whole dimensions as slices."""
    found = []
    for axis, index in enumerate(indices):
        if index is None:
            found.append(slice(None))
        else:
            found.append(xp.check_indices(index, shape[axis], f"index for dimension {axis}:"))
    return tuple(found)


def _unmasked(xp, indices):
    """Masks as the index tensors of their true elements."""
    found = []
    for index in indices:
        if index is not None and index.dtype.kind in "b":
            found.extend(xp.nonzero(index).T)
        else:
            found.append(index)
    return tuple(found)


@kernel
def _index(xp, input, indices):
    return xp.gather_index(input, _checked(xp, input.shape, indices))


vjp(_index, input=lambda f, g, input_meta, indices: f._index_backward(g, input_meta.shape, indices))


@kernel
def _index_backward(xp, grad, shape, indices):
    out = xp.zeros_of(shape, grad)
    return xp.add_at(out, _checked(xp, shape, _unmasked(xp, indices)), grad)


vjp(_index_backward, grad=lambda f, g, indices: f._index_mask(g, indices))


@kernel
def _index_mask(xp, input, indices):
    return xp.gather_index(input, _checked(xp, input.shape, _unmasked(xp, indices)))


vjp(_index_mask, input=lambda f, g, input_meta, indices: f._index_backward(g, input_meta.shape, indices))


@kernel
def index_put(xp, input, indices, values, accumulate):
    out = xp.copy(input)
    places = _checked(xp, input.shape, _unmasked(xp, indices))
    return xp.add_at(out, places, values) if accumulate else xp.put(out, places, values)


vjp(
    index_put,
    input=lambda f, g, indices, accumulate: g if accumulate else f._index_zero(g, indices),
    values=lambda f, g, indices: f._index_mask(g, indices),
)


@kernel
def _index_zero(xp, input, indices):
    return xp.put(xp.copy(input), _checked(xp, input.shape, _unmasked(xp, indices)), 0)


vjp(_index_zero, input=lambda f, g, indices: f._index_zero(g, indices))


@composite
def masked_select(f, input, mask):
    shape = broadcast([input.shape, mask.shape])
    return f._index_mask(f.expand(input, shape), (f.expand(mask, shape),))


@kernel
def nonzero(xp, input):
    return xp.nonzero(input)


def _place(xp, shape, dim, index):
    """`index` checked, for a 0-d tensor as a vector."""
    size = shape[dim] if shape else 1
    return xp.check_indices(index, size, "index")


@kernel
def gather(xp, input, dim, index):
    if input.ndim == 0:
        return xp.broadcast_to(input, index.shape)
    return xp.take_along(input, _place(xp, input.shape, dim, index), dim)


vjp(
    gather,
    input=lambda f, g, input_meta, dim, index: f.scatter_add(
        f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, index, g
    ),
)


@kernel
def scatter(xp, input, dim, index, src):
    return xp.scatter_along(xp.copy(input), _place(xp, input.shape, dim, index), src, dim, add=False)


vjp(
    scatter,
    input=lambda f, g, dim, index: f.scatter(g, dim, index, 0),
    src=lambda f, g, src_meta, dim, index: _padded_gather(f, g, src_meta, dim, index),
)


@kernel
def scatter_add(xp, input, dim, index, src):
    return xp.scatter_along(xp.copy(input), _place(xp, input.shape, dim, index), src, dim, add=True)


vjp(
    scatter_add,
    input=lambda f, g: g,
    src=lambda f, g, src_meta, dim, index: _padded_gather(f, g, src_meta, dim, index),
)


def _padded_gather(f, g, meta, dim, index):
    """The gradient of a source of which only the corner that the index covers was used."""
    picked = f.gather(g, dim, index)
    if picked.shape == meta.shape:
        return picked
    pads = []
    for have, want in zip(reversed(picked.shape), reversed(meta.shape), strict=True):
        pads += [0, want - have]
    return f.pad(picked, tuple(pads))


@kernel
def index_select(xp, input, dim, index):
    if input.ndim == 0:
        return xp.copy(input)
    return xp.take(input, xp.check_indices(index, input.shape[dim], "index").reshape(-1), dim)


vjp(
    index_select,
    input=lambda f, g, input_meta, dim, index: f.index_add(
        f.zeros(input_meta.shape, dtype=input_meta.dtype), dim, index, g
    ),
)


def _rows(xp, input, dim, index):
    axis = wrap_dim(dim, input.ndim)
    return (*(slice(None),) * axis, xp.check_indices(index, input.shape[axis], "index"))


@kernel
def index_add(xp, input, dim, index, source, alpha):
    values = source if alpha == 1 else xp.multiply(source, alpha)
    return xp.add_at(xp.copy(input), _rows(xp, input, dim, index), values)


vjp(
    index_add,
    input=lambda f, g: g,
    source=lambda f, g, dim, index, alpha: f.mul(f.index_select(g, dim, index), alpha),
)


@kernel
def index_copy(xp, input, dim, index, source):
    return xp.put(xp.copy(input), _rows(xp, input, dim, index), source)


vjp(
    index_copy,
    input=lambda f, g, dim, index: f.index_fill(g, dim, index, 0),
    source=lambda f, g, dim, index: f.index_select(g, dim, index),
)


@kernel
def index_fill(xp, input, dim, index, value):
    return xp.put(xp.copy(input), _rows(xp, input, dim, index), value)


vjp(
    index_fill,
    input=lambda f, g, dim, index: f.index_fill(g, dim, index, 0),
    value=lambda f, g, dim, index: f.sum(f.index_select(g, dim, index)),
)


@composite
def take_along_dim(f, input, indices, dim):
    if dim is None:
        return f.gather(f.reshape(input, (-1,)), 0, f.reshape(indices, (-1,)))
    axis = wrap_dim(dim, input.ndim)
    ahead, behind = (broadcast([input.shape[cut], indices.shape[cut]]) for cut in (slice(axis), slice(axis + 1, None)))
    own, other = (*ahead, input.shape[axis], *behind), (*ahead, indices.shape[axis], *behind)
    return f.gather(f.expand(input, own), axis, f.expand(indices, other))


@kernel
def _one_hot_classes(xp, input, num_classes):
    return xp.one_hot(input, num_classes)


@kernel
def bincount(xp, input, weights, minlength):
    return xp.bincount(input, weights, minlength)


@kernel
def _unique(xp, input, sorted, return_inverse, return_counts, dim):
    return xp.unique(input, dim)
