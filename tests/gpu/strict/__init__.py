"""CuPy's semantics on NumPy, for tests where there is no GPU and no CuPy: what CuPy refuses or does not have is an
error here, and so is what it would do silently wrong or slowly.

>>> machine = Machine(seed=1)
>>> cp = make_module(machine)
>>> with machine.no_sync():
...     x = cp.arange(6).reshape(2, 3) + 1
>>> machine.syncs.total(), x.sum().item()
(0, 21)
"""

from .blas import StrictBlas
from .machine import Machine
from .memory import OutOfMemoryError
from .module import make_module
from .rules import NotInStrict, StrictError

__all__ = ["Machine", "NotInStrict", "OutOfMemoryError", "StrictBlas", "StrictError", "make_module"]
