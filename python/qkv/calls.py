"""The calls: attention, its gradients, its weights.

Letters of the shapes: B sequences, T queries, S keys, H query heads, G key heads (H is a multiple of G), D channels of
queries and keys, E channels of values.
"""

import numpy

from . import _native
from .formulas import Composition, takes_parts
from .inputs import Inputs
from .scalars import whole_number

#: As the library has it; each thread that is asked for is started.
_MOST_THREADS = 1024


class Gradients:
    """Gradients of sum(out * dout): dq, dk, dv, and those of learned parameters, by the parameter or the array given.

    dq, dk, dv = qkv.attention_backward(...) unpacks the three.
    """

    def __init__(self, dq, dk, dv, learned):
        self.dq, self.dk, self.dv, self._learned = dq, dk, dv, learned

    def __iter__(self):
        return iter((self.dq, self.dk, self.dv))

    def __getitem__(self, parameter):
        found = [
            g
            for p, g in self._learned
            if p is parameter or p.source is parameter or getattr(p, "stands_for", None) is parameter
        ]
        if not found:
            raise KeyError(
                "attention backward: expected a parameter that the call learned from; found another one (pass the same "
                "object that was given to the part)"
            )
        total = found[0]
        for more in found[1:]:
            total = total + more.reshape(total.shape)
        return total.reshape(parameter.shape if hasattr(parameter, "shape") else numpy.shape(parameter))

    @property
    def learned(self):
        """Every learned parameter and its gradient, in order."""
        return list(self._learned)

    def __repr__(self):
        shapes = f"dq {list(self.dq.shape)}, dk {list(self.dk.shape)}, dv {list(self.dv.shape)}"
        return f"{type(self).__name__}({shapes}, {len(self._learned)} learned)"


@takes_parts
def attention(q, k, v, *parts, layout="BTHD", return_lse=False, return_weights=False, precision="float32", **keywords):
    """Every query takes the weighted mean of the values, weighted by its similarity to the keys:

        out[b, t, h] = sum over s of  weighting(score(similarity(q[b, t, h], k[b, s, g])))  v[b, s, g]

    over the links (t, s) that the mask keeps.  Without parts: softmax(q . k / sqrt(D)), all links.

    q [B, T, H, D]    k [B, S, G, D]    v [B, S, G, E]    returns out [B, T, H, E]
        float32, any strides with unit stride in the last axis, read without a copy; float16 and bfloat16 (with the
        package ml_dtypes) are computed in float32 and come back as they are.  NumPy arrays, or anything with DLPack.
        k and v of bfloat16, or quantised to int8 (qkv.quantise), are read where they are.
        layout="BHTD": [B, H, T, D], [B, G, S, D], [B, G, S, E], also without a copy.
    parts, in any order, each optional: qkv.causal, qkv.softcap(30), qkv.sparsemax, ..., or a lambda: `lambda at: ...`
        is a mask, `lambda s, at: ...` a score.  The keywords take the same by name; besides,
        mask   an array of flags [B|1, H|1, T|1, S] (true: a link), or an additive one of floats (-inf: no link)
        bias   an array added to the scores [B|1, H|1, T|1, S], learned; leading axes may be left out
        scale  a number that replaces 1 / sqrt(D)
        dropout  a rate, or qkv.dropout(rate, seed)
        align  qkv.bottom_right (the default: the last query stands on the last key), qkv.top_left, ...
    return_lse      also the natural log of the sum of exp(score), [B, T, H] ([B, H, T] for layout="BHTD")
    return_weights  also every weight, [B, H, T, S] float32, from the definition in double precision: for short inputs
    precision       "oracle": the definition in double precision, about a hundred times slower; float64 in and out

    Heads share keys in groups when G < H (arXiv:2305.13245).  A query with no link gives 0, lse -infinity.
    Raises ValueError when shapes do not fit, TypeError for types, NotImplementedError for a part that is not fused yet.
    Cost: 4 D operations a live link; memory O((T + S) D), never T x S (arXiv:2205.14135).  The GIL is released.

    >>> import numpy, qkv
    >>> q = k = v = numpy.eye(4, dtype=numpy.float32).reshape(1, 4, 1, 4)
    >>> qkv.attention(q, k, v, qkv.causal, lambda s, at: 30 * qkv.tanh(s / 30)).shape
    (1, 4, 1, 4)
    """
    how, x = Composition(parts, keywords), Inputs(q, k, v, layout, precision, narrow=True)
    out, lse = run_forward(how, x)[0]
    results = [x.given_back(out[1], "q")]
    if return_lse:
        results.append(lse[1])
    if return_weights:
        results.append(_weights(how, x).astype(numpy.float64 if x.oracle else numpy.float32, copy=False))
    return results[0] if len(results) == 1 else tuple(results)


