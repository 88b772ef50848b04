"""The reference of the devices' random numbers: Philox's published vectors, its state, and the numbers made of its words."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from telegrad_server.backend.random import philox
from telegrad_server.backend.random.philox import Counter, PhiloxGenerator

# Counter, key and words of philox4x32-10 in the known-answer tests of Random123.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
START = Counter(np.uint64(2024), np.uint64(0))
MANY = 40_000


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_words_are_those_of_philox4x32_10(counter: tuple, key: tuple, expected: str) -> None:
    found = philox.scrambled([np.array([word], np.uint64) for word in counter], [np.uint32(half) for half in key])
    assert " ".join(f"{int(word[0]):08x}" for word in found) == expected


def test_a_stream_does_not_depend_on_where_it_is_cut() -> None:
    whole = philox.words(START, 40)
    assert np.array_equal(philox.words(Counter(START.seed, np.uint64(3)), 28), whole[12:])
    assert np.array_equal(philox.words64(START, 5), whole[:10].view(np.uint64))


def test_counters_carry_into_their_second_word() -> None:
    far = Counter(np.uint64(1), np.uint64(2**32 - 1))
    assert np.array_equal(philox.words(far, 8)[4:], philox.words(Counter(np.uint64(1), np.uint64(2**32)), 4))
    assert not np.array_equal(philox.words(far, 8)[4:], philox.words(Counter(np.uint64(1), np.uint64(0)), 4))


def test_draws_take_whole_blocks() -> None:
    generator = PhiloxGenerator(3)
    blocks = [int(generator.take(count).block) for count in (1, 4, 5, 0, 2)]
    assert blocks == [0, 1, 2, 4, 4]


def test_a_state_is_kept_and_found_again() -> None:
    generator = PhiloxGenerator(-1)
    assert generator.initial_seed() == 2**64 - 1
    generator.take(100)
    kept, state = generator.snapshot(), generator.get_state()
    following = generator.take(8)
    generator.restore(kept)
    assert generator.take(8) == following
    other = PhiloxGenerator(0)
    other.set_state(state)
    assert other.take(8) == following
    assert state.dtype == np.uint8
    assert state.shape == (16,)


@pytest.mark.parametrize(
    "call",
    [
        lambda g: g.manual_seed(2**64),
        lambda g: g.manual_seed(-(2**63) - 1),
        lambda g: g.set_state(np.zeros(15, np.uint8)),
        lambda g: g.set_state(np.zeros(16, np.int8)),
    ],
)
def test_bad_seeds_and_states_are_refused_and_change_nothing(call) -> None:
    generator = PhiloxGenerator(5)
    with pytest.raises(RuntimeError):
        call(generator)
    assert generator.snapshot() == (5, 0)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_units_fill_their_interval_and_keep_their_digits(dtype) -> None:
    drawn = philox.units(START, MANY, np.dtype(dtype)).astype(np.float64)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(1 / 12, abs=0.003)
    assert np.array_equal(drawn.astype(dtype).astype(np.float64), drawn)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normals_have_their_moments(dtype) -> None:
    drawn = philox.normals(START, MANY, np.dtype(dtype))
    assert drawn.dtype == dtype
    assert np.isfinite(drawn).all()
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(drawn[::2], drawn[1::2])[0, 1] == pytest.approx(0, abs=0.02)
    assert np.mean(np.abs(drawn) < 1) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_are_never_zero(dtype) -> None:
    drawn = philox.exponentials(START, MANY, np.dtype(dtype))
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(1, abs=0.02)
    assert np.mean(drawn > 1) == pytest.approx(np.exp(-1), abs=0.01)


def test_integers_and_truths_have_their_shares() -> None:
    drawn = philox.integers(START, MANY, -3, 7)
    assert set(np.unique(drawn)) == set(range(-3, 4))
    assert np.bincount(drawn + 3) / MANY == pytest.approx(1 / 7, abs=0.01)
    assert (philox.integers(START, 100, -(2**63), 2**64) < 0).any()
    assert philox.truths(START, MANY, 0.3).mean() == pytest.approx(0.3, abs=0.01)
    assert not philox.truths(START, 100, 0.0).any()
    assert philox.truths(START, 100, 1.0).all()
