"""What is an error here though real CuPy would go on, wrongly or slowly."""

from __future__ import annotations


class StrictError(AssertionError):
    """A rule of the strict module that was broken. No handler of the product catches it."""


class NotInStrict(NotImplementedError):
    """Real CuPy has it; the strict module does not know it yet."""
