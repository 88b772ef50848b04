"""Op samples on another backend, compared with NumPy: the code that `telegrad doctor` runs on a GPU."""

from collections.abc import Iterable
from typing import Any

from telegrad_server.samples import SAMPLES
from telegrad_server.samples.comparing import Case, cases, compare, family_of, skip_reason

__all__ = ["NETWORKS", "PLAIN", "Case", "cases", "compare", "differences", "family_of", "skip_reason"]

NETWORKS = {
    family_of(op)
    for op in "linear softmax cross_entropy scaled_dot_product_attention conv2d max_pool2d embedding gelu".split()
}
"""The families of the ops of neural networks."""

PLAIN = {family_of(op) for op in SAMPLES} - NETWORKS


def differences(xp: Any, families: Iterable[str], dtypes: Iterable[str]) -> list[str]:
    """How each case differs from NumPy, of those that can be compared."""
    found = list(cases(families, dtypes))
    assert found, f"no sample of {families} in {dtypes}"
    return [f"{case}: {difference}" for case in found if (difference := _difference(case, xp))]


def _difference(case: Case, xp: Any) -> str | None:
    if skip_reason(case) is not None:
        return None
    try:
        compare(case, xp)
    except (AssertionError, ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None
