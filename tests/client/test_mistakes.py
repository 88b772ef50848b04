"""Everyday mistakes, told as PyTorch tells them: the kind of exception, its opening words, and one traceback.

`mistakes.txt` is the table: a title, and below it the lines of a snippet that goes wrong. Where PyTorch lists the
overloads of a function while telegrad names the argument, or lists devices that telegrad has not, the words that both
begin with stand in brackets behind the title.
"""

from __future__ import annotations

import copy
import linecache
import math
import pickle
import re
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.inprocess import LocalSession

import telegrad as tg

pytestmark = pytest.mark.oracle

WORDS = 40
"""How many letters are compared."""

KINDS = (
    ModuleNotFoundError,
    ImportError,
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    AssertionError,
    StopIteration,
)

THROUGH_PYTHON = ("deepcopy of a result",)
"""What passes through a module of Python's own on the way back: its frame is the last."""


class Mistake(NamedTuple):
    title: str
    source: str
    shared: str | None

    @property
    def file(self) -> str:
        return f"<{self.title}>"


def table() -> list[Mistake]:
    found: list[Mistake] = []
    for line in Path(__file__).with_name("mistakes.txt").read_text().splitlines():
        if line.startswith("    "):
            found[-1] = found[-1]._replace(source=f"{found[-1].source}{line[4:]}\n")
        elif line and not line.startswith("#"):
            title, _, shared = line.partition(" [")
            found.append(Mistake(title, "", shared.removesuffix("]") if _ else None))
    return found


def run(lib: Any, mistake: Mistake) -> Exception:
    """The error that a snippet raises."""
    source = mistake.source.replace("{package}", lib.__name__)
    linecache.cache[mistake.file] = (len(source), None, source.splitlines(True), mistake.file)
    names: dict[str, Any] = {
        "torch": lib,
        "nn": lib.nn,
        "F": lib.nn.functional,
        "DataLoader": lib.utils.data.DataLoader,
    }
    names |= {"np": np, "math": math, "copy": copy, "pickle": pickle}
    code = compile(source, mistake.file, "exec")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, names)
            if lib is tg:
                tg.synchronize()
        except Exception as error:
            return error
    pytest.fail(f"{lib.__name__} raises nothing")


def told(error: Exception, letters: int | None = WORDS) -> str:
    """The built-in kind of an error, and the words it begins with, whatever the library is called."""
    kind = next(kind.__name__ for kind in KINDS if isinstance(error, kind))
    words = re.sub(r"\btelegrad\b", "torch", str(error))
    return f"{kind}: {words[:letters]}"


@pytest.mark.parametrize("mistake", table(), ids=lambda mistake: mistake.title)
def test_a_mistake_is_told_as_pytorch_tells_it(mistake: Mistake, here: LocalSession) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    wanted, found = run(torch, mistake), run(tg, mistake)
    if mistake.shared is None:
        assert told(found) == told(wanted)
    else:
        assert told(found, 0) == told(wanted, 0)
        assert all(str(error).startswith(mistake.shared) for error in (wanted, found)), (wanted, found)
    assert_ends_at_the_snippet(mistake, found)


def assert_ends_at_the_snippet(mistake: Mistake, error: Exception) -> None:
    """One traceback; it, or the note on an error that surfaced late, names the snippet's own line."""
    seen = traceback.TracebackException.from_exception(error)
    text = "".join(seen.format())
    assert error.__cause__ is None, text
    assert error.__context__ is None, text
    assert text.count("Traceback (most recent call last)") == 1
    frames = [frame for frame in seen.stack if frame.filename != __file__]
    if mistake.title in THROUGH_PYTHON:
        frames.pop()
    assert {frame.filename for frame in frames} <= {mistake.file}, text
    late = [note for note in getattr(error, "__notes__", []) if note.startswith("raised by the call at ")]
    assert frames or late, text
    assert all(f'"{mistake.file}", line ' in note for note in late), text


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["stack", "cat", "hstack", "dstack"])
def test_a_tensor_is_no_list_of_tensors_also_after_a_call_with_one(name: str) -> None:
    call = getattr(tg, name)
    call([tg.ones(3), tg.ones(3)])
    with pytest.raises(TypeError):
        call(tg.ones(2, 3))
        tg.synchronize()


def test_the_table_is_large() -> None:
    titles = [mistake.title for mistake in table()]
    assert len(titles) == len(set(titles))
    assert len(titles) >= 70
