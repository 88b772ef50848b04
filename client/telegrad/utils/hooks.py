"""`torch.utils.hooks`: handles of hooks."""

from telegrad._api.handles import RemovableHandle

__all__ = ["RemovableHandle"]
