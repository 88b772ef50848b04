"""The closed list of requests: the worker has one handler for each, with the fields as parameters."""

from __future__ import annotations

import inspect

import pytest
from support.local_engine import LocalEngine

from telegrad_protocol.errors import InternalError, Malformed
from telegrad_server.channel.requests import (
    REQUESTS,
    UNREADABLE,
    Health,
    OpenSession,
    ReadSize,
    Request,
    Submit,
    Tensors,
)
from telegrad_server.worker.executor import Executor


def test_the_worker_handles_the_requests_of_the_list_and_no_others() -> None:
    handlers = {name.removeprefix("on_") for name in vars(Executor) if name.startswith("on_")}
    assert handlers == {*REQUESTS, UNREADABLE}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_handlers_parameters_are_the_fields_of_its_request(kind: str) -> None:
    _, _, *parameters = inspect.signature(getattr(Executor, f"on_{kind}")).parameters.values()
    fields = REQUESTS[kind]
    assert tuple(parameter.name for parameter in parameters) == fields._fields
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    assert defaults == fields._field_defaults


def test_a_request_outside_the_list_is_an_error_of_that_request_alone() -> None:
    engine = LocalEngine()
    for kind in ("session", "run", "handle"):
        engine.executor._handle(Request(kind, 0, ("s",)))
        assert isinstance(engine.link.answers.pop(0), InternalError)
    engine.ask("open_session", "s")
    assert engine.ask("health")["sessions"] == 1


def test_answers_have_the_types_that_the_list_says() -> None:
    assert OpenSession.answer("anything") is None
    assert Submit.answer((b"reply", ((1, "cpu", 4),), 0.5)) == (b"reply", [(1, "cpu", 4)], 0.5)
    assert Tensors.answer(((1, "float32", (2,), False),)) == [(1, "float32", (2,), False)]
    assert ReadSize.answer(8) == 8
    assert Health.answer({"rows": 0}) == {"rows": 0}
    with pytest.raises(Malformed, match="not bytes"):
        Submit.answer(("text", [], 0.0))
