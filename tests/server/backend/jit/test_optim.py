import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import optim

SGD = {
    "plain": (0.0, 0.0, 0.0, False, False),
    "decay": (0.0, 0.0, 0.1, False, False),
    "momentum": (0.9, 0.1, 0.0, False, False),
    "nesterov": (0.9, 0.0, 0.1, True, True),
}
ADAM = {
    "plain": (0.9, 0.999, 1e-8, 0.0, False, False, False),
    "coupled": (0.9, 0.999, 1e-8, 0.1, False, True, False),
    "decoupled": (0.9, 0.999, 1e-6, 0.1, True, False, False),
    "amsgrad": (0.4, 0.99, 1e-8, 0.1, True, True, True),
}


def sgd(p, g, buf, lr, momentum, dampening, decay, nesterov, maximize, first):
    g = (-g if maximize else g) + decay * p
    if momentum:
        buf[:] = g if first else momentum * buf + (1 - dampening) * g
        g = g + momentum * buf if nesterov else buf
    p -= lr * g


def adam(p, g, m, v, vmax, step, lr, b1, b2, eps, decay, decoupled, maximize):
    g = -g if maximize else g
    if decoupled:
        p *= 1 - lr * decay
    else:
        g = g + decay * p
    m[:] = b1 * m + (1 - b1) * g
    v[:] = b2 * v + (1 - b2) * g * g
    if vmax is not None:
        vmax[:] = np.maximum(vmax, v)
    second = v if vmax is None else vmax
    p -= lr / (1 - b1**step) * m / (np.sqrt(second) / np.sqrt(1 - b2**step) + eps)


@pytest.mark.parametrize("shape", [(1,), (5000,), (3, 33), (0,)])
@pytest.mark.parametrize("options", SGD.values(), ids=SGD)
def test_sgd_follows_the_formula(shape, options, dtype, draw, close, any_threads):
    p = draw(*shape)
    buf = np.full_like(p, np.nan) if options[0] else None
    wide, wide_buf = p.astype("f8"), np.zeros(shape)
    for step in range(5):
        g = draw(*shape)
        optim.sgd_update(p, g, buf, 0.1, *options, step == 0)
        sgd(wide, g.astype("f8"), wide_buf, 0.1, *options, step == 0)
    close(p, wide)
    if buf is not None:
        close(buf, wide_buf)


@pytest.mark.parametrize("shape", [(1,), (5000,), (3, 33), (0,)])
@pytest.mark.parametrize("options", ADAM.values(), ids=ADAM)
def test_adam_follows_the_formula(shape, options, dtype, draw, close, any_threads):
    *options, amsgrad = options
    p = draw(*shape)
    m, v, vmax = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p) if amsgrad else None
    wide = [None if a is None else a.astype("f8") for a in (p, m, v, vmax)]
    for step in range(1, 6):
        g = draw(*shape)
        optim.adam_update(p, g, m, v, vmax, step, 0.01, *options)
        adam(wide[0], g.astype("f8"), *wide[1:], step, 0.01, *options)
    for mine, reference in zip((p, m, v), wide, strict=False):
        close(mine, reference)


def quadratic(torch, make, dtype, maximize):
    """Twenty steps of PyTorch's optimizer: gradients given and parameters reached, step by step."""
    rng = np.random.default_rng(3)
    p = torch.from_numpy(rng.standard_normal(501).astype(dtype)).requires_grad_()
    optimizer, taken = make([p]), []
    start = p.detach().numpy().copy()
    for _ in range(20):
        g = (p.detach().numpy() * (-1 if maximize else 1) + 0.1 * rng.standard_normal(501)).astype(dtype)
        p.grad = torch.from_numpy(g)
        optimizer.step()
        taken.append((g, p.detach().numpy().copy()))
    return start, taken


@pytest.mark.parametrize("options", SGD.values(), ids=SGD)
def test_twenty_steps_of_sgd_end_where_pytorchs_do(options, dtype):
    torch = pytest.importorskip("torch")
    momentum, dampening, decay, nesterov, maximize = options
    names = {"dampening": dampening, "weight_decay": decay, "nesterov": nesterov, "maximize": maximize}
    make = lambda params: torch.optim.SGD(params, lr=0.1, momentum=momentum, **names)
    p, taken = quadratic(torch, make, dtype, maximize)
    buf = np.empty_like(p) if momentum else None
    for step, (g, want) in enumerate(taken):
        optim.sgd_update(p, g, buf, 0.1, *options, step == 0)
        np.testing.assert_allclose(p, want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", ADAM.values(), ids=ADAM)
def test_twenty_steps_of_adam_end_where_pytorchs_do(options, dtype):
    torch = pytest.importorskip("torch")
    b1, b2, eps, decay, decoupled, maximize, amsgrad = options
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    names = {"eps": eps, "weight_decay": decay, "maximize": maximize, "amsgrad": amsgrad}
    p, taken = quadratic(torch, lambda params: kind(params, lr=0.01, betas=(b1, b2), **names), dtype, maximize)
    m, v, vmax = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p) if amsgrad else None
    for step, (g, want) in enumerate(taken, 1):
        optim.adam_update(p, g, m, v, vmax, step, 0.01, *options[:-1])
        np.testing.assert_allclose(p, want, rtol=1e-6, atol=1e-7)


def test_a_parameter_that_only_a_copy_could_flatten_is_refused(draw):
    p = draw(4, 6)[:, :3]
    with pytest.raises(ValueError, match="do not follow each other"):
        optim.sgd_update(p, draw(4, 3), None, 0.1, 0.0, 0.0, 0.0, False, False, True)


def test_amsgrad_keeps_a_nan(dtype):
    ones = [np.ones(3, dtype) for _ in range(4)]
    g = np.array([1, np.nan, 1], dtype)
    optim.adam_update(ones[0], g, *ones[1:], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False)
    assert list(np.isnan(ones[0])) == list(np.isnan(ones[3])) == [False, True, False]
