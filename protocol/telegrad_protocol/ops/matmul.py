"""Products of vectors and matrices."""

from __future__ import annotations

from telegrad_protocol import dtypes
from telegrad_protocol.errors import ShapeError, UnsupportedOp
from telegrad_protocol.rules import common_dtype
from telegrad_protocol.shapes import Meta, broadcast, like, wrap_dim
from telegrad_protocol.spec import Inferred, Number, Size, Tensor, op

from ._einsum import equation_shape

_SAME = "expected m1 and m2 to have the same dtype, but got: {c_first} != {c_second}"
_SAME_BATCH = "expected scalar type {first} but found {second}"
_SAME_VECTOR = "addmv input tensors must have the same dtype, but got {second}, {first}, and {second}"
_SAME_ADDED = "mat1 and mat2 must have the same dtype, but got {first} and {second}"
_SAME_DOT = "dot : expected both vectors to have same dtype, but found {first} and {second}"


def _same_dtype(first: Meta, second: Meta, words: str = _SAME) -> None:
    """Raise unless two factors have one dtype, in the words of PyTorch's kernel for them."""
    if first.dtype is not second.dtype:
        names = {"first": dtypes.TYPE_NAMES[first.dtype], "second": dtypes.TYPE_NAMES[second.dtype]}
        raise ShapeError(
            words.format(c_first=dtypes.C_NAMES[first.dtype], c_second=dtypes.C_NAMES[second.dtype], **names),
            expected=first.dtype.name,
            got=second.dtype.name,
        )
    if first.dtype is dtypes.bool_:
        raise UnsupportedOp("\"addmm_impl_cpu_\" not implemented for 'Bool'", got="bool")


def _cannot_multiply(first: tuple[int, ...], second: tuple[int, ...]) -> ShapeError:
    shown = " and ".join("x".join(map(str, shape)) for shape in (first, second))
    return ShapeError(f"mat1 and mat2 shapes cannot be multiplied ({shown})", expected=first[-1], got=second[0])


def need_rank(meta: Meta, rank: int, message: str, argument: str) -> None:
    if meta.ndim != rank:
        raise ShapeError(message, argument=argument, expected=f"{rank} dimensions", got=list(meta.shape))


def _product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `a @ b` by the rules of `torch.matmul`."""
    if not a or not b:
        raise ShapeError(f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise mismatch(a, b)
    rows = a[-2:-1] if len(a) > 1 else ()
    columns = b[-1:] if len(b) > 1 else ()
    return (*broadcast((a[:-2], b[:-2])), *rows, *columns)


def mismatch(a: tuple[int, ...], b: tuple[int, ...]) -> ShapeError:
    if len(a) == len(b) == 1:
        return ShapeError(
            f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of "
            f"elements, but got {a[0]} and {b[0]} elements respectively"
        )
    if len(b) == 1:
        rows = _product(a[:-1])
        return ShapeError(f"size mismatch, got input ({rows}), mat ({rows}x{a[-1]}), vec ({b[0]})")
    if len(b) == 2:
        return _cannot_multiply((_product(a[:-1]), a[-1]), b)
    batch = broadcast((a[:-2], b[:-2]))
    return ShapeError(
        f"Expected size for first two dimensions of batch2 tensor to be: {[_product(batch), a[-1]]} but got: "
        f"{[_product(batch), b[-2]]}."
    )


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _matmul(input: Meta, other: Meta) -> Meta:
    shape = _product_shape(input.shape, other.shape)
    _same_dtype(input, other, _words_for(input, other))
    return like(input, shape=shape)


def _words_for(input: Meta, other: Meta) -> str:
    if input.ndim == other.ndim == 1:
        return _SAME_DOT
    if other.ndim == 1:
        return _SAME_VECTOR
    return _SAME_BATCH if other.ndim > 2 else _SAME


@op(_matmul, autocast="low")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: of vectors, matrices, and batches of matrices, whose leading dimensions broadcast.

    >>> import torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3, 4)).shape
    torch.Size([2, 4])
    """


def _mm(input: Meta, mat2: Meta) -> Meta:
    need_rank(input, 2, "self must be a matrix", "input")
    need_rank(mat2, 2, "mat2 must be a matrix", "mat2")
    return _matmul(input, mat2)


