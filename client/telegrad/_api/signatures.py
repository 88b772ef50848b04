"""The words of signatures: what users may give, and the signatures of functions that are made rather than written.

Nothing here is used at run time. The stubs (`make stubs`) show a made function as its maker's result type says.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload

if TYPE_CHECKING:
    import numpy as np

    from telegrad._runtime.devices import device
    from telegrad._tensor import Tensor
    from telegrad.random import Generator
    from telegrad_protocol.dtypes import DType

    from .declared import ValuesIndices

Number: TypeAlias = "bool | int | float | np.number[Any]"
Operand: TypeAlias = "Tensor | Number | np.ndarray[Any, Any]"
"""What may stand beside a tensor and an operator."""
Sizes: TypeAlias = "int | Sequence[int]"
DeviceLike: TypeAlias = "device | str | int | None"
Item: TypeAlias = "int | slice | EllipsisType | Tensor | np.ndarray[Any, Any] | list[Any] | range | None"
Index: TypeAlias = "Item | tuple[Item, ...]"
"""What may stand between the brackets of `x[...]`."""


class Extremum(Protocol):
    """`max` and `min`."""

    @overload
    def __call__(self, input: Tensor, /) -> Tensor: ...
    @overload
    def __call__(self, input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
    @overload
    def __call__(self, input: Tensor, other: Tensor) -> Tensor: ...


class Middle(Protocol):
    """`median` and `nanmedian`."""

    @overload
    def __call__(self, input: Tensor) -> Tensor: ...
    @overload
    def __call__(self, input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...


class Spread(Protocol):
    """`std` and `var`."""

    @overload
    def __call__(self, input: Tensor, unbiased: bool) -> Tensor: ...
    @overload
    def __call__(
        self,
        input: Tensor,
        dim: Sizes | None = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: Number | None = None,
    ) -> Tensor: ...


class Factory(Protocol):
    """`zeros`, `ones` and `empty`: the size as numbers or as a tuple."""

    @overload
    def __call__(
        self,
        *size: int,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        size: Sequence[int],
        *,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...


class LikeFactory(Protocol):
    """`zeros_like`, `ones_like` and `empty_like`."""

    def __call__(
        self,
        input: Tensor,
        *,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...


class NewFactory(Protocol):
    """`Tensor.new_zeros` and its like."""

    @overload
    def __call__(
        self,
        input: Tensor,
        *size: int,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        input: Tensor,
        size: Sequence[int],
        *,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor: ...


class Draw(Protocol):
    """`rand` and `randn`."""

    @overload
    def __call__(
        self,
        *size: int,
        generator: Generator | None = None,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        size: Sequence[int],
        *,
        generator: Generator | None = None,
        dtype: DType | None = None,
        device: DeviceLike = None,
        requires_grad: bool = False,
    ) -> Tensor: ...
