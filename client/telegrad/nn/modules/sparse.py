"""PyTorch's import path of `embedding`."""

from .embedding import Embedding

__all__ = ["Embedding"]
