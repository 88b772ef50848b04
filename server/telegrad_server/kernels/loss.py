"""Loss functions."""

from __future__ import annotations

import math

from telegrad_protocol import dtypes
from telegrad_protocol.errors import OpError, OpValueError

from ._shared import at_least, dtype_of
from .registry import decomposition, direct_kernel, kernel, vjp


def reduced(f, losses, reduction):
    """The losses themselves, their mean or their sum."""
    if reduction == "none":
        return losses
    return f.mean(losses) if reduction == "mean" else f.sum(losses)


def _rows_of(f, input):
    """Logits `(N, C, ...)` or `(C,)` as rows of classes."""
    if input.ndim == 2:
        return input
    if input.ndim == 1:
        return f.reshape(input, (1, input.shape[0]))
    moved = f.permute(input, (0, *range(2, input.ndim), 1))
    return f.reshape(moved, (math.prod(moved.shape[:-1]), moved.shape[-1]))


def _flat(f, target):
    return target if target.ndim == 1 else f.reshape(target, (math.prod(target.shape),))


@decomposition
def cross_entropy(f, input, target, weight, ignore_index, reduction, label_smoothing):
    if dtype_of(f, target).category == dtypes.FLOAT:
        return _soft_cross_entropy(f, input, target, weight, reduction, label_smoothing)
    rows, flat = _rows_of(f, input), _flat(f, target)
    losses = f._cross_entropy_rows(rows, flat, weight, ignore_index, reduction, label_smoothing)
    return f.reshape(losses, target.shape) if reduction == "none" and target.ndim != 1 else losses


def _soft_cross_entropy(f, input, target, weight, reduction, label_smoothing):
    """Cross entropy with class probabilities; the mean is over rows, with or without weights."""
    axis = 1 if input.ndim > 1 else 0
    if label_smoothing > 0:
        target = f.add(f.mul(target, 1 - label_smoothing), label_smoothing / max(1, input.shape[axis]))
    terms = f.mul(f.log_softmax(input, axis), target)
    if weight is not None:
        terms = f.mul(terms, f.reshape(weight, (input.shape[axis], *(1,) * (input.ndim - axis - 1))))
    losses = f.neg(f.sum(terms, axis))
    return reduced(f, losses, reduction)


@decomposition
def _cross_entropy_rows(f, input, target, weight, ignore_index, reduction, label_smoothing):
    logs = f.log_softmax(input, 1)
    loss = f.nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0:
        return loss
    used = f.ne(target, ignore_index)
    spread = f.neg(f.sum(logs if weight is None else f.mul(logs, weight), 1))
    spread = f.mul(spread, used)
    if reduction == "sum":
        spread = f.sum(spread)
    elif reduction == "mean":
        spread = f.div(f.sum(spread), _norm(f, target, weight, ignore_index, input))
    return f.add(f.mul(loss, 1 - label_smoothing), f.mul(spread, label_smoothing / max(1, input.shape[1])))


def _norm(f, target, weight, ignore_index, input):
    """The divisor of the mean: the number of classes that are not ignored, or the sum of their weights."""
    used = f._to_dtype(f.ne(target, ignore_index), dtype_of(f, input))
    if weight is None:
        return f.sum(used)
    return f.sum(f.mul(f.index_select(weight, 0, f._checked_targets(target, weight.shape[0], ignore_index)), used))


@_cross_entropy_rows.forward
def _(xp, input, target, weight, ignore_index, reduction, label_smoothing):
    losses, saved = xp.cross_entropy(input, target, weight, ignore_index, label_smoothing)
    if reduction == "none":
        return losses, (saved, None)
    total = xp.sum(losses, (0,))
    if reduction == "sum":
        return total, (saved, None)
    norm = xp.class_norm(target, weight, ignore_index, xp.meta_of(input).dtype)
    return xp.divide(total, norm), (saved, norm)


@_cross_entropy_rows.backward
def _(xp, g, needs, aux, input, target, weight, ignore_index, label_smoothing):
    saved, norm = aux
    g = xp.broadcast_to(g if norm is None else xp.divide(g, norm), target.shape)
    return xp.cross_entropy_backward(g, input, saved, target, weight, ignore_index, label_smoothing), None, None