@op(_mm, autocast="low")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, `(n, k)` and `(k, m)`."""


def _bmm(input: Meta, mat2: Meta) -> Meta:
    need_rank(input, 3, "batch1 must be a 3D tensor", "input")
    need_rank(mat2, 3, "batch2 must be a 3D tensor", "mat2")
    expected = [input.shape[0], input.shape[2]]
    if list(mat2.shape[:2]) != expected:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {expected} but got: "
            f"{list(mat2.shape[:2])}.",
            argument="mat2",
        )
    return _matmul(input, mat2)


@op(_bmm, autocast="low")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of matrices in pairs: `(b, n, k)` and `(b, k, m)`."""


def _mv(input: Meta, vec: Meta) -> Meta:
    need_rank(input, 2, f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}", "input")
    need_rank(vec, 1, f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}", "vec")
    return _matmul(input, vec)


@op(_mv, autocast="low")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix `(n, k)` and a vector `(k,)`."""


def _dot(input: Meta, tensor: Meta) -> Meta:
    if input.ndim != 1 or tensor.ndim != 1:
        raise ShapeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.shape != tensor.shape:
        raise mismatch(input.shape, tensor.shape)
    return _matmul(input, tensor)


@op(_dot, autocast="widest")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements."""


def _outer(input: Meta, vec2: Meta) -> Inferred:
    need_rank(input, 1, f"outer: Expected 1-D argument self, but got {input.ndim}-D", "input")
    need_rank(vec2, 1, f"outer: Expected 1-D argument vec2, but got {vec2.ndim}-D", "vec2")
    dtype = common_dtype((input, vec2))
    return Inferred((like(input, shape=(*input.shape, *vec2.shape), dtype=dtype),))


