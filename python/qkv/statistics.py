"""What attention looks at, without a T x S matrix."""

import numpy

from . import _native, lookups
from .formulas import Composition, takes_parts
from .inputs import Inputs
from .scalars import MOST_PLACES, shown, whole_number

_NAME = "attention statistics"


class Statistics:
    """What was asked for, as arrays; what was not is None.

    lse [B, T, H]          the score that would weigh 1; for softmax the log-sum-exp
    entropy [B, T, H]      -sum p log p, natural units
    maximum [B, T, H]      the greatest weight
    received [B, S, H]     sum of weights over queries
    top_keys [B, T, H, K]  int32, greatest weight first; -1 where a row has fewer links
    top_weights [B, T, H, K]
    distances [N, H, T + S - 1]  mean over queries of the weight at key - row = index - (T - 1)
    detected [N, H, 3]     mean weight on the token before, on an earlier equal token, on what followed one
    map [N, H, R, W]       mean weight of the links in each cell
    """

    def __init__(self, arrays):
        self.__dict__.update(arrays)

    def __repr__(self):
        there = [f"{name} {list(a.shape)}" for name, a in self.__dict__.items() if a is not None]
        return f"Statistics({', '.join(there)})"


@takes_parts
def attention_statistics(
    q,
    k,
    *parts,
    entropy=True,
    maximum=True,
    received=True,
    top=8,
    distances=False,
    tokens=None,
    map=None,
    map_shape=(0, 0),
    shares=None,
    layout="BTHD",
    **keywords,
):
    """What the weights of attention(q, k, ..., *parts) are like, before dropout.

    q [B, T, H, D], k [B, S, G, D] as in qkv.attention; parts and keywords too.
    top       how many of the strongest links of each query, 0 to 64
    tokens    [B, S] whole numbers, what stands at each place: asks for the detectors
    map       (row, rows, key, keys), a rectangle of links, pooled into map_shape (R, W) cells; (0, 0): one a link, so
              map=(row, 1, 0, S) is one exact row of weights
    shares    [B, T]: what each query counts in `received`
    Returns Statistics, always in the order [B, T, H, ...].
    Raises ValueError as attention does, and for a rectangle outside T x S.
    Cost: half of attention's products and a few passes over each row; memory O((T + S) D).
    Source: Clark et al. 2019, arXiv:1906.04341; Olsson et al. 2022, arXiv:2209.11895.

    >>> import numpy, qkv
    >>> q = numpy.zeros((1, 4, 1, 8), numpy.float32)
    >>> qkv.attention_statistics(q, q, qkv.causal, top=2).entropy[0, :, 0].round(2) + 0
    array([0.  , 0.69, 1.1 , 1.39], dtype=float32)
    """
    how, x = Composition(parts, keywords), Inputs(q, k, k, layout)
    formula, _ = how.formula(x)
    if tokens is not None:
        tokens = lookups.as_numpy(tokens, "tokens")
        if tokens.dtype.kind not in "iu" or tokens.shape != (x.k.shape[0], x.k.shape[1]):
            raise ValueError(
                f"attention statistics: expected tokens [B, S] of whole numbers; found {tokens.dtype} "
                f"{list(tokens.shape)}"
            )
        tokens = lookups.Table(tokens, "tokens").values.reshape(-1).tolist()
    if shares is not None:
        shares = lookups.as_numpy(shares, "shares")
        if shares.dtype.kind not in "iuf":
            raise TypeError(f"attention statistics: expected shares [B, T] of numbers; found {shares.dtype}")
        shares = numpy.ascontiguousarray(shares, numpy.float32)
    found = _native.statistics(
        formula,
        x.q,
        x.k,
        how.layout(),
        (bool(entropy), bool(maximum), bool(received), bool(distances)),
        whole_number(_NAME, "top", top, 0, 64),
        tokens or [],
        None if map is None else _wholes("map=(row, rows, key, keys)", map, 4),
        tuple(_wholes("map_shape=(R, W)", map_shape, 2)),
        shares,
    )
    return Statistics(found)


def _wholes(what, given, count):
    """The whole numbers of a tuple of so many."""
    if not hasattr(given, "__len__") or len(given) != count:
        found = f"{len(given)} numbers" if hasattr(given, "__len__") else shown(given)
        raise ValueError(f"{_NAME}: expected {what}; found {found}")
    return [whole_number(_NAME, what, n, -MOST_PLACES, MOST_PLACES) for n in given]


@takes_parts
def attention_rollout(layers, token, *parts, layout="BTHD", **keywords):
    """How much of one token's result comes from each place, through every layer of a model: [B, S], rows sum to 1.

        r = e_token;   last layer to first:   r = r / 2 + r (mean over heads of the layer's weights) / 2

    layers    [(q, k), ...], first to last, of self-attention over the same tokens: q [B, T, H, D], k [B, T, G, D]; a
              layer with parts of its own is (q, k, part, ...)
    token     whose result, 0 to T - 1
    parts, keywords  those of every layer, as in qkv.attention; sequences are whole, queries stand on their own places
    Raises ValueError and TypeError as attention does, NotImplementedError for packed or padded sequences.
    Cost: statistics of each layer; never T x S.
    Source: Abnar & Zuidema 2020, arXiv:2005.00928.

    >>> import numpy, qkv
    >>> x = numpy.zeros((1, 3, 1, 4), numpy.float32)
    >>> qkv.attention_rollout([(x, x), (x, x)], 2, qkv.causal).round(2)
    array([[0.32, 0.24, 0.44]], dtype=float32)
    """
    if not isinstance(layers, (tuple, list)):
        raise TypeError(f"attention rollout: expected layers as a list of (q, k); found {shown(layers)}")
    token = whole_number("attention rollout", "a token", token, -MOST_PLACES, MOST_PLACES)
    told, compositions = [], []  # which keep what formulas point to
    for n, layer in enumerate(layers):
        if not isinstance(layer, (tuple, list)) or len(layer) < 2:
            raise TypeError(
                f"attention rollout: expected layer {n} as (q, k) or (q, k, part, ...); found {shown(layer)}"
            )
        q, k, *own = layer
        how, x = Composition((*parts, *own), keywords), Inputs(q, k, k, layout)
        align = how.alignment
        if how.sequences is not None or not (align is None or align.from_end or align.offset == 0):
            raise NotImplementedError(
                "attention rollout: expected whole sequences whose queries stand on their own places; found "
                f"{how.sequences or align!r}"
            )
        told.append((how.formula(x)[0], x.q, x.k))
        compositions.append(how)
    return _native.rollout(told, token)


@takes_parts
def head_similarity(q, k, *parts, layout="BTHD", **keywords):
    """Cosine between the weights of every two heads, [N, H, H] (as vectors of T S numbers), without T x S memory."""
    how, x = Composition(parts, keywords), Inputs(q, k, k, layout)
    return _native.head_similarity(how.formula(x)[0], x.q, x.k, how.layout())
