"""Bytes: the examples of WIRE.md to the letter, every message there and back, and hostile input."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import telegrad_protocol
from telegrad_protocol import spec, wire
from telegrad_protocol.errors import CODES, Malformed, TooLarge, from_dict
from telegrad_protocol.limits import LIMITS
from telegrad_protocol.messages import OpenSession, ReadResult, Reply, Row, SessionOpened, StreamOpened

DOCUMENT = (Path(telegrad_protocol.__file__).parent / "WIRE.md").read_text()
HELLO, SUBMISSION, REPLY = (bytes.fromhex(text) for text in re.findall(r"```hex\n(.*?)```", DOCUMENT, re.DOTALL))


def test_the_documents_bytes() -> None:
    assert wire.pack(OpenSession(1, "0.1.0", "ab")) == HELLO
    assert wire.decode_struct(OpenSession, HELLO) == OpenSession(1, "0.1.0", "ab")
    row = Row(5, 1, 7, (3, (2.0,)))
    assert wire.encode_rows([row]) == SUBMISSION
    assert wire.decode_submission(SUBMISSION).rows == (row,)
    reply = Reply((ReadResult(9, "float32", (2,), bytes.fromhex("0000803f00000040")),), None)
    assert wire.pack(reply) == REPLY
    assert wire.decode_reply(REPLY) == reply


ids = st.integers(0, 2**46)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=10,
)
rows = st.builds(
    Row,
    st.integers(0, 500),
    st.integers(0, 7),
    st.none() | ids | st.lists(ids, max_size=3).map(tuple),
    st.lists(plain, max_size=5).map(tuple),
)


@given(st.lists(rows, max_size=8))
def test_every_submission_survives_the_round_trip(made: list[Row]) -> None:
    assert wire.decode_submission(wire.encode_rows(made)).rows == tuple(made)


@given(st.integers(0, 99), ids, st.floats(1, 1e6), st.text(max_size=9))
def test_session_records_survive_the_round_trip(stream: int, first: int, lease: float, name: str) -> None:
    opened = SessionOpened(name, stream, first, lease, "run", "0.1.0", ("cpu",))
    assert wire.decode_struct(SessionOpened, wire.pack(opened)) == opened
    assert wire.decode_struct(StreamOpened, wire.pack(StreamOpened(stream, first))) == (stream, first)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes_give_a_clear_error(data: bytes) -> None:
    for decode in (wire.decode_submission, wire.decode_reply, lambda d: wire.decode_struct(OpenSession, d)):
        with suppress(Malformed, TooLarge):
            decode(data)


@given(st.lists(rows, min_size=1, max_size=3), st.data())
def test_truncated_bytes_are_malformed(made: list[Row], data: st.DataObject) -> None:
    body = wire.encode_rows(made)
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(Malformed):
        wire.decode_submission(body[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 5000,  # too deep
        b"\xdd\xff\xff\xff\xff",  # an array said to have 2**32 - 1 items
        b"\xc6\xff\xff\xff\xff",  # bytes said to be 4 GB
        b"\xdb\xff\xff\xff\xff",  # a string said to be 4 GB
        b"\x81\x01\x02",  # a map with a number for a key
        b"\x90\x00",  # bytes left over
        b"\xc7\x01\x05\x00",  # an extension type
        wire.pack([[1, 2, 3]]),
        wire.pack([[1, 0, -1, []]]),
        wire.pack([["1", 0, 1, []]]),
    ],
)
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises((Malformed, TooLarge)):
        wire.decode_submission(body)


def test_limits_are_limits() -> None:
    with pytest.raises(TooLarge, match="rows"):
        wire.decode_submission(wire.encode_rows([(0, 0, None, ())] * 3), LIMITS._replace(rows=2))
    with pytest.raises(TooLarge, match="bytes"):
        wire.unpack(b"\xc0" * 11, LIMITS._replace(body_bytes=10))


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_survives_the_round_trip(code: str) -> None:
    error = CODES[code]("what happened", op="mul", got=3, hint="do this")
    again = from_dict(wire.unpack(wire.pack(error.to_dict())))
    assert type(again) is type(error)
    assert (again.message, again.details) == ("what happened", {"op": "mul", "got": 3, "hint": "do this"})


def test_the_digest_follows_the_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec.digest()
    assert before == spec.digest()
    monkeypatch.setattr(spec.OPS["add"], "name", "plus")
    assert spec.digest() != before
