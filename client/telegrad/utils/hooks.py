"""`torch.utils.hooks`: handles of hooks."""

from telegrad._handles import RemovableHandle

__all__ = ["RemovableHandle"]
