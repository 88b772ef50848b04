"""telegrad: PyTorch-style tensors whose data and autograd graph live on a server.

>>> import telegrad as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

import math as _math
from importlib.metadata import version as _version

from telegrad_protocol import dtypes as _dtypes
from telegrad_protocol.dtypes import DType as dtype
from telegrad_protocol.errors import OutOfMemory as OutOfMemoryError

from . import amp, cuda, linalg, nn, optim, random, utils
from . import functional as _functional
from ._api import absent as _absent
from ._api import namespace as _namespace
from ._api.deferred import deferred
from ._api.printing import get_printoptions, printoptions, set_printoptions
from ._api.read_all import read_all
from ._api.size import Size
from ._profile.profile import profile
from ._runtime.connection import connect, disconnect, synchronize
from ._runtime.devices import device
from ._tensor import Tensor
from ._tracing import frames as _frames
from .amp import autocast, get_autocast_dtype, is_autocast_enabled
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__version__ = _version("telegrad")

e, inf, nan, pi = _math.e, _math.inf, _math.nan, _math.pi
newaxis = None

globals().update({**_dtypes.BY_NAME, **_dtypes.ALIASES, **_namespace.TORCH})

__all__ = sorted(name for name in globals() if not name.startswith("_"))

_frames.guard()
_absent.install()
