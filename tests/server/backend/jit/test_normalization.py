import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import _jit, normalization

SHAPES = [(1, 1), (5, 3), (3, 17), (130, 33), (0, 4), (4, 0)]


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True, initial=-np.inf))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("log", [False, True])
def test_softmax_and_its_gradient_follow_the_formula(shape, log, dtype, draw, close, any_threads):
    x, g = draw(*shape) * 3, draw(*shape)
    out = normalization.softmax_forward(x, log)
    p = softmax(x.astype("f8"))
    close(out, np.log(p) if log else p)
    gx = normalization.softmax_backward(g, out, log)
    inner = g.sum(1, keepdims=True) if log else (g * p).sum(1, keepdims=True)
    close(gx, g - p * inner if log else p * (g - inner), slack=3)
    assert out.dtype == gx.dtype == dtype


@pytest.mark.parametrize("log", [False, True])
def test_softmax_passes_infinities_and_nan_on_as_pytorch_does(log, dtype):
    torch = pytest.importorskip("torch")
    inf, nan = np.inf, np.nan
    x = [[1, inf, 2, 0], [1, -inf, 2, 0], [nan, 1, 2, 3], [-inf] * 4, [3e38, -3e38, 0, 88], [1e-40, 0, -104, 50]]
    x = np.array(x, dtype)
    want = (torch.log_softmax if log else torch.softmax)(torch.from_numpy(x), 1)
    np.testing.assert_allclose(normalization.softmax_forward(x, log), want.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES[:-1])
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm_and_its_gradients_follow_the_formula(shape, affine, dtype, draw, close, any_threads):
    x, g, weight, bias = draw(*shape) + 2, draw(*shape), draw(shape[1]), draw(shape[1])
    out, mean, rstd = normalization.layer_norm_forward(x, weight if affine else None, bias if affine else None, 1e-3)
    gx, gw, gb = normalization.layer_norm_backward(g, x, mean, rstd, weight if affine else None)

    wide, scale = x.astype("f8"), weight.astype("f8") if affine else 1.0
    r = 1 / np.sqrt(wide.var(1, keepdims=True) + 1e-3)
    normed = (wide - wide.mean(1, keepdims=True)) * r
    close(out, normed * scale + (bias if affine else 0), slack=5)
    close(mean, wide.mean(1))
    close(rstd, r[:, 0], slack=5)
    up = g * scale
    inner = up - up.mean(1, keepdims=True) - normed * (up * normed).mean(1, keepdims=True)
    close(gx, r * inner, slack=50)
    close(gw, (g * normed).sum(0), slack=20)
    close(gb, g.sum(0), slack=5)


def test_layer_norm_of_rows_without_elements_has_empty_results():
    out, _, _ = normalization.layer_norm_forward(np.empty((4, 0)), None, None, 1e-5)
    assert out.shape == (4, 0)


def test_gradients_of_a_weight_do_not_depend_on_the_number_of_threads(draw, monkeypatch):
    x, g = draw(1000, 37), draw(1000, 37)
    _, mean, rstd = normalization.layer_norm_forward(x, None, None, 1e-5)
    alone = normalization.layer_norm_backward(g, x, mean, rstd, None)
    monkeypatch.setattr(_jit, "SHARED_FROM", 1)
    before = _jit.threads()
    _jit.set_threads(3)
    shared = normalization.layer_norm_backward(g, x, mean, rstd, None)
    _jit.set_threads(before)
    for one, three in zip(alone, shared, strict=True):
        assert np.array_equal(one, three)


def test_layer_norm_agrees_with_pytorch(dtype, draw, close):
    torch = pytest.importorskip("torch")
    x, g, weight, bias = draw(70, 50), draw(70, 50), draw(50), draw(50)
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, weight, bias)]
    want = torch.nn.functional.layer_norm(tensors[0], (50,), *tensors[1:], eps=1e-5)
    want.backward(torch.from_numpy(g))
    out, mean, rstd = normalization.layer_norm_forward(x, weight, bias, 1e-5)
    close(out, want.detach().numpy())
    for mine, theirs in zip(normalization.layer_norm_backward(g, x, mean, rstd, weight), tensors, strict=True):
        close(mine, theirs.grad.numpy(), slack=10)
