"""Shape and dtype rules that many declarations share; rules of one op stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from . import dtypes
from .dtypes import DType
from .errors import AutogradError, OpError, OpTypeError, ShapeError, UnsupportedOp
from .shapes import Meta, broadcast, contiguous, like, reduced, wrap_dims
from .spec import Inferred, OpSpec

Promotion = Literal["same", "float", "bool"]


def common_dtype(operands: tuple[Any, ...]) -> DType:
    """`torch.result_type` of metas and Python numbers; None is passed over."""
    dimensioned: list[DType] = []
    zero_dim: list[DType] = []
    scalars: list[DType] = []
    for operand in operands:
        if isinstance(operand, Meta):
            (dimensioned if operand.ndim else zero_dim).append(operand.dtype)
        elif operand is not None:
            scalars.append(dtypes.of_scalar(operand))
    result = dtypes.result_type(dimensioned, zero_dim, scalars)
    if result.category == dtypes.FLOAT and not any(d.category == dtypes.FLOAT for d in dimensioned + zero_dim):
        return dtypes.float32  # a Python float beside integers means the default dtype
    return result


class Elementwise:
    """Broadcasts its operands and promotes their dtypes, by one of PyTorch's kinds of promotion.

    same: the common dtype. float: the common dtype, integers becoming float32. bool: computed in the common dtype,
    the result is bool. `refuse`: dtypes that PyTorch's `kernel` does not implement.
    """

    operands_only: Final = True

    def __init__(
        self, promotion: Promotion = "same", *, refuse: tuple[DType, ...] = (), kernel: str | None = None
    ) -> None:
        self.promotion = promotion
        self.refuse = refuse
        self.kernel = kernel

    def __call__(self, *operands: Any) -> Inferred:
        metas = [operand for operand in operands if isinstance(operand, Meta)]
        if not metas:
            raise OpTypeError("received an invalid combination of arguments: there is no Tensor among them")
        compute = common_dtype(operands)
        if self.promotion == "float" and compute.category != dtypes.FLOAT:
            compute = dtypes.float32
        if compute in self.refuse:
            raise not_implemented(self.kernel, compute)
        result = dtypes.bool_ if self.promotion == "bool" else compute
        shape = metas[0].shape if len(metas) == 1 else broadcast(meta.shape for meta in metas)
        cast = None if all(meta.dtype is compute for meta in metas) else compute
        return Inferred((contiguous(shape, result, metas[0].device),), cast)


def elementwise(
    promotion: Promotion = "same", *, refuse: tuple[DType, ...] = (), kernel: str | None = None
) -> Elementwise:
    return Elementwise(promotion, refuse=refuse, kernel=kernel)


def not_implemented(kernel: str | None, dtype: DType) -> UnsupportedOp:
    """PyTorch's error for a dtype that one of its kernels does not implement."""
    words = f"not implemented for '{dtypes.TYPE_NAMES[dtype]}'"
    return UnsupportedOp(f'"{kernel}" {words}' if kernel else words, got=dtype.name)


def check_factor(factor: object, dtype: DType, name: str = "alpha") -> None:
    """Raise where the factor of an operand does not fit a computation in `dtype`."""
    if isinstance(factor, bool) and dtype.category != dtypes.BOOL:
        raise OpError(f"Boolean {name} only supported for Boolean results.", argument=name)
    if isinstance(factor, float) and dtype.category != dtypes.FLOAT:
        raise OpError(
            f"For integral input tensors, argument {name} must not be a floating point number.", argument=name
        )


def same(input: Meta, *_: Any) -> Meta:
    """The result is like the first input, but contiguous."""
    return like(input)


NO_MEAN: Final = (
    "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {}"
)


def floating(kernel: str) -> Callable[..., Meta]:
    """Like the first input, which must be of a floating type: PyTorch's `kernel` implements no other."""

    def rule(input: Meta, *_: Any) -> Meta:
        if input.dtype.category != dtypes.FLOAT:
            raise not_implemented(kernel, input.dtype)
        return like(input)

    return rule


def need_floating(
    input: Meta, argument: str = "input", words: str = "expected a floating point tensor, got {}"
) -> None:
    """Raise unless a tensor is of a floating type. `words`: the message, with {} for the type's name."""
    if input.dtype.category != dtypes.FLOAT:
        raise ShapeError(
            words.format(dtypes.TYPE_NAMES[input.dtype]),
            argument=argument,
            expected=dtypes.FLOATS_LISTED,
            got=input.dtype.name,
        )


def need_index(index: Meta, argument: str = "index") -> None:
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise ShapeError(
            f"expected an int64 tensor for {argument}, got {index.dtype!r}",
            argument=argument,
            expected="int64",
            got=index.dtype.name,
        )


