"""The CuPy backend with the real CuPy on an emulated device: samples of plain ops in float32, compared with NumPy.

`test_emulated_networks.py` has the ops of networks. What other dtypes change is seen on the strict module, and by NVRTC.
"""

from __future__ import annotations

from typing import Any

import pytest
from gpu.samples import Case, cases, compare, skip_reason

from telegrad_protocol.spec import OPS
from telegrad_server.samples import SAMPLES

NETWORKS = set("matmul normalization loss attention convolution pooling resampling embedding activation".split())
FAMILIES = {OPS[op].family for op in SAMPLES} - NETWORKS
# cuSOLVER, and the factorizations of cuBLAS.
NOT_EMULATED = ("cusolver", "CUBLAS_STATUS_NOT_SUPPORTED")
CASES = list(cases(FAMILIES, ("float32",)))


@pytest.fixture(scope="module")
def xp(cp: Any) -> Any:
    from telegrad_server.backend.cupy import open_device

    return open_device(0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sample(xp: Any, case: Case) -> None:
    reason = skip_reason(case)
    if reason:
        pytest.skip(reason)
    try:
        compare(case, xp)
    except (ImportError, RuntimeError) as error:
        if not any(word in str(error) for word in NOT_EMULATED):
            raise
        pytest.skip(f"not emulated: {error}")
