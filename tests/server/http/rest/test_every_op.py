"""Every public op, called by name over HTTP, gives the bytes that the engine gives in this process."""

from __future__ import annotations

from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
from support.engine import Run, fill
from support.live import http_session

from telegrad_protocol.dtypes import DType
from telegrad_protocol.spec import OPS
from telegrad_server.samples import SAMPLES, Sample

MSGPACK = {"content-type": "application/msgpack"}
OCTETS = {"accept": "application/octet-stream"}


@pytest.mark.parametrize("op", sorted(op for op in SAMPLES if OPS[op].public))
def test_by_name(url: str, op: str) -> None:
    for sample in SAMPLES[op]:
        with http_session(url) as http:
            check(http, sample)


def check(http: httpx.Client, sample: Sample) -> None:
    run = Run(sample)
    names = [send(http, t) for t in run.inputs]
    named = dict(zip(run.spec.names, fill(sample, names), strict=True))
    answer = http.post(f"/ops/{sample.op}", json={"args": {name: plain(value) for name, value in named.items()}})
    assert answer.status_code == 200, f"{sample}: {answer.text}"
    result = answer.json()["result"]
    for told, expected in zip(result if isinstance(result, list) else [result], run.call(), strict=True):
        assert (told["dtype"], tuple(told["shape"])) == (expected.dtype.name, expected.shape), str(sample)
        assert told["requires_grad"] == expected.requires_grad, str(sample)
        data = http.get(f"/tensors/{told['id']}/value", headers=OCTETS).content
        got = np.frombuffer(data, expected.data.dtype).reshape(expected.shape)
        # To the last bits but a few: where this process has imported PyTorch, numba finds another `exp` in it.
        few = 8 * np.finfo(expected.data.dtype).eps if expected.data.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, expected.data, rtol=few, atol=0, err_msg=str(sample))


def send(http: httpx.Client, tensor: Any) -> str:
    body = {
        "data": tensor.data.tobytes(),
        "dtype": tensor.dtype.name,
        "shape": tensor.shape,
        "requires_grad": tensor.requires_grad,
    }
    answer = http.post("/tensors", content=msgpack.packb(body), headers=MSGPACK)
    assert answer.status_code == 200, answer.text
    return str(msgpack.unpackb(answer.content)["id"])


def plain(value: Any) -> Any:
    """An argument as JSON writes it."""
    if isinstance(value, DType):
        return value.name
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
