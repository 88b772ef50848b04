"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable

from telegrad import functional as F
from telegrad._api.signatures import Sizes
from telegrad._tensor import Tensor

from .module import Module


def _tuple(size: Sizes) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


class _MaxPool(Module):
    """The maximum of each window."""

    dims = 0

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        function: Callable[..., Tensor] = getattr(F, f"max_pool{self.dims}d")
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of windows of (N, C, L)."""

    dims = 1


class MaxPool2d(_MaxPool):
    """The maximum of windows of (N, C, H, W)."""

    dims = 2


class MaxPool3d(_MaxPool):
    """The maximum of windows of (N, C, D, H, W)."""

    dims = 3


class _AvgPool(Module):
    """The mean of each window."""

    dims = 0

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        if self.dims == 1 and divisor_override is not None:
            raise TypeError("AvgPool1d takes no divisor_override")
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override
        if self.dims == 1:  # PyTorch keeps these as tuples in AvgPool1d only
            self.kernel_size, self.stride, self.padding = map(_tuple, (self.kernel_size, self.stride, self.padding))

    def forward(self, input: Tensor) -> Tensor:
        function: Callable[..., Tensor] = getattr(F, f"avg_pool{self.dims}d")
        more = () if self.dims == 1 else (self.divisor_override,)
        return function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, *more
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of windows of (N, C, L)."""

    dims = 1


class AvgPool2d(_AvgPool):
    """The mean of windows of (N, C, H, W)."""

    dims = 2


class AvgPool3d(_AvgPool):
    """The mean of windows of (N, C, D, H, W)."""

    dims = 3


class _AdaptivePool(Module):
    function = ""

    def __init__(self, output_size: Sizes) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, self.function)(input, self.output_size)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Sizes, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, self.function)(input, self.output_size, self.return_indices)
        return result


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means over windows that give an output of a given size, from (N, C, L)."""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means over windows that give an output of a given size, from (N, C, H, W)."""

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means over windows that give an output of a given size, from (N, C, D, H, W)."""

    function = "adaptive_avg_pool3d"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over windows that give an output of a given size, from (N, C, L)."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over windows that give an output of a given size, from (N, C, H, W)."""

    function = "adaptive_max_pool2d"
