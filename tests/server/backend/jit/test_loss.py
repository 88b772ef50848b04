import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import loss


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True, initial=-np.inf))
    return e / e.sum(1, keepdims=True)


def cross_entropy(x, target, weight, smoothing):
    """Losses and their gradients, row by row, -100 ignored."""
    logp, classes = np.log(softmax(x)), x.shape[1]
    losses, grads = np.zeros(len(x)), np.zeros_like(x)
    for i, t in enumerate(target):
        if t != -100:
            wanted = weight * smoothing / classes
            wanted[t] += weight[t] * (1 - smoothing)
            losses[i] = -(wanted * logp[i]).sum()
            grads[i] = np.exp(logp[i]) * wanted.sum() - wanted
    return losses, grads


@pytest.mark.parametrize("shape", [(6, 5), (64, 17), (3, 1), (0, 4)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_and_its_gradient_follow_the_formula(shape, weighted, smoothing, dtype, draw, close, any_threads):
    x, g, weight = draw(*shape) * 2, draw(shape[0]), abs(draw(shape[1]))
    target = np.random.default_rng(1).integers(0, shape[1], shape[0])
    target[1:2] = -100
    options = (weight if weighted else None, -100, smoothing)
    losses, norm = loss.cross_entropy_forward(x, target, *options)
    grads = loss.cross_entropy_backward(g, x, norm, target, *options)
    used = weight.astype("f8") if weighted else np.ones(shape[1])
    want_losses, want_grads = cross_entropy(x.astype("f8"), target, used, smoothing)
    close(losses, want_losses, slack=2)
    close(grads, want_grads * g[:, None], slack=2)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_passes_infinities_and_nan_on_as_pytorch_does(smoothing, dtype):
    torch = pytest.importorskip("torch")
    inf, nan = np.inf, np.nan
    x = np.array([[1, -inf, 2], [-inf, 1, 2], [nan, 1, 2], [inf, 1, 2], [1000, 1, 2], [1e4, 1e4 - 1, 0]], dtype)
    target = np.array([0, 0, 1, 0, 1, 1])
    tensor = torch.from_numpy(x).requires_grad_()
    want = torch.nn.functional.cross_entropy(
        tensor, torch.from_numpy(target), reduction="none", label_smoothing=smoothing
    )
    want.sum().backward()
    losses, norm = loss.cross_entropy_forward(x, target, None, -100, smoothing)
    np.testing.assert_allclose(losses, want.detach().numpy(), rtol=1e-6)
    grads = loss.cross_entropy_backward(np.ones(6, dtype), x, norm, target, None, -100, smoothing)
    np.testing.assert_allclose(grads, tensor.grad.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bad", [3, -1, 2**40])
def test_a_class_that_does_not_exist_is_refused_in_pytorchs_words(bad, draw):
    x, target = draw(4, 3), np.array([0, -100, bad, 7])
    with pytest.raises(IndexError, match=rf"^Target {bad} is out of bounds\.$"):
        loss.cross_entropy_forward(x, target, None, -100, 0.0)
    with pytest.raises(IndexError, match=rf"^Target {bad} is out of bounds\.$"):
        loss.cross_entropy_backward(x[:, 0].copy(), x, np.zeros((2, 4), x.dtype), target, None, -100, 0.0)
