"""Products of vectors and matrices."""

from __future__ import annotations

import math

from telegrad_protocol.ops._einsum import parse

from ._shared import number_like
from .registry import decomposition, direct_kernel


def flat_rows(f, x):
    """All but the last dimension as one."""
    return x if x.ndim == 2 else f.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def mirrored(f, x):
    """The last two dimensions swapped."""
    return f.transpose(x, -2, -1)


def _input_grad(f, g, input_meta, other):
    if other.ndim == 1:
        return f.mul(f.reshape(g, (*g.shape, 1)), other)
    if input_meta.ndim == 1:
        g = f.reshape(g, (*g.shape[:-1], 1, g.shape[-1]))
        row = f.matmul(g, mirrored(f, other))
        return f.reshape(row, (*row.shape[:-2], row.shape[-1]))
    return f.matmul(g, mirrored(f, other))


def _other_grad(f, g, input, other_meta):
    if input.ndim == 1:
        if other_meta.ndim == 1:
            return f.mul(g, input)
        return f.mul(f.reshape(input, (-1, 1)), f.reshape(g, (*g.shape[:-1], 1, g.shape[-1])))
    if other_meta.ndim == 1:
        column = f.matmul(mirrored(f, flat_rows(f, input)), f.reshape(g, (math.prod(g.shape), 1)))
        return f.reshape(column, other_meta.shape)
    if other_meta.ndim == 2:
        # One product over all rows, instead of a product per batch and a sum.
        return f.matmul(mirrored(f, flat_rows(f, input)), flat_rows(f, g))
    return f.matmul(mirrored(f, input), g)


direct_kernel("matmul", input=_input_grad, other=_other_grad)


direct_kernel(
    "mm",
    "matmul",
    input=lambda f, g, mat2: f.mm(g, mirrored(f, mat2)),
    mat2=lambda f, g, input: f.mm(mirrored(f, input), g),
)


direct_kernel(
    "bmm",
    "matmul",
    input=lambda f, g, mat2: f.bmm(g, mirrored(f, mat2)),
    mat2=lambda f, g, input: f.bmm(mirrored(f, input), g),
)


@decomposition
def mv(f, input, vec):
    return f.matmul(input, vec)


@decomposition
def dot(f, input, tensor):
    return f.matmul(input, tensor)


@decomposition
def outer(f, input, vec2):
    return f.mul(f.reshape(input, (*input.shape, 1)), vec2)


@decomposition
def inner(f, input, other):
    if not input.ndim or not other.ndim:
        return f.mul(input, other)
    product = f.matmul(flat_rows(f, input), mirrored(f, flat_rows(f, other)))
    return f.reshape(product, (*input.shape[:-1], *other.shape[:-1]))


def _plus(f, input, product, beta, alpha):
    alpha, beta = number_like(f, product, alpha), number_like(f, product, beta)
    if alpha != 1:
        product = f.mul(product, alpha)
    # With `beta` 0 not even nan in `input` counts; its gradient exists and is 0.
    return f.add(product, f.fill(input, 0) if beta == 0 else input, alpha=1 if beta == 0 else beta)


@decomposition
def addmm(f, input, mat1, mat2, beta, alpha):
    return _plus(f, input, f.mm(mat1, mat2), beta, alpha)


@decomposition
def addmv(f, input, mat, vec, beta, alpha):
    return _plus(f, input, f.matmul(mat, vec), beta, alpha)


@decomposition
def baddbmm(f, input, batch1, batch2, beta, alpha):
    return _plus(f, input, f.bmm(batch1, batch2), beta, alpha)


@decomposition
def addbmm(f, input, batch1, batch2, beta, alpha):
    return _plus(f, input, f.sum(f.bmm(batch1, batch2), 0), beta, alpha)


def _linear_weight_grad(f, g, input, weight_meta):
    if weight_meta.ndim == 1:
        return _other_grad(f, g, input, weight_meta)
    if input.ndim == 1:
        return f.mul(f.reshape(g, (-1, 1)), input)
    return f.matmul(mirrored(f, flat_rows(f, g)), flat_rows(f, input))


direct_kernel(
    "linear",
    input=lambda f, g, input_meta, weight: (
        f.matmul(g, weight) if weight.ndim == 2 else _input_grad(f, g, input_meta, weight)
    ),
    weight=_linear_weight_grad,
    bias=lambda f, g, bias_meta: g if bias_meta.shape == g.shape else f.sum_to_size(g, bias_meta.shape),
)


