"""What a notebook's cells are told, without a notebook: `tests/e2e/test_notebook.py` has a real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.notebook import Cells
from telegrad._runtime.process import stream


class Shell:
    """Keeps what it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[BaseException] = []

    def showtraceback(self, exception: tuple[Any, BaseException, Any]) -> None:
        self.shown.append(exception[1])


@pytest.fixture
def cells() -> Iterator[Cells]:
    stream.restart(LocalSession())
    cells = Cells(Shell(), stream)
    stream.on_failure = cells.fail_late
    yield cells
    stream.on_failure = None
    stream.restart()


def result(error: BaseException | None = None) -> Any:
    """What IPython hands over at the end of a cell."""
    return SimpleNamespace(success=error is None, error_in_exec=error)


def fail() -> Any:
    return tg.ones(3).exp()[tg.tensor([7])]


def test_a_failure_becomes_the_cells_error_and_is_told_once(cells: Cells) -> None:
    cells.begin()
    fail()
    ended = result()
    cells.end(ended)
    assert isinstance(ended.error_in_exec, IndexError)
    assert cells._shell.shown == [ended.error_in_exec]
    cells.begin()
    assert tg.ones(1).add(1).tolist() == [2.0]
    cells.end(again := result())
    assert again.error_in_exec is None


def test_a_cell_that_failed_by_itself_keeps_its_error(cells: Cells) -> None:
    cells.begin()
    fail()
    own = LookupError("mine")
    time.sleep(0.3)
    cells.end(ended := result(own))
    assert ended.error_in_exec is own
    assert [type(error).__name__ for error in cells._shell.shown] in ([], ["OpIndexError"])


def test_a_failure_between_cells_is_printed_when_it_is_known(cells: Cells, capfd: pytest.CaptureFixture[str]) -> None:
    cells.begin()
    cells.end(result())
    fail()
    deadline = time.monotonic() + 5
    said = ""
    while "out of bounds" not in said and time.monotonic() < deadline:
        time.sleep(0.05)
        stream.sender.finish(0.1)
        said += capfd.readouterr().err
    assert "the work of an earlier cell failed" in said
    assert "return tg.ones(3).exp()[tg.tensor([7])]" in said
    with pytest.raises(IndexError):
        tg.ones(1).exp()


def test_a_cell_without_tensors_waits_for_nothing(cells: Cells) -> None:
    tg.ones(1).exp().tolist()
    begun = time.monotonic()
    cells.begin()
    cells.end(result())
    assert time.monotonic() - begun < 0.2
