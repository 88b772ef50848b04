"""Handles of hooks, under PyTorch's name."""

from telegrad._handles import RemovableHandle

__all__ = ["RemovableHandle"]
