"""Views of other shapes and strides; broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from telegrad._api.functions import FUNCTIONS as F
from telegrad._api.signatures import Sizes
from telegrad._api.size import Size
from telegrad._tensor import Tensor
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import UnsupportedOp
from telegrad_protocol.shapes import broadcast


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view by sizes, strides and offset, in elements, of the memory that `input` shows: all of it, whatever `input` is.

    Raises RuntimeError where the view would leave the memory.

    >>> import telegrad as tg
    >>> tg.as_strided(tg.arange(6.0).reshape(2, 3).t(), (2, 2), (1, 3))
    tensor([[0., 3.],
            [1., 4.]])
    """
    base, offset = input.base, input._offset if storage_offset is None else storage_offset
    if base._memory is not None and (
        base._offset or not base._meta.contiguous or base._meta.numel != base.root._meta.numel
    ):
        if base._leaves is not None:
            raise UnsupportedOp(
                "as_strided(): the tensor requires grad and shows a part of detached memory",
                op="as_strided",
                argument="input",
                hint="take as_strided of a tensor that is no such view, or of .clone()",
            )
        base = F["detach"](base.root)
    return F["as_strided"](base, size, stride, offset)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """The tensor with two dimensions exchanged."""
    return F["transpose"](input, axis0, axis1)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each expanded to their common shape."""
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple(F["expand"](t, shape) for t in tensors)


def broadcast_shapes(*shapes: Sizes) -> Size:
    """The common shape under broadcasting. Raises RuntimeError if there is none."""
    return Size(broadcast([(s,) if isinstance(s, int) else tuple(s) for s in shapes]))


def _expand(self: Tensor, *sizes: Sizes, size: Sizes | None = None) -> Tensor:
    """A view in which dimensions of size 1 are repeated; -1 keeps a size."""
    given: Any = sizes or (size,)
    return F["expand"](self, given[0] if len(given) == 1 and not isinstance(given[0], int) else given)


def _view(self: Tensor, *shape: Sizes | DType, size: Sizes | None = None, dtype: DType | None = None) -> Tensor:
    """The same memory in another shape."""
    given: Any = shape or (size,)
    if dtype is not None or isinstance(given[0], DType):
        raise UnsupportedOp(
            "view(): bytes are not shown as another dtype",
            op="view",
            argument="dtype",
            hint="t.to(dtype) converts the values; t.numpy().view(...) shows the bytes of a copy",
        )
    return F["view"](self, given[0] if len(given) == 1 and not isinstance(given[0], int) else given)


def _size_like(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    def method(self: Tensor, other: Tensor) -> Tensor:
        return F[name](self, other._meta.shape)

    method.__name__ = method.__qualname__ = f"{name}_as"
    method.__doc__ = f"`{name}` to the shape of `other`."
    return method


def _transposed(self: Tensor) -> Tensor:
    """The tensor with its dimensions in reverse order."""
    return F["permute"](self, tuple(range(self.ndim))[::-1])


def _matrices_transposed(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged."""
    return F["transpose"](self, -2, -1)


def _matrix_transposed(self: Tensor) -> Tensor:
    """The matrix transposed."""
    return F["transpose"](self, 0, 1)


def _reversed(self: Tensor) -> Tensor:
    """The rows in reverse order."""
    return F["flip"](self, (0,)) if self.ndim else self


def _unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of a size along a dimension, `step` apart; their elements are the last dimension."""
    return F["_unfold_windows"](self, dimension, size, step)


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "unfold": _unfold,
    "swapaxes": swapaxes,
    "view": _view,
    "expand": _expand,
    "expand_as": _size_like("expand"),
    "view_as": _size_like("view"),
    "reshape_as": _size_like("reshape"),
    "as_strided": as_strided,
    "__reversed__": _reversed,
}

PROPERTIES: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "T": _transposed,
    "mT": _matrices_transposed,
    "H": _matrix_transposed,
}
