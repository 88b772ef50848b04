"""Arguments under NumPy's names."""

from __future__ import annotations

from typing import Any


def either(given: Any, numpys: Any) -> Any:
    """An argument, or what was given under NumPy's name for it."""
    return given if numpys is None else numpys
