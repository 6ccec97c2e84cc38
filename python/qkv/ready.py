"""Ready-made masks, scores, similarities, weightings and layouts: those of the C++ library, by the same names."""

import math

import numpy

from . import lookups
from .expressions import floor, hash, log, maximum, minimum, tanh, where
from .parts import Alignment, Dropout, Mask, Scale, Score, Sequences, Similarity, Weighting


def _refuse(operation, expected, found):
    raise ValueError(f"{operation}: expected {expected}; found {found}")


# Counts of places beyond this one mean the same: no axis has as many.
_MOST_PLACES = 1 << 30

# Masks.

everything = Mask(lambda at: (at.key * 0) == 0).named("everything")
everything.__doc__ = "Every link exists (the default)."
causal = Mask(lambda at: at.query >= at.key).named("causal")
causal.__doc__ = "A query attends to its own place and everything before it."


def sliding_window(width=None, *, left=None, right=None):
    """Keys closer than `width` places: |query - key| < width.  Or left= and right= sides, both ends included.

    With `causal &` each query sees its `width` latest keys, itself included (Mistral 7B, arXiv:2310.06825).
    """
    if width is not None:
        if width < 0:
            _refuse("sliding_window", "a width of at least 0", width)
        most = min(width, _MOST_PLACES)
        return Mask(lambda at: abs(at.query - at.key) < most).named(f"sliding_window({width})")
    left, right = left or 0, right or 0
    if left < 0 or right < 0:
        _refuse("sliding_window", "sides of at least 0", f"{left} and {right}")
    most_left, most_right = min(left, _MOST_PLACES), min(right, _MOST_PLACES)
    return Mask(lambda at: (at.query - at.key <= most_left) & (at.key - at.query <= most_right)).named(
        f"sliding_window(left={left}, right={right})"
    )


def dilated(stride):
    """Every `stride`-th key, counted from the query (Longformer, arXiv:2004.05150)."""
    if stride < 1:
        _refuse("dilated", "a stride of at least 1", stride)
    step = min(stride, _MOST_PLACES)
    return Mask(lambda at: (at.query - at.key) % step == 0).named(f"dilated({stride})")


def global_tokens(count):
    """The first `count` tokens see everyone and are seen by everyone; or flags [S] or [B, S] of such tokens."""
    if lookups.is_array(count) or isinstance(count, lookups.Table):
        flags = _table(count)
        return Mask(lambda at: (flags[at.batch, at.query] != 0) | (flags[at.batch, at.key] != 0)).named(
            f"global_tokens({flags!r})"
        )
    if count < 0:
        _refuse("global_tokens", "a count of at least 0", count)
    most = min(count, _MOST_PLACES)
    return Mask(lambda at: (at.query < most) | (at.key < most)).named(f"global_tokens({count})")


