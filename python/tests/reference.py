"""Attention in NumPy, in double precision, with the whole matrix: written without the library's code."""

import numpy


def softmax(scores, kept):
    scores = numpy.where(kept, scores, -numpy.inf)
    most = scores.max(axis=-1, keepdims=True, initial=-numpy.inf)
    weights = numpy.exp(scores - numpy.where(numpy.isfinite(most), most, 0))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / numpy.where(total == 0, 1, total)


def places(t, s, from_end=True):
    """Query places and key places that broadcast to [T, S]."""
    return numpy.arange(t)[:, None] + (s - t if from_end else 0), numpy.arange(s)[None, :]


def attention(q, k, v, kept=True, change=lambda scores: scores, scale=None, weigh=softmax):
    """[B, T, H, D] in, [B, T, H, E] and the weights [B, H, T, S] out."""
    q, k, v = (x.astype(numpy.float64).transpose(0, 2, 1, 3) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat(group, axis=1), v.repeat(group, axis=1)
    scores = change(q @ k.transpose(0, 1, 3, 2) * (1 / numpy.sqrt(q.shape[3]) if scale is None else scale))
    weights = weigh(scores, numpy.broadcast_to(kept, scores.shape))
    return (weights @ v).transpose(0, 2, 1, 3), weights


def numbers(*shape, seed=0, dtype=numpy.float32):
    return numpy.random.default_rng(seed).standard_normal(shape).astype(dtype)


def qkv_of(b=2, t=37, s=51, h=4, g=2, d=16, e=12, dtype=numpy.float32):
    return (
        numbers(b, t, h, d, seed=1, dtype=dtype),
        numbers(b, s, g, d, seed=2, dtype=dtype),
        numbers(b, s, g, e, seed=3, dtype=dtype),
    )


def apart(a, b):
    """The largest difference; infinity where shapes differ or one is NaN."""
    a, b = numpy.asarray(a, float), numpy.asarray(b, float)
    if a.shape != b.shape:
        return numpy.inf
    difference = numpy.abs(a - b).max(initial=0)
    return numpy.inf if numpy.isnan(difference) else difference
