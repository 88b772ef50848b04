"""Op samples on another backend, compared with NumPy: the code that `telegrad doctor` runs on a GPU."""

from telegrad_server.checks.compare import Case, cases, compare, skip_reason

__all__ = ["Case", "cases", "compare", "skip_reason"]
