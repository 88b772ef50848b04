"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from telegrad import functional as F
from telegrad._api import creation as creation
from telegrad._api.signatures import DeviceLike, Sizes
from telegrad._tensor import Tensor
from telegrad.nn import init
from telegrad.nn.parameter import Parameter
from telegrad_protocol.dtypes import DType

from .module import Module


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * n


def _check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name} must be divisible by groups")


def _check_padding(padding: Sizes | str, mode: str, stride: Sizes) -> None:
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
        if padding == "same" and any(step != 1 for step in _tuple(stride, 1)):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(
            f"padding_mode must be one of {{'zeros', 'reflect', 'replicate', 'circular'}}, but got padding_mode='{mode}'"
        )


class _Conv(Module):
    """Base of convolutions. Weight (out, in / groups, *kernel); transposed (in, out / groups, *kernel)."""

    dims = 0
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
        output_padding: Sizes = 0,
    ) -> None:
        super().__init__()
        _check_groups(in_channels, out_channels, groups)
        _check_padding(padding, padding_mode, stride)
        n = self.dims
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = _tuple(kernel_size, n), _tuple(stride, n), _tuple(dilation, n)
        self.padding = padding if isinstance(padding, str) else _tuple(padding, n)
        self.output_padding = _tuple(output_padding, n)
        self.padding_mode = padding_mode
        ends = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(creation.empty((*ends, *self.kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(creation.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters: uniform within 1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def forward(self, input: Tensor) -> Tensor:
        function: Callable[..., Tensor] = getattr(F, f"conv{self.dims}d")
        padding: Sizes | str = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._both_ends(), mode=self.padding_mode)
            padding = 0
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _both_ends(self) -> tuple[int, ...]:
        """The padding in the form that `pad` takes, the last dimension first."""
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            ends = [(t // 2, t - t // 2) for t in total]
        else:
            sizes = (0,) * self.dims if isinstance(self.padding, str) else self.padding
            ends = [(size, size) for size in sizes]
        return tuple([n for pair in reversed(ends) for n in pair])

    def extra_repr(self) -> str:
        words = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.dims:
            words += f", padding={self.padding}"
        if self.dilation != (1,) * self.dims:
            words += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.dims:
            words += f", output_padding={self.output_padding}"
        if self.groups != 1:
            words += f", groups={self.groups}"
        if self.bias is None:
            words += ", bias=False"
        return words if self.padding_mode == "zeros" else f"{words}, padding_mode={self.padding_mode}"


class Conv1d(_Conv):
    """Convolution over (N, C, L)."""

    dims = 1


class Conv2d(_Conv):
    """Convolution over (N, C, H, W)."""

    dims = 2


class Conv3d(_Conv):
    """Convolution over (N, C, D, H, W)."""

    dims = 3


class _ConvTransposed(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError('Only "zeros" padding mode is supported for transposed convolutions')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
            output_padding,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._padding_for(input, output_size)
        function: Callable[..., Tensor] = getattr(F, f"conv_transpose{self.dims}d")
        return function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _padding_for(self, input: Any, wanted: Any) -> tuple[int, ...]:
        """The output padding that gives an output of the wanted size. Raises ValueError if none does."""
        given, dims = wanted, self.dims
        lead = input.ndim - dims
        wanted = wanted[lead:] if len(wanted) == lead + dims else wanted
        if len(wanted) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.ndim}D input, output_size must have {dims} or {lead + dims} elements "
                f"(got {len(wanted)})"
            )
        axes: Any = zip(input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in axes]
        most = [size + step - 1 for size, step in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {given}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[2:]})"
            )
        return tuple([size - low for size, low in zip(wanted, least, strict=True)])


class ConvTranspose1d(_ConvTransposed):
    """Transposed convolution over (N, C, L)."""

    dims = 1


class ConvTranspose2d(_ConvTransposed):
    """Transposed convolution over (N, C, H, W)."""

    dims = 2


class ConvTranspose3d(_ConvTransposed):
    """Transposed convolution over (N, C, D, H, W)."""

    dims = 3
