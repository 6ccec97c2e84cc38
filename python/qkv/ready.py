"""Ready-made masks, scores, similarities, weightings and layouts: those of the C++ library, by the same names."""

import math

import numpy

from . import lookups
from .expressions import floor, hash, log, maximum, minimum, tanh, where
from .parts import Alignment, Dropout, Mask, Scale, Score, Sequences, Similarity, Weighting
from .scalars import MOST_PLACES, real_number, whole_number, written


def _refuse(operation, expected, found):
    raise ValueError(f"{operation}: expected {expected}; found {found}")


def _count(operation, what, x, least=0):
    """A count of places; beyond any axis they mean the same."""
    return min(whole_number(operation, what, x, least), MOST_PLACES)


#: Blocks are drawn one by one, and a program has as many instructions at most.
_MOST_DRAWN = 4096

# Masks.

everything = Mask(lambda at: (at.key * 0) == 0).named("everything")
everything.__doc__ = "Every link exists (the default)."
causal = Mask(lambda at: at.query >= at.key).named("causal")
causal.__doc__ = "A query attends to its own place and everything before it."


def sliding_window(width=None, *, left=None, right=None):
    """Keys closer than `width` places: |query - key| < width.  Or left= and right= sides, both ends included.

    With `causal &` each query sees its `width` latest keys, itself included (Mistral 7B, arXiv:2310.06825).
    """
    if (width is None) == (left is None and right is None):
        _refuse(
            "sliding_window",
            "a width, or sides as left= and right=",
            "none of them" if width is None else "both",
        )
    if width is not None:
        most = _count("sliding_window", "a width", width)
        return Mask(lambda at: abs(at.query - at.key) < most).named(f"sliding_window({width})")
    most_left, most_right = (_count("sliding_window", "sides", side or 0) for side in (left, right))
    return Mask(lambda at: (at.query - at.key <= most_left) & (at.key - at.query <= most_right)).named(
        f"sliding_window(left={left or 0}, right={right or 0})"
    )


def dilated(stride):
    """Every `stride`-th key, counted from the query (Longformer, arXiv:2004.05150)."""
    step = _count("dilated", "a stride", stride, 1)
    return Mask(lambda at: (at.query - at.key) % step == 0).named(f"dilated({stride})")


def global_tokens(count):
    """The first `count` tokens see everyone and are seen by everyone; or flags [S] or [B, S] of such tokens."""
    if _is_several(count):
        given = _table(count, "flags")
        if given.values.size and not (0 <= given.values.min() and given.values.max() <= 1):
            _refuse("global_tokens", "a count, or a flag for each token, true where it is global", "other numbers")
        flags = lookups.Table(given.values != 0, given.name)
        return Mask(lambda at: flags[at.batch, at.query] | flags[at.batch, at.key]).named(f"global_tokens({given!r})")
    most = _count("global_tokens", "a count", count)
    return Mask(lambda at: (at.query < most) | (at.key < most)).named(f"global_tokens({count})")


def random_blocks(block, count, seed=0):
    """Every block of `block` queries sees `count` blocks of keys drawn at random (BigBird, arXiv:2007.14062)."""
    side = _count("random_blocks", "a block", block, 1)
    count = whole_number("random_blocks", "a count", count, 1, _MOST_DRAWN)
    seed = whole_number("random_blocks", "a seed", seed)

    def rule(at):
        def drawn(n):
            return hash(seed + n, at.query // side, 0) % ((at.keys + side - 1) // side) == at.key // side

        found = drawn(0)
        for n in range(1, count):
            found = found | drawn(n)
        return found

    return Mask(rule).named(f"random_blocks({block}, {count}, seed={seed})")


def prefix(length):
    """The first `length` keys, or one length a sequence, [B].  `causal | prefix(n)` is the prefix language model."""
    if _is_several(length):
        lengths = _table(length, "lengths")
        return Mask(lambda at: at.key < lengths[at.batch]).named(f"prefix({lengths!r})")
    most = _count("prefix", "a length", length)
    return Mask(lambda at: at.key < most).named(f"prefix({length})")


def same_document(ids):
    """Links only inside one document: ids [S] or [B, S] names each token's document."""
    ids = _table(ids, "ids")
    return Mask(lambda at: ids[at.batch, at.query] == ids[at.batch, at.key]).named(f"same_document({ids!r})")


def key_lengths(lengths):
    """Only the first lengths[b] keys of sequence b are real; the rest is padding.  lengths [B]."""
    lengths = _table(lengths, "lengths")
    return Mask(lambda at: at.key < lengths[at.batch]).named(f"key_lengths({lengths!r})")


def _is_several(x):
    return lookups.is_array(x) or isinstance(x, (lookups.Table, list, tuple))


def _table(values, name):
    return values if isinstance(values, lookups.Table) else lookups.Table(values, name)


# Scores.


def softcap(cap):
    """Keeps scores within (-cap, cap): cap * tanh(s / cap) (Gemma 2, arXiv:2408.00118)."""
    cap = real_number("softcap", "a cap", cap)
    if cap <= 0:
        _refuse("softcap", "a cap above 0", written(cap))
    return Score(lambda s, at: cap * tanh(s / cap)).named(f"softcap({written(cap)})")


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
    heads = whole_number("alibi_slopes", "a number of heads", heads, 1, MOST_PLACES)
    return numpy.exp2(-8.0 * numpy.arange(1, heads + 1) / heads).astype(numpy.float32)


def relative_bias(bias, bidirectional=True, max_distance=128):
    """T5's relative position bias (arXiv:1910.10683): s + bias[head, bucket(key - query)].  bias [H, R], learned."""
    bias = _parameter(bias, "relative bias", "H R")
    max_distance = _count("relative_bias", "a max_distance", max_distance, 1)
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
    number = _count("top_k", "a count", count, 1)
    return Weighting(None, name="top_k", number=number).named(f"top_k({count})")


def sigmoid_weights(bias=0.0):
    """1 / (1 + exp(-score - bias)), not normalised.  Pass -log(T) as in arXiv:2409.04431."""
    bias = real_number("sigmoid_weights", "a bias", bias)
    return Weighting(None, name="sigmoid_weights", number=bias).named(f"sigmoid_weights({written(bias)})")


def relu_weights(factor=1.0):
    """factor * max(score, 0), not normalised (arXiv:2309.08586 with factor 1 / T)."""
    factor = real_number("relu_weights", "a factor", factor)
    return Weighting(None, name="relu_weights", number=factor).named(f"relu_weights({written(factor)})")


def squared_relu_weights(factor=1.0):
    """factor * max(score, 0)^2, not normalised."""
    factor = real_number("squared_relu_weights", "a factor", factor)
    return Weighting(None, name="squared_relu_weights", number=factor).named(f"squared_relu_weights({written(factor)})")


def signed_weights(by_division=False):
    """The score itself, which may be negative; by_division: divided by the sum of magnitudes of its row."""
    if not isinstance(by_division, (bool, numpy.bool_)):
        raise TypeError(f"signed_weights: expected by_division True or False; found {by_division!r}")
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
