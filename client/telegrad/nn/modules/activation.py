"""Activations as modules: each calls its function with its options."""

from __future__ import annotations

from typing import Any

from telegrad import functional as F
from telegrad._api import creation as creation
from telegrad._api.signatures import DeviceLike
from telegrad._tensor import Tensor
from telegrad.nn.parameter import Parameter
from telegrad_protocol.dtypes import DType

from ._options import options_given
from .module import Module


class _Activation(Module):
    """`function(input, **options)`; `options` are the constructor's arguments with their defaults, in order."""

    function = ""
    options: dict[str, Any] = {}  # noqa: RUF012  # read only

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for name, value in options_given(type(self), self.options, args, kwargs).items():
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, self.function)(input, **{name: getattr(self, name) for name in self.options})
        return result

    def extra_repr(self) -> str:
        values = {name: repr(getattr(self, name)) for name in self.options if name != "inplace"}
        # PyTorch shows `lambd` without its name.
        words = [text if name == "lambd" else f"{name}={text}" for name, text in values.items()]
        return ", ".join([*words, "inplace=True"] if getattr(self, "inplace", False) else words)


def _made(name: str, function: str, **options: Any) -> type[_Activation]:
    doc = f"`nn.functional.{function}` as a module."
    return type(
        name, (_Activation,), {"function": function, "options": options, "__doc__": doc, "__module__": __name__}
    )


ReLU = _made("ReLU", "relu", inplace=False)
ReLU6 = _made("ReLU6", "relu6", inplace=False)
LeakyReLU = _made("LeakyReLU", "leaky_relu", negative_slope=0.01, inplace=False)
ELU = _made("ELU", "elu", alpha=1.0, inplace=False)
SELU = _made("SELU", "selu", inplace=False)
CELU = _made("CELU", "celu", alpha=1.0, inplace=False)
GELU = _made("GELU", "gelu", approximate="none")
SiLU = _made("SiLU", "silu", inplace=False)
Mish = _made("Mish", "mish", inplace=False)
Softplus = _made("Softplus", "softplus", beta=1.0, threshold=20.0)
Softsign = _made("Softsign", "softsign")
Sigmoid = _made("Sigmoid", "sigmoid")
Tanh = _made("Tanh", "tanh")
LogSigmoid = _made("LogSigmoid", "logsigmoid")
Tanhshrink = _made("Tanhshrink", "tanhshrink")
Hardtanh = _made("Hardtanh", "hardtanh", min_val=-1.0, max_val=1.0, inplace=False)
Hardswish = _made("Hardswish", "hardswish", inplace=False)
Hardsigmoid = _made("Hardsigmoid", "hardsigmoid", inplace=False)
Softshrink = _made("Softshrink", "softshrink", lambd=0.5)
Hardshrink = _made("Hardshrink", "hardshrink", lambd=0.5)
GLU = _made("GLU", "glu", dim=-1)
Softmax = _made("Softmax", "softmax", dim=None)
LogSoftmax = _made("LogSoftmax", "log_softmax", dim=None)
Softmin = _made("Softmin", "softmin", dim=None)


class Threshold(_Activation):
    """x where x exceeds the threshold, else the value."""

    function = "threshold"
    options = {"threshold": 0.0, "value": 0.0, "inplace": False}  # noqa: RUF012


class PReLU(Module):
    """x where x is positive, a learned multiple of x elsewhere (He et al., 2015)."""

    num_parameters: int
    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None, dtype: DType | None = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(creation.full((num_parameters,), float(init), device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
