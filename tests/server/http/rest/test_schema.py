"""schemathesis makes up requests from /openapi.json: no answer may be a 5xx, or differ from what is documented."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent


def run_schemathesis(url: str, examples: int) -> None:
    """Every check of every phase; fails with its report."""
    with httpx.Client(base_url=url) as http:
        names = [http.post("/v1/sessions", json={}).json()["session"] for _ in range(2)]
        for value in (1.5, [1.0, 2.0], [[1, 2], [3, 4]], [True, False]):
            http.post(f"/v1/sessions/{names[0]}/tensors", json={"data": value}).raise_for_status()
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run"]
        options = ["--max-examples", str(examples), "--seed", "1", "--no-color", "--generation-database", "none"]
        environment = {**os.environ, "SESSION": names[0], "SPARE": names[1]}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [*command, f"{url}/openapi.json", *options], env=environment, capture_output=True, text=True, cwd=HERE
        )
        assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
        assert http.get("/v1/health").json() == {"status": "ok"}


def test_made_up_requests(url: str) -> None:
    run_schemathesis(url, 5)


@pytest.mark.slow
def test_many_made_up_requests(url: str) -> None:
    run_schemathesis(url, 100)
