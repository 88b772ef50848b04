"""The README's Python runs as it stands; `telegrad run` runs a PyTorch script where there is no torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

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


METRICS = """\
import json, sys
import torch

total, history, parameter = 0.0, [], torch.ones(3, requires_grad=True)
for step in range(5):
    loss = (parameter * step).sum()
    total += loss.item() * 2
    history.append(loss.item())
    kind = type(loss.item()).__name__
print(kind, f"{total / 5:.2f}", sum(history) / len(history), json.dumps(history[:2]))
if sys.argv[1:]:
    worst = torch.gather(parameter, 0, torch.tensor([int(sys.argv[1])]))
    found = worst.item()
"""


@pytest.mark.parametrize("module", [False, True])
def test_a_script_with_deferred_metrics(server: str, tmp_path: Path, module: bool) -> None:
    (tmp_path / "metrics.py").write_text(METRICS)
    target = ("-m", "metrics") if module else ("metrics.py",)
    environment = {**os.environ, "TELEGRAD_URL": server}
    done = _command("run", "--deferred-metrics", *target, cwd=tmp_path, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("DeferredFloat 12.00 6.0 [0.0, 3.0]\n", "", 0)
    done = _command("run", *target, cwd=tmp_path, env=environment)
    assert (done.stdout, done.returncode) == ("float 12.00 6.0 [0.0, 3.0]\n", 0)
    done = _command("run", "--deferred-metrics", *target, "7", cwd=tmp_path, env=environment)
    assert done.returncode == 1
    assert "index 7 is out of bounds" in done.stderr
    assert "worst = torch.gather(" in done.stderr
    assert "telegrad/_api" not in done.stderr
    done = _command("run", "--deferred-metrics", cwd=tmp_path)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")


def _command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "telegrad", *arguments],
        **{"capture_output": True, "text": True, "timeout": 60, **options},
    )


@pytest.mark.parametrize("command", [(), ("serve",), ("doctor",), ("run",), ("demo",)])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_every_command_has_help(command: tuple[str, ...], word: str) -> None:
    done = _command(*command, word)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: telegrad")
    assert done.stderr == ""


def test_help_needs_no_extras(tmp_path: Path) -> None:
    """On a machine with the client alone, where `find_spec` finds none of the rest."""
    script = """
import importlib.util, sys
find, extras = importlib.util.find_spec, ("fastapi", "telegrad_server", "sklearn", "matplotlib", "tqdm")
importlib.util.find_spec = lambda name, *more: None if name in extras else find(name, *more)
for name in extras:
    sys.modules[name] = None
