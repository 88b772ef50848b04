"""The check for machines with a GPU: its frame here, and with planted faults on an emulated device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gpu.hardware import packages, plan
from gpu.hardware.page import page
from gpu.hardware.runner import Runner, went_well

TESTS = Path(__file__).parents[1]


def checked(folder: Path, *options: str) -> tuple[int, str, list[dict]]:
    """The exit status, the report and the lines of a rehearsal."""
    command = [sys.executable, "-m", "gpu.hardware", "--emulated", "--out", str(folder), *options]
    status = subprocess.run(command, cwd=TESTS, stdout=subprocess.DEVNULL, timeout=170).returncode
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return status, (folder / "report.md").read_text(), lines


def test_a_step_that_hangs_is_ended_and_named_with_where_it_was(tmp_path: Path) -> None:
    status, report, lines = checked(tmp_path, "--only", "throughput", "--plant", "hang", "--seconds", "6")
    assert status == 1
    assert lines[-1]["outcome"] == "hung"
    assert "in hanging_for_good" in report
    assert "| throughput | **hung** |" in report


@pytest.mark.gpu
@pytest.mark.usefixtures("host_compiler", "cupy_wheels")
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("fault", "step", "shown"),
    [("wrong-kernel", "kernels", 'identifier "undeclared" is undefined'), ("wrong-result", "doctor", "exp")],
)
def test_a_planted_fault_shows(tmp_path: Path, fault: str, step: str, shown: str) -> None:
    status, report, lines = checked(tmp_path, "--only", step, "--plant", fault)
    assert status == 1
    assert lines[-1]["outcome"] == "done"
    wrong = [line for line in lines if line.get("ok") is False]
    assert wrong
    assert all(shown in line["why"] for line in wrong), wrong
    assert "**WRONG**" in report


def run(tmp_path: Path, source: str, limit: float = 20) -> list[dict]:
    """The lines of a step with this source."""
    package = tmp_path / "gpu" / "hardware" / "steps"
    package.mkdir(parents=True)
    (package / "made.py").write_text(source)
    start = f"import gpu.hardware.steps; gpu.hardware.steps.__path__.insert(0, {str(package)!r})\n"
    (tmp_path / "sitecustomize.py").write_text(start)
    found = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(tmp_path), str(TESTS), *filter(None, [found])])
    runner = Runner(tmp_path / "out", 60, [], {"PYTHONPATH": path})
    runner.run(plan.Step("made", "made for this test", limit, limit), limit)
    return runner.lines


BEGIN = "def run(card, findings):\n    findings.add('first', True, figure=1.5)\n"


def test_what_a_step_finds_is_kept_as_it_comes(tmp_path: Path) -> None:
    lines = run(tmp_path, f"{BEGIN}    findings.attempt('second', lambda: 1 / 0)\n    print('noise')\n")
    assert [line["event"] for line in lines] == ["begin", "found", "found", "end"]
    assert lines[1] == {"step": "made", "event": "found", "what": "first", "ok": True, "figure": 1.5}
    assert lines[2]["ok"] is False
    assert "ZeroDivisionError" in lines[2]["why"]
    assert lines[3]["outcome"] == "done"
    kept = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert kept == lines


@pytest.mark.parametrize(
    ("end", "why"),
    [("    raise SystemExit(3)", "exit status 3"), ("    import os; os.kill(os.getpid(), 11)", "SIGSEGV")],
)
def test_a_step_that_dies_leaves_what_it_found(tmp_path: Path, end: str, why: str) -> None:
    lines = run(tmp_path, f"{BEGIN}{end}\n")
    assert [line["event"] for line in lines] == ["begin", "found", "end"]
    assert lines[-1]["outcome"] == "failed"
    assert why in lines[-1]["why"]
    assert not went_well(lines, [plan.Step("made", "", 1, 1)])


def test_processes_of_a_step_end_with_it(tmp_path: Path) -> None:
    source = (
        "import subprocess\n"
        + BEGIN
        + (
            "    child = subprocess.Popen(['sleep', '600'])\n    findings.add('child', pid=child.pid)\n    child.wait()\n"
        )
    )
    lines = run(tmp_path, source, limit=3)
    assert lines[-1]["outcome"] == "hung"
    pid = next(line["pid"] for line in lines if line.get("what") == "child")
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_no_step_is_begun_without_time(tmp_path: Path) -> None:
    runner = Runner(tmp_path, 1, [], {})
    runner.run(plan.STEPS[0], 60)
    assert [(line["event"], line.get("outcome")) for line in runner.lines] == [("end", "not begun")]


def test_the_steps_fit_into_their_time() -> None:
    assert sum(step.rehearsal for step in plan.STEPS) <= plan.TOTAL_OF_REHEARSAL <= 360
    assert plan.TOTAL <= 480


def test_the_page_shows_what_is_wrong_first() -> None:
    lines = [
        {"event": "head", "step": "", "date": "today"},
        {"event": "begin", "step": "a", "title": "something"},
        {"event": "found", "step": "a", "what": "card", "ok": None, "name": "A card"},
        {"event": "found", "step": "a", "what": "right", "ok": True, "copy_gb_per_s": 1234.56},
        {"event": "found", "step": "a", "what": "wrong", "ok": False, "why": "for\na reason"},
        {"event": "end", "step": "a", "outcome": "done", "seconds": 2.5},
    ]
    text = page(lines)
    assert "- name: A card" in text.partition("## a")[0]
    assert "| a | done | 2.5 | 1 | 1 |" in text
    assert text.index("wrong: **WRONG**. for a reason") < text.index("right: ok: copy GB/s 1235")


def test_wheels_are_unpacked_beside_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "ASIDE", tmp_path / "aside")
    wheel = tmp_path / "planted_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("planted_package.py", "number = 7\n")
    packages.set_aside([wheel])
    code = "import planted_package, importlib.metadata as m; print(planted_package.number, m.version('telegrad'))"
    found = {**os.environ, "PYTHONPATH": str(tmp_path / "aside")}
    out = subprocess.run([sys.executable, "-c", code], env=found, capture_output=True, text=True, check=True).stdout
    assert out.split() == ["7", packages.project()["version"]]


def test_wheels_of_another_python_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "ASIDE", tmp_path / "aside")
    with pytest.raises(SystemExit, match=r"make gpu-wheels PYTHON=3\."):
        packages.set_aside([tmp_path / "planted-1.0-cp27-cp27-manylinux2014_x86_64.whl"])