def random_blocks(block, count, seed=0):
    """Every block of `block` queries sees `count` blocks of keys drawn at random (BigBird, arXiv:2007.14062)."""
    if block < 1 or count < 1:
        _refuse("random_blocks", "a block and a count of at least 1", f"{block} and {count}")

    def rule(at):
        def drawn(n):
            return hash(seed + n, at.query // block, 0) % ((at.keys + block - 1) // block) == at.key // block

        found = drawn(0)
        for n in range(1, count):
            found = found | drawn(n)
        return found

    return Mask(rule).named(f"random_blocks({block}, {count}, seed={seed})")


def prefix(length):
    """The first `length` keys, or one length a sequence, [B].  `causal | prefix(n)` is the prefix language model."""
    if lookups.is_array(length) or isinstance(length, (lookups.Table, list)):
        lengths = _table(length)
        return Mask(lambda at: at.key < lengths[at.batch]).named(f"prefix({lengths!r})")
    if length < 0:
        _refuse("prefix", "a length of at least 0", length)
    most = min(length, _MOST_PLACES)
    return Mask(lambda at: at.key < most).named(f"prefix({length})")


def same_document(ids):
    """Links only inside one document: ids [S] or [B, S] names each token's document."""
    ids = _table(ids)
    return Mask(lambda at: ids[at.batch, at.query] == ids[at.batch, at.key]).named(f"same_document({ids!r})")


def key_lengths(lengths):
    """Only the first lengths[b] keys of sequence b are real; the rest is padding.  lengths [B]."""
    lengths = _table(lengths)
    return Mask(lambda at: at.key < lengths[at.batch]).named(f"key_lengths({lengths!r})")


def _table(values):
    return values if isinstance(values, lookups.Table) else lookups.Table(values)


# Scores.


def softcap(cap):
    """Keeps scores within (-cap, cap): cap * tanh(s / cap) (Gemma 2, arXiv:2408.00118)."""
    if not 0 < cap < math.inf:
        _refuse("softcap", "a cap above 0", cap)
    return Score(lambda s, at: cap * tanh(s / cap)).named(f"softcap({cap:g})")


def alibi(slopes):
    """Attention with linear biases (arXiv:2108.12409): s - slopes[head] * |query - key|.  slopes [H], learned."""
    slopes = _parameter(slopes, "alibi slopes", "H")
    return Score(lambda s, at: s - slopes[at.head] * abs(at.query - at.key)).named(f"alibi({slopes!r})")


def alibi_slopes(heads):
    """The paper's slopes for `heads` heads (a power of two): 2^(-8/heads), 2^(-16/heads), ...

    >>> import qkv
    >>> qkv.alibi_slopes(4)
    array([0.25      , 0.0625    , 0.015625  , 0.00390625], dtype=float32)
    """
    return numpy.exp2(-8.0 * numpy.arange(1, heads + 1) / heads).astype(numpy.float32)


def relative_bias(bias, bidirectional=True, max_distance=128):
    """T5's relative position bias (arXiv:1910.10683): s + bias[head, bucket(key - query)].  bias [H, R], learned."""
    bias = _parameter(bias, "relative bias", "H R")
    if len(bias.shape) != 2:
        _refuse("relative_bias", "bias [H, R]", list(bias.shape))
    buckets = bias.shape[1] // (2 if bidirectional else 1)
    exact = buckets // 2
    if exact < 1 or max_distance <= exact:
        _refuse("relative_bias", "buckets for near and far distances", f"{bias.shape[1]} buckets up to {max_distance}")
    far = math.log(max_distance / exact)

    def rule(s, at):
        ahead = at.key - at.query
        distance = abs(ahead) if bidirectional else maximum(-ahead, 0)
        coarse = exact + floor(log(maximum(distance, 1) / exact) / far * (buckets - exact))
        bucket = where(distance < exact, distance, minimum(coarse, buckets - 1))
        if bidirectional:
            bucket = bucket + where(ahead > 0, buckets, 0)
        return s + bias[at.head, bucket]

    return Score(rule).named(f"relative_bias({bias!r})")


def _parameter(values, name, letters):
    if isinstance(values, lookups.Parameter):
        if not values.letters:
            values.letters = letters
        return values
    return lookups.Parameter(values, name, letters)


# Similarities.

dot = Similarity(None, name="dot")
cosine = Similarity(None, name="cosine")
negative_squared_distance = Similarity(None, name="negative_squared_distance")


def additive(v):
    """v . tanh(q + k), the one-layer network of Bahdanau (arXiv:1409.0473).  v [D], learned."""
    return Similarity(None, _parameter(v, "channel weights", "D"), name="additive")


def bilinear(matrix):
    """q' W k, unscaled, with a learned matrix W [D, D] or one for each head [H, D, D] (arXiv:1508.04025, eq. 7)."""
    return Similarity(None, _parameter(matrix, "matrix", ""), name="bilinear")


# Weightings.

softmax = Weighting(None, name="softmax")
uniform = Weighting(None, name="uniform")
hardmax = Weighting(None, name="hardmax")
sparsemax = Weighting(None, name="sparsemax")
entmax15 = Weighting(None, name="entmax15")


def softmax_with_sink(sinks):
    """Softmax with one more score a head that takes weight and gives no value.  sinks [H], learned."""
    return Weighting(None, name="softmax_with_sink", sink=_parameter(sinks, "sinks", "H"))


def top_k(count):
    """Softmax over the `count` best links of each row; ties go to the earlier key."""
    if count < 1:
        _refuse("top_k", "a count of at least 1", count)
    return Weighting(None, name="top_k", number=count).named(f"top_k({count})")


def sigmoid_weights(bias=0.0):
    """1 / (1 + exp(-score - bias)), not normalised.  Pass -log(T) as in arXiv:2409.04431."""
    return Weighting(None, name="sigmoid_weights", number=bias).named(f"sigmoid_weights({bias:g})")


def relu_weights(factor=1.0):
    """factor * max(score, 0), not normalised (arXiv:2309.08586 with factor 1 / T)."""
    return Weighting(None, name="relu_weights", number=factor).named(f"relu_weights({factor:g})")


def squared_relu_weights(factor=1.0):
    """factor * max(score, 0)^2, not normalised."""
    return Weighting(None, name="squared_relu_weights", number=factor).named(f"squared_relu_weights({factor:g})")


def signed_weights(by_division=False):
    """The score itself, which may be negative; by_division: divided by the sum of magnitudes of its row."""
    return Weighting(None, "by_division" if by_division else False, name="signed_weights").named(
        f"signed_weights({'by_division=True' if by_division else ''})"
    )


# Scale, layout, dropout.


def scale(factor):
    """Replaces the similarity's own scale (1 / sqrt(D) for dot)."""
    return Scale(factor)


bottom_right = Alignment(True, 0)
bottom_right.__doc__ = "The last query stands on the last key (the default)."
top_left = Alignment(False, 0)
top_left.__doc__ = "Query 0 stands on key 0 (PyTorch's is_causal)."


def queries_start_at(place):
    """Query 0 stands on key `place` (chunked prefill)."""
    return Alignment(False, place)


def packed(query_offsets, key_offsets=None):
    """Sequences lie end to end in one row of the batch, sequence b from offsets[b] to offsets[b + 1]."""
    return Sequences("packed", query_offsets, key_offsets)


def padded(query_lengths, key_lengths=None):
    """Sequence b fills the first lengths[b] places of its row; outputs past the end are zero."""
    return Sequences("padded", query_lengths, key_lengths)


def dropout(rate, seed=0):
    """Weights are dropped with this probability after they were normalised, the others divided by 1 - rate.

    Which ones is a function of the seed and the link's place.  Take another seed for each layer and step.
    """
    if not 0 <= rate < 1:
        _refuse("attention_dropout", "a rate from 0 to below 1", rate)
    return Dropout(rate, seed)


__all__ = [
    "additive",
    "alibi",
    "alibi_slopes",
    "bilinear",
    "bottom_right",
    "causal",
    "cosine",
    "dilated",
    "dot",
    "dropout",
    "entmax15",
    "everything",
    "global_tokens",
    "hardmax",
    "key_lengths",
    "negative_squared_distance",
    "packed",
    "padded",
    "prefix",
    "queries_start_at",
    "random_blocks",
    "relative_bias",
    "relu_weights",
    "same_document",
    "scale",
    "sigmoid_weights",
    "signed_weights",
    "sliding_window",
    "softcap",
    "softmax",
    "softmax_with_sink",
    "sparsemax",
    "squared_relu_weights",
    "top_k",
    "top_left",
    "uniform",
]
