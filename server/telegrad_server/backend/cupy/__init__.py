"""The backend for CUDA devices: CuPy, and CUDA sources in `cuda/`, a module per family of ops."""

from .backend import CupyBackend, count_devices, describe_device, open_device

__all__ = ["CupyBackend", "count_devices", "describe_device", "open_device"]
