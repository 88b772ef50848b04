"""`telegrad doctor` on the real CuPy over an emulated device: the same report as a GPU's."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from gpu.doctor import main

from telegrad_protocol.devices import ProcessDevice
from telegrad_server.doctor import samples
from telegrad_server.samples import SAMPLES

OPS = "add relu softmax layer_norm matmul conv2d max_pool2d embedding cross_entropy sort gather cumsum where".split()


@pytest.mark.timeout(1500)
def test_the_report_of_an_emulated_device(
    cp: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SAMPLES", {op: SAMPLES[op] for op in OPS})
    monkeypatch.setattr(ProcessDevice, "device", "cpu")
    assert main(["--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["device"] == "cuda:0"
    assert found["devices"]["cuda:0"]["usable"]
    counts = found["samples"]["against NumPy"]["counts"]
    assert all(count["failed"] == 0 and count["passed"] > 0 for count in counts.values())
    assert found["training"]["last_loss"] < found["training"]["first_loss"]
    assert found["speed"]["host_to_device_gb_per_s"] > 0
    assert found["speed"]["matmul_gflops"]["bfloat16"] > 0
