import pytest

from telegrad_server.backend.numpy import jit
from telegrad_server.backend.numpy.jit import _jit


def test_the_number_of_threads_can_be_set_and_read():
    before = jit.threads()
    jit.set_threads(2)
    assert jit.threads() == 2
    jit.set_threads(before)
    with pytest.raises(ValueError, match="at least one thread, got 0"):
        jit.set_threads(0)


def test_every_item_is_handled_once(any_threads):
    seen = []
    _jit.share(lambda lo, hi: seen.extend(range(lo, hi)), 10, 10)
    assert sorted(seen) == list(range(10))


def test_an_error_in_another_threads_share_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(_jit, "SHARED_FROM", 1)
    before = _jit.threads()
    jit.set_threads(2)

    def kernel(lo, hi):
        if lo:
            raise IndexError("the second half")

    with pytest.raises(IndexError, match="the second half"):
        _jit.share(kernel, 10, 10)
    jit.set_threads(before)
