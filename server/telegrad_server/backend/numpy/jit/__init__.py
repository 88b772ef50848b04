"""Compiled CPU kernels, in numba and BLAS, where NumPy is slow: a module per family of ops.

Pure functions of C-contiguous NumPy arrays in float32 or float64, forward and backward side by side. Each result is the
same in every run and for every number of threads that share a kernel.
"""

from ._jit import begin_threads, set_threads, threads

__all__ = ["begin_threads", "set_threads", "threads"]
