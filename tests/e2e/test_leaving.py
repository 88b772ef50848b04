"""Leaving is quick: Ctrl-C, an exception and the end of a program wait for nothing that nobody will read."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import httpx
import pytest
from support.proxies import DelayProxy

BEGIN = """
    import os, signal, sys, threading, time
    import telegrad as tg

    def interrupt_after(seconds):
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()

    def seconds_of(call):
        begun = time.monotonic()
        call()
        return time.monotonic() - begun

    x = tg.rand(1000, 1000)
    counter = tg.zeros(3)
    tg.synchronize()

    def work(count=4000):
        # A minute and more: each product takes some 20 ms.
        y = x
        for _ in range(count):
            y = (y @ x) * 1e-3
            counter.add_(1)
        return y
"""


def run(server: str, script: str, *, within: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a script; its output."""
    environment = {**os.environ, "TELEGRAD_URL": server}
    code = textwrap.dedent(BEGIN) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=within, check=False
    )


AFTERWARDS = """
    if True:
        begun = time.monotonic()
        {wait}
        assert False
    except KeyboardInterrupt:
        pass
"""

WAITS = {
    "amid recording": "while True: work(50)",
    "amid sleep": "work(); time.sleep(60)",
    "blocked in item": "work().sum().item()",
    "blocked in synchronize": "work(); tg.synchronize()",
    "in back-pressure": "work(40_000)",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wait", WAITS)
def test_the_prompt_is_back_and_the_next_op_answers(server: str, wait: str) -> None:
    script = f"""
    import urllib.request
    interrupt_after(1.5)
    begun = time.monotonic()
    try:
        {WAITS[wait]}
    except KeyboardInterrupt:
        pass
    prompt = time.monotonic() - begun - 1.5
    answer = seconds_of(lambda: (tg.ones(3) + 1).tolist())
    count = counter.tolist()
    assert count == [float(counter._version)] * 3, (count, counter._version)
    print(f"{{prompt:.3f}} {{answer:.3f}} {{count[0]}} {{seconds_of(tg.synchronize):.3f}}")
    """
    done = run(server, script)
    assert done.returncode == 0, done.stderr
    prompt, answer, count, _ = map(float, done.stdout.split())
    assert prompt < 1, done.stdout
    assert answer < 1
    assert count < 1000
