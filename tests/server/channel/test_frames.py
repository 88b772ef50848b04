"""Frames: messages cut out of a stream of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telegrad_protocol.errors import Malformed
from telegrad_server.channel.frames import HEAD, Frames, frame


@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(1, 20), max_size=60))
def test_frames_are_found_however_the_bytes_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"".join(frame(n, (message, None))) for n, message in enumerate(messages))
    frames, found = Frames(), []
    for cut in cuts:
        found += frames.feed(data[:cut])
        data = data[cut:]
    found += frames.feed(data)
    assert found == [(n, (message, None)) for n, message in enumerate(messages)]


def test_length_and_number_come_first_and_large_bytes_are_not_copied() -> None:
    head, body = frame(7, ("health",))
    assert HEAD.unpack(head) == (len(body), 7)
    large = bytes(1 << 20)
    pieces = frame(7, ("submit", large, None))
    assert any(piece is large for piece in pieces)
    assert Frames().feed(b"".join(pieces)) == [(7, ("submit", large, None))]


def test_an_answer_that_cannot_be_read_is_an_error_of_its_request_alone() -> None:
    good, bad = b"".join(frame(1, ("yes", None))), b"\xc1"
    answers = Frames().feed(HEAD.pack(len(bad), 0) + bad + good)
    assert [number for number, _ in answers] == [0, 1]
    assert isinstance(answers[0][1], Malformed)
    assert answers[1][1] == ("yes", None)
