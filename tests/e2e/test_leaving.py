"""Leaving is quick: Ctrl-C, an exception and the end of a program wait for nothing that nobody will read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.live import live_server
from support.proxies import DelayProxy

BEGIN = """
    import os, random, signal, sys, threading, time
    import telegrad as tg

    sent = 0.0

    def interrupt():
        global sent
        sent = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    def interrupt_after(seconds):
        timer = threading.Timer(seconds, interrupt)
        timer.daemon = True
        timer.start()

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

WAITS = {
    "amid recording": "while True: work(50)",
    "amid sleep": "work(); time.sleep(60)",
    "blocked in item": "work().sum().item()",
    "blocked in synchronize": "work(); tg.synchronize()",
    "in back-pressure": "work(40_000)",
}


def started(server: str, script: str, command: tuple[str, ...] = ("-c",)) -> subprocess.Popen[str]:
    code = textwrap.dedent(BEGIN) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, *command, code],
        env={**os.environ, "TELEGRAD_URL": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(server: str, script: str) -> str:
    """The output of a script that ends well."""
    with started(server, script) as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out


@pytest.fixture
def alone() -> Iterator[str]:
    """The URL of a server without other clients."""
    with live_server() as url:
        yield url


def worker_seconds() -> float:
    """CPU seconds that the workers of this process's servers have used."""
    found = 0.0
    children = {os.getpid()}
    for _ in range(2):
        children |= {pid for pid, (parent, _) in processes().items() if parent in children}
    for pid, (_, used) in processes().items():
        if pid in children and b"telegrad_server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found += used
    return found


def processes() -> dict[int, tuple[int, float]]:
    """The parent and the CPU seconds of each process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        found[int(folder.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def check_idle(server: str, sessions: int) -> None:
    """Soon the server has nothing to do, and no memory but what a session's tensors take."""
    deadline = time.monotonic() + 10
    while True:
        info = httpx.get(f"{server}/v1/info").json()
        before = worker_seconds()
        time.sleep(0.2)
        idle = worker_seconds() - before < 0.1
        memory = info["memory"]["cpu"]  # None while a worker that was in a kernel is started anew
        if idle and info["sessions"] == sessions and memory and memory["bytes_used"] <= sessions * 5_000_000:
            return
        assert time.monotonic() < deadline, (info, worker_seconds() - before)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rtt", [0.0, 0.05])
@pytest.mark.parametrize("wait", WAITS)
def test_the_prompt_is_back_and_the_next_op_answers(server: str, wait: str, rtt: float) -> None:
    script = f"""
    interrupt_after(1.5)
    try:
        {WAITS[wait]}
    except KeyboardInterrupt:
        prompt = time.monotonic() - sent
    begun = time.monotonic()
    (tg.ones(3) + 1).tolist()
    answer = time.monotonic() - begun
    count = counter.tolist()
    assert count == [float(counter._version)] * 3, (count, counter._version)
    print(prompt, answer, count[0])
    """
    if rtt:
        with DelayProxy(server, rtt) as proxy:
            out = run(proxy.url, script)
    else:
        out = run(server, script)
    prompt, answer, count = map(float, out.split())
    # Some 0.1 s each on a machine that is not busy, and a minute without.
    assert prompt < 5, out
    assert answer < 5, out
    assert count < 1000, out


@pytest.mark.timeout(60)
def test_the_server_is_idle_after_an_interrupt(alone: str) -> None:
    with started(
        alone, "work()\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('prompt', flush=True)\ntime.sleep(60)"
    ) as process:
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "prompt\n"
        check_idle(alone, 1)
        process.kill()


ENDS = {
    "an uncaught interrupt": ("work().sum().item()", -signal.SIGINT, "KeyboardInterrupt"),
    "an interrupt amid recording": ("while True: work(50)", -signal.SIGINT, "KeyboardInterrupt"),
    "an exception": ("work()\nsys.stdin.readline()\nraise LookupError('mine')", 1, "LookupError: mine"),
    "an exception in a block": (
        "with tg.connect():\n    x, counter = tg.rand(1000, 1000), tg.zeros(3)\n    work()\n"
        "    sys.stdin.readline()\n    raise LookupError('mine')",
        1,
        "LookupError: mine",
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_is_interrupted_or_fails_ends_at_once(alone: str, end: str) -> None:
    script, status, said = ENDS[end]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BEGIN) + script],
        env={**os.environ, "TELEGRAD_URL": alone},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        time.sleep(3)
        begun = time.monotonic()
        if status == 1:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        took = time.monotonic() - begun
    assert process.returncode == status, err
    assert said in err
    assert took < 10, err
    check_idle(alone, 0)


@pytest.mark.timeout(60)
def test_an_interrupted_command_takes_its_local_server_with_it(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\nx = y = torch.rand(1000, 1000)\nx.sum().item()\nfor _ in range(4000):\n"
        "    y = (y @ x) * 1e-3\nprint('recorded', flush=True)\ny.sum().item()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TELEGRAD_URL"}
    command = [sys.executable, "-m", "telegrad", "run", str(script)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recorded\n"
        servers = [pid for pid, (parent, _) in processes().items() if parent == process.pid]
        assert servers
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
        assert time.monotonic() - begun < 10
        while processes().keys() & set(servers):
            assert time.monotonic() - begun < 15
            time.sleep(0.02)


@pytest.mark.timeout(60)
def test_an_ordinary_end_finishes_what_was_recorded_and_says_that_it_waits(alone: str) -> None:
    script = """
    begun = time.monotonic()
    work(5).sum().item()
    work(int(4 / (time.monotonic() - begun) * 5))  # 4 seconds
    """
    with started(alone, script) as process:
        _, err = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "recorded calls to run; Ctrl-C drops them" in err
    with started(alone, "for i in range(50): counter.add_(1)\ntg.zeros(3)[tg.tensor([7])]") as process:
        _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "out of bounds" in err
    assert "waiting" not in err


@pytest.mark.timeout(60)
def test_an_interrupt_ends_an_ordinary_end(alone: str) -> None:
    with started(alone, "work()") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("telegrad: waiting for "), line
        assert int(line.split()[3]) > 1000
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - begun < 10
    assert process.returncode == 130
    assert err == ""
    check_idle(alone, 0)


@pytest.mark.timeout(60)
def test_a_handler_of_the_programs_own_decides_what_an_interrupt_means(server: str) -> None:
    script = """
    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(1))
    tg.disconnect()
    counter = tg.zeros(3)
    interrupt_after(0.5)
    while not stop:
        counter.add_(1)
    assert counter.tolist() == [float(counter._version)] * 3
    print(len(stop))
    """
    assert run(server, script) == "1\n"


TRAINING = """
    from telegrad import nn

    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.Dropout(0.1), nn.ReLU(), nn.Linear(256, 1))
    optimizer = tg.optim.AdamW(model.parameters(), lr=1e-3)
    batches = [(tg.tensor([[float(i % 7)] * 64] * 64), tg.tensor([[float(i % 3)]] * 64)) for i in range(40)]
    seen = tg.zeros(1)

    def train(steps, read):
        for i in range(steps):
            inputs, targets = batches[i % 40]
            loss = nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.add_(1)
            if read and i % read == 0:
                loss.item()
    """

AT_RANDOM = """
    chance = random.Random({seed})
    before = {{p: p.counter._version for p in model.parameters()}}
    for turn in range({turns}):
        interrupt_after(chance.uniform(0.01, 0.25))
        try:
            while True:
                train(1000, chance.choice([0, 5, 50]))
        except KeyboardInterrupt:
            assert time.monotonic() - sent < 10
        begun = time.monotonic()
        assert seen.tolist() == [float(seen._version)], turn
        assert time.monotonic() - begun < 10
        for p in model.parameters():
            steps = optimizer.state[p]["step"].item() if optimizer.state[p] else 0
            assert steps == p.counter._version - before[p], (turn, steps, p.counter._version)
            assert seen.item() <= steps <= seen.item() + turn + 1, (turn, steps, seen)
    print("went on", seen.item() > 0)
    """


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rtt", [0.0, 0.05])
def test_training_goes_on_after_interrupts_at_random_times(server: str, rtt: float) -> None:
    script = textwrap.dedent(TRAINING) + textwrap.dedent(AT_RANDOM.format(seed=1, turns=15))
    if rtt:
        with DelayProxy(server, rtt) as proxy:
            assert run(proxy.url, script) == "went on True\n"
    else:
        assert run(server, script) == "went on True\n"


@pytest.mark.timeout(120)
def test_another_client_goes_on_undisturbed(server: str) -> None:
    alone = (
        textwrap.dedent(TRAINING) + "train(150, 10)\nprint([p.sum().item() for p in model.parameters()], flush=True)"
    )
    expected = run(server, alone)
    with started(server, alone) as other:
        run(server, textwrap.dedent(TRAINING) + textwrap.dedent(AT_RANDOM.format(seed=2, turns=10)))
        out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert out == expected
