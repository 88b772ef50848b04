"""`tg.profile()` with work on a device that is no GPU: its clock stands still, so only counts and sums are told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import serving

import telegrad as tg

TESTS = str(Path(__file__).parent.parent)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS + os.pathsep + os.environ.get("PYTHONPATH", ""))
        with serving([sys.executable, "-m", "gpu.cuda_server", "strict", "1"]) as url:
            yield url


def test_work_on_two_devices(server: str) -> None:
    with tg.connect(server):
        model = tg.nn.Linear(8, 8, device="cuda")
        x = tg.ones(4, 8, device="cuda")
        model(x).sum().item()
        with tg.profile() as prof:
            for _ in range(5):
                loss = model(x).square().mean()
                loss.backward()
                loss.item()
                (tg.ones(3) + 1).sum().item()
    found = json.loads(prof.to_json())
    assert sum(found["parts"].values()) == pytest.approx(found["wall"], rel=0.05)
    rows: dict[str, int] = {}
    for op in found["kernels"]:
        rows[op["op"]] = rows.get(op["op"], 0) + op["rows"]
    assert (rows["linear"], rows["backward"], rows["sum"]) == (5, 5, 5)
    assert any("cuda" in note for note in found["notes"])
    assert found["parts"]["kernels"] > 0