direct_kernel("_checked_targets")


@decomposition
def nll_loss(f, input, target, weight, ignore_index, reduction):
    rows, flat = _rows_of(f, input), _flat(f, target)
    safe = f._checked_targets(flat, rows.shape[1], ignore_index)
    picked = f.neg(f.reshape(f.gather(rows, 1, f.reshape(safe, (-1, 1))), flat.shape))
    if weight is not None:
        picked = f.mul(picked, f.index_select(weight, 0, safe))
    losses = f.where(f.ne(flat, ignore_index), picked, 0.0)
    if reduction == "none":
        return f.reshape(losses, target.shape) if target.ndim != 1 else losses
    total = f.sum(losses)
    return total if reduction == "sum" else f.div(total, _norm(f, flat, weight, ignore_index, input))


@decomposition
def mse_loss(f, input, target, reduction):
    apart = f.sub(input, target)
    return reduced(f, f.mul(apart, apart), reduction)


@decomposition
def l1_loss(f, input, target, reduction):
    return reduced(f, f.abs(f.sub(input, target)), reduction)


@decomposition
def smooth_l1_loss(f, input, target, reduction, beta):
    if beta == 0:
        return f.l1_loss(input, target, reduction)
    return reduced(f, f.div(f._huber(input, target, beta), beta), reduction)


@kernel
def _huber(xp, input, target, delta):
    apart = xp.absolute(xp.subtract(input, target))
    far = xp.multiply(xp.subtract(apart, 0.5 * delta), delta)
    return xp.where(xp.less(apart, delta), xp.multiply(xp.multiply(apart, apart), 0.5), far)


vjp(
    _huber,
    input=lambda f, g, input, target, delta: f.mul(g, f.clamp(f.sub(input, target), -delta, delta)),
    target=lambda f, g, input, target, delta: f.mul(g, f.clamp(f.sub(target, input), -delta, delta)),
)


@decomposition
def huber_loss(f, input, target, reduction, delta):
    return reduced(f, f._huber(input, target, delta), reduction)


@kernel
def _bernoulli_nll(xp, input, target):
    hits = xp.multiply(target, xp.maximum(xp.log(input), -100.0))
    misses = xp.multiply(xp.subtract(1.0, target), xp.maximum(xp.log1p(xp.negative(input)), -100.0))
    return xp.negative(xp.add(hits, misses))


# The forward bounds its logarithms, where a derivative would stop; the gradient bounds its divisor and goes on.
vjp(
    _bernoulli_nll,
    input=lambda f, g, input, target: f.div(
        f.mul(g, f.sub(input, target)), f.clamp_min(f.mul(f.sub(1.0, input), input), 1e-12)
    ),
    target=lambda f, g, input: f.mul(g, f.sub(f.log1p(f.neg(input)), f.log(input))),
)


_OUTSIDE = {
    "input": (OpError, "all elements of input should be between 0 and 1"),
    "target": (OpError, "all elements of target should be between 0 and 1"),
    "var": (OpValueError, "var has negative entry/entries"),
}


def _outside(_, argument):
    kind, words = _OUTSIDE[argument]
    return kind(words, argument=argument)


@kernel
def _within(xp, input, low, high, argument):
    inside = xp.logical_and(xp.greater_equal(input, low), xp.less_equal(input, high))
    xp.check_index(xp.cast(inside, dtypes.uint8), 1, 2, _outside, argument)
    return inside


@decomposition
def binary_cross_entropy(f, input, target, weight, reduction):
    f._within(input, 0.0, 1.0, "input")
    f._within(target, 0.0, 1.0, "target")
    losses = f._bernoulli_nll(input, target)
    return reduced(f, losses if weight is None else f.mul(losses, weight), reduction)


@decomposition
def binary_cross_entropy_with_logits(f, input, target, weight, reduction, pos_weight):
    misses = f.add(f.neg(target), 1.0)
    log_hit = f.logsigmoid(input)
    if pos_weight is None:
        losses = f.sub(f.mul(misses, input), log_hit)
    else:
        factor = f.add(f.mul(f.sub(pos_weight, 1.0), target), 1.0)
        losses = f.sub(f.mul(misses, input), f.mul(factor, log_hit))
    return reduced(f, losses if weight is None else f.mul(losses, weight), reduction)


