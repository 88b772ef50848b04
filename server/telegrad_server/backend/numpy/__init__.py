"""The backend for the CPU: NumPy, and compiled kernels in `jit/`, a module per family of ops."""

from .backend import NumpyBackend

__all__ = ["NumpyBackend"]
