import itertools

import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import pooling

# kernel, stride, padding, dilation, ceil_mode
WINDOWS = {
    "2x2": ((2, 2), (2, 2), (0, 0), (1, 1), False),
    "2x2 apart": ((2, 2), (2, 3), (0, 0), (3, 2), False),
    "overlapping": ((3, 2), (1, 2), (1, 0), (1, 1), False),
    "ceil": ((3, 3), (2, 2), (1, 1), (1, 1), True),
    "dilated": ((2, 3), (2, 1), (1, 1), (3, 2), False),
    "dilated ceil": ((3, 2), (2, 3), (1, 1), (2, 2), True),
    "far stride": ((2, 2), (3, 4), (1, 1), (1, 1), True),
}
SIZES = [(9, 11), (7, 8), (1, 13)]
LEADING = [(2, 3), (5,), (0, 3)]


def taps(i, j, window, size):
    """The positions inside the input that window (i, j) looks at."""
    kernel, stride, padding, dilation, _ = window
    axes = zip((i, j), kernel, stride, padding, dilation, size, strict=True)
    inside = [
        [at * s - p + k * d for k in range(n) if 0 <= at * s - p + k * d < bound] for at, n, s, p, d, bound in axes
    ]
    return list(itertools.product(*inside))


def fits(window, size):
    return all(n + 2 * p > d * (k - 1) for n, k, p, d in zip(size, window[0], window[2], window[3], strict=True))


CASES = [pytest.param(w, s, id=f"{name} {s}") for name, w in WINDOWS.items() for s in SIZES if fits(w, s)]


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize(("window", "size"), CASES)
def test_max_pool_finds_each_windows_maximum(window, size, leading, dtype, draw, any_threads):
    x = draw(*leading, *size)
    out, indices = pooling.max_pool2d_forward(x, *window)
    g = draw(*out.shape)
    gx, want = pooling.max_pool2d_backward(g, indices, x.shape), np.zeros_like(x)
    for i, j in np.ndindex(out.shape[-2:]):
        positions = taps(i, j, window, size)
        for lead in np.ndindex(leading):
            best = max(positions, key=lambda at: x[lead][at])
            assert out[lead][i, j] == x[lead][best]
            assert indices[lead][i, j] == best[0] * size[1] + best[1]
            want[lead][best] += g[lead][i, j]
    np.testing.assert_allclose(gx, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("window", "size"), CASES)
def test_max_pool_agrees_with_pytorch_on_nan_and_infinity(window, size, dtype, draw):
    torch = pytest.importorskip("torch")
    x = draw(3, *size)
    x[0, :, ::3], x[1], x[2, 0, 1] = np.nan, -np.inf, np.inf
    want, at = torch.nn.functional.max_pool2d(torch.from_numpy(x), *window, return_indices=True)
    out, indices = pooling.max_pool2d_forward(x, *window)
    assert np.array_equal(out, want.numpy(), equal_nan=True)
    assert np.array_equal(indices, at.numpy())


AVERAGES = [(w, s) for w in WINDOWS.values() for s in SIZES if w[3] == (1, 1) and fits(w, s)]


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize(("window", "size"), AVERAGES)
@pytest.mark.parametrize(("include", "override"), [(True, None), (False, None), (True, 7)])
def test_avg_pool_and_its_gradient_agree_with_pytorch(
    window, size, include, override, leading, dtype, draw, close, any_threads
):
    torch = pytest.importorskip("torch")
    kernel, stride, padding, _, ceil = window
    options = (kernel, stride, padding, ceil, include, override)
    x = draw(*leading, *size)
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    want = torch.nn.functional.avg_pool2d(tensor, *options)
    out = pooling.avg_pool2d_forward(x, *options)
    close(out, want.detach().numpy())
    g = draw(*out.shape)
    want.backward(torch.from_numpy(g))
    close(pooling.avg_pool2d_backward(g, x.shape, *options), tensor.grad.numpy())


@pytest.mark.parametrize("include", [True, False])
def test_avg_pool_divides_by_what_the_window_covers(include, dtype, draw, close):
    x, window = draw(2, 5, 6), WINDOWS["overlapping"]
    out = pooling.avg_pool2d_forward(x, *window[:3], False, include)
    for i, j in np.ndindex(out.shape[-2:]):
        positions = taps(i, j, window, (5, 6))
        total = sum(x[:, y, q].astype("f8") for y, q in positions)
        close(out[:, i, j], total / (6 if include else len(positions)))


@pytest.mark.parametrize("out_size", [(1, 1), (3, 4), (9, 11), (12, 5)])
@pytest.mark.parametrize("leading", LEADING)
def test_adaptive_pools_agree_with_pytorch(out_size, leading, dtype, draw, close, any_threads):
    torch = pytest.importorskip("torch")
    x, functional = draw(*leading, 9, 11), torch.nn.functional
    g = draw(*leading, *out_size)
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    average = functional.adaptive_avg_pool2d(tensor, out_size)
    average.backward(torch.from_numpy(g))
    close(pooling.adaptive_avg_pool2d_forward(x, out_size), average.detach().numpy(), slack=3)
    close(pooling.adaptive_avg_pool2d_backward(g, x.shape), tensor.grad.numpy())
    tensor.grad = None
    largest, at = functional.adaptive_max_pool2d(tensor, out_size, return_indices=True)
    largest.backward(torch.from_numpy(g))
    out, indices = pooling.adaptive_max_pool2d_forward(x, out_size)
    assert np.array_equal(out, largest.detach().numpy())
    assert np.array_equal(indices, at.numpy())
    close(pooling.max_pool2d_backward(g, indices, x.shape), tensor.grad.numpy())


def test_an_index_outside_the_plane_is_refused(draw):
    with pytest.raises(IndexError, match="outside the input's plane"):
        pooling.max_pool2d_backward(draw(1, 1, 2), np.array([[[0, 12]]]), (1, 3, 4))
