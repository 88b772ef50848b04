"""Handles of hooks, under PyTorch's name."""

from telegrad._api.handles import RemovableHandle

__all__ = ["RemovableHandle"]
