"""A notebook, run by a real kernel: failures are told at the end of their cell, and by its number."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

LONG = "x = tg.ones(900, 900)\nfor _ in range(400):\n    x = (x @ x) * 1e-4\nlate = (x.sum() * 0).long().view(1) + 7"

"""Work of seconds on any machine, longer than the end of a cell waits."""

UNTIL_IT_FAILED = """from telegrad._runtime.process import stream
while stream.sender.error is None:
    time.sleep(0.1)"""


@pytest.fixture
def run(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs cells; each one's outputs as text, and whether it failed."""
    monkeypatch.setenv("TELEGRAD_URL", server)

    def run(*cells: str) -> list[tuple[str, bool]]:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(book, timeout=60, allow_errors=True).execute(env=dict(os.environ))
        return [_seen(cell) for cell in book.cells]

    return run


def _seen(cell: Any) -> tuple[str, bool]:
    text, failed = "", False
    for output in cell.outputs:
        failed = failed or output.output_type == "error"
        text += "\n".join(output.get("traceback", [])) + output.get("text", "") + str(output.get("data", ""))
    return re.sub(r"\x1b\[[0-9;]*m", "", text), failed


def test_a_late_failure_fails_its_own_cell_and_names_its_line(run: Any) -> None:
    cells = run(
        "import telegrad as tg", "y = tg.ones(3).exp()", "a = 1\nbad = y[tg.tensor([7])]", "tg.ones(2).tolist()", "bad"
    )
    assert [failed for _, failed in cells] == [False, False, True, False, True]
    told = cells[2][0]
    assert "index 7 is out of bounds" in told
    assert "raised by the call at Cell In[3], line 2" in told
    assert "bad = y[tg.tensor([7])]" in told
    assert "[1.0, 1.0]" in cells[3][0]
    again = cells[4][0]
    assert "Cell In[3], line 2" in again  # where it went wrong, not where it is looked at
    assert "_tracing" not in again


def test_a_local_error_ends_at_the_cells_line(run: Any) -> None:
    told, failed = run("import telegrad as tg\n\ntg.ones(2, 3) + tg.ones(4)")[0]
    assert failed
    assert "_tracing" not in told
    assert "<telegrad add>" not in told
    assert "KeyError" not in told
    assert told.count("Traceback (most recent call last)") == 1


def test_a_cell_does_not_wait_for_long_work_and_a_later_one_tells_its_failure(run: Any) -> None:
    import_, long, after = run(
        "import time, telegrad as tg\ntg.ones(1).exp().tolist()",
        LONG + "\nbad = tg.ones(3).exp()[late]",
        UNTIL_IT_FAILED,
    )
    assert not import_[1]
    assert not long[1]
    assert after[1]
    assert "Cell In[2], line 5" in after[0]


def test_what_worked_says_nothing(run: Any) -> None:
    assert run("import telegrad as tg\nx = tg.ones(2)", "x = x + 1", "1") == [("", False)] * 2 + [
        ("{'text/plain': '1'}", False)
    ]


def test_an_interrupted_cell_is_left_at_once_and_the_next_one_goes_on(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell records a minute of work and is interrupted as Jupyter does it."""
    from jupyter_client.manager import start_new_kernel

    monkeypatch.setenv("TELEGRAD_URL", server)
    manager, client = start_new_kernel(env=dict(os.environ))
    try:
        for cell in ("import telegrad as tg", "x, n = tg.rand(700, 700), tg.zeros(1)\ntg.synchronize()"):
            assert _answer(client, client.execute(cell))["status"] == "ok"
        for wait in ("y.sum().item()", "import time; time.sleep(60)"):
            cell = f"y = x\nfor _ in range(8000):\n    y = (y @ x) * 1e-3\n    n.add_(1)\n{wait}"
            request = client.execute(cell, stop_on_error=False)  # or Jupyter may abort the cell that comes next
            time.sleep(2)
            manager.interrupt_kernel()
            begun = time.monotonic()
            assert _answer(client, request)["ename"] == "KeyboardInterrupt"
            request = client.execute("assert 0 <= n.item() == n._version < 8000")
            assert _answer(client, request)["status"] == "ok"
            assert time.monotonic() - begun < 15  # tenths of a second, and a minute without
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _answer(client: Any, request: str) -> Any:
    """What a kernel answers to a cell."""
    while True:
        message = client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]