@takes_parts
def attention_backward(dout, q, k, v, *parts, out=None, lse=None, layout="BTHD", precision="float32", **keywords):
    """Gradients of sum(out * dout) with respect to q, k, v and every learned parameter.

    dout [B, T, H, E]; q, k, v and the parts are those of the forward call.  out and lse, if given as the forward call
    returned them, save computing them again.
    Returns Gradients: .dq [B, T, H, D], .dk [B, S, G, D], .dv [B, S, G, E]; gradients[p] for a learned p: a
    qkv.parameter, or the array that was given to a part.
    Raises as attention does.  Cost: 10 D operations a live link (Dao 2023, algorithm 2); memory O((T + S) D).

    >>> import numpy, qkv
    >>> q = k = v = numpy.eye(4, dtype=numpy.float32).reshape(1, 4, 1, 4)
    >>> slopes = qkv.parameter([0.5])
    >>> gradients = qkv.attention_backward(numpy.ones_like(v), q, k, v, qkv.alibi(slopes))
    >>> gradients.dq.shape, gradients[slopes].shape
    ((1, 4, 1, 4), (1,))
    """
    return run_backward(Composition(parts, keywords), Inputs(q, k, v, layout, precision), dout, out, lse)


class SecondGradients(Gradients):
    """As Gradients, with .ddout [B, T, H, E]; dq, dk, dv, ddout = ... unpacks the four."""

    def __init__(self, dq, dk, dv, ddout, learned):
        super().__init__(dq, dk, dv, learned)
        self.ddout = ddout

    def __iter__(self):
        return iter((self.dq, self.dk, self.dv, self.ddout))


@takes_parts
def attention_second_order(
    cotangents, dout, q, k, v, *parts, out=None, lse=None, layout="BTHD", precision="float32", **keywords
):
    """The gradient of a gradient: what a loss L of attention's own gradients sends back to q, k, v and dout.

        L = <dq, a> + <dk, b> + <dv, c>      dq, dk, dv = attention_backward(dout, q, k, v, ...), (a, b, c) = cotangents

    cotangents  three arrays of the shapes of dq, dk and dv; None counts as zeros
    dout [B, T, H, E]; q, k, v and the parts are those of the backward call.  out and lse, if given as the forward call
    returned them, save computing them again.
    Returns SecondGradients: .dq [B, T, H, D], .dk [B, S, G, D], .dv [B, S, G, E], .ddout [B, T, H, E].
    Softmax of scaled dot products under any mask, in any layout.  Raises NotImplementedError by name for scores,
    another similarity or weighting, a sink or dropout: precision="oracle" differentiates every composition twice,
    slowly, and then result[p] is a learned p's; else as attention does.
    Cost: 26 D + 18 E operations a live link; memory O((T + S) (D + E)), never T x S.
    Source: the chain rule through Dao et al. 2022, algorithm 4; Pearlmutter 1994 for what it is a product with.

    >>> import numpy, qkv
    >>> x = numpy.eye(4, dtype=numpy.float32).reshape(1, 4, 1, 4)
    >>> g = qkv.attention_second_order((x, None, None), x, x, x, x, qkv.causal)
    >>> [a.shape for a in g] == [(1, 4, 1, 4)] * 4
    True
    """
    how, x = Composition(parts, keywords), Inputs(q, k, v, layout, precision)
    return run_second_order(how, x, cotangents, dout, out, lse)


@takes_parts
def weights(q, k, v, *parts, layout="BTHD", **keywords):
    """Every weight, [B, H, T, S] in float64, by the definition; parts and keywords as in qkv.attention.

    For inputs short enough to be looked at (qkv.show draws them).  Cost: O(B H T S D), memory O(B H T S).
    """
    return _weights(Composition(parts, keywords), Inputs(q, k, v, layout, "oracle", narrow=True))


@takes_parts
def tiles(q, k, v, *parts, layout="BTHD", **keywords):
    """How many tiles (48 queries x 256 keys) a call finds empty, partial and full: (empty, partial, full).

    Empty ones are never computed.  Cost: that of the call.
    """
    return run_forward(Composition(parts, keywords), Inputs(q, k, v, layout, narrow=True))[1]


def run_forward(how, x):
    """((out for the engine, for the user), (lse ...)) and the counts of tiles."""
    formula, _ = how.formula(x)
    out, lse = x.new(x.results_shape()), x.new(x.q.shape[:3])
    if x.oracle:
        _native.oracle_forward(formula, x.q, x.k, x.v, how.layout(), out[0], lse[0])
        return (out, lse), None
    if x.narrow:
        return (out, lse), _native.narrow_forward(formula, x.q, *x.narrow, how.layout(), out[0], lse[0])
    return (out, lse), _native.forward(formula, x.q, x.k, x.v, how.layout(), out[0], lse[0])


