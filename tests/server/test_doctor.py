"""`telegrad doctor` on this machine: its report as text and JSON, its exit status, its reason for not using a GPU."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from shutil import which

import numpy as np
import pytest
from gpu.backends import strict_backend

from telegrad_protocol.devices import ProcessDevice
from telegrad_server import doctor
from telegrad_server.backend.numpy import NumpyBackend
from telegrad_server.backend.probe import Found
from telegrad_server.doctor import environment, examination, samples
from telegrad_server.samples import SAMPLES

NO_GPU = Found("cuda", False, "CUDARuntimeError: no driver")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few ops, no search for devices; restores the process's settings."""
    monkeypatch.setattr(samples, "SAMPLES", {op: SAMPLES[op] for op in ("relu", "sort", "dropout")})
    monkeypatch.setattr(examination, "found_devices", lambda: [NO_GPU])
    monkeypatch.setattr(ProcessDevice, "device", "cpu")
    with np.errstate():
        yield


def examine(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args(["--quick", *arguments]))


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    status = examine("--json", *arguments)
    return status, json.loads(capsys.readouterr().out)


def test_a_report_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert examine() == 0
    text = capsys.readouterr().out
    for heading in ("environment", "versions", "devices", "device", "samples: ok", "training: ok", "speed"):
        assert f"\n{heading}\n" in f"\n{text}"
    assert "no GPU is used: cuda: CUDARuntimeError: no driver" in text
    assert "skipped 1: a draw" in text
    assert text.endswith("all is well\n")


def test_a_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = report(capsys, "--device", "cpu")
    assert (status, found["ok"], found["device"]["device"]) == (0, True, "cpu")
    assert found["devices"]["cuda"] == {"usable": False, "reason": NO_GPU.reason}
    assert found["devices"]["cpu"]["memory_bytes"] > 0
    assert found["versions"]["numpy"] == np.__version__
    assert found["samples"]["against NumPy"]["counts"]["float32"] == {"run": 2, "passed": 2, "failed": 0, "skipped": 1}
    assert found["training"]["last_loss"] < found["training"]["first_loss"]
    assert found["speed"]["copy_gb_per_s"] > 0
    assert found["speed"]["matmul_gflops"]["float32"] > 0


def test_a_sample_that_differs_makes_the_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(NumpyBackend):
        """A backend whose values are slightly wrong on the host."""

        def to_host(self, array: np.ndarray) -> np.ndarray:
            return array + array.dtype.type(1)

    monkeypatch.setattr(examination, "backend_of", lambda device: Wrong())
    status, found = report(capsys)
    assert (status, found["ok"], found["samples"]["ok"]) == (1, False, False)
    (first, *_) = found["samples"]["against NumPy"]["failures"]
    assert first["sample"].startswith("float32-relu")
    assert "where NumPy gives" in first["error"]
    examine()
    assert "FAILED float32-relu" in capsys.readouterr().out


def test_a_part_that_raises_is_told_and_the_others_follow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(xp: object, quick: bool) -> dict:
        raise ArithmeticError("no training today")

    monkeypatch.setattr(examination, "train", broken)
    status, found = report(capsys)
    assert status == 1
    assert found["training"] == {"ok": False, "error": "ArithmeticError: no training today"}
    assert found["speed"]


def test_samples_end_with_a_device_that_answers_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead(NumpyBackend):
        def to_host(self, array: np.ndarray) -> np.ndarray:
            raise RuntimeError("an illegal memory access was encountered")

        synchronize = to_host  # type: ignore[assignment]

    found = samples.try_samples(Dead(), True)["against NumPy"]
    assert found["counts"]["float32"] == {"run": 1, "passed": 0, "failed": 1, "skipped": 2}


def test_a_device_that_was_asked_for_and_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = report(capsys, "--device", "cuda")
    assert status == 1
    assert found["device"] == {"ok": False, "device": "cuda:0", "reason": NO_GPU.reason}
    assert "samples" not in found


def test_the_first_usable_gpu_is_tried() -> None:
    broken, works = Found("cuda:0", False, "broken"), Found("cuda:1", True, "", "A GPU", 1 << 30)
    assert environment.choose([broken, works], None) == ("cuda:1", "the first GPU that can be used")
    assert environment.choose([broken, works], "cuda:0") == (None, "broken")
    assert environment.choose([works], "cuda:2")[1] == "there is no cuda:2; there are cuda:1"


def test_the_command_is_known_to_the_client() -> None:
    command = [sys.executable, "-m", "telegrad._cli", "doctor", "--device", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Invalid device string" in done.stderr


@pytest.mark.skipif(which("g++") is None, reason="no g++ on the PATH: CUDA sources cannot run on the CPU here")
def test_the_way_of_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    xp = strict_backend().xp
    monkeypatch.setattr(samples, "SAMPLES", {op: SAMPLES[op] for op in ("relu", "zeros")})
    monkeypatch.setattr(examination, "found_devices", lambda: [Found("cuda:0", True, "", "A GPU", 1 << 30)])
    monkeypatch.setattr(examination, "describe", lambda device: {"driver": "13.0"})
    monkeypatch.setattr(examination, "measure", lambda xp, quick: {"matmul_gflops": {}})
    for module in (examination, environment):
        monkeypatch.setattr(module, "backend_of", lambda device: xp)
    status, found = report(capsys)
    assert (status, found["device"]["device"], found["devices"]["cuda:0"]["name"]) == (0, "cuda:0", "A GPU")
    assert list(found["samples"]) == ["ok", "against NumPy", "draws, repeated"]
    check = found["samples"]["against NumPy"]
    assert check["counts"]["float32"]["passed"] == 1
    assert check["counts"]["other dtypes"]["failed"] == 0
    assert found["draws"] == {"ok": True, "units": True, "integers": True, "normals": True}
    assert found["training"]["ok"]