@decomposition
def bilinear(f, input1, input2, weight, bias):
    out = f.einsum("...a,oab,...b->...o", (input1, weight, input2))
    return out if bias is None else f.add(out, bias)


@decomposition
def _tensordot(f, input, other, dims_self, dims_other):
    own = [dim % input.ndim for dim in dims_self]
    its = [dim % other.ndim for dim in dims_other]
    left = [axis for axis in range(input.ndim) if axis not in own]
    right = [axis for axis in range(other.ndim) if axis not in its]
    shared = math.prod(input.shape[axis] for axis in own)
    rows, columns = [input.shape[axis] for axis in left], [other.shape[axis] for axis in right]
    a = f.reshape(f.permute(input, (*left, *own)), (math.prod(rows), shared))
    b = f.reshape(f.permute(other, (*its, *right)), (shared, math.prod(columns)))
    return f.reshape(f.mm(a, b), (*rows, *columns))


@decomposition
def einsum(f, equation, operands):
    inputs, output, sizes = parse(equation, tuple([tuple(x.shape) for x in operands]))
    pairs = [_once(f, x, labels) for x, labels in zip(operands, inputs, strict=True)]
    result, labels = pairs[0]
    for i, (other, theirs) in enumerate(pairs[1:], 2):
        later = {label for _, rest in pairs[i:] for label in rest}
        result, labels = _contract(f, result, labels, other, theirs, {*output, *later}, sizes)
    result, labels = _summed(f, result, labels, set(output))
    order = tuple([labels.index(label) for label in output])
    moved = result if order == tuple(range(len(order))) else f.permute(result, order)
    return f.clone(moved) if len(operands) == 1 or moved is not result else moved


def _once(f, x, labels):
    """The diagonal over each repeated label, so that every label occurs once."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = f.diagonal(x, 0, first, second)
            labels = (*[n for i, n in enumerate(labels) if i not in (first, second)], label)
    return x, labels


def _summed(f, x, labels, keep):
    gone = tuple([axis for axis, label in enumerate(labels) if label not in keep])
    return (f.sum(x, gone), tuple([n for n in labels if n in keep])) if gone else (x, labels)


def _contract(f, a, own, b, theirs, keep, sizes):
    """The product of two operands, summed over the labels that nothing later needs."""
    a, own = _summed(f, a, own, {*theirs, *keep})
    b, theirs = _summed(f, b, theirs, {*own, *keep})
    both = {n for n in own if n in theirs}
    a, b = (_stretched(f, x, names, both, sizes) for x, names in ((a, own), (b, theirs)))
    batch = tuple([n for n in own if n in theirs and n in keep])
    shared = tuple([n for n in own if n in theirs and n not in keep])
    rows = tuple([n for n in own if n not in theirs])
    columns = tuple([n for n in theirs if n not in own])
    size = {**dict(zip(own, a.shape, strict=True)), **dict(zip(theirs, b.shape, strict=True))}
    left = _matrices(f, a, own, batch, rows, shared)
    right = _matrices(f, b, theirs, batch, shared, columns)
    labels = (*batch, *rows, *columns)
    product, shape = f.matmul(left, right), tuple([size[n] for n in labels])
    return (product if tuple(product.shape) == shape else f.reshape(product, shape)), labels


def _stretched(f, x, labels, both, sizes):
    """The operand with its dimensions of size 1 broadcast where the other operand has the label too."""
    wanted = tuple([sizes[n] if n in both else s for n, s in zip(labels, x.shape, strict=True)])
    return x if wanted == tuple(x.shape) else f.expand(x, wanted)


def _matrices(f, x, labels, batch, rows, columns):
    """A batch of matrices whose rows and columns run over these labels."""
    size = dict(zip(labels, x.shape, strict=True))
    order = tuple([labels.index(n) for n in (*batch, *rows, *columns)])
    x = x if order == tuple(range(len(order))) else f.permute(x, order)
    if len(rows) == len(columns) == 1:
        return x
    heights, widths = (math.prod(size[n] for n in group) for group in (rows, columns))
    return f.reshape(x, (*[size[n] for n in batch], heights, widths))


@decomposition
def kron(f, input, other):
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (input, other))
    apart = f.reshape(input, tuple([n for size in a for n in (size, 1)]))
    within = f.reshape(other, tuple([n for size in b for n in (1, size)]))
    return f.reshape(f.mul(apart, within), tuple([m * n for m, n in zip(a, b, strict=True)]))
