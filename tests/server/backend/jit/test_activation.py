import math

import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import activation, transcendental

SHAPES = [(1,), (7,), (3, 33), (0,), (2, 0), ()]
erf = np.vectorize(math.erf, otypes=["f8"])


def cdf(x):
    return 0.5 * (1 + erf(x / math.sqrt(2)))


def gelu_slope(x):
    return cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def bent(x):
    return np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def gelu_tanh_slope(x):
    t, inner = bent(x), math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORWARD = {
    "gelu": (activation.gelu_forward, lambda x: x * cdf(x)),
    "gelu_tanh": (lambda x: activation.gelu_forward(x, "tanh"), lambda x: 0.5 * x * (1 + bent(x))),
    "sigmoid": (activation.sigmoid_forward, sigmoid),
    "tanh": (transcendental.tanh_forward, np.tanh),
    "erf": (transcendental.erf_forward, erf),
}
BACKWARD = {
    "gelu": (activation.gelu_backward, gelu_slope),
    "gelu_tanh": (lambda g, x: activation.gelu_backward(g, x, "tanh"), gelu_tanh_slope),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORWARD)
def test_the_function_follows_the_formula(name, shape, dtype, draw, close, any_threads):
    kernel, formula = FORWARD[name]
    x = draw(*shape) * dtype.type(3)
    close(kernel(np.asarray(x)), formula(np.asarray(x, "f8")))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BACKWARD)
def test_the_gradient_follows_the_formula(name, shape, dtype, draw, close, any_threads):
    kernel, formula = BACKWARD[name]
    x, g = np.asarray(draw(*shape)), np.asarray(draw(*shape))
    close(kernel(g, x), formula(x.astype("f8")) * g)


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid"])
def test_float32_errors_stay_below_two_units_everywhere(name):
    kernel, formula = FORWARD[name]
    x = np.concatenate([np.linspace(-20, 20, 400_001), np.linspace(-1.1, 1.1, 400_001)]).astype("f4")
    want = formula(x.astype("f8"))
    error = abs(kernel(x) - want)
    assert error.max() < 1.3e-7
    assert (error[x != 0] / abs(want[x != 0])).max() < 2.5e-7


@pytest.mark.parametrize("name", FORWARD)
def test_special_values_come_out_as_pytorchs(name, dtype):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    theirs = {
        "gelu": functional.gelu,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "erf": torch.erf,
    }[name]
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e-5, 88.0, -88.0, 104.0, -104.0, 1e30, -1e30]
    if name == "gelu":
        # In vector lanes, in float32, PyTorch makes NaN of it; elsewhere it has our answer, infinity.
        values.remove(np.inf)
    x = np.array(values, dtype)
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    want = theirs(tensor)
    got = FORWARD[name][0](x)
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-6, atol=1e-37)
    if name in BACKWARD:
        want.sum().backward()
        grads = BACKWARD[name][0](np.ones_like(x), x)
        np.testing.assert_allclose(grads, tensor.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_a_negative_zero_keeps_its_sign(dtype):
    zero = np.array([-0.0], dtype)
    assert np.signbit(transcendental.tanh_forward(zero)).all()
    assert np.signbit(transcendental.erf_forward(zero)).all()
