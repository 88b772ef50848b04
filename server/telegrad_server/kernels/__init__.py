"""The kernels, a module per family, named as the declarations are. Importing this package completes the table."""

from . import creation, pointwise, reduce, shaping
from .registry import KERNELS, Raw

__all__ = ["KERNELS", "Raw", "creation", "pointwise", "reduce", "shaping"]
