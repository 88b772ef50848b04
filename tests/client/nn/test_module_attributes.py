"""Assigning, registering and deleting what a module holds: the same places, errors and state as PyTorch's."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.inprocess import LocalSession

import telegrad as tg
from telegrad._runtime.process import stream

pytestmark = pytest.mark.oracle


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


def make(lib: Any) -> Any:
    nn = lib.nn
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    module.first = nn.Parameter(lib.zeros(1))
    module.second = nn.Parameter(lib.zeros(2))
    module.register_parameter("absent", None)
    module.register_buffer("seen", lib.zeros(3))
    module.register_buffer("scratch", lib.zeros(4), persistent=False)
    module.register_buffer("none", None)
    module.note = "text"
    return module


def kind_of(value: Any) -> str:
    """A buffer counts as the tensor that it is."""
    return type(value).__name__.replace("Buffer", "Tensor")


def described(module: Any) -> Any:
    """Everything about a module that has an order."""
    return {
        "modules": [(name, type(m).__name__) for name, m in module.named_modules()],
        "tables": [
            [(name, kind_of(v)) for name, v in getattr(module, table).items()]
            for table in ("_parameters", "_buffers", "_modules")
        ],
        "parameters": [(name, tuple(p.shape)) for name, p in module.named_parameters()],
        "buffers": [(name, tuple(b.shape)) for name, b in module.named_buffers()],
        "state": [(name, tuple(t.shape)) for name, t in module.state_dict().items()],
        "scratch": sorted(module._non_persistent_buffers_set),
        "plain": sorted(name for name in ("note", "first", "seen", "0", "new") if name in module.__dict__),
    }


def seq(*changes: Callable[[Any, Any], Any]) -> Callable[[Any, Any], None]:
    def change(lib: Any, m: Any) -> None:
        for step in changes:
            step(lib, m)

    return change


def deleted_and_set(lib: Any, m: Any) -> None:
    del m.first
    m.first = lib.nn.Parameter(lib.zeros(5))


def in_a_list(change: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def apply(lib: Any, m: Any) -> None:
        m.held = lib.nn.ModuleList([lib.nn.ReLU(), lib.nn.Tanh(), lib.nn.Sigmoid()])
        change(lib, m.held)

    return apply


def in_a_dict(change: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def apply(lib: Any, m: Any) -> None:
        m.held = lib.nn.ModuleDict({"a": lib.nn.ReLU(), "b": lib.nn.Tanh()})
        change(lib, m.held)

    return apply


def setting(name: str, value: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    return lambda lib, m: setattr(m, name, value(lib))


def register_twice(lib: Any, m: Any) -> None:
    m.register_buffer("seen", lib.zeros(7), persistent=False)
    m.register_buffer("scratch", lib.zeros(7))


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "a layer by setattr": setting("0", lambda lib: lib.nn.ELU()),
    "a layer by item": lambda lib, m: m.__setitem__(0, lib.nn.ELU()),
    "the last layer by item": lambda lib, m: m.__setitem__(-1, lib.nn.ELU()),
    "a layer by add_module": lambda lib, m: m.add_module("1", lib.nn.ELU()),
    "a layer by register_module": lambda lib, m: m.register_module("1", lib.nn.ELU()),
    "a layer by a parameter": setting("0", lambda lib: lib.nn.Parameter(lib.zeros(1))),
    "a layer by None": setting("0", lambda lib: None),
    "a layer by a number": setting("0", lambda lib: 3),
    "a layer by a tensor": setting("0", lambda lib: lib.zeros(1)),
    "a layer by a buffer": setting("0", lambda lib: lib.nn.Buffer(lib.zeros(1))),
    "no layer, then one": seq(setting("0", lambda lib: None), setting("0", lambda lib: lib.nn.ELU())),
    "no layer by item": lambda lib, m: m.__setitem__(0, None),
    "a number by item": lambda lib, m: m.__setitem__(0, 1),
    "out of range": lambda lib, m: m.__setitem__(4, lib.nn.ELU()),
    "a parameter": setting("first", lambda lib: lib.nn.Parameter(lib.zeros(9))),
    "a parameter by register": lambda lib, m: m.register_parameter("first", lib.nn.Parameter(lib.zeros(9))),
    "a parameter by None": setting("first", lambda lib: None),
    "a parameter by a tensor": setting("first", lambda lib: lib.zeros(1)),
    "a parameter by a number": setting("first", lambda lib: 1),
    "a parameter by a layer": setting("first", lambda lib: lib.nn.ELU()),
    "a parameter by a buffer": setting("first", lambda lib: lib.nn.Buffer(lib.zeros(1))),
    "an absent parameter": setting("absent", lambda lib: lib.nn.Parameter(lib.zeros(9))),
    "deleted and set again": deleted_and_set,
    "a deleted name": lambda lib, m: delattr(m, "missing"),
    "a buffer": setting("seen", lambda lib: lib.zeros(9)),
    "a scratch buffer": setting("scratch", lambda lib: lib.zeros(9)),
    "a buffer by None": setting("seen", lambda lib: None),
    "a buffer by a number": setting("seen", lambda lib: 1),
    "a buffer by a parameter": setting("seen", lambda lib: lib.nn.Parameter(lib.zeros(1))),
    "a scratch buffer by a parameter": setting("scratch", lambda lib: lib.nn.Parameter(lib.zeros(1))),
    "a scratch buffer by a layer": setting("scratch", lambda lib: lib.nn.ELU()),
    "a buffer by a Buffer": setting("scratch", lambda lib: lib.nn.Buffer(lib.zeros(1))),
    "a buffer by a scratch Buffer": setting("seen", lambda lib: lib.nn.Buffer(lib.zeros(1), persistent=False)),
    "a scratch buffer deleted": seq(
        lambda lib, m: delattr(m, "scratch"), setting("scratch", lambda lib: lib.nn.Buffer(lib.zeros(1)))
    ),
    "buffers registered again": register_twice,
    "a buffer over a parameter": lambda lib, m: m.register_buffer("first", lib.zeros(1)),
    "a parameter over a buffer": lambda lib, m: m.register_parameter("seen", lib.nn.Parameter(lib.zeros(1))),
    "a layer over a parameter": lambda lib, m: m.add_module("first", lib.nn.ELU()),
    "a layer over a method": lambda lib, m: m.add_module("train", lib.nn.ELU()),
    "text by a parameter": setting("note", lambda lib: lib.nn.Parameter(lib.zeros(1))),
    "text by a layer": setting("note", lambda lib: lib.nn.ELU()),
    "text by a Buffer": setting("note", lambda lib: lib.nn.Buffer(lib.zeros(1))),
    "a dot in a parameter": setting("a.b", lambda lib: lib.nn.Parameter(lib.zeros(1))),
    "a dot in a registered parameter": lambda lib, m: m.register_parameter("a.b", None),
    "a dot in a buffer": lambda lib, m: m.register_buffer("a.b", lib.zeros(1)),
    "a dot in a module": lambda lib, m: m.add_module("a.b", lib.nn.ELU()),
    "an empty name": lambda lib, m: m.add_module("", lib.nn.ELU()),
    "an empty parameter name": lambda lib, m: m.register_parameter("", None),
    "a name that is none": lambda lib, m: m.register_buffer(3, lib.zeros(1)),
    "not a module": lambda lib, m: m.add_module("new", 3),
    "not a parameter": lambda lib, m: m.register_parameter("new", lib.zeros(1)),
    "not a leaf": lambda lib, m: m.register_parameter("new", m.first * 2),
    "not a buffer": lambda lib, m: m.register_buffer("new", 3),
    "no module": lambda lib, m: m.add_module("new", None),
    "inserted": lambda lib, m: lib.nn.Sequential.insert(m, 1, lib.nn.ELU()),
    "a layer deleted": lambda lib, m: m.__delitem__(0),
    "layers deleted": lambda lib, m: m.__delitem__(slice(0, 2)),
    "a layer deleted by name": lambda lib, m: delattr(m, "1"),
    "popped": lambda lib, m: m.pop(0),
    "appended": lambda lib, m: m.append(lib.nn.ELU()),
    "copied": lambda lib, m: setattr(copy.deepcopy(m), "0", lib.nn.ELU()),
    "list item": in_a_list(lambda lib, held: held.__setitem__(0, lib.nn.ELU())),
    "list setattr": in_a_list(lambda lib, held: setattr(held, "1", lib.nn.ELU())),
    "list out of range": in_a_list(lambda lib, held: held.__setitem__(3, lib.nn.ELU())),
    "list insert": in_a_list(lambda lib, held: held.insert(0, lib.nn.ELU())),
    "list delete": in_a_list(lambda lib, held: held.__delitem__(0)),
    "list delete slice": in_a_list(lambda lib, held: held.__delitem__(slice(0, 2))),
    "list pop": in_a_list(lambda lib, held: held.pop(0)),
    "list +=": in_a_list(lambda lib, held: held.__iadd__([lib.nn.ELU()])),
    "list of numbers": in_a_list(lambda lib, held: held.append(3)),
    "dict item": in_a_dict(lambda lib, held: held.__setitem__("a", lib.nn.ELU())),
    "dict setattr": in_a_dict(lambda lib, held: setattr(held, "a", lib.nn.ELU())),
    "dict update": in_a_dict(lambda lib, held: held.update({"b": lib.nn.ELU(), "a": lib.nn.ReLU()})),
    "dict update by pairs": in_a_dict(lambda lib, held: held.update([("a", lib.nn.ELU())])),
    "dict delete and set": in_a_dict(
        seq(lambda lib, held: held.__delitem__("a"), lambda lib, held: held.__setitem__("a", lib.nn.ELU()))
    ),
    "dict pop": in_a_dict(lambda lib, held: held.pop("a")),
    "dict clear": in_a_dict(lambda lib, held: held.clear()),
    "dict name of a method": in_a_dict(lambda lib, held: held.__setitem__("keys", lib.nn.ELU())),
}


def outcome(lib: Any, change: Callable[[Any, Any], Any]) -> Any:
    module = make(lib)
    try:
        change(lib, module)
    except Exception as error:
        return type(error).__name__, str(error), described(module)
    return described(module)


def without_packages(found: Any) -> Any:
    """An outcome with the names of types as both libraries have them."""
    if isinstance(found, tuple):
        kind, text, rest = found
        return kind, re.sub(r"'(torch|telegrad)\.[\w.]*\.", "'", text), rest
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_leaves_what_torch_leaves(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert without_packages(outcome(tg, CHANGES[name])) == without_packages(outcome(torch, CHANGES[name]))


def test_before_init_nothing_can_be_assigned() -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    values: tuple[Callable[[Any], Any], ...] = (
        lambda lib: lib.nn.Parameter(lib.zeros(1)),
        lambda lib: lib.nn.ELU(),
    )
    for value in values:
        told = []
        for lib in (tg, torch):

            class Early(lib.nn.Module):  # type: ignore[name-defined, misc]
                def __init__(self, given: Any) -> None:
                    self.given = given

            with pytest.raises(AttributeError) as caught:
                Early(value(lib))
            told.append(str(caught.value))
        assert told[0] == told[1]


def test_an_optimizer_takes_parameters_in_torchs_order_after_a_replacement() -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    found = []
    for lib in (tg, torch):
        model = lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(1, 2), b=lib.nn.Linear(2, 3), c=lib.nn.Linear(3, 4)))
        model.a = lib.nn.Linear(5, 2)
        model.b.weight = lib.nn.Parameter(lib.zeros(3, 7))
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        found.append([tuple(p.shape) for p in optimizer.param_groups[0]["params"]])
    assert found[0] == found[1]
