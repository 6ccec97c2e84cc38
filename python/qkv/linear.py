"""Linear attention: a state that is written at every token instead of a softmax over all of them."""

import inspect
from collections import namedtuple

from . import _native
from .formulas import lists_keywords, refuse_unknown
from .inputs import Inputs, plain_floats
from .program import Writer
from .scalars import real_number, shown
from .tracing import trace_weighting

READY_FEATURES = '"identity", "relu" or "elu_plus_one"'

LinearGradients = namedtuple("LinearGradients", "dq dk dv ddecay dbeta dstate")
LinearGradients.__doc__ = "Gradients of sum(out * dout) + sum(state * dstate); None where there is no such input."


def linear_attention_options(
    rule="linear",
    features="identity",
    causal=True,
    normalise=False,
    scale=None,
    decay=None,
    beta=None,
    state=None,
):
    """The options of linear attention, for the engine."""
    if callable(features):
        writer = Writer(None)
        features = writer.finish(writer.write(trace_weighting(features, "feature map")))
    elif not isinstance(features, str):
        raise TypeError(
            f"linear_attention: expected features {READY_FEATURES} or a lambda of x; found {type(features).__name__}"
        )
    if not isinstance(rule, str):
        raise TypeError(f"linear_attention: expected rule linear, gated, delta or gated_delta; found {shown(rule)}")
    scale = None if scale is None else real_number("linear_attention", "scale", scale)
    arrays = (plain_floats(x, name) for x, name in ((decay, "decay"), (beta, "beta"), (state, "state")))
    return rule, features, bool(causal), bool(normalise), scale, *arrays


_OPTIONS = {p.name: p.default for p in inspect.signature(linear_attention_options).parameters.values()}


def _takes_options(function):
    """A call whose **options are those of linear attention."""
    return lists_keywords(function, _OPTIONS)


def _asked(options):
    refuse_unknown(options, _OPTIONS, "those of linear attention")
    return linear_attention_options(**options)


@_takes_options
def linear_attention(q, k, v, *, layout="BTHD", return_state=False, **options):
    """Every query reads from a state S that the tokens before it, and its own, have written:

        out[b, t, h] = scale * S_t' phi(q[b, t, h])

        linear       S_t = S_{t-1} + k v'
        gated        S_t = exp(g) S_{t-1} + k v'
        delta        S_t = S_{t-1} + b k (v - S_{t-1}' k)'
        gated_delta  S_t = exp(g) S_{t-1} + b k (v - exp(g) S_{t-1}' k)'

    q [B, T, H, D]    k [B, S, G, D]    v [B, S, G, E]    returns [B, T, H, E]; types and layout as in qkv.attention
    features   phi of every channel of queries and keys: "identity", "relu", "elu_plus_one", or a lambda of one number,
               traced as those of attention are: lambda x: qkv.exp(x / 2)
    causal     query t reads S_t; otherwise all queries read the state after the last key (rule "linear")
    normalise  divides by what the same recurrence gives for values of 1 (rules "linear" and "gated")
    decay      g [B, T, G] or [B, T, G, D];  beta  b [B, T, G] or [B, T, 1];  scale  1 / sqrt(D) when not given
    state      S_0 [B, G, D, E], [B, G, D, E + 1] when normalised; return_state: also the one after the last token, with
               which the next call goes on
    The rules are those of ONNX's LinearAttention, under the same names.
    Raises ValueError, TypeError and NotImplementedError as qkv.attention does.
    Cost: about 2 D E + 64 (D + E) multiply-adds a token and head; never T x S.
    Source: Katharopoulos et al. 2020, arXiv:2006.16236; Yang et al. 2024, arXiv:2406.06484, arXiv:2412.06464.

    >>> import numpy, qkv
    >>> x = numpy.ones((1, 3, 1, 1), numpy.float32)
    >>> qkv.linear_attention(x, x, x)[0, :, 0, 0]
    array([1., 2., 3.], dtype=float32)
    >>> qkv.linear_attention(x, x, x, features=lambda x: 2 * x)[0, :, 0, 0]
    array([ 4.,  8., 12.], dtype=float32)
    """
    x = Inputs(q, k, v, layout)
    out, after = _native.linear_forward(x.q, x.k, x.v, _asked(options))
    out = x.given_back(x.swapped(out), "q")
    return (out, after) if return_state else out


@_takes_options
def linear_attention_backward(dout, q, k, v, *, dstate=None, layout="BTHD", **options):
    """Gradients of sum(out * dout) + sum(state * dstate): LinearGradients(dq, dk, dv, ddecay, dbeta, dstate).

    dout [B, T, H, E], dstate like the state, left out: zeros; the rest as in the forward call, which is computed again.
    Cost: three to four times the forward pass.
    """
    x = Inputs(q, k, v, layout)
    found = _native.linear_backward(
        x.q, x.k, x.v, _asked(options), x.gradient_of_output(dout), plain_floats(dstate, "dstate")
    )
    inputs = [x.given_back(x.swapped(g), name) for g, name in zip(found, "qkv")]
    return LinearGradients(*inputs, *found[3:])
