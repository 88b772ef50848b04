"""What PyTorch has and telegrad has not says so; what nobody has gets Python's own words."""

from __future__ import annotations

import contextlib
import importlib
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from support import torch_names
from support.inprocess import LocalSession

import telegrad as tg
from telegrad import nn
from telegrad._api import absent
from telegrad._runtime.process import stream


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart(LocalSession())
    yield
    stream.restart()


@pytest.mark.oracle
def test_the_list_of_names_is_that_of_the_installed_pytorch() -> None:
    pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    command = [sys.executable, torch_names.__file__]  # in a process of its own: what others import of torch shows
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert torch_names.FILE.read_text() == done.stdout, f"write {torch_names.FILE} anew"


def _holder(owner: str) -> Any:
    if owner in ("torch.Tensor", "torch.nn.Module"):
        return tg.ones(2, 2) if owner == "torch.Tensor" else nn.Module()
    return importlib.import_module("telegrad" + owner.removeprefix("torch"))


@pytest.mark.parametrize("owner", [owner for owner in absent.names() if owner != "modules"])
def test_every_name_is_there_or_says_that_it_is_not(owner: str) -> None:
    try:
        holder = _holder(owner)
    except ModuleNotFoundError as error:
        assert re.match(r"telegrad has no torch\.\S+ yet; |.* is not a package", str(error))  # noqa: PT017
        return
    for name in sorted(absent.names()[owner]):
        try:
            getattr(holder, name)
        except AttributeError as error:
            assert str(error).startswith(f"telegrad has no {owner}.{name} yet; ")  # noqa: PT017
            assert not hasattr(holder, name)
            assert name not in dir(holder)


def test_most_names_of_everyday_modules_are_there() -> None:
    for owner, share in (("torch.Tensor", 0.5), ("torch.nn", 0.45), ("torch.optim.lr_scheduler", 0.7)):
        names, holder = absent.names()[owner], _holder(owner)
        assert sum(hasattr(holder, name) for name in names) > share * len(names)


def test_what_is_missing_tells_what_to_use() -> None:
    with pytest.raises(AttributeError, match=r"^telegrad has no torch\.save yet; instead: np\.savez"):
        tg.save  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no torch\.Tensor\.data_ptr yet; instead: t\.numpy\(\)"):
        tg.ones(1).data_ptr()
    with pytest.raises(AttributeError, match=r"has no torch\.nn\.LSTM yet; the README"):
        nn.LSTM(1, 2)
    with pytest.raises(AttributeError, match=r"has no torch\.nn\.functional\.grid_sample yet"):
        nn.functional.grid_sample  # noqa: B018


@pytest.mark.parametrize("full", absent.INSTEAD)
def test_what_stands_instead_is_there_and_what_it_stands_for_is_not(full: str) -> None:
    owner, _, name = full.rpartition(".")
    assert absent.missing(owner, name), f"{full} is not PyTorch's"
    with contextlib.suppress(ModuleNotFoundError):
        assert not hasattr(_holder(owner), name), f"telegrad has {full}"
    for path in re.findall(r"\b(?:torch|nn)(?:\.[a-z]\w*)+", absent.INSTEAD[full]):
        found: Any = tg if path.startswith("torch") else nn
        for part in path.split(".")[1:]:
            found = getattr(found, part)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("from telegrad import save", "ImportError: telegrad has no torch.save yet; instead: np.savez"),
        ("from telegrad.nn import LSTM", "ImportError: telegrad has no torch.nn.LSTM yet; the README"),
        ("import telegrad.jit", "ModuleNotFoundError: telegrad has no torch.jit yet; instead: the function"),
        ("from telegrad import jit", "ImportError: telegrad has no torch.jit yet; instead: the function"),
        ("from telegrad.utils import checkpoint", "ImportError: telegrad has no torch.utils.checkpoint yet"),
        ("from telegrad.onnx import export", "ModuleNotFoundError: telegrad has no torch.onnx yet"),
        ("from telegrad import savee", "ImportError: cannot import name 'savee' from 'telegrad'"),
        ("import telegrad.nonsense", "ModuleNotFoundError: No module named 'telegrad.nonsense'"),
        ("import telegrad as t; t.zeross", "module 'telegrad' has no attribute 'zeross'. Did you mean: 'zeros'?"),
        ("import telegrad as t; t.Tensor([1]).summ", "'Tensor' object has no attribute 'summ'. Did you mean: 'sum'?"),
        ("import telegrad as t; t.nn.Linear(1, 1).weigth", "no attribute 'weigth'. Did you mean: 'weight'?"),
        ("import telegrad as t; t.Tensor.summ", "AttributeError: type object 'Tensor' has no attribute 'summ'"),
    ],
)
def test_at_the_end_of_a_program(statement: str, told: str) -> None:
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert told in done.stderr
    assert not re.search(r'File ".*telegrad/', done.stderr)
    assert done.stderr.count("Traceback") == 1


def test_names_that_are_no_ones_are_not_looked_for() -> None:
    for name in ("__path_to_nowhere__", "_private", "nonsense"):
        assert not hasattr(tg, name)
        assert not hasattr(tg.Tensor, name)
    with pytest.raises(AttributeError) as caught:
        tg.nonsense  # noqa: B018
    assert len(traceback.extract_tb(caught.value.__traceback__)) == 1
