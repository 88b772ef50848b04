"""Activations as modules: each calls its function with its options.

Made by `make stubs` from the op table and the functions beside it: not to be edited.
"""

from typing import Any

from telegrad._api.signatures import DeviceLike, Number
from telegrad._tensor import Tensor
from telegrad.nn.modules.module import Module
from telegrad.nn.parameter import Parameter
from telegrad_protocol.dtypes import DType

class _Activation(Module):
    """`function(input, **options)`; `options` are the constructor's arguments with their defaults, in order."""

    options: dict[str, Any]
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...
    def extra_repr(self) -> str: ...

class ReLU(_Activation):
    """`nn.functional.relu` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class ReLU6(_Activation):
    """`nn.functional.relu6` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class LeakyReLU(_Activation):
    """`nn.functional.leaky_relu` as a module."""

    negative_slope: float
    inplace: bool
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class ELU(_Activation):
    """`nn.functional.elu` as a module."""

    alpha: float
    inplace: bool
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class SELU(_Activation):
    """`nn.functional.selu` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class CELU(_Activation):
    """`nn.functional.celu` as a module."""

    alpha: float
    inplace: bool
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class GELU(_Activation):
    """`nn.functional.gelu` as a module."""

    approximate: str
    def __init__(self, approximate: str = "none") -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class SiLU(_Activation):
    """`nn.functional.silu` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Mish(_Activation):
    """`nn.functional.mish` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Softplus(_Activation):
    """`nn.functional.softplus` as a module."""

    beta: float
    threshold: float
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Softsign(_Activation):
    """`nn.functional.softsign` as a module."""

class Sigmoid(_Activation):
    """`nn.functional.sigmoid` as a module."""

class Tanh(_Activation):
    """`nn.functional.tanh` as a module."""

class LogSigmoid(_Activation):
    """`nn.functional.logsigmoid` as a module."""

class Tanhshrink(_Activation):
    """`nn.functional.tanhshrink` as a module."""

class Hardtanh(_Activation):
    """`nn.functional.hardtanh` as a module."""

    min_val: float
    max_val: float
    inplace: bool
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Hardswish(_Activation):
    """`nn.functional.hardswish` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Hardsigmoid(_Activation):
    """`nn.functional.hardsigmoid` as a module."""

    inplace: bool
    def __init__(self, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Softshrink(_Activation):
    """`nn.functional.softshrink` as a module."""

    lambd: float
    def __init__(self, lambd: float = 0.5) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Hardshrink(_Activation):
    """`nn.functional.hardshrink` as a module."""

    lambd: float
    def __init__(self, lambd: float = 0.5) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class GLU(_Activation):
    """`nn.functional.glu` as a module."""

    dim: int
    def __init__(self, dim: int = -1) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Softmax(_Activation):
    """`nn.functional.softmax` as a module."""

    dim: int
    def __init__(self, dim: int | None = None) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class LogSoftmax(_Activation):
    """`nn.functional.log_softmax` as a module."""

    dim: int
    def __init__(self, dim: int | None = None) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Softmin(_Activation):
    """`nn.functional.softmin` as a module."""

    dim: int
    def __init__(self, dim: int | None = None) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class Threshold(_Activation):
    """x where x exceeds the threshold, else the value."""

    threshold: Number
    value: Number
    inplace: bool
    def __init__(self, threshold: Number = 0.0, value: Number = 0.0, inplace: bool = False) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...

class PReLU(Module):
    """x where x is positive, a learned multiple of x elsewhere (He et al., 2015)."""

    num_parameters: int
    weight: Parameter
    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike | None = None, dtype: DType | None = None
    ) -> None: ...
    def forward(self, input: Tensor) -> Tensor: ...
    def extra_repr(self) -> str: ...