class _Results:
    """Memory for the gradients of one call, and those that were written."""

    def __init__(self, how, x):
        self.formula, self.parameters = how.formula(x)
        self._x, self._pairs = x, [x.new(a.shape) for a in (x.q, x.k, x.v)]
        dtype = numpy.float64 if x.oracle else numpy.float32
        self.learned = [numpy.zeros(p.values.shape, dtype) for p in self.parameters]

    @property
    def written(self):
        return [inner for inner, _ in self._pairs]

    def gradients(self, kind=Gradients, *more):
        dq, dk, dv = (self._x.given_back(outer, name) for (_, outer), name in zip(self._pairs, "qkv"))
        return kind(dq, dk, dv, *more, list(zip(self.parameters, self.learned)))


def _forward_results(how, x, out, lse, inner):
    """out and lse as the engine reads them: computed, as the engine wrote them (inner), or as the user got them."""
    if out is None or lse is None:
        (out, _), (lse, _) = run_forward(how, x)[0]
        return out, lse
    if inner:
        return out, lse
    lse = numpy.asarray(lse)
    wanted = (x.q.shape[0], x.q.shape[2], x.q.shape[1]) if x.layout == "BHTD" else x.q.shape[:3]
    if lse.dtype != numpy.float32 or lse.shape != wanted:
        raise ValueError(
            f"attention backward: expected lse {list(wanted)} of float32, as attention returned it; found "
            f"{list(lse.shape)} of {lse.dtype} (left out, out and lse are computed again)"
        )
    return x.gradient(out, "out", x.results_shape()), x.swapped(lse)


def run_backward(how, x, dout, out=None, lse=None, inner=False):
    """Gradients, in the layout and type of the inputs.  inner: out and lse are as the engine wrote them."""
    dout, to = x.gradient_of_output(dout), _Results(how, x)
    if x.oracle:
        _native.oracle_backward(to.formula, x.q, x.k, x.v, how.layout(), dout, *to.written, to.learned)
    else:
        results = _forward_results(how, x, out, lse, inner)
        _native.backward(to.formula, x.q, x.k, x.v, how.layout(), *results, dout, *to.written, to.learned)
    return to.gradients()


def run_graph_forward(how, x, graphs, each):
    """(out for the engine, for the user), (lse ...) over the edges of graphs; the oracle has them as a mask."""
    if x.oracle:
        return run_forward(how, x)[0]
    formula, _ = how.formula(x)
    out, lse = x.new(x.results_shape()), x.new(x.q.shape[:3])
    _native.graph_forward(formula, x.q, x.k, x.v, how.layout(), graphs, each, out[0], lse[0])
    return out, lse


def run_graph_backward(how, x, graphs, each, dout):
    """Gradients over the edges of graphs."""
    if x.oracle:
        return run_backward(how, x, dout)
    dout, to = x.gradient_of_output(dout), _Results(how, x)
    _native.graph_backward(to.formula, x.q, x.k, x.v, how.layout(), graphs, each, dout, *to.written, to.learned)
    return to.gradients()


def run_second_order(how, x, cotangents, dout, out=None, lse=None, inner=False):
    """SecondGradients; inner as in run_backward."""
    if not isinstance(cotangents, (tuple, list)) or len(cotangents) != 3:
        raise TypeError(
            "attention second order: expected cotangents (of dq, of dk, of dv), each an array or None; found "
            f"{type(cotangents).__name__}"
        )
    cotangents = tuple(
        None if given is None else x.gradient(given, f"the cotangent of d{name}", like.shape)
        for given, name, like in zip(cotangents, "qkv", (x.q, x.k, x.v))
    )
    dout, to, ddout = x.gradient_of_output(dout), _Results(how, x), x.new(x.results_shape())
    where = (to.formula, x.q, x.k, x.v, how.layout())
    if x.oracle:
        _native.oracle_second_order(*where, dout, cotangents, *to.written, ddout[0], to.learned)
    else:
        results = _forward_results(how, x, out, lse, inner)
        try:
            _native.second_order(*where, *results, dout, cotangents, *to.written, ddout[0])
        except NotImplementedError as problem:
            raise NotImplementedError(
                f'{problem} (in Python: qkv.attention_second_order(..., precision="oracle"))'
            ) from None
    return to.gradients(SecondGradients, x.given_back(ddout[1], "q"))


def _weights(how, x):
    formula, _ = how.formula(x)
    q, k, v = (numpy.ascontiguousarray(a, dtype=numpy.float64) for a in (x.q, x.k, x.v))
    found = numpy.empty((q.shape[0], q.shape[2], q.shape[1], k.shape[1]))
    _native.oracle_weights(formula, q, k, v, how.layout(), found)
    return found


def set_threads(count):
    """Sets how many threads the engine uses, 1 to 1024.  Results do not depend on it.  Raises ValueError elsewhere."""
    _native.set_threads(whole_number("set_threads", "a number of threads", count, 1, _MOST_THREADS))


def threads():
    """How many threads the engine uses: $QKV_THREADS, else the number of processors, unless set."""
    return _native.threads()
