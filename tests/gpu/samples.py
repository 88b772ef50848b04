"""Op samples on another backend, compared with NumPy: the code that `telegrad doctor` runs on a GPU."""

from collections.abc import Iterable
from typing import Any

from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import Case, cases, compare, skip_reason
from telegrad_server.samples import SAMPLES

__all__ = ["NETWORKS", "PLAIN", "Case", "cases", "compare", "differences", "skip_reason"]

NETWORKS = {
    OPS[op].family
    for op in "linear softmax cross_entropy scaled_dot_product_attention conv2d max_pool2d embedding gelu".split()
}
"""The families of the ops of neural networks."""

PLAIN = {OPS[op].family for op in SAMPLES} - NETWORKS


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
