"""What the tests of the raw kernels share: both dtypes, seeded draws, and one idea of closeness."""

import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import _jit

TOLERANCE = {np.dtype("f4"): (2e-5, 2e-6), np.dtype("f8"): (1e-11, 1e-13)}


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture
def draw(dtype):
    """`draw(*shape)`: normal numbers, the same in every run."""
    rng = np.random.default_rng(7)
    return lambda *shape: rng.standard_normal(shape).astype(dtype)


@pytest.fixture
def close():
    """`close(got, want)`: equal up to the rounding of got's dtype; `slack` multiplies what is allowed."""

    def check(got, want, slack=1.0):
        got, want = np.asarray(got), np.asarray(want)
        assert got.shape == want.shape
        rtol, atol = TOLERANCE[got.dtype]
        np.testing.assert_allclose(got, want, rtol=rtol * slack, atol=atol * slack)

    return check


@pytest.fixture(params=[1, 3])
def any_threads(request, monkeypatch):
    """Run with one thread, then with three that share even the smallest kernel."""
    before = _jit.threads()
    monkeypatch.setattr(_jit, "SHARED_FROM", 1)
    _jit.set_threads(request.param)
    yield request.param
    _jit.set_threads(before)
