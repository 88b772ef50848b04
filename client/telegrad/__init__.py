"""telegrad: PyTorch-style tensors whose data and autograd graph live on a server.

>>> import telegrad as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from telegrad_protocol.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from telegrad_protocol.dtypes import bool_ as bool

from . import _ops
from ._connect import connect, synchronize
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Size, Tensor, device

globals().update({k: v for k, v in _ops.on("torch").items() if k not in globals()})
from ._creation import as_tensor, from_numpy, ones, tensor, zeros