@op(_outer, second_names="ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an element of `input` and one of `vec2`: `(n, m)`."""


def _inner(input: Meta, other: Meta) -> Meta:
    if not input.ndim or not other.ndim:
        return like(input, shape=broadcast((input.shape, other.shape)))
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    _same_dtype(input, other)
    return like(input, shape=(*input.shape[:-1], *other.shape[:-1]))


@op(_inner, autocast="low")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products over the last dimension of both, for every pair of their other indices."""


def _added(input: Meta, product: Meta) -> Meta:
    """The result of adding `input` to a product, which it must broadcast to."""
    if input.dtype is not product.dtype:
        raise ShapeError(
            f"self and mat2 must have the same dtype, but got {dtypes.TYPE_NAMES[input.dtype]} and "
            f"{dtypes.TYPE_NAMES[product.dtype]}",
            argument="input",
            expected=product.dtype.name,
            got=input.dtype.name,
        )
    lead = product.ndim - input.ndim
    for axis, size in enumerate(input.shape):
        wanted = product.shape[axis + lead] if axis + lead >= 0 else None
        if wanted is None or size not in (1, wanted):
            raise ShapeError(
                f"The expanded size of the tensor ({wanted}) must match the existing size ({size}) at "
                f"non-singleton dimension {axis + lead}.  Target sizes: {list(product.shape)}.  Tensor sizes: "
                f"{list(input.shape)}",
                argument="input",
                expected=list(product.shape),
                got=list(input.shape),
            )
    return product


def _addmm(input: Meta, mat1: Meta, mat2: Meta, *_: Number) -> Meta:
    if mat1.ndim == mat2.ndim == 2:
        _same_dtype(mat1, mat2, _SAME_ADDED)
    return _added(input, _mm(mat1, mat2))


@op(_addmm, inplace=True, autocast="low")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`; with `beta` 0, `input` is not read."""


def _addmv(input: Meta, mat: Meta, vec: Meta, *_: Number) -> Meta:
    return _added(input, _mv(mat, vec))


@op(_addmv, inplace=True, autocast="low")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`; with `beta` 0, `input` is not read."""


def _baddbmm(input: Meta, batch1: Meta, batch2: Meta, *_: Number) -> Meta:
    return _added(input, _bmm(batch1, batch2))


@op(_baddbmm, inplace=True, autocast="low")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2)`, for batches of matrices; with `beta` 0, `input` is not read."""


def _addbmm(input: Meta, batch1: Meta, batch2: Meta, *_: Number) -> Meta:
    product = _bmm(batch1, batch2)
    return _added(input, like(product, shape=product.shape[1:]))


@op(_addbmm, inplace=True, autocast="low")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2).sum(0)`; with `beta` 0, `input` is not read."""


def _linear(input: Meta, weight: Meta, bias: Meta | None) -> Meta:
    if not input.ndim or weight.ndim not in (1, 2):
        raise ShapeError(
            f"linear(): input and weight must be at least 1D and 1D or 2D, but they are {input.ndim}D and "
            f"{weight.ndim}D"
        )
    if weight.ndim == 1 and bias is not None:
        raise ShapeError("mat2 must be a matrix, got 1-D tensor", argument="weight", got=list(weight.shape))
    if input.shape[-1] != weight.shape[-1]:
        raise mismatch((_product(input.shape[:-1]), input.shape[-1]), weight.shape[::-1])
    _same_dtype(input, weight, _SAME if bias is None else _SAME_ADDED)
    product = like(input, shape=(*input.shape[:-1], *weight.shape[:-1]))
    return product if bias is None else _added(bias, product)


@op(_linear, on="functional", autocast="low")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias`: input `(..., in)`, weight `(out, in)` or `(in,)`, bias `(out,)`."""


def _bilinear(input1: Meta, input2: Meta, weight: Meta, bias: Meta | None) -> Meta:
    need_rank(weight, 3, f"bilinear(): weight must have 3 dimensions, got {weight.ndim}", "weight")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}"
        )
    for name, given, axis in (("input1", input1, 1), ("input2", input2, 2)):
        if given.shape[-1] != weight.shape[axis]:
            raise ShapeError(
                f"bilinear(): {name} size does not match weight size: got {given.shape[-1]} but expected "
                f"{weight.shape[axis]}",
                argument=name,
            )
        _same_dtype(given, weight)
    product = like(input1, shape=(*input1.shape[:-1], weight.shape[0]))
    return product if bias is None else _added(bias, product)


@op(_bilinear, on="functional torch", autocast="widest")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1ᵀ weight[o] input2 + bias[o]` for each `o`: `(..., a)`, `(..., b)`, weight `(out, a, b)`."""


def _einsum(equation: str, operands: tuple[Meta, ...]) -> Meta:
    shape = equation_shape(equation, tuple([operand.shape for operand in operands]))
    for operand in operands[1:]:
        _same_dtype(operands[0], operand, _SAME_BATCH)
    return like(operands[0], shape=shape)


@op(_einsum, on="torch", autocast="low")
def einsum(equation: str, operands: list[Tensor]) -> Tensor:
    """Sums of products as the equation's subscripts say, in Einstein's notation.

    >>> import torch
    >>> torch.einsum("bij,bjk->bik", torch.ones(2, 3, 4), torch.ones(2, 4, 5)).shape
    torch.Size([2, 3, 5])
    """


def _contracted(input: Meta, other: Meta, dims_self: Size, dims_other: Size) -> Meta:
    own = tuple([wrap_dim(dim, input.ndim) for dim in dims_self])  # type: ignore[union-attr]
    its = tuple([wrap_dim(dim, other.ndim) for dim in dims_other])  # type: ignore[union-attr]
    if len(own) != len(its):
        raise ShapeError("both dimension lists should have same length")
    for a, b in zip(own, its, strict=True):
        if input.shape[a] != other.shape[b]:
            raise ShapeError(
                f"contracted dimensions need to match, but first has size {input.shape[a]} in dim {a} and second "
                f"has size {other.shape[b]} in dim {b}"
            )
    _same_dtype(input, other)
    left = [size for axis, size in enumerate(input.shape) if axis not in own]
    right = [size for axis, size in enumerate(other.shape) if axis not in its]
    return like(input, shape=(*left, *right))


@op(_contracted, on="", autocast="widest")
def _tensordot(input: Tensor, other: Tensor, dims_self: Size, dims_other: Size) -> Tensor:
    """Sums products over pairs of dimensions, `dims_self[i]` of `input` with `dims_other[i]` of `other`."""


def _kron(input: Meta, other: Meta) -> Meta:
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - len(shape)) + shape for shape in (input.shape, other.shape))
    return like(input, shape=tuple([m * n for m, n in zip(a, b, strict=True)]), dtype=common_dtype((input, other)))


@op(_kron)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: `other` once per element of `input`, times that element."""
