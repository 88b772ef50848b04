"""What is installed."""

from __future__ import annotations

import importlib.util


def missing_modules(*modules: str) -> list[str]:
    """Those of some modules that are not installed."""
    return [name for name in modules if importlib.util.find_spec(name) is None]
