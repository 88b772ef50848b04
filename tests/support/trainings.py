"""Trainings that tests compare: which ones, and how closely they agree on any processor."""

from __future__ import annotations

import numpy as np
import pytest

TRAININGS = [
    pytest.param(name, dtype, marks=[pytest.mark.slow] if (name, dtype) == ("gpt", "float32") else [])
    for name in ("mlp", "cnn", "gpt")
    for dtype in ("float32", "float64")
]
"""Models and dtypes to compare two trainings in; see `assert_trained_alike`."""


def assert_trained_alike(found: list[float], wanted: list[float], dtype: str) -> None:
    """Losses of twenty steps agree as closely as the dtype allows on any processor.

    Adam divides gradients by their size, those that are all but zero too, so the rounding of a float32 sum grows to the
    fourth digit in a few steps, in PyTorch itself; how soon depends on the order in which a processor's library adds.
    In float64 it stays below the bound for all twenty.
    """
    assert len(found) == len(wanted) == len(set(found)) == 20
    first = {"float64": 20, "float32": 5}[dtype]
    np.testing.assert_allclose(found[:first], wanted[:first], rtol={"float64": 1e-7, "float32": 1e-4}[dtype])
    np.testing.assert_allclose(found, wanted, rtol=0.03)
