"""Ctrl-C in a real program, at times that nobody chose: the session goes on, and each call counts once or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import random, signal, sys, telegrad as tg

    tg.connect()
    x, w = tg.zeros(3), tg.ones(3, requires_grad=True)
    optimizer = tg.optim.SGD([w], lr=0.0)
    tg.synchronize()
    chance, wanted, caught = random.Random({seed}), {count}, 0

    def step(i):
        global large
        x.add_(1)
        optimizer.zero_grad()
        (w * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
        optimizer.step()
        if i % 3 == 0:
            x.sum().item()
        if i % 7 == 0:
            large = (tg.tensor([1.0] * 20_000) + 1).numpy()
        if i % 11 == 0:
            tg.synchronize()

    i = 0
    while caught < wanted:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-4, 2e-2), 0.2)
            while True:
                i += 1
                step(i)
        except KeyboardInterrupt:
            caught += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if caught % 10 == 0:
            assert x.tolist() == [float(x._version)] * 3, (x.tolist(), x._version)
    optimizer.zero_grad()
    step(1)
    assert w.grad.tolist() == [1.0, 2.0, 3.0]
    assert w.tolist() == [1.0] * 3
    print("went on", i > wanted)
    """
"""Interrupts come again, since Python drops one that falls on the first instruction of a `__del__`."""

INTERRUPTED = "import signal\nsignal.signal(signal.SIGALRM, signal.default_int_handler)\n"


def interrupted(server: str, count: int, seed: int) -> None:
    script = INTERRUPTED + textwrap.dedent(SCRIPT.format(count=count, seed=seed))
    environment = {**os.environ, "TELEGRAD_URL": server}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=500)
    assert done.stdout == "went on True\n", (seed, done.stderr[-3000:])


@pytest.mark.timeout(120)
def test_a_program_goes_on_after_interrupts(server: str) -> None:
    interrupted(server, 40, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.timeout(600)
def test_a_program_goes_on_after_hundreds_of_interrupts(server: str, seed: int) -> None:
    interrupted(server, 300, seed)
