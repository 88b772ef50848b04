"""The README's curl lines run, and give what the comments beside them say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.live import live_server

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"<!-- test: curl -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL)
CURL = shutil.which("curl")


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
@pytest.mark.parametrize("block", BLOCKS)
def test_curl_lines(block: str, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("fail\nshow-error\n")  # a status of 400 or more ends the script
    with live_server() as url:
        done = subprocess.run(
            ["sh", "-eu", "-c", block],
            env={**os.environ, "TELEGRAD_URL": url, "CURL_HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr + done.stdout
    rest = done.stdout
    for promised in re.findall(r" # (.*)", block):
        before, found, rest = rest.partition(promised.strip())
        assert found, f"{promised!r} does not follow in {before!r}"