@decomposition
def kl_div(f, input, target, reduction, log_target):
    if log_target:
        losses = f.mul(f.exp(target), f.sub(target, input))
    else:
        losses = f.sub(f.xlogy(target, target), f.mul(target, input))
    if reduction == "batchmean":
        return f.div(f.sum(losses), input.shape[0])
    return reduced(f, losses, reduction)


@decomposition
def cosine_embedding_loss(f, input1, input2, target, margin, reduction):
    product = f.sum(f.mul(input1, input2), -1)
    squares = [f.add(f.sum(f.mul(x, x), -1), 1e-12) for x in (input1, input2)]
    cosine = f.div(product, f.sqrt(f.mul(*squares)))
    alike = f.where(f.eq(target, 1), f.add(f.neg(cosine), 1.0), 0.0)
    apart = f.where(f.eq(target, -1), f.clamp(f.sub(cosine, margin), 0.0), 0.0)
    return reduced(f, f.add(alike, apart), reduction)


@decomposition
def margin_ranking_loss(f, input1, input2, target, margin, reduction):
    return reduced(f, f.clamp(f.add(f.mul(f.neg(target), f.sub(input1, input2)), margin), 0.0), reduction)


@decomposition
def hinge_embedding_loss(f, input, target, margin, reduction):
    apart = f.where(f.ne(target, 1), f.clamp(f.add(f.neg(input), margin), 0.0), 0.0)
    return reduced(f, f.add(apart, f.where(f.ne(target, -1), input, 0.0)), reduction)


@decomposition
def triplet_margin_loss(f, anchor, positive, negative, margin, p, eps, swap, reduction):
    near = f.pairwise_distance(anchor, positive, p, eps)
    far = f.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = f.minimum(far, f.pairwise_distance(positive, negative, p, eps))
    return reduced(f, f.clamp(f.add(f.sub(near, far), margin), 0.0), reduction)


@decomposition
def soft_margin_loss(f, input, target, reduction):
    return reduced(f, f.log1p(f.exp(f.neg(f.mul(target, input)))), reduction)


@decomposition
def multi_margin_loss(f, input, target, p, margin, weight, reduction):
    rows, flat = _rows_of(f, input), _flat(f, target)
    column = f.reshape(f._checked_targets(flat, rows.shape[1], -1), (-1, 1))
    gaps = f.add(f.sub(rows, f.gather(rows, 1, column)), margin)
    gaps = f.where(f.gt(gaps, 0), gaps, 0.0)
    gaps = gaps if p == 1 else f.mul(gaps, gaps)
    if weight is not None:
        gaps = f.mul(gaps, f.reshape(f.index_select(weight, 0, flat), (-1, 1)))
    others = f.ne(f.arange(0, rows.shape[1]), column)
    losses = f.div(f.sum(f.mul(gaps, others), 1), rows.shape[1])
    return reduced(f, losses if target.ndim == 1 else f.reshape(losses, target.shape), reduction)


@decomposition
def poisson_nll_loss(f, input, target, log_input, full, eps, reduction):
    if log_input:
        losses = f.sub(f.exp(input), f.mul(target, input))
    else:
        losses = f.sub(input, f.mul(target, f.log(f.add(input, eps))))
    if full:
        stirling = f.add(f.sub(f.mul(target, f.log(target)), target), f.mul(f.log(f.mul(target, 2 * math.pi)), 0.5))
        losses = f.add(losses, f.where(f.gt(target, 1), stirling, 0.0))
    return reduced(f, losses, reduction)


@decomposition
def gaussian_nll_loss(f, input, target, var, full, eps, reduction):
    f._within(f.where(f.isnan(var), 0.0, var), 0.0, math.inf, "var")
    if var.ndim == input.ndim - 1:
        var = f.reshape(var, (*var.shape, 1))
    bound = at_least(f, var, eps)
    apart = f.sub(input, target)
    losses = f.mul(f.add(f.log(bound), f.div(f.mul(apart, apart), bound)), 0.5)
    return reduced(f, f.add(losses, 0.5 * math.log(2 * math.pi)) if full else losses, reduction)
