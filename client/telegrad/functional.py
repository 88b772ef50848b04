"""`torch.nn.functional`: the declared ops of that namespace, and composites written out of ops."""

from __future__ import annotations

from . import _ops

globals().update(_ops.on("functional"))

__all__ = sorted(_ops.on("functional"))  # noqa: PLE0605
