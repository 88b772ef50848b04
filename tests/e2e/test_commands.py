"""The README's Python runs as it stands; `telegrad run` runs a PyTorch script where there is no torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"<!-- test: python -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_readmes_python(server: str, block: str) -> None:
    environment = {**os.environ, "TELEGRAD_URL": server}
    done = subprocess.run([sys.executable, "-c", block], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loss = float(re.fullmatch(r"loss ([\d.]+)\n", done.stdout)[1])  # type: ignore[index]
    assert loss < 0.2


SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

assert torch.__name__ == "telegrad" and sys.argv[1:] == ["--lr", "0.1"]
torch.manual_seed(1)
x = torch.randn(64, 4)
y = (x.sum(1) > 0).long()
model = nn.Linear(4, 2)
optimizer = SGD(model.parameters(), lr=float(sys.argv[2]))
for epoch in range(20):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
print((model(x).argmax(1) == y).float().mean().item() > 0.9)
"""


def test_an_unmodified_script(server: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "telegrad._cli", "run", str(tmp_path / "train.py"), "--lr", "0.1"]
    environment = {**os.environ, "TELEGRAD_URL": server}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "telegrad._cli", *arguments], capture_output=True, text=True, timeout=30
    )


def test_the_commands_say_what_is_wrong(tmp_path: Path) -> None:
    assert _command("--version").stdout.startswith("telegrad ")
    unknown = _command("sevre")
    assert unknown.returncode == 2
    assert "there is no command 'sevre'" in unknown.stderr
    assert "no file" in _command("run", str(tmp_path / "missing.py")).stderr
    refused = _command("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "without a token" in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_tensors_leave_nothing_behind() -> None:
    """Worker and front may grow by 20 MB between 100,000 tensors and 1,000,000."""
    script = textwrap.dedent("""
        import psutil, telegrad as tg
        def make(count):
            x = tg.ones(2)
            for _ in range(count):
                y = x + 1.0
            tg.synchronize()
        make(10)
        front = psutil.Process().children()[0]
        processes = [front, *front.children()]
        make(100_000)
        before = [p.memory_info().rss for p in processes]
        make(900_000)
        print(max(p.memory_info().rss - b for p, b in zip(processes, before)))
    """)
    environment = {k: v for k, v in os.environ.items() if k != "TELEGRAD_URL"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 20 << 20