def need_shape(given: Meta, shape: tuple[int, ...], argument: str = "grad") -> None:
    """Raise unless an argument has the required shape, as a gradient has that of the op's result."""
    if given.shape != shape:
        raise ShapeError(
            f"expected {argument} of shape {list(shape)}, got {list(given.shape)}",
            argument=argument,
            expected=list(shape),
            got=list(given.shape),
        )


def need_dtype(given: Meta, like: Meta, argument: str = "grad") -> None:
    """Raise unless an argument has the dtype of another."""
    if given.dtype is not like.dtype:
        raise ShapeError(
            f"expected {argument} of dtype {like.dtype.name}, got {given.dtype.name}",
            argument=argument,
            expected=like.dtype.name,
            got=given.dtype.name,
        )


def reduction_dtype(input: Meta, dtype: DType | None) -> DType:
    """Sums and products of integers and booleans are int64, unless a dtype is asked for."""
    if dtype is not None:
        return dtype
    return input.dtype if input.dtype.category == dtypes.FLOAT else dtypes.int64


def reduce_dims(input: Meta, dim: Any, keepdim: bool, dtype: DType | None = None) -> Meta:
    """The result of reducing `input` over `dim`, of `dtype` or of the input's."""
    shape = reduced(input.shape, wrap_dims(dim, input.ndim), keepdim)
    return like(input, shape=shape, dtype=dtype)


def check_shape(op: str, result: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise unless a result has the shape of its target."""
    if result != target:
        raise ShapeError(
            f"output with shape {list(target)} doesn't match the broadcast shape {list(result)}",
            op=op,
            expected=list(target),
            got=list(result),
        )


def check_inplace(spec: OpSpec, result: Meta, target: Meta) -> None:
    """Raise unless a result may be written into a tensor of `target`'s shape, strides and dtype."""
    check_shape(spec.name, result.shape, target.shape)
    if not dtypes.can_cast(result.dtype, target.dtype):
        raise OpError(
            f"result type {dtypes.TYPE_NAMES[result.dtype]} can't be cast to the desired output type "
            f"{dtypes.TYPE_NAMES[target.dtype]}",
            op=spec.name,
            expected=target.dtype.name,
            got=result.dtype.name,
        )
    if not spec.idempotent:
        check_writable(spec.name, target)


def check_writable(op: str, target: Meta) -> None:
    """Raise if elements of a tensor share memory with each other, as an expanded tensor's do."""
    if any(step == 0 and size > 1 for size, step in zip(target.shape, target.strides, strict=True)) and target.numel:
        raise OpError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation.",
            op=op,
        )


def check_history(op: str, *, leaf: bool, of_leaf: bool, frozen: str | None) -> None:
    """Raise where a recorded in-place op may not change the target's history.

    `leaf`: it is a leaf that requires grad. `of_leaf`: it is a view of one. `frozen`: why no op may change this view's.
    """
    hint = "write under torch.no_grad(), or to a clone()"
    if frozen is not None:
        raise AutogradError(frozen, op=op)
    if of_leaf:
        raise AutogradError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation.", op=op, hint=hint
        )
    if leaf:
        raise AutogradError(
            "a leaf Variable that requires grad is being used in an in-place operation.", op=op, hint=hint
        )


def frozen_view(spec: OpSpec, grad: bool, number: int = 0) -> str | None:
    """Why no recorded in-place op may write to a view, which is result `number` of `spec`; None if it may."""
    if not grad:
        return (
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this "
            "use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view "
            "and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both "
            "outside (if you want the inplace to be tracked)."
        )
    if spec.fixed_views:
        return (
            f"Output {number} of {spec.fixed_views}Backward0 is a view and is being modified inplace. This view is the "
            "output of a function that returns multiple views. Such functions do not allow the output views to be "
            "modified inplace. You should replace the inplace operation by an out-of-place one."
        )
    return None


def check_overlap(op: str, target: Meta, target_offset: int, other: Meta, other_offset: int) -> None:
    """Raise where an element-wise op would overwrite elements of `other` that it reads later.

    Both lie in one memory, at these offsets. Like PyTorch, checks only tensors that fill the memory that they span.
    """
    if target_offset == other_offset and target.strides == other.strides and target.shape == other.shape:
        return
    apart = target_offset + target.numel <= other_offset or other_offset + other.numel <= target_offset
    if not apart and _is_dense(target) and _is_dense(other) and target.numel and other.numel:
        raise OpError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
            "location. Please clone() the tensor before performing the operation.",
            op=op,
        )


def _is_dense(meta: Meta) -> bool:
    """Whether the elements fill the memory that they span, in some order of the dimensions, none of them twice."""
    expected = 1
    for step, size in sorted((step, size) for size, step in zip(meta.shape, meta.strides, strict=True) if size != 1):
        if step != expected:
            return False
        expected *= size
    return True