from telegrad._cli import main
sys.argv[1:] = sys.argv[1].split()
sys.exit(main())
"""
    for words, status, told in [
        ("demo --help", 0, "usage: telegrad demo"),
        ("serve --help", 0, "pip install 'telegrad[server]'"),
        ("doctor --help", 0, "pip install 'telegrad[server]'"),
        ("run --help", 0, "usage: telegrad run"),
        ("demo", 1, ""),
        ("serve", 1, ""),
    ]:
        done = subprocess.run([sys.executable, "-c", script, words], capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stderr
        assert told in done.stdout
        assert (done.stderr == "") == (status == 0)


def test_a_scripts_failure_shows_its_own_frames_only(server: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\n\ndef step():\n    torch.ones(2, 3) + torch.ones(4)\n\nstep()\n")
    done = _command("run", "train.py", env={**os.environ, "TELEGRAD_URL": server}, cwd=tmp_path)
    assert done.returncode == 1
    assert re.findall(r'File "(.*)", line (\d+)', done.stderr) == [(str(tmp_path / "train.py"), n) for n in ("6", "4")]
    assert done.stderr.count("Traceback") == 1


PROGRAM = """
import sys, torch
print(sys.argv, __name__, __file__, sys.path[0], sys.modules["__main__"].__dict__ is globals())
"""


def test_a_script_sees_what_it_would_see_under_python(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    for name in ("script.py", "package/__main__.py", "package/part.py", "package/__init__.py"):
        (tmp_path / name).write_text("" if name.endswith("__init__.py") else PROGRAM.replace("torch", "os"))
    for how in (["script.py"], ["package"], ["-m", "package"], ["-m", "package.part"]):
        theirs = subprocess.run([sys.executable, *how, "--help", "x"], cwd=tmp_path, capture_output=True, text=True)
        assert theirs.stdout
        assert _command("run", *how, "--help", "x", cwd=tmp_path).stdout == theirs.stdout


@pytest.mark.parametrize(
    "ending",
    [
        "1 / 0",
        "raise SystemExit",
        "raise SystemExit(7)",
        "raise SystemExit('words')",
        "raise KeyboardInterrupt",
        "import sys; sys.excepthook = lambda *a: print('mine', a[0].__name__, file=sys.stderr); 1 / 0",
        "import atexit; x = 5; atexit.register(lambda: print(x))",
        "import nonsense",
        "x = (",
    ],
)
@pytest.mark.parametrize("module", [False, True])
def test_a_script_ends_as_it_would_under_python(tmp_path: Path, ending: str, module: bool) -> None:
    (tmp_path / "script.py").write_text(f"def end():\n    {ending}\nend()\n")
    how = ["-m", "script"] if module else ["script.py"]
    theirs = subprocess.run([sys.executable, *how], cwd=tmp_path, capture_output=True, text=True)
    ours = _command("run", *how, cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    if ending == "x = (" and module:  # there Python shows where it compiles
        assert ours.stderr == theirs.stderr[theirs.stderr.index(f'  File "{tmp_path}') :]
        return
    assert ours.stderr == re.sub(r'  File "<frozen .*\n', "", theirs.stderr)


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    for words, status, told in [
        (["missing.py"], 2, "there is no file missing.py"),
        (["-m", "missing_module"], 1, "No module named missing_module"),
        (["-m", "missing.module"], 1, "No module named missing.module"),
        (["."], 1, "can't find '__main__' module in ."),
        ([], 2, "usage: telegrad run"),
        (["-m"], 2, "usage: telegrad run"),
        (["--nonsense"], 2, "usage: telegrad run"),
    ]:
        done = _command("run", *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (status, "")
        assert told in done.stderr


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


PROFILED = """
import sys
import torch

x = torch.ones(8)
for step in range(6):
    print(step, (x * step).sum().item())
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("status", [0, 3])
def test_a_script_is_profiled(server: str, tmp_path: Path, status: int) -> None:
    (tmp_path / "script.py").write_text(PROFILED)
    options = ["--profile", "--json", str(tmp_path / "p.json"), f"--trace={tmp_path / 't.json'}"]
    environment = {**os.environ, "TELEGRAD_URL": server}
    done = _command("run", *options, str(tmp_path / "script.py"), str(status), env=environment)
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines() == [f"{step} {8.0 * step}" for step in range(6)]
    assert "telegrad profile:" in done.stderr
    assert "script.py:7  print(step, (x * step).sum().item())" in done.stderr
    found = json.loads((tmp_path / "p.json").read_text())
    assert [w["times"] for w in found["waits"] if w["function"].endswith("item")] == [6]
    assert sum(found["parts"].values()) == pytest.approx(found["wall"], rel=0.05)
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_a_script_that_fails_is_profiled_up_to_there(server: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import torch\ntorch.ones(2).sum().item()\nraise ValueError('mine')\n")
    done = _command("run", "--profile", str(tmp_path / "script.py"), env={**os.environ, "TELEGRAD_URL": server})
    assert done.returncode == 1
    assert "the block ended with ValueError" in done.stderr
    assert done.stderr.rstrip().endswith("ValueError: mine")
    assert "profiling.py" not in done.stderr, "telegrad's frames are left out of the traceback"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--json"], "--json takes the name of a file"),
        (["--trace", "no/such/folder/t.json"], "no file can be written at no/such/folder/t.json"),
        (["--json=/"], "no file can be written at /"),
        (["--profiles"], "usage: telegrad run"),
        (["--profile"], "usage: telegrad run"),
    ],
)
def test_wrong_options_of_a_profile_run_nothing(options: list[str], said: str) -> None:
    done = _command("run", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
