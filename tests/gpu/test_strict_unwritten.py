"""Results of the CuPy backend where there is nothing to compute with: memory on the strict module is poison until it is
written, so that a kernel which leaves part of a result alone does not give what NumPy gives.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gpu.backends import strict_backend
from gpu.samples import Case, compare, skip_reason
from support.hostile import emptied

from telegrad_server.backend.cupy import CupyBackend
from telegrad_server.samples import SAMPLES

pytestmark = [pytest.mark.usefixtures("host_compiler"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def xp() -> CupyBackend:
    return strict_backend(seed=7).xp


def all_cases() -> Iterator[Case]:
    seen = set()
    for samples in SAMPLES.values():
        for sample in samples:
            for other in emptied(sample):
                if str(other) not in seen:
                    seen.add(str(other))
                    yield Case(other, "float32")


def differs(case: Case, xp: CupyBackend) -> str:
    try:
        if skip_reason(case) is not None:  # NumPy refuses it, or draws other numbers
            return ""
        compare(case, xp)
    except Exception as error:
        return f"{case}: {type(error).__name__} {error}"
    return ""


def test_nothing_unwritten_shows_in_a_result(xp: CupyBackend) -> None:
    found = [told for case in all_cases() if (told := differs(case, xp))]
    assert not found, "\n".join([f"{len(found)} differ", *found])
