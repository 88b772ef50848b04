"""The arithmetic of a profile: phases of submissions, the part that counts at each moment, the report's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegrad._profile.advice import OF_KERNELS, READ, advice_for
from telegrad._profile.observations import Observations
from telegrad._profile.phases import Busy, phases_of, server_time, way_back
from telegrad._profile.report import PARTS, report
from telegrad._profile.table import duration, table
from telegrad._stream.watching import Transfer, Trip, Wait


def trip(begun: float, packed: float, there: float, unpacked: float, server: str | None = None) -> Trip:
    """A submission that was packed from `begun` on, for so long; then on its way for `there` seconds; then unpacked."""
    made = Trip()
    made.begun, made.packed = begun, begun + packed
    made.sent, made.answered = made.packed, made.packed + there
    made.unpacked, made.server = made.answered + unpacked, server
    return made


lengths = st.floats(0, 1, allow_nan=False)
headers = st.one_of(
    st.none(), st.builds("queue;dur={:.3f}, kernel;dur={:.3f}".format, lengths.map(lambda s: s * 2e3), lengths)
)
trips = st.builds(trip, lengths, lengths, lengths, lengths, headers)


@given(st.lists(trips, max_size=8), st.lists(st.tuples(lengths, lengths), max_size=3), lengths, lengths)
def test_parts_of_a_time_are_never_more_than_it(
    found: list[Trip], transfers: list[tuple[float, float]], begun: float, length: float
) -> None:
    busy = Busy(found, [Transfer("upload", start, start + taken, 1) for start, taken in transfers])
    parts = busy.parts(begun, begun + length)
    assert all(seconds >= 0 for seconds in parts.values())
    assert sum(parts.values()) <= length + 1e-9


@given(trips)
def test_the_phases_of_one_submission_are_all_of_its_time(one: Trip) -> None:
    phases = phases_of(one, way_back([one]))
    assert sum(phase.ended - phase.begun for phase in phases) == pytest.approx(one.unpacked - one.begun)
    assert all(phase.ended - phase.begun >= -1e-9 for phase in phases)
    whole = Busy([one], []).parts(one.begun, one.unpacked)
    assert sum(whole.values()) == pytest.approx(one.unpacked - one.begun)


@given(st.lists(trips, max_size=6), st.lists(lengths, max_size=12), lengths)
def test_the_parts_sum_to_the_wall_time(found: list[Trip], moments: list[float], recording: float) -> None:
    seen = Observations()
    seen.trips = found
    moments = sorted(moments)
    for begun, ended in zip(moments[::2], moments[1::2], strict=False):
        seen.names[1] = "main"
        seen.waits.append(Wait(1, begun, ended, "value", None, "item"))
    made = report(seen, 1, 0.1, 0.9, recording, [])
    assert sum(made.parts.values()) == pytest.approx(0.8)
    assert set(made.parts) == set(PARTS)
    table(made)


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [
        ("queue;dur=0.4, kernel;dur=12.1", (0.4, 12.1)),
        ("kernel;dur=12,queue;dur=1", (1, 12)),
        ('cdn-cache; desc=HIT, edge;dur=7, queue;desc="in line";dur=0.5, kernel ; dur=2', (0.5, 2)),
        ("kernel;dur=3", (0, 3)),
        ("miss, db;dur=53", (0, 0)),
        ("kernel;dur=9999", (0, 100)),
        ("", (0, 0)),
        (None, (0, 0)),
    ],
)
def test_server_timing_is_read_whoever_else_writes_to_it(header: str | None, milliseconds: tuple[float, float]) -> None:
    there = server_time(trip(0, 0, 0.1, 0, header))
    assert (there.queue * 1e3, there.kernels * 1e3) == pytest.approx(milliseconds)


def test_a_kernel_that_runs_is_what_a_reader_waits_for() -> None:
    first = trip(0.0, 0.0, 1.0, 0.0, "queue;dur=0, kernel;dur=800")
    second = trip(0.5, 0.0, 0.7, 0.0, "queue;dur=100, kernel;dur=200")
    parts = Busy([first, second], []).parts(0.0, 1.2)
    assert parts["kernels"] == pytest.approx(1.0)
    assert parts["network"] == pytest.approx(0.2)


def test_advice() -> None:
    assert advice_for("value", "Tensor.item", 100, "network") == READ
    assert advice_for("value", "Tensor.item", 100, "kernels") == OF_KERNELS
    assert advice_for("value", "Tensor.item", 1, "network") == ""
    assert "torch.where" in advice_for("value", "Tensor.__bool__", 2, "network")
    assert "bfloat16" in advice_for("value", "GradScaler.step", 2, "network")
    assert "start the read earlier" in advice_for("value", "somewhere_else", 2, "network")
    assert "measuring" in advice_for("work", "synchronize", 1, "network")
    assert "server is the limit" in advice_for("backlog", "add", 1, "kernels")
    assert advice_for("work", "profile.__exit__", 1, "kernels") == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 µs"),
        (4e-6, "4 µs"),
        (9.994e-4, "999 µs"),
        (9.996e-4, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.9997, "1.00 s"),
        (1.5, "1.50 s"),
        (123.4, "123 s"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
