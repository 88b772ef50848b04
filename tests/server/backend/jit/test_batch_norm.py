import numpy as np
import pytest

from telegrad_server.backend.numpy.jit import normalization

SHAPES = [(4, 3, 5), (1, 2, 33), (6, 5, 1), (130, 7, 2)]
EPS = 1e-3


def channelwise(values):
    return np.asarray(values, "f8")[None, :, None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_follows_the_formula(shape, affine, dtype, draw, close, any_threads):
    x, weight, bias = draw(*shape) + 3, draw(shape[1]), draw(shape[1])
    out, mean, var = normalization.batch_norm_forward(x, *((weight, bias) if affine else (None, None)), EPS)
    wide = x.astype("f8")
    close(mean, wide.mean((0, 2)))
    close(var, wide.var((0, 2)))
    want = (wide - channelwise(wide.mean((0, 2)))) / np.sqrt(channelwise(wide.var((0, 2))) + EPS)
    close(out, want * channelwise(weight) + channelwise(bias) if affine else want, slack=5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_and_its_gradients_agree_with_pytorch(shape, training, affine, dtype, draw, close, any_threads):
    torch = pytest.importorskip("torch")
    x, g, weight, bias = draw(*shape), draw(*shape), draw(shape[1]), draw(shape[1])
    running = draw(shape[1]), abs(draw(shape[1])) + dtype.type(0.5)
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, weight, bias)]
    statistics = (None, None) if training else tuple(map(torch.from_numpy, running))
    given = tensors[1:] if affine else (None, None)
    want = torch.nn.functional.batch_norm(tensors[0], *statistics, *given, training, 0.1, EPS)
    want.backward(torch.from_numpy(g))

    scale, shift = (weight, bias) if affine else (None, None)
    if training:
        out, mean, var = normalization.batch_norm_forward(x, scale, shift, EPS)
    else:
        mean, var = running
        out = normalization.batch_norm_eval_forward(x, mean, var, scale, shift, EPS)
    close(out, want.detach().numpy(), slack=5)
    if not training:  # a composite has this gradient
        return
    gx, gw, gb = normalization.batch_norm_backward(g, x, mean, var, scale, EPS)
    close(gx, tensors[0].grad.numpy(), slack=50)
    if affine:
        close(gw, tensors[1].grad.numpy(), slack=20)
        close(gb, tensors[2].grad.numpy(), slack=20)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (0, 3, 1)])
def test_batch_norm_of_nothing_is_empty(shape, draw):
    x, channel = draw(*shape), np.ones(shape[1], draw(1).dtype)
    assert normalization.batch_norm_eval_forward(x, channel, channel, channel, channel, EPS).shape == shape
    gx, gw, gb = normalization.batch_norm_backward(x, x, channel, channel, channel, EPS)
    assert gx.shape == shape
    assert not gw.any()
    assert not gb.any()


def test_a_nan_spoils_its_channel_only(dtype, draw):
    x = draw(3, 2, 5)
    x[1, 0, 2] = np.nan
    out, _, _ = normalization.batch_norm_forward(x, None, None, EPS)
    assert np.isnan(out[:, 0]).all()
    assert np.isfinite(out[:, 1]).all()
